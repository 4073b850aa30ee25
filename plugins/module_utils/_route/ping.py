# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address answers, how fast and how surely: a burst of as many packets as it takes to see the loss that is looked for.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _loss
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._echo import Answer, EchoSocket, Question, icmp_allowed
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_burst import connect_many

MOST_PACKETS = 1000
_SPACING_S = 0.02
_LONGEST_BURST_S = 5.0
# Each is a connection at a service, which may have few to give.
_MOST_CONNECTIONS = 30
# Hosts send but a few of these errors a second, so they show that a host is there, and no rate.
_UDP_PACKETS = 4
# For a SYN that is lost to be sent again, after the burst itself.
_FALLBACK_S = 2.0
# What was enough to find a loss does not tell its rate: with so many, 30 % are known to within 10.
_RATE_PACKETS = 90
# One or two of a burst are lost on many a way that nobody complains of.
_SEVERAL = 3


class Burst(t.NamedTuple):
    """``sent`` and ``received`` count packets; ``sent`` has SYNs that were sent again. ``certain``: the difference is loss."""

    method: str
    sent: int
    received: int
    certain: bool
    times_ms: list[float]
    errors: dict[tuple[str, str], int]
    local_errors: dict[str, int]


class Pinging(threading.Thread):
    """The bursts, beside other checks, as most of their time is waiting. ``ended`` gives what came of them."""

    def __init__(self, context: Context, address: str, port: int | None, rate: float, power: float, wait_s: float) -> None:
        """:param rate: the loss to find. :param power: with which probability. :param wait_s: for the last answer."""
        super().__init__(daemon=True)
        self.began = time.time()
        self.rate, self.count = rate, min(MOST_PACKETS, _loss.packets_to_find(rate, power))
        self._context, self._address, self._port, self._wait_s = context, address, port, wait_s
        self._tried: list[Burst] = []
        self._tcp: Burst | None = None
        self._problem: Exception | None = None

    def run(self) -> None:
        try:
            for burst in _ways(self._context, self._address, self._port, self.count, self._wait_s):
                self._tried.append(burst)
                if burst.received or burst.local_errors:
                    break
            self._look_at_loss()
        except Exception as problem:  # told to who waits for the end
            self._problem = problem

    def _look_at_loss(self) -> None:
        """Its rate, and whether TCP meets it too: hosts and routers may answer fewer echoes than they get, and forward all else."""
        first = self._tried[-1]
        if first.method != "icmp" or not 0 < first.received <= first.sent - _SEVERAL:
            return
        by_tcp = threading.Thread(target=self._connect, daemon=True)
        by_tcp.start()
        more = max(0, _RATE_PACKETS - first.sent)
        if more and self._context.deadline.remaining() > self._wait_s + more * _SPACING_S:
            self._tried[-1] = _sum(first, _echo_burst(self._context, [self._address], more, self._wait_s, True)[self._address])
        by_tcp.join()

    def _connect(self) -> None:
        if self._port and self._context.deadline.remaining() > _FALLBACK_S:
            self._tcp = _tcp_burst(self._context, self._address, self._port, _MOST_CONNECTIONS, self._wait_s)

    def ended(self) -> tuple[list[Burst], Burst | None]:
        """:returns: the bursts by each way that was tried, and by TCP beside a lossy one. :raises Exception: what went wrong."""
        self.join()
        if self._problem:
            raise self._problem
        return self._tried, self._tcp


def observe_ping(context: Context, address: str, pinging: Pinging, wait_s: float, hops: list[dict[str, t.Any]]) -> Burst:
    """Records ``route.ping`` of what was sent. :param wait_s: for the last answer.

    :param hops: of ``route.path``; where packets are lost, each is asked as often as the target.
    """
    tried, tcp = pinging.ended()
    burst = tried[-1] if tried[-1].received else tried[0]
    lost = burst.sent - burst.received if burst.certain else 0
    way = sorted({hop["address"] for hop in hops if hop["address"] and hop["address"] != address}) if burst.received and lost > 0 else []
    by_address = _echo_burst(context, way, burst.sent, wait_s, True) if way and context.deadline.remaining() > wait_s else {}
    low, high = _loss.interval(lost, burst.sent) if burst.certain else (0.0, 1.0)
    by_tcp = tcp or (burst if burst.method == "tcp" else None)
    data = {
        "address": address,
        "method": burst.method,
        "silent_methods": sorted({one.method for one in tried if not one.received}),
        "sent": burst.sent,
        "received": burst.received,
        "loss": round(lost / burst.sent, 4) if burst.certain and burst.sent else None,
        "loss_low": low,
        "loss_high": high,
        "tcp_sent": by_tcp.sent if by_tcp else 0,
        "tcp_lost": by_tcp.sent - by_tcp.received if by_tcp else 0,
        "detectable_loss": pinging.rate,
        "power": round(1 - (1 - pinging.rate) ** burst.sent, 4) if burst.certain else 0.0,
        "rtt_ms": _loss.spread(burst.times_ms),
        "icmp_errors": [{"sender": sender, "name": name, "count": number} for (sender, name), number in sorted(burst.errors.items())],
        "local_errors": burst.local_errors,
        "by_hop": [
            {"ttl": hop["ttl"], "address": hop["address"], "sent": by_address[hop["address"]].sent,
             "received": by_address[hop["address"]].received}
            for hop in hops if hop["address"] in by_address
        ],
    }
    context.observe("route.ping", "fail" if not burst.received else "warn" if lost else "ok", address, _sentence(data), data=data,
                    started=pinging.began, reproduce="ping -n -c %d -i 0.2 %s" % (pinging.count, address))
    return burst


