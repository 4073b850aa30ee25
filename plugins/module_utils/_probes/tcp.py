# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a TCP connection to one address and port open; if not, what exactly said no, and who.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _banner, _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._route.lookup import observe_route
from ansible_collections.connectivity.doctor.plugins.module_utils._socket_listeners import observe_listener
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_observe_burst import burst_seconds, observe_burst

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int"},
    "ports": {"type": "list", "elements": "int", "default": []},
    "connect_timeout": {"type": "float", "default": 5.0},
    "count": {"type": "int", "default": 1},
    "read_banner": {"type": "bool", "default": False},
    "banner_timeout": {"type": "float", "default": 2.0},
}
# Each is a thread of the managed node, which mostly waits.
_MOST_PORTS_AT_ONCE = 64
_MOST_PORTS = 1024


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Connect once to ``port``, and to each of ``ports``, all at once, and close. Passes if all of them accepted.

    Records for each port ``tcp.connect``; with ``read_banner``, of the same connection, ``tcp.banner``; with a ``count`` above 1, of that
    many more connections, ``tcp.burst`` (see :func:`observe_burst`). Unless something at the address answered, once ``route.lookup``;
    for an address of this very host, ``sockets.listener`` too.

    ``answer`` tells what came back: ``accepted``, ``rst`` (refused by a TCP segment), ``icmp`` (refused by an ICMP
    message of ``icmp_sender``; ``icmp_from`` tells whether that is the ``target``, this host itself (``self``) or a hop on the
    ``path``), ``local`` (this host's kernel refused to send) or ``none``. ``dropped_here``, after silence: whether this
    host's own packet filter dropped the retransmitted SYNs (``all``, ``none``, ``some``, ``unknown``).

    ``tcp.banner``: ``silent``, ``first_bytes`` (text), ``bytes``, ``looks_like`` (``ssh``, ``smtp``, ``ftp``, ``imap``, ``pop3``,
    ``mysql``, ``http``, ``redis``, ``vnc``, ``telnet``, ``tls_alert``, ``unknown``; empty for nothing), ``ended`` (``closed``, ``reset``,
    empty: still open).
    """
    named = [parameters["port"]] if parameters.get("port") else []
    ports = list(dict.fromkeys([*named, *parameters.get("ports", ())]))[:_MOST_PORTS]
    answers: dict[int, str] = {}
    waiting = iter(ports)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                port = next(waiting, None)
            if port is None:
                return
            answers[port] = _probe_port(parameters, port, context)

    workers = [threading.Thread(target=work, daemon=True) for _worker in ports[1:_MOST_PORTS_AT_ONCE]]
    for worker in workers:
        worker.start()
    work()
    for worker in workers:
        worker.join(context.deadline.remaining() + 0.1)
    if any(answer not in ("accepted", "rst") for answer in answers.values()):
        observe_route(context, parameters["address"])
    return Outcome(bool(ports) and all(answers.get(port) == "accepted" for port in ports))


def _probe_port(parameters: dict[str, t.Any], port: int, context: Context) -> str:
    """:returns: the ``answer`` of its ``tcp.connect``."""
    address = parameters["address"]
    started = time.time()
    attempt = _flow.connect(address, port, context.deadline.allow(parameters["connect_timeout"]))
    data: dict[str, t.Any] = {
        "address": address,
        "port": port,
        "family": "ipv6" if ":" in address else "ipv4",
        "error": attempt.error,
        "answer": _answer(attempt),
        "elapsed_ms": attempt.elapsed_ms,
    }
    if attempt.icmp is not None:
        data.update(
            icmp_sender=attempt.icmp.sender,
            icmp_type=attempt.icmp.type,
            icmp_code=attempt.icmp.code,
            icmp_name=attempt.icmp.name,
            icmp_from=_whose(attempt, address),
        )
    if attempt.error == "TIMEOUT":
        data["dropped_here"] = _dropped_here(attempt)
    context.observe(
        "tcp.connect",
        "fail" if attempt.error else "ok",
        _flow.host_port(address, port),
        _sentence(address, port, data),
        data=data,
        started=started,
        reproduce="nc -zv -w 5 %s %d" % (address, port),
        address=attempt.source,
    )
    if attempt.sock is not None:
        with attempt.sock:
            if parameters.get("read_banner"):
                _observe_banner(context, attempt.sock, attempt.source, address, port, parameters["banner_timeout"])
    if data["answer"] == "rst" and _flow.is_own_address(address):
        observe_listener(port, context)  # this host is the server itself, so it can see who listens
    if parameters.get("count", 1) > 1:
        _observe_burst_in_time(context, address, port, parameters["count"], parameters["connect_timeout"])
    return str(data["answer"])


def _observe_burst_in_time(context: Context, address: str, port: int, count: int, seconds: float) -> None:
    """A burst that the deadline cuts off would take connections that nobody waited for as lost."""
    if context.deadline.remaining() >= burst_seconds(count, seconds):
        observe_burst(context, address, port, count, seconds)
        return
    context.observe("tcp.burst", "cannot_tell", _flow.host_port(address, port), "too little of the deadline was left for it",
                    data={"reason": "deadline"})


def _observe_banner(context: Context, sock: socket.socket, source: str, address: str, port: int, seconds: float) -> None:
    started = time.time()
    where = _flow.host_port(address, port)
    in_time = context.deadline.remaining() >= seconds
    banner = _banner.read_banner(sock, context.deadline.allow(seconds))
    if not (in_time or banner.data or banner.ended):
        context.observe("tcp.banner", "cannot_tell", where, "the deadline passed before it could have said anything",
                        data={"reason": "deadline"}, started=started, address=source)
        return
    kind = _banner.looks_like(banner.data)
    data = {
        "address": address,
        "port": port,
        "silent": not banner.data and not banner.ended,
        "first_bytes": context.text(banner.data, _banner.MOST_BYTES),
        "bytes": len(banner.data),
        "looks_like": kind,
        "ended": banner.ended,
    }
    if banner.data:
        message = "%s speaks first, %s" % (where, "and like none that is known" if kind == "unknown" else "like %s" % kind)
    elif banner.ended:
        message = "%s ended the connection without a word (%s)" % (where, banner.ended)
    else:
        message = "%s is silent until it is asked" % where
    context.observe("tcp.banner", "warn" if banner.ended else "ok", where, message, data=data, started=started,
                    reproduce="nc -v -w 3 %s %d </dev/null" % (address, port), address=source)


def _dropped_here(attempt: _flow.Attempt) -> str:
    """The counters are the host's, so with other traffic beside only 'all' and 'none' are certain."""
    if not attempt.syn_retransmits:
        return "unknown"
    if not attempt.retransmit_failures:
        return "none"
    return "all" if attempt.retransmit_failures >= attempt.syn_retransmits else "some"


def _answer(attempt: _flow.Attempt) -> str:
    if not attempt.error:
        return "accepted"
    if attempt.icmp is not None:
        return "icmp"
    if attempt.error in ("ECONNREFUSED", "ECONNRESET"):
        return "rst"
    return "none" if attempt.error in ("TIMEOUT", "EHOSTUNREACH") and attempt.elapsed_ms > 500 else "local"


def _whose(attempt: _flow.Attempt, address: str) -> str:
    sender = attempt.icmp.sender if attempt.icmp else ""
    if sender == address:
        return "target" if not _flow.is_own_address(sender) else "self"
    return "self" if _flow.is_own_address(sender) else "path"


def _sentence(address: str, port: int, data: dict[str, t.Any]) -> str:
    where = _flow.host_port(address, port)
    if data["answer"] == "accepted":
        return "%s accepted a connection after %s ms" % (where, data["elapsed_ms"])
    if data["answer"] == "icmp":
        return "%s: %s after %s ms, by ICMP %s from %s" % (
            where, data["error"], data["elapsed_ms"], data["icmp_name"].replace("_", " "), data["icmp_sender"])
    if data["answer"] == "rst":
        return "%s refused the connection with a TCP reset after %s ms" % (where, data["elapsed_ms"])
    if data["error"] == "TIMEOUT":
        return "%s: nothing came back within %s ms" % (where, data["elapsed_ms"])
    return "%s: the kernel answered %s after %s ms" % (where, data["error"], data["elapsed_ms"])
