# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest packet that gets through to an address, and whether what is larger is told of or vanishes (RFC 1191, 4821, 8201, 8899).

A sweep of packets that may not be cut up (DF): first the usual sizes, then halving between the largest that came through and the
smallest that did not. Each size is sent as often as the loss on the path asks for, so that loss is not taken for size.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import math
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._echo import SMALLEST_BYTES, EchoSocket, Question
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import owner as _interface_owner
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_info import path_mtu, tcp_info

# Ethernet, PPPoE, tunnels of the usual kinds, jumbo frames; and what IPv4 and IPv6 guarantee.
_USUAL_BYTES = (68, 576, 1280, 1380, 1400, 1420, 1450, 1472, 1480, 1492, 1500, 4352, 8000, 8950, 9000)
_LARGEST_BYTES = 65000
_SIZES_A_ROUND = 8
_MOST_ROUNDS = 6
# That a size which does pass is lost every time shall happen once in a thousand.
_MISTAKEN = 0.001
_TRIES = (3, 12)
_MESSAGES_S = 1.0
_UDP_TRIES = 1  # more would only meet the other host's limit of errors
_TCP_HEADERS_BYTES = {socket.AF_INET: 40, socket.AF_INET6: 60}

_Seconds = t.Callable[[], float]
_THROUGH, _TOLD, _LOST, _NOT_SENT = "through", "told", "lost", "not_sent"


