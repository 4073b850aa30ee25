# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name, resolved as the application does, beside what the hosts file and each configured name server say of it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import socket
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _dns_wire, _resolver
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {"host": {"type": "str", "required": True}}

_RESOLVE_TIMEOUT_S = 15.0
_ASK_TIMEOUT_S = 3.0
_MOST_ADDRESSES = 16
_GAI_NAMES = {
    value: name for name, value in vars(socket).items() if name.startswith("EAI_") and isinstance(value, int)
}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``dns.resolve``; for a name also ``dns.configuration``, ``dns.hosts_file`` and a ``dns.answer`` for each
    name server, record type and candidate name.

    ``dns.resolve``: ``addresses``, ``error`` (an ``EAI_`` name or ``TIMEOUT``), ``elapsed_ms``, ``literal``.
    ``dns.answer``: ``server``, ``name``, ``type``, ``rcode``, ``addresses``, ``aliases``, ``ttl``, ``truncated``, ``error``,
    ``tcp_error`` (only where a truncated answer was asked for again over TCP), ``elapsed_ms``.
    """
    host = parameters["host"]
    if _is_literal(host):
        context.observe("dns.resolve", "ok", host, "%s is an address, nothing to resolve" % host,
                        data={"name": host, "addresses": [host], "error": "", "literal": True, "elapsed_ms": 0.0})
        return Outcome(True, {"addresses": [{"address": host}]})
    configuration = _resolver.read_configuration()
    _observe_configuration(context, configuration)
    lines = _resolver.hosts_lines(host)
    _observe_hosts_file(context, host, lines)
    asked = [threading.Thread(target=_ask_server, args=(context, server, host, configuration), daemon=True)
             for server in configuration.servers]
    for thread in asked:
        thread.start()
    addresses = _resolve(context, host)
    for thread in asked:
        thread.join(context.deadline.allow(_ASK_TIMEOUT_S * 2 + 1))
    return Outcome(bool(addresses), {"addresses": [{"address": address} for address in addresses]})


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _resolve(context: Context, host: str) -> list[str]:
    """getaddrinfo(3) can't be interrupted, so it runs in a thread of its own that may be left behind."""
    answer: dict[str, t.Any] = {"error": "TIMEOUT", "addresses": []}

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
        except socket.gaierror as problem:
            answer["error"] = _GAI_NAMES.get(problem.errno or 0, "EAI %s" % problem.errno)
        except UnicodeError:
            answer["error"] = "EAI_NONAME"
        else:
            answer["addresses"] = list(dict.fromkeys(str(item[4][0]) for item in found))[:_MOST_ADDRESSES]
            answer["error"] = ""

    started = time.time()
    began = time.monotonic()
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(context.deadline.allow(_RESOLVE_TIMEOUT_S))
    error, addresses = answer["error"], list(answer["addresses"])
    elapsed = round((time.monotonic() - began) * 1000, 1)
    context.observe(
        "dns.resolve",
        "fail" if error else "ok",
        host,
        "%s could not be resolved: %s after %s ms" % (host, error, elapsed) if error
        else "%s is %s (after %s ms)" % (host, ", ".join(addresses), elapsed),
        data={"name": host, "addresses": addresses, "error": error, "literal": False, "elapsed_ms": elapsed},
        started=started,
        reproduce="getent ahosts %s" % host,
    )
    return addresses


def _observe_configuration(context: Context, configuration: _resolver.ResolverConfiguration) -> None:
    usable = bool(configuration.servers)
    context.observe(
        "dns.configuration",
        "ok" if usable else "warn",
        "/etc/resolv.conf",
        "name servers %s; hosts are looked up in %s" % (", ".join(configuration.servers) or "none", ", ".join(configuration.sources)),
        data={
            "servers": list(configuration.servers),
            "search": list(configuration.search),
            "ndots": configuration.ndots,
            "file_problem": configuration.problem,
            "link": configuration.link,
            "sources": list(configuration.sources),
            "sources_line": configuration.sources_line,
            "asks_dns": any(source in ("dns", "resolve") for source in configuration.sources),
        },
        reproduce="cat /etc/resolv.conf; grep ^hosts /etc/nsswitch.conf",
    )


