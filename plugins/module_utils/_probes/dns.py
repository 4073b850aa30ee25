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

from ansible_collections.connectivity.doctor.plugins.module_utils import _resolver
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    authority as _dns_authority,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    cache as _dns_cache,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    compare as _dns_compare,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    wire as _dns_wire,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "compare_with": {"type": "list", "elements": "str", "default": []},
    "authority": {"type": "bool", "default": False},
}

_RESOLVE_TIMEOUT_S = 15.0
_ASK_TIMEOUT_S = 3.0
_MOST_ADDRESSES = 16
_MOST_COMPARED = 4
# What the probe itself looks into; any other source of nsswitch.conf is asked by name.
_KNOWN_SOURCES = ("files", "dns", "resolve")
_GETENT_S = 3.0
# A cached answer's TTL has gone down after this long, as TTLs are whole seconds.
_GROWS_OLDER_S = 1.1
_MOST_ELSEWHERE = 4
_Answers = t.Dict[str, t.List[t.Dict[str, t.Any]]]
_GAI_NAMES = {
    value: name for name, value in vars(socket).items() if name.startswith("EAI_") and isinstance(value, int)
}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``dns.resolve``; for a name also ``dns.configuration``, ``dns.hosts_file``, a ``dns.answer`` for each name server, record
    type and candidate name, and what these say together: ``dns.search``, ``dns.agreement``. Where there is something to look at:
    ``dns.answer_unchecked``, ``dns.upstream``, ``dns.cache``, ``dns.sources``, ``dns.compared``, ``dns.authority``.

    ``dns.resolve``: ``addresses`` (in the order of RFC 6724), ``error`` (an ``EAI_`` name or ``TIMEOUT``), ``elapsed_ms``, ``literal``.
    ``dns.configuration``: ``servers``, ``search``, ``ndots``, ``file_problem``, ``link``, ``options``, ``owner`` (see
    :func:`_resolver.owner_of`), ``upstream`` (whom systemd-resolved asks, null where it is not asked itself), ``sources``,
    ``sources_line``, ``asks_dns``, ``precedence`` (``prefix``, ``value``, ``line`` of gai.conf; empty: the built-in order).
    ``dns.answer``: ``server``, ``name``, ``type``, ``rcode``, ``addresses``, ``aliases``, ``ttl``, ``truncated``, ``error``,
    ``tcp_error`` (only where a truncated answer was asked for again over TCP), ``elapsed_ms``, ``checking_disabled``, ``authenticated``
    (the server verified the signatures), ``extended_error`` (a number of RFC 8914 or null).
    ``dns.answer_unchecked``, after SERVFAIL: the same question with checking disabled. An answer to it means that the signatures are wrong.
    ``dns.upstream``, where a stub of this host is configured: the same question to each server that the stub asks.
    ``dns.search``: ``candidates`` (``name``, ``rcode``, ``addresses``), ``used``, ``used_addresses``, ``searched``, ``absolute``,
    ``absolute_rcode``, ``absolute_addresses``, ``differs``, ``server``.
    ``dns.agreement``, of several servers: ``agree``, ``groups`` (``name``, ``rcode``, ``addresses``, ``servers``), ``silent``.
    ``dns.cache``: ``cache`` (``resolved``, ``nscd``), ``addresses``, ``from_cache`` (null: not told), ``server_addresses``,
    ``differs_from_servers``, ``keeps_s``, ``links`` (``link``, ``servers``), ``error``.
    ``dns.sources``, where nsswitch.conf has others than files and DNS: ``sources`` (``source``, ``addresses``), ``first``.
    ``dns.compared``, of each server of ``compare_with``: ``server``, ``rcode``, ``addresses``, ``error``, ``here_addresses``, ``differs``,
    ``private``, ``here_private``.
    ``dns.authority``, with ``authority``: ``zone``, ``server``, ``address``, ``rcode``, ``addresses``, ``ttl``, ``error``,
    ``differs_from_servers``, ``server_ttl`` (the largest that a configured server told), ``asked`` (the configured server that knew the
    name first), ``server_ttl_falls`` (true: what that one has grows older, so it is a copy; false: it is its own; null: not told).

    Gives the addresses that were resolved as ``addresses``; with ``authority`` also, as ``elsewhere``, those that a name server, the
    authority, or the name without a search domain has instead.
    """
    host = parameters["host"]
    if _is_literal(host):
        context.observe("dns.resolve", "ok", host, "%s is an address, nothing to resolve" % host,
                        data={"name": host, "addresses": [host], "error": "", "literal": True, "elapsed_ms": 0.0})
        return Outcome(True, {"addresses": [{"address": host}]})
    configuration = _resolver.read_configuration()
    is_stub = bool(set(configuration.servers) & set(_dns_cache.STUBS))
    upstreams = _dns_cache.uplinks() if is_stub else None
    _observe_configuration(context, configuration, upstreams)
    lines = _resolver.hosts_lines(host)
    _observe_hosts_file(context, host, lines)
    answers: dict[str, _Answers] = {server: {} for server in configuration.servers}
    compared: dict[str, _Answers] = {server: {} for server in parameters["compare_with"][:_MOST_COMPARED]}
    upstream: dict[str, _Answers] = {server: {} for server in upstreams or ()}
    asked = [threading.Thread(target=_ask_server, args=(context, check, server, host, configuration, into[server]), daemon=True)
             for check, into in (("dns.answer", answers), ("dns.upstream", upstream), ("", compared)) for server in into]
    asked += [threading.Thread(target=_observe_sources, args=(context, host, configuration), daemon=True)]
    for thread in asked:
        thread.start()
    addresses = _resolve(context, host)
    for thread in asked:
        thread.join(context.deadline.allow(_ASK_TIMEOUT_S * 3 + 1))
    absolute = _observe_search(context, host, answers)
    _observe_agreement(context, host, answers)
    known = _dns_compare.addresses_of(_flat(upstream) or _flat(answers))
    _observe_cache(context, host, addresses, known, bool(lines))
    for server, by_name in compared.items():
        _observe_compared(context, host, server, by_name, known)
    outputs = {"addresses": _items(addresses)}
    if parameters["authority"]:
        others = [*absolute, *known, *_observe_authority(context, answers)]
        outputs["elsewhere"] = _items([address for address in dict.fromkeys(others) if address not in addresses][:_MOST_ELSEWHERE])
    return Outcome(bool(addresses), outputs)


def _items(addresses: t.Iterable[str]) -> list[dict[str, t.Any]]:
    return [{"address": address} for address in addresses]


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


def _observe_configuration(context: Context, configuration: _resolver.ResolverConfiguration, upstreams: list[str] | None) -> None:
    usable = bool(configuration.servers) and upstreams != []
    context.observe(
        "dns.configuration",
        "ok" if usable else "warn",
        "/etc/resolv.conf",
        "name servers %s%s; hosts are looked up in %s" % (
            ", ".join(configuration.servers) or "none",
            "" if upstreams is None else ", which asks %s" % (", ".join(upstreams) or "nobody"), ", ".join(configuration.sources)),
        data={
            "servers": list(configuration.servers),
            "upstream": upstreams,
            "search": list(configuration.search),
            "ndots": configuration.ndots,
            "file_problem": configuration.problem,
            "link": configuration.link,
            "options": list(configuration.options),
            "owner": configuration.owner,
            "sources": list(configuration.sources),
            "sources_line": configuration.sources_line,
            "asks_dns": any(source in ("dns", "resolve") for source in configuration.sources),
            "precedence": [line._asdict() for line in _resolver.read_precedence()],
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


def _ask_server(
    context: Context, check: str, server: str, host: str, configuration: _resolver.ResolverConfiguration, found: _Answers,
) -> None:
    """Candidate after candidate as the resolver does, until one exists; both address families of it at once.

    :param check: under which each answer is recorded, or empty. :param found: takes the answers by candidate.
    """
    for name in _resolver.candidates(host, configuration):
        answers = found[name] = _ask_both(context, check, server, name)
        if any(answer["error"] or answer["addresses"] for answer in answers) or context.deadline.remaining() <= 0:
            return


def _ask_both(context: Context, check: str, server: str, name: str) -> list[dict[str, t.Any]]:
    answers: list[dict[str, t.Any]] = []
    pair = [threading.Thread(target=lambda kind=kind: answers.append(_ask(context, check, server, name, kind)), daemon=True)
            for kind in ("A", "AAAA")]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join(context.deadline.allow(_ASK_TIMEOUT_S * 3 + 1))
    return answers


def _ask(context: Context, check: str, server: str, name: str, kind: str, unchecked: bool = False) -> dict[str, t.Any]:
    flags = _dns_wire.RECURSION_DESIRED | (_dns_wire.CHECKING_DISABLED if unchecked else _dns_wire.AUTHENTIC_DATA)
    started = time.time()
    began = time.monotonic()
    data: dict[str, t.Any] = {
        "server": server, "name": name, "type": kind, "rcode": "", "addresses": [], "aliases": [], "ttl": None,
        "truncated": False, "error": "", "tcp_error": "", "checking_disabled": unchecked, "authenticated": False, "extended_error": None,
    }
    try:
        answer = _dns_wire.ask(server, name, kind, context.deadline.allow(_ASK_TIMEOUT_S), flags=flags)
        if answer.truncated:
            data["truncated"] = True
            answer = _ask_over_tcp(context, server, name, kind, answer, data, flags)
        data.update(rcode=answer.rcode, addresses=list(answer.addresses), aliases=list(answer.aliases), ttl=answer.ttl,
                    authenticated=answer.authenticated, extended_error=answer.extended_error)
    except _dns_wire.DnsError as problem:
        data["error"] = str(problem)
    data["elapsed_ms"] = round((time.monotonic() - began) * 1000, 1)
    trouble = data["error"] or data["tcp_error"] or data["rcode"] not in ("NOERROR", "NXDOMAIN")
    if check:
        context.observe(
            check,
            "warn" if trouble else "ok",
            "%s %s @%s" % (name, kind, server),
            _sentence(data),
            data=data,
            started=started,
            reproduce="dig @%s %s %s%s" % (server, name, kind, " +cd" if unchecked else ""),
        )
    if check == "dns.answer" and data["rcode"] == "SERVFAIL":
        _ask(context, "dns.answer_unchecked", server, name, kind, unchecked=True)
    return data


def _ask_over_tcp(
    context: Context, server: str, name: str, kind: str, truncated: _dns_wire.Answer, data: dict[str, t.Any], flags: int,
) -> _dns_wire.Answer:
    try:
        return _dns_wire.ask(server, name, kind, context.deadline.allow(_ASK_TIMEOUT_S), tcp=True, flags=flags)
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


def _flat(answers: dict[str, _Answers]) -> list[dict[str, t.Any]]:
    """Of each server, what it said of the name that is used."""
    return [answer for by_name in answers.values() for answer in by_name.get(_dns_compare.used_name(by_name), ())]


def _observe_search(context: Context, host: str, answers: dict[str, _Answers]) -> list[str]:
    """Of the first server that speaks, as that is the one whose answer is used. :returns: the addresses of the name as it is."""
    for server, by_name in answers.items():
        if not any(answer["rcode"] for found in by_name.values() for answer in found):
            continue
        absolute = host.rstrip(".") + "."
        told = by_name[absolute] if absolute in by_name else _ask_both(context, "", server, absolute)
        data = dict(_dns_compare.search(host, by_name, told), server=server)
        context.observe(
            "dns.search",
            "warn" if data["differs"] else "ok",
            host,
            "%s is looked up as %s%s" % (
                host, data["used"] or ", then ".join(by_name), ", which is another than %s" % absolute if data["differs"] else ""),
            data=data,
            reproduce="dig @%s +search +showsearch %s; dig @%s %s" % (server, host, server, absolute),
        )
        return list(data["absolute_addresses"])
    return []


def _observe_agreement(context: Context, host: str, answers: dict[str, _Answers]) -> None:
    if len(answers) < 2:
        return
    data = _dns_compare.agreement(host, answers)
    context.observe(
        "dns.agreement",
        "ok" if data["agree"] else "warn",
        host,
        "the name servers that answer agree about %s" % host if data["agree"] else "the name servers disagree about %s: %s" % (
            host, "; ".join("%s: %s" % (", ".join(group["servers"]), ", ".join(group["addresses"]) or group["rcode"])
                            for group in data["groups"])),
        data=data,
        reproduce="; ".join("dig @%s %s" % (server, host) for server in answers),
    )


def _observe_cache(context: Context, host: str, addresses: list[str], known: list[str], in_hosts_file: bool) -> None:
    started = time.time()
    found = _dns_cache.ask_resolved(host, context) or _dns_cache.ask_nscd(addresses)
    if found is None:
        return
    servers = list(found.fresh) or known
    denied = found.error == "not_found" and bool(found.fresh)
    differs = not in_hosts_file and (denied or _dns_compare.disagree(found.addresses, servers))
    data: dict[str, t.Any] = {
        "name": host, "cache": found.cache, "addresses": list(found.addresses), "from_cache": found.from_cache,
        "server_addresses": servers, "differs_from_servers": differs, "keeps_s": found.keeps_s, "error": found.error,
        "links": _dns_cache.links(context) if found.cache == "resolved" else [],
    }
    silent = bool(found.error and servers) and not denied
    context.observe(
        "dns.cache",
        "warn" if differs else "cannot_tell" if silent else "ok",
        host,
        "what the cache of %s has for %s can't be seen: %s" % (found.cache, host, found.error) if silent
        else "the cache of %s has %s for %s%s" % (
            found.cache, ", ".join(found.addresses) or "nothing", host,
            ", the name servers have %s" % ", ".join(servers) if differs else ""),
        data=dict(data, reason="no_answer") if silent else data,
        started=started,
        reproduce="resolvectl query %s; resolvectl query --cache=no %s" % (host, host) if found.cache == "resolved" else "nscd -g",
    )


def _observe_sources(context: Context, host: str, configuration: _resolver.ResolverConfiguration) -> None:
    others = [source for source in configuration.sources if source not in _KNOWN_SOURCES][:6]
    if not others:
        return
    started = time.time()
    found = []
    for source in others:
        answer = context.command(["getent", "-s", "hosts:" + source, "ahosts", "--", host], _GETENT_S)
        words = [line.split() for line in answer.output.splitlines()[:_MOST_ADDRESSES * 3]]
        found.append({"source": source, "addresses": list(dict.fromkeys(line[0] for line in words if line))})
    first = next((one["source"] for one in found if one["addresses"]), "")
    context.observe(
        "dns.sources",
        "ok",
        host,
        "of the other sources of nsswitch.conf, %s" % ("%s knows %s" % (first, host) if first else "none knows %s" % host),
        data={"name": host, "sources": found, "first": first},
        started=started,
        reproduce="; ".join("getent -s hosts:%s ahosts %s" % (source, host) for source in others),
    )


def _observe_compared(context: Context, host: str, server: str, by_name: _Answers, here: list[str]) -> None:
    answers = by_name.get(_dns_compare.used_name(by_name)) or [answer for found in by_name.values() for answer in found]
    addresses = _dns_compare.addresses_of(answers)
    data = {
        "name": host, "server": server, "rcode": _dns_compare.rcode_of(answers), "addresses": addresses,
        "error": next((answer["error"] for answer in answers if answer["error"]), "") if not _dns_compare.rcode_of(answers) else "",
        "here_addresses": here, "differs": bool(addresses) != bool(here) or _dns_compare.disagree(addresses, here),
        "private": any(map(_dns_compare.is_private, addresses)), "here_private": any(map(_dns_compare.is_private, here)),
    }
    if data["error"]:
        data["differs"] = False
    context.observe(
        "dns.compared",
        "warn" if data["differs"] else "cannot_tell" if data["error"] else "ok",
        "%s @%s" % (host, server),
        "%s says %s of %s, the servers of this host say %s" % (
            server, ", ".join(addresses) or data["rcode"] or data["error"], host, ", ".join(here) or "nothing"),
        data=dict(data, reason="no_answer") if data["error"] else data,
        reproduce="dig @%s %s" % (server, host),
    )


def _observe_authority(context: Context, answers: dict[str, _Answers]) -> list[str]:
    """Asked through the first server that knows the name; the zone's servers may well be out of this host's reach.

    :returns: the addresses that they have.
    """
    for server, by_name in answers.items():
        name = _dns_compare.used_name(by_name)
        if not name:
            continue
        known = next(answer for answer in by_name[name] if answer["addresses"])
        told = [answer["ttl"] for found in _flat_named(answers, name, known["type"]) for answer in found if answer["ttl"] is not None]
        started, began = time.time(), time.monotonic()
        try:
            authorities = _dns_authority.ask_authorities(name, known["type"], server, context.deadline.allow)
        except _dns_wire.DnsError as problem:
            authorities = [_dns_authority.Authority("", "", "", "", (), None, str(problem))]
        falls = _ttl_falls(context, known, _GROWS_OLDER_S - (time.monotonic() - began))
        for authority in authorities:
            differs = not authority.error and (
                not authority.addresses or _dns_compare.disagree(authority.addresses, known["addresses"]))
            data = dict(authority._asdict(), addresses=list(authority.addresses), name=name, type=known["type"], asked=server,
                        differs_from_servers=differs, server_ttl=max(told, default=None), server_ttl_falls=falls)
            context.observe(
                "dns.authority",
                "cannot_tell" if authority.error else "warn" if differs else "ok",
                "%s @%s" % (name, authority.server or "?"),
                "the authority %s says %s of %s" % (
                    authority.server or "of the zone", ", ".join(authority.addresses) or authority.rcode or authority.error, name),
                data=dict(data, reason="no_answer") if authority.error else data,
                started=started,
                reproduce="dig @%s +norecurse %s %s" % (authority.address, name, known["type"]),
            )
        return [address for authority in authorities if not authority.error for address in authority.addresses]
    return []


def _ttl_falls(context: Context, known: dict[str, t.Any], wait_s: float) -> bool | None:
    """Whether a server's answer grows older between two questions (RFC 1035, section 3.2.1): a copy does, its own data does not."""
    if known["ttl"] is None or context.deadline.remaining() < wait_s + _ASK_TIMEOUT_S:
        return None
    time.sleep(max(0.0, wait_s))
    try:
        again = _dns_wire.ask(known["server"], known["name"], known["type"], context.deadline.allow(_ASK_TIMEOUT_S))
    except _dns_wire.DnsError:
        return None
    same = again.ttl is not None and sorted(again.addresses) == sorted(known["addresses"])
    # A longer life than before is one of another cache of the same service, or a fresh one.
    return again.ttl < known["ttl"] if again.ttl is not None and same and again.ttl <= known["ttl"] else None


def _flat_named(answers: dict[str, _Answers], name: str, kind: str) -> list[list[dict[str, t.Any]]]:
    return [[answer for answer in by_name.get(name, ()) if answer["type"] == kind] for by_name in answers.values()]
