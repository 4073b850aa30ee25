# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path to an address by hop: packets whose TTL ends on the way, all at once, and who tells so.

By ICMP echo (UDP where this user may not), and by TCP to the very port: what a firewall does to that port shows in the second
only. Hops limit how many errors they send, so what did not answer is asked again, and a silent hop is no fault.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._echo import Answer, EchoSocket, Question
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_burst import Ended, connect_many

# A router that finds nobody at the address says so after three seconds (three neighbour solicitations).
_WAITS_S = (1.2, 2.1)
# A SYN is sent again after one second; so a silent hop was asked twice.
_TCP_WAIT_S = 2.2
# Beyond the target's distance each SYN is a connection at the target: few at a time.
_TCP_WAVE = 8
_SECOND_SEQUENCE = 1000
_EXPIRED = ("ttl_exceeded", "hop_limit_exceeded")


class Path(t.NamedTuple):
    """``hops``: as in ``route.path``. ``distance``: the TTL at which the target answered, None if it did not."""

    hops: list[dict[str, t.Any]]
    distance: int | None


def observe_path(context: Context, address: str, max_hops: int) -> Path:
    """Records ``route.path`` with ``method`` ``icmp`` or ``udp``."""
    started = time.time()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with EchoSocket(family) as sock:
        answers: dict[int, Answer] = {}
        for turn, wait_s in enumerate(_WAITS_S):
            end = _end(answers) or max_hops
            open_ttls = [ttl for ttl in range(1, end + 1) if ttl not in answers]
            if open_ttls:
                found = sock.ask([Question(turn * _SECOND_SEQUENCE + ttl, address, 0, ttl) for ttl in open_ttls],
                                 context.deadline.allow(wait_s))
                answers.update({sequence % _SECOND_SEQUENCE: answer for sequence, answer in found.items()})
        return _observe(context, address, None, sock.method, answers, started)


def observe_tcp_path(context: Context, address: str, port: int, max_hops: int, distance: int | None) -> Path:
    """Records ``route.path`` with ``method`` ``tcp``. :param distance: of the target, as another method found it."""
    started = time.time()
    answers: dict[int, Answer] = {}
    first, size = 1, min(max_hops, distance + 1 if distance else _TCP_WAVE)
    while first <= max_hops:
        ttls = range(first, min(max_hops, first + size - 1) + 1)
        ended = connect_many(address, port, ttls, context.deadline.allow(_TCP_WAIT_S), 0.0)
        found = {ttl: answer for ttl, answer in zip(ttls, map(_tcp_answer, ended)) if answer}
        answers.update(found)
        if distance or not found or _end(answers) or context.deadline.remaining() < _TCP_WAIT_S:
            break
        first, size = ttls[-1] + 1, _TCP_WAVE
    return _observe(context, address, port, "tcp", answers, started)


def _tcp_answer(ended: Ended) -> Answer | None:
    if ended.icmp:
        return Answer("icmp", ended.icmp.sender, ended.elapsed_ms, ended.icmp)
    if not ended.error:
        return Answer("accepted", "", ended.elapsed_ms)
    if ended.error in ("ECONNREFUSED", "ECONNRESET"):
        return Answer("rst", "", ended.elapsed_ms)
    return None if ended.error == "TIMEOUT" else Answer("local", "", ended.elapsed_ms, error=ended.error)


def _end(answers: dict[int, Answer]) -> int | None:
    """The lowest TTL at which the way ended: at the target, or at one who refused."""
    return min((ttl for ttl, answer in answers.items() if _is_end(answer)), default=None)


def _is_end(answer: Answer) -> bool:
    return not (answer.icmp and answer.icmp.name in _EXPIRED)


def _reaches(answer: Answer, address: str, method: str) -> bool:
    """Whether the target itself answered the packet that was meant for it: by UDP, an unused port is the answer looked for."""
    if answer.kind in ("reply", "accepted", "rst"):
        return True
    return method == "udp" and answer.is_port_unreachable_of(address)


def _hop(ttl: int, answer: Answer | None, address: str) -> dict[str, t.Any]:
    if answer is None or answer.kind == "local":
        return {"ttl": ttl, "address": "", "answer": answer.kind if answer else "none", "icmp": "", "rtt_ms": None}
    kind = "ttl_exceeded" if not _is_end(answer) else answer.kind
    return {"ttl": ttl, "address": answer.sender or address, "answer": kind, "icmp": answer.icmp.name if answer.icmp else "",
            "rtt_ms": answer.rtt_ms}


def _observe(context: Context, address: str, port: int | None, method: str, answers: dict[int, Answer], started: float) -> Path:
    end = _end(answers)
    last = answers.get(end) if end else None
    reached = bool(last and _reaches(last, address, method))
    length = end or max(answers, default=0) + 1  # one silent hop shows where the silence begins
    hops = [_hop(ttl, answers.get(ttl), address) for ttl in range(1, length + 1)]
    heard = [hop for hop in hops if hop["address"]]
    refused = last.icmp if last and last.icmp and not reached else None
    data: dict[str, t.Any] = {
        "address": address,
        "port": port,
        "method": method,
        "hops": hops,
        "reached": reached,
        "distance": end if reached else None,
        "last_hop": heard[-1]["address"] if heard else "",
        "last_ttl": heard[-1]["ttl"] if heard else 0,
        "refused_by": refused.sender if refused else "",
        "refused_with": refused.name if refused else "",
        "refused_from": _whose(refused.sender, address) if refused else "",
        "local_error": last.error if last and last.kind == "local" else "",
    }
    context.observe(
        "route.path", "ok" if reached else "warn", _flow.host_port(address, port) if port else address, _sentence(data), data=data,
        started=started, reproduce="mtr -n -r -c 3 %s%s" % ("-T -P %d " % port if port else "-u " if method == "udp" else "", address))
    return Path(hops, data["distance"])


def _whose(sender: str, address: str) -> str:
    if _flow.is_own_address(sender):
        return "self"
    return "target" if sender == address.partition("%")[0] else "path"


def _sentence(data: dict[str, t.Any]) -> str:
    what = "port %d of %s" % (data["port"], data["address"]) if data["port"] else data["address"]
    by = data["method"].upper()
    if data["reached"]:
        return "%s is %d hops away by %s" % (what, data["distance"], by)
    if data["refused_by"]:
        return "%s: %s refuses %s at hop %d: %s" % (what, data["refused_by"], by, data["last_ttl"], data["refused_with"].replace("_", " "))
    if data["local_error"]:
        return "%s: this host sends nothing by %s: %s" % (what, by, data["local_error"])
    if not data["last_hop"]:
        return "%s: nobody on the way answered %s" % (what, by)
    return "%s: %s gets as far as %s at hop %d, and nothing came from beyond" % (what, by, data["last_hop"], data["last_ttl"])
