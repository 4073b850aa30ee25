# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves the counters of the rules that decide a flow: one connection, or for what peers open, a look at what comes in.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import select
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import reading
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import Flow
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Chain, Decision, Phase, Rule, Run

# Less than a second: what gets no answer is sent again then, and the counter would move twice.
_CONNECT_S = 0.8
# A client that gets no answer sends again after 1 and after 3 seconds.
_WATCH_S = 3.5


def packets_of(chains: t.Iterable[Chain]) -> dict[t.Any, int]:
    """The counters of all rules that have one."""
    return {rule.key: rule.packets for _chain, rule in reading.rules_of(chains) if rule.packets is not None}


def provoke(flow: Flow, context: Context) -> bool:
    """One connection attempt of the flow's user, or one empty datagram. For inbound flows, the time in which peers try again.

    :returns: whether it connected, so that nothing can have stopped it.
    """
    if flow.direction == "inbound":
        time.sleep(context.deadline.allow(_WATCH_S))
        return False
    sock = _socket_of(flow)
    try:
        sock.setblocking(False)
        sock.bind((flow.local, 0))
        sock.connect_ex((flow.peer, flow.peer_port.low))
        if flow.protocol == "udp":
            sock.send(b"")
            return False
        poller = select.poll()
        poller.register(sock, select.POLLOUT)
        return bool(poller.poll(context.deadline.allow(_CONNECT_S) * 1000)) and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError:
        return False  # what the filter said: the counters tell
    finally:
        sock.close()


def _socket_of(flow: Flow) -> socket.socket:
    """A socket that rules about owners take for the flow's user's: its owner is the file system user of the thread that made it."""
    family = socket.AF_INET6 if ":" in flow.peer else socket.AF_INET
    kind = socket.SOCK_DGRAM if flow.protocol == "udp" else socket.SOCK_STREAM
    if not isinstance(flow.uid, int) or flow.uid == os.geteuid():
        return socket.socket(family, kind)
    import ctypes  # slow to load, and seldom needed

    library = ctypes.CDLL(None)
    library.setfsuid(flow.uid)
    try:
        return socket.socket(family, kind)
    finally:
        library.setfsuid(os.geteuid())


class Moved(t.NamedTuple):
    """How many packets each rule has counted meanwhile, and whether the connection was made."""

    delta: dict[t.Any, int]
    connected: bool

    def of(self, rule: Rule | None) -> int | None:
        """None where it has no counter."""
        return None if rule is None else self.delta.get(rule.key)


def moved(before: dict[t.Any, int], after: dict[t.Any, int], connected: bool) -> Moved:
    return Moved({key: packets - before[key] for key, packets in after.items() if key in before}, connected)


def proved(decision: Decision, name: str, seen: Moved) -> Phase | None:
    """What happened, of all that could: the outcome of those walks whose assumptions the counters bear out, if it is one."""
    happened = [run.phases[name] for run in decision.runs if _borne_out(run, name, seen)]
    return happened[0] if len({phase.verdict.outcome for phase in happened}) == 1 else None


def _borne_out(run: Run, name: str, seen: Moved) -> bool:
    if seen.connected and run.phases[name].verdict.action != "accept":
        return False
    counted = [(seen.of(rule), assumed) for rule, _doubt, assumed in run.assumptions.values()]
    return all(delta is None or (delta > 0) == assumed for delta, assumed in counted)