def _sum(first: Burst, more: Burst) -> Burst:
    errors, local = dict(first.errors), dict(first.local_errors)
    for key, number in more.errors.items():
        errors[key] = errors.get(key, 0) + number
    for name, number in more.local_errors.items():
        local[name] = local.get(name, 0) + number
    return Burst(first.method, first.sent + more.sent, first.received + more.received, first.certain, first.times_ms + more.times_ms,
                 errors, local)


def _ways(context: Context, address: str, port: int | None, count: int, wait_s: float) -> t.Iterator[Burst]:
    if icmp_allowed(socket.AF_INET6 if ":" in address else socket.AF_INET):
        yield _echo_burst(context, [address], count, wait_s, True)[address]
    if port and context.deadline.remaining() > _FALLBACK_S:
        yield _tcp_burst(context, address, port, min(count, _MOST_CONNECTIONS), wait_s)
    if context.deadline.remaining() > wait_s:
        yield _echo_burst(context, [address], _UDP_PACKETS, wait_s, False)[address]


def _echo_burst(context: Context, addresses: list[str], count: int, wait_s: float, allow_icmp: bool) -> dict[str, Burst]:
    """A burst to each address, all at the same time: packet by packet in turns."""
    family = socket.AF_INET6 if ":" in addresses[0] else socket.AF_INET
    with EchoSocket(family, allow_icmp) as sock:
        count = count if sock.method == "icmp" else min(count, _UDP_PACKETS)
        questions = [Question(number * len(addresses) + at, address) for number in range(count) for at, address in enumerate(addresses)]
        questions = questions[:32000]
        spacing_s = min(_SPACING_S / len(addresses), context.deadline.allow(_LONGEST_BURST_S) / len(questions))
        answers = sock.ask(questions, context.deadline.allow(wait_s), spacing_s)
        return {
            address: _counted(sock.method, address, [answers.get(one.sequence) for one in questions if one.address == address])
            for address in addresses
        }


def _counted(method: str, address: str, answers: list[Answer | None]) -> Burst:
    times_ms: list[float] = []
    errors: dict[tuple[str, str], int] = {}
    local: dict[str, int] = {}
    for answer in answers:
        if answer is None:
            continue
        if answer.kind == "reply" or (method == "udp" and answer.is_port_unreachable_of(address)):
            times_ms.append(answer.rtt_ms)
        elif answer.icmp:
            errors[answer.sender, answer.icmp.name] = errors.get((answer.sender, answer.icmp.name), 0) + 1
        else:
            local[answer.error] = local.get(answer.error, 0) + 1
    return Burst(method, len(answers), len(times_ms), method == "icmp", times_ms, errors, local)


def _tcp_burst(context: Context, address: str, port: int, count: int, wait_s: float) -> Burst:
    """Loss is counted by the kernel: each SYN that was sent again is one packet more, of this way or of the way back."""
    ended = connect_many(address, port, [0] * count, context.deadline.allow(max(wait_s, 1.3)), _SPACING_S)
    times_ms = [one.elapsed_ms for one in ended if one.error in ("", "ECONNREFUSED", "ECONNRESET") and not one.icmp]
    errors: dict[tuple[str, str], int] = {}
    local: dict[str, int] = {}
    for one in ended:
        if one.icmp:
            errors[one.icmp.sender, one.icmp.name] = errors.get((one.icmp.sender, one.icmp.name), 0) + 1
        elif one.error not in ("", "TIMEOUT", "ECONNREFUSED", "ECONNRESET"):
            local[one.error] = local.get(one.error, 0) + 1
    again = sum(one.retransmits or 0 for one in ended)
    return Burst("tcp", len(ended) + again, len(times_ms), True, times_ms, errors, local)


def _sentence(data: dict[str, t.Any]) -> str:
    if not data["received"]:
        if data["local_errors"]:
            return "%s: this host does not send: %s" % (data["address"], ", ".join(sorted(data["local_errors"])))
        told = "".join("; %(sender)s says %(name)s" % error for error in data["icmp_errors"]).replace("_", " ")
        return "%s did not answer any of %d packets%s" % (data["address"], data["sent"], told)
    times = "%s to %s ms, median %s" % (data["rtt_ms"]["min"], data["rtt_ms"]["max"], data["rtt_ms"]["median"])
    if data["loss"] is None:
        return "%s answers by %s, in %s" % (data["address"], data["method"].upper(), times)
    return "%s: %d of %d packets answered by %s (loss %.0f %%, between %.0f and %.0f), in %s" % (
        data["address"], data["received"], data["sent"], data["method"].upper(), data["loss"] * 100, data["loss_low"] * 100,
        data["loss_high"] * 100, times)
