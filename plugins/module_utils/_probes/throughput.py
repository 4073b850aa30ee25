# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much goes over a path in a time, and what that does to its latency. Only on request: it loads the network.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow, _loss
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._echo import EchoSocket, Question
from ansible_collections.connectivity.doctor.plugins.module_utils._iperf3 import run_iperf3
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._transfer import Job, Transfer, failed, rates, transfer

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "method": {"type": "str", "choices": ["http", "tcp", "iperf3"], "default": "http"},
    "path": {"type": "str", "default": "/"},
    "direction": {"type": "str", "choices": ["download", "upload"], "default": "download"},
    "seconds": {"type": "float", "default": 5.0},
    "transfer_bytes": {"type": "int", "default": 10485760},
}
_MOST_SECONDS, _MOST_BYTES = 60.0, 1073741824
_LEAST_S = 3.0  # for latency at rest, a connection with one SYN lost, and some transfer
_IDLE_PACKETS, _IDLE_SPACING_S = 10, 0.05
_LOADED_SPACING_S, _MOST_LOADED_PACKETS = 0.1, 1000


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Measure latency at rest, then transfer and measure it again meanwhile. Records ``throughput.transfer``:

    ``method``, ``direction``, ``error`` (empty if bytes went over), ``bytes``, ``seconds``, ``bits_per_second``,
    ``steady_bits_per_second`` (of the second half, without slow start and a shaper's burst; both null if it went too fast to
    measure), ``limited_by`` (``bytes``, ``seconds``, ``peer``), ``connect_ms``, ``first_byte_ms``, ``http_status``, ``retransmits``,
    ``receiver_limited`` (the part of the sending time that the peer's window held us, from 0 to 1; null for downloads),
    ``rtt_idle_ms`` and ``rtt_loaded_ms`` (``min``, ``median``, ``p95``, ``max``, ``jitter``; all null where this user may send no ICMP),
    ``rtt_added_ms`` (of the medians), ``loss_loaded``.
    """
    started = time.time()
    address, port, method, direction = (parameters[key] for key in ("address", "port", "method", "direction"))
    seconds = min(parameters["seconds"], _MOST_SECONDS)
    most_bytes = max(1, min(parameters["transfer_bytes"], _MOST_BYTES))
    where = _flow.host_port(address, port)
    if context.deadline.remaining() < _LEAST_S:
        context.observe("throughput.transfer", "cannot_tell", where, "too little of the deadline was left for it",
                        data={"reason": "deadline"}, started=started)
        return Outcome(False)
    idle = _idle_ms(context, address)
    upload = direction == "upload"
    latency = _Latency(address)
    latency.start()
    allowed_s = context.deadline.allow(seconds)
    if method == "iperf3":
        done = run_iperf3(context, address, port, upload, most_bytes, allowed_s)
    elif method == "http" and upload:
        done = failed("http_upload")
    else:
        path = parameters["path"] if method == "http" else None
        done = transfer(Job(address, port, parameters["host"], path, upload, most_bytes, allowed_s))
    latency.stop()
    whole, late = rates(done.steps)
    loaded, at_rest = _loss.spread(latency.times_ms), _loss.spread(idle)
    data: dict[str, t.Any] = {
        "address": address,
        "port": port,
        "method": method,
        "direction": direction,
        "error": done.error,
        "bytes": done.bytes,
        "seconds": done.seconds,
        "bits_per_second": whole,
        "steady_bits_per_second": late,
        "limited_by": done.limited_by,
        "connect_ms": done.connect_ms,
        "first_byte_ms": done.first_byte_ms,
        "http_status": done.http_status,
        "retransmits": done.retransmits,
        "receiver_limited": _receiver_limited(done) if upload else None,
        "rtt_idle_ms": at_rest,
        "rtt_loaded_ms": loaded,
        "rtt_added_ms": round(loaded["median"] - at_rest["median"], 3) if loaded["median"] and at_rest["median"] else None,
        "loss_loaded": round(1 - len(latency.times_ms) / latency.sent, 4) if latency.sent else None,
    }
    status = "ok" if not done.error else "cannot_tell" if done.error in _REASONS else "fail"
    if status == "cannot_tell":
        data["reason"] = done.error
    context.observe("throughput.transfer", status, where, _sentence(where, data), data=data, started=started,
                    reproduce=_reproduce(parameters, address, port))
    return Outcome(not done.error)


# What says nothing about the network.
_REASONS = ("not_found", "bad_output", "bad_path", "http_upload")


class _Latency:
    """Echoes to an address, one after the other, until it is stopped: in a thread beside the transfer."""

    def __init__(self, address: str) -> None:
        self.times_ms: list[float] = []
        self.sent = 0
        self._address = address
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        with EchoSocket(_family(self._address)) as sock:
            while sock.method == "icmp" and self.sent < _MOST_LOADED_PACKETS:
                answers = sock.ask([Question(self.sent, self._address)], 1.0)
                self.times_ms += [answer.rtt_ms for answer in answers.values() if answer.kind == "reply"]
                self.sent += 1
                if self._stopped.wait(_LOADED_SPACING_S):
                    return


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _idle_ms(context: Context, address: str) -> list[float]:
    with EchoSocket(_family(address)) as sock:
        if sock.method != "icmp":
            return []
        questions = [Question(number, address) for number in range(_IDLE_PACKETS)]
        answers = sock.ask(questions, context.deadline.allow(1.0), _IDLE_SPACING_S)
    return [answers[number].rtt_ms for number in sorted(answers) if answers[number].kind == "reply"]


def _receiver_limited(done: Transfer) -> float | None:
    if done.rwnd_limited_us is None or not done.busy_us:
        return None
    return round(min(1.0, done.rwnd_limited_us / done.busy_us), 3)


def _reproduce(parameters: dict[str, t.Any], address: str, port: int) -> str:
    if parameters["method"] == "iperf3":
        way = "" if parameters["direction"] == "upload" else " -R"
        return "iperf3 -c %s -p %d -t %d%s" % (address, port, int(parameters["seconds"]), way)
    if parameters["method"] == "http":
        return "curl -so /dev/null -m %d -w '%%{speed_download}' http://%s%s" % (
            int(parameters["seconds"]), _flow.host_port(address, port), parameters["path"])
    how = "head -c %d /dev/zero | nc %s %d" if parameters["direction"] == "upload" else "timeout %d nc %s %d </dev/null | wc -c"
    return how % (parameters["transfer_bytes"] if parameters["direction"] == "upload" else int(parameters["seconds"]), address, port)


def _sentence(where: str, data: dict[str, t.Any]) -> str:
    if data["error"]:
        return "%s: nothing was transferred by %s: %s" % (where, data["method"], data["error"])
    rate = data["bits_per_second"]
    speed = "at %.2f Mbit/s" % (rate / 1e6) if rate else "too fast to measure"
    added = "; the round trip took %s ms longer meanwhile" % data["rtt_added_ms"] if data["rtt_added_ms"] is not None else ""
    return "%s: %s of %d bytes in %s s, %s%s" % (where, data["direction"], data["bytes"], data["seconds"], speed, added)