def _observe_hosts_file(context: Context, host: str, lines: list[_resolver.HostsLine]) -> None:
    addresses = list(dict.fromkeys(line.address for line in lines))
    context.observe(
        "dns.hosts_file",
        "ok",
        "/etc/hosts",
        "line %s gives %s the address %s" % (lines[0].line, host, lines[0].address) if lines else "no line for %s" % host,
        data={
            "name": host,
            "lines": [{"line": line.line, "address": line.address, "text": context.text(" ".join((line.address, *line.names)), 200)}
                      for line in lines[:20]],
            "addresses": addresses,
            "count": len(lines),
        },
        reproduce="grep -n %s /etc/hosts" % host,
    )


def _ask_server(context: Context, server: str, host: str, configuration: _resolver.ResolverConfiguration) -> None:
    """Candidate after candidate as the resolver does, until one exists; both address families of it at once."""
    for name in _resolver.candidates(host, configuration):
        answers = _ask_both(context, server, name)
        if any(answer["error"] or answer["addresses"] for answer in answers) or context.deadline.remaining() <= 0:
            return


def _ask_both(context: Context, server: str, name: str) -> list[dict[str, t.Any]]:
    answers: list[dict[str, t.Any]] = []
    pair = [threading.Thread(target=lambda kind=kind: answers.append(_ask(context, server, name, kind)), daemon=True)
            for kind in ("A", "AAAA")]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join(context.deadline.allow(_ASK_TIMEOUT_S * 2 + 1))
    return answers


def _ask(context: Context, server: str, name: str, kind: str) -> dict[str, t.Any]:
    started = time.time()
    began = time.monotonic()
    data: dict[str, t.Any] = {
        "server": server, "name": name, "type": kind, "rcode": "", "addresses": [], "aliases": [], "ttl": None,
        "truncated": False, "error": "", "tcp_error": "",
    }
    try:
        answer = _dns_wire.ask(server, name, kind, context.deadline.allow(_ASK_TIMEOUT_S))
        if answer.truncated:
            data["truncated"] = True
            answer = _ask_over_tcp(context, server, name, kind, answer, data)
        data.update(rcode=answer.rcode, addresses=list(answer.addresses), aliases=list(answer.aliases), ttl=answer.ttl)
    except _dns_wire.DnsError as problem:
        data["error"] = str(problem)
    data["elapsed_ms"] = round((time.monotonic() - began) * 1000, 1)
    trouble = data["error"] or data["tcp_error"] or data["rcode"] not in ("NOERROR", "NXDOMAIN")
    context.observe(
        "dns.answer",
        "warn" if trouble else "ok",
        "%s %s @%s" % (name, kind, server),
        _sentence(data),
        data=data,
        started=started,
        reproduce="dig @%s %s %s" % (server, name, kind),
    )
    return data


def _ask_over_tcp(
    context: Context, server: str, name: str, kind: str, truncated: _dns_wire.Answer, data: dict[str, t.Any]
) -> _dns_wire.Answer:
    try:
        return _dns_wire.ask(server, name, kind, context.deadline.allow(_ASK_TIMEOUT_S), tcp=True)
    except _dns_wire.DnsError as problem:
        data["tcp_error"] = str(problem)
        return truncated


def _sentence(data: dict[str, t.Any]) -> str:
    asked = "%s, asked for %s of %s" % (data["server"], data["type"], data["name"])
    if data["error"]:
        return "%s, gave no answer: %s after %s ms" % (asked, data["error"], data["elapsed_ms"])
    if data["tcp_error"]:
        return "%s, answered that the answer is too long for UDP, and over TCP nothing: %s" % (asked, data["tcp_error"])
    found = ", ".join(data["addresses"]) or "no such record"
    return "%s, answered %s: %s" % (asked, data["rcode"], found)
