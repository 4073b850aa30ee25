# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a TCP connection to one address and port open; if not, what exactly said no, and who.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._route import observe_route
from ansible_collections.connectivity.doctor.plugins.module_utils._socket_listeners import observe_listener

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "connect_timeout": {"type": "float", "default": 5.0},
}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Connect once and close. Records ``tcp.connect`` and, unless something at the address answered, ``route.lookup``;
    for an address of this very host, ``sockets.listener`` too.

    ``answer`` tells what came back: ``accepted``, ``rst`` (refused by a TCP segment), ``icmp`` (refused by an ICMP
    message of ``icmp_sender``; ``icmp_from`` tells whether that is the ``target``, this host itself (``self``) or a hop on the
    ``path``), ``local`` (this host's kernel refused to send) or ``none``. ``dropped_here``, after silence: whether this
    host's own packet filter dropped the retransmitted SYNs (``all``, ``none``, ``some``, ``unknown``).
    """
    address, port = parameters["address"], parameters["port"]
    started = time.time()
    attempt = _flow.connect(address, port, context.deadline.allow(parameters["connect_timeout"]))
    if attempt.sock is not None:
        attempt.sock.close()
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
    if data["answer"] == "rst" and _flow.is_own_address(address):
        observe_listener(port, context)  # this host is the server itself, so it can see who listens
    elif attempt.error and data["answer"] != "rst":
        observe_route(context, address)
    return Outcome(not attempt.error)


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
