# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many connections to one port, to tell a path that loses packets from one that works: how many stand, and how many SYNs it took.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow, _loss
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._kernel_counters import tcp_counters
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_burst import MOST_CONNECTIONS, connect_many

_SPACING_S = 0.02
_COUNTERS = {"TCPSynRetrans": "syn_retransmits_host", "TCPRetransFail": "retransmit_failures_host"}
# Of a SYN that is sent again after 1, 2 and 4 seconds (RFC 6298), with room for a slow path.
_STEPS_MS = (("at_once", 0, 900), ("after_1_s", 900, 2900), ("after_3_s", 2900, 6900), ("later", 6900, float("inf")))


def burst_seconds(count: int, wait_s: float) -> float:
    """How long a burst may take, in seconds."""
    return min(count, MOST_CONNECTIONS) * _SPACING_S + wait_s


def observe_burst(context: Context, address: str, port: int, count: int, wait_s: float) -> None:
    """Records ``tcp.burst``: ``count``, ``succeeded``, ``success_rate`` with its interval of 95 % (``rate_low``, ``rate_high``), ``errors``
    (by errno name), ``elapsed_ms`` (``min``, ``median``, ``p95``, ``max``, ``jitter``) and ``steps`` of those that stood (``at_once``,
    ``after_1_s``, ``after_3_s``, ``later``), ``needed_again`` (connections whose SYN was sent again, as the kernel counts),
    ``retransmits`` (those SYNs), ``handshake_loss`` (of the SYNs, the share without an answer in time) with its interval
    (``loss_low``, ``loss_high``); null where this kernel does not count. ``…_host``: the same counters of the whole host meanwhile.

    :param count: at most 500. :param wait_s: seconds for the last connection.
    """
    started = time.time()
    count = min(count, MOST_CONNECTIONS)
    before = tcp_counters(tuple(_COUNTERS))
    ended = connect_many(address, port, [0] * count, context.deadline.allow(wait_s), _SPACING_S)
    after = tcp_counters(tuple(_COUNTERS))
    stood = [one.elapsed_ms for one in ended if not one.error]
    low, high = _loss.interval(len(stood), len(ended))
    data: dict[str, t.Any] = {
        "address": address,
        "port": port,
        "count": len(ended),
        "succeeded": len(stood),
        "success_rate": round(len(stood) / len(ended), 4),
        "rate_low": low,
        "rate_high": high,
        "errors": _tally(one.error for one in ended if one.error),
        "elapsed_ms": _loss.spread(stood),
        "steps": {name: sum(least <= one < most for one in stood) for name, least, most in _STEPS_MS},
    }
    data.update(_retransmits([one.retransmits for one in ended]))
    data.update({name: after[counter] - before[counter] for counter, name in _COUNTERS.items()})
    status = "ok" if len(stood) == len(ended) and not data["retransmits"] else "warn" if stood else "fail"
    context.observe("tcp.burst", status, _flow.host_port(address, port), _sentence(data), data=data, started=started,
                    reproduce="for i in $(seq %d); do nc -zv -w 5 %s %d; done; nstat TcpExtTCPSynRetrans" % (count, address, port))


def _tally(names: t.Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _retransmits(counts: list[int | None]) -> dict[str, t.Any]:
    known = [one for one in counts if one is not None]
    if not known:
        return dict.fromkeys(("needed_again", "retransmits", "handshake_loss", "loss_low", "loss_high"))
    again = sum(known)
    low, high = _loss.interval(again, len(known) + again)
    return {"needed_again": sum(one > 0 for one in known), "retransmits": again,
            "handshake_loss": round(again / (len(known) + again), 4), "loss_low": low, "loss_high": high}


def _sentence(data: dict[str, t.Any]) -> str:
    where = _flow.host_port(data["address"], data["port"])
    again = "; %d of them only after their SYN was sent again" % data["needed_again"] if data["needed_again"] and data["succeeded"] else ""
    errors = "".join(", %d %s" % (number, name) for name, number in sorted(data["errors"].items()))
    return "%s accepted %d of %d connections%s%s" % (where, data["succeeded"], data["count"], again, errors)