class _Sweep:
    """What became of each size: ``through``, ``told`` (an ICMP message says that it is too big), ``lost``, ``not_sent`` (by this host)."""

    def __init__(self, address: str, sock: EchoSocket, tries: int, wait: _Seconds, pause: t.Callable[[], None]) -> None:
        self.outcomes: dict[int, str] = {}
        self.tellers: set[str] = set()
        self.told_mtu = 0
        self.method = sock.method
        self._address, self._sock, self._tries, self._wait, self._pause = address, sock, tries, wait, pause
        self._sequence = 0

    def ask(self, sizes: t.Iterable[int]) -> None:
        questions, asked = [], {}
        for size in sorted(set(sizes) - set(self.outcomes)):
            for _try in range(self._tries):
                questions.append(Question(self._sequence, self._address, size))
                asked[self._sequence] = size
                self._sequence += 1
        answers = self._sock.ask(questions, self._wait())
        for sequence, size in asked.items():
            answer = answers.get(sequence)
            outcome = _LOST
            if answer and (answer.kind == "reply" or answer.is_port_unreachable_of(self._address)):
                outcome = _THROUGH
            elif answer and answer.mtu:
                outcome = _TOLD
                self.tellers.add(answer.sender)
                self.told_mtu = min(self.told_mtu or answer.mtu, answer.mtu)
            elif answer and answer.kind == "local" and answer.error != "ENOBUFS":  # that one is of the link, which dropped it
                outcome = _NOT_SENT
            ranks = (_LOST, _NOT_SENT, _TOLD, _THROUGH)
            self.outcomes[size] = max(outcome, self.outcomes.get(size, _LOST), key=ranks.index)

    def largest_through(self) -> int:
        return max((size for size, outcome in self.outcomes.items() if outcome == _THROUGH), default=0)

    def smallest_lost(self) -> int:
        """The smallest beyond the largest that came through; 0 if there is none."""
        return min((size for size, outcome in self.outcomes.items() if outcome != _THROUGH and size > self.largest_through()), default=0)

    def smallest_silent(self) -> int:
        """From this size on all vanish: nothing comes through, and nobody tells; 0 if there is none."""
        heard = max((size for size, outcome in self.outcomes.items() if outcome != _LOST), default=0)
        return min((size for size, outcome in self.outcomes.items() if outcome == _LOST and size > heard), default=0)

    def is_consistent(self) -> bool:
        """Whether everything smaller than the largest that came through came through too."""
        return all(outcome == _THROUGH for size, outcome in self.outcomes.items() if size < self.largest_through())

    def _ask_again(self, size: int) -> None:
        """Routers limit how many messages they send a second: the largest, alone, after a while, must be told of too."""
        self._pause()
        self.outcomes.pop(size, None)
        self.ask([size])

    def run(self, interface_mtu: int) -> None:
        smallest = SMALLEST_BYTES[socket.AF_INET6 if ":" in self._address else socket.AF_INET]
        self.ask([size for size in (*_USUAL_BYTES, interface_mtu) if smallest <= size <= interface_mtu])
        if self.tellers and self.smallest_silent():
            self._ask_again(interface_mtu)
        for _round in range(_MOST_ROUNDS):
            low, high = self.largest_through(), self.smallest_lost()
            if not low or high - low <= 1:
                return
            step = max(1, (high - low) // (_SIZES_A_ROUND + 1))
            told = [self.told_mtu, self.told_mtu + 1] if low < self.told_mtu < high else []
            self.ask([*range(low + step, high, step)[:_SIZES_A_ROUND], *told])


def observe_mtu(
    context: Context, address: str, port: int | None, lookup: dict[str, t.Any] | None, peer_mtu: int | None, loss: float,
    slowest_ms: float, hops: list[dict[str, t.Any]],
) -> None:
    """Records ``route.mtu``; ``configured``, where sizes get lost, says where the interface's own is set (:class:`LinkSetting`).

    :param lookup: the facts of ``route.lookup``. :param peer_mtu: of the other host's interface, if known.

    :param loss: of packets to the address, between 0 and 1. :param slowest_ms: the slowest answer so far. :param hops: of ``route.path``.
    """
    started = time.time()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    cached = _kernel_path_mtu(address, family)
    interface_mtu = (lookup or {}).get("mtu") or cached or 1500
    tcp = _tcp_sizes(context, address, port, family) if port else {}
    announced = tcp.get("segment_mtu")
    from_mss = announced if announced and announced < (tcp.get("path_mtu") or 0) else None

    wanted_s = min(1.5, max(0.4, 3 * slowest_ms / 1000))
    cut_short: list[float] = []

    def wait_s() -> float:
        if context.deadline.remaining() < wanted_s:
            cut_short.append(wanted_s)  # what nobody waited for is not lost
        return context.deadline.allow(wanted_s)

    def pause() -> None:
        time.sleep(context.deadline.allow(_MESSAGES_S))

    sweep = _swept(address, family, interface_mtu, loss, wait_s, pause, True)
    if not sweep.largest_through():
        sweep = _swept(address, family, interface_mtu, loss, wait_s, pause, False)
    through, lost = sweep.largest_through(), sweep.smallest_lost()
    silent = sweep.smallest_silent()
    reason = "deadline" if cut_short else "no_answer" if not through else "inconsistent" if not sweep.is_consistent() else ""
    udp_agrees = _udp_agrees(address, family, through, silent, wait_s) if silent and not reason and sweep.method == "icmp" else None
    reason = reason or ("deadline" if cut_short else "")
    black_hole = None if reason else silent > 0 and udp_agrees is not False
    ends = peer_mtu or from_mss
    on_link = bool(lookup) and (lookup or {}).get("type") in ("unicast", "local") and not (lookup or {}).get("gateway")
    data: dict[str, t.Any] = {
        "address": address,
        "method": sweep.method,
        "path_mtu": through if not lost or lost - through <= 1 else None,
        "interface_mtu": interface_mtu,
        "cached_mtu": cached,
        "largest_through": through,
        "smallest_lost": lost or None,
        "smallest_silent": silent or None,
        "icmp_seen": bool(sweep.tellers),
        "icmp_senders": sorted(sweep.tellers),
        "icmp_mtu": sweep.told_mtu or None,
        "black_hole": black_hole,
        "udp_agrees": udp_agrees,
        "by_hop": _by_hop(hops, address, family, through, silent, loss, wait_s) if black_hole else [],
        "peer_mtu": ends,
        "peer_mtu_from": "given" if peer_mtu else "mss" if ends else "",
        "mtu_mismatch": ends != interface_mtu if ends else None,
        "on_link": on_link,
        "tcp_path_mtu": tcp.get("path_mtu"),
        "tcp_segment_mtu": announced,
        "tcp_advertised_mss": tcp.get("advmss"),
    }
    passes = [hop for hop in data["by_hop"] if hop["large_through"]]
    stops = [hop for hop in data["by_hop"] if hop["small_through"] and not hop["large_through"]]
    data["lost_after_hop"] = passes[-1]["address"] if passes else ""
    data["lost_before_hop"] = stops[0]["address"] if stops else address if black_hole else ""
    if reason:
        data["reason"] = reason
    setting = _interface_owner.link_setting(context, (lookup or {}).get("device", "")) if black_hole or data["mtu_mismatch"] else None
    data["configured"] = setting._asdict() if setting else None
    status = "cannot_tell" if reason else "fail" if black_hole else "warn" if data["mtu_mismatch"] and on_link else "ok"
    context.observe("route.mtu", status, address, _sentence(data), data=data, started=started,
                    reproduce="tracepath -n %s; ping -n -M do -s %d %s" % (address, max(0, (lost or through) - 28), address))


def _swept(
    address: str, family: int, interface_mtu: int, loss: float, wait_s: _Seconds, pause: t.Callable[[], None], allow_icmp: bool
) -> _Sweep:
    with EchoSocket(family, allow_icmp) as sock:
        sweep = _Sweep(address, sock, _tries(loss) if sock.method == "icmp" else _UDP_TRIES, wait_s, pause)
        sweep.run(min(interface_mtu, _LARGEST_BYTES))
    return sweep


def _tries(loss: float) -> int:
    """So many that all being lost by chance is rare."""
    if loss <= 0:
        return _TRIES[0]
    return _TRIES[1] if loss >= 1 else max(_TRIES[0], min(_TRIES[1], math.ceil(math.log(_MISTAKEN) / math.log(loss))))


def _udp_agrees(address: str, family: int, through: int, lost: int, wait_s: _Seconds) -> bool | None:
    """Some hosts take no large echo; their unused ports tell. None where UDP shows nothing, not even small."""
    with EchoSocket(family, allow_icmp=False) as sock:
        sizes = (lost, lost, through, lost)
        answers = sock.ask([Question(number, address, size) for number, size in enumerate(sizes)], wait_s())
        heard = {sizes[number] for number, answer in answers.items() if answer.kind == "reply" or answer.is_port_unreachable_of(address)}
    return False if lost in heard else True if through in heard else None


def _by_hop(
    hops: list[dict[str, t.Any]], address: str, family: int, through: int, lost: int, loss: float, wait_s: _Seconds
) -> list[dict[str, t.Any]]:
    """Which hops on the way get the large packet: the one before the first that does not is where it is lost."""
    way = [hop for hop in hops if hop["address"] and hop["address"] != address]
    tries = _tries(loss)
    with EchoSocket(family) as sock:
        if sock.method != "icmp":
            return []
        asked = [(hop["address"], size) for hop in way for size in (through, lost) for _try in range(tries)]
        answers = sock.ask([Question(number, *one) for number, one in enumerate(asked)], wait_s())
    passed = {asked[number] for number, answer in answers.items() if answer.kind == "reply"}
    return [
        {"ttl": hop["ttl"], "address": hop["address"], "small_through": (hop["address"], through) in passed,
         "large_through": (hop["address"], lost) in passed}
        for hop in way
    ]


def _kernel_path_mtu(address: str, family: int) -> int | None:
    """What this host takes for the path's MTU now; connecting a UDP socket sends nothing."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(socket.getaddrinfo(address, 9, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4])
        except OSError:
            return None
        return path_mtu(sock)


def _tcp_sizes(context: Context, address: str, port: int, family: int) -> dict[str, t.Any]:
    """What TCP to the very port may use. ``segment_mtu``: the packet of its largest segment, in bytes."""
    attempt = _flow.connect(address, port, context.deadline.allow(2.2))
    if attempt.sock is None:
        return {}
    with attempt.sock as sock:
        info, known = tcp_info(sock), path_mtu(sock)
    if not info.snd_mss:
        return {}
    return {"path_mtu": known, "advmss": info.advmss, "segment_mtu": info.snd_mss + info.option_bytes + _TCP_HEADERS_BYTES[family]}


def _sentence(data: dict[str, t.Any]) -> str:
    where = data["address"]
    if data.get("reason") == "deadline":
        return "%s: the deadline passed before the sizes were tried" % where
    if data.get("reason") == "no_answer":
        return "%s answers packets of no size, so the path's MTU can't be seen" % where
    if data.get("reason"):
        return "%s: some sizes come through and smaller ones do not, so the losses are not of size" % where
    if data["black_hole"]:
        place = " between %s and %s" % (data["lost_after_hop"] or "this host", data["lost_before_hop"])
        return "%s: packets of up to %d bytes come through; larger ones vanish%s, and nobody says so" % (
            where, data["largest_through"], place)
    if data["icmp_seen"]:
        return "%s: packets of up to %d bytes come through, and %s says so" % (
            where, data["largest_through"], ", ".join(data["icmp_senders"]))
    return "%s: packets of up to %d bytes come through, of %d that the interface takes" % (
        where, data["largest_through"], data["interface_mtu"])
