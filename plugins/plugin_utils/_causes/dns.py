# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in name resolution. EAI_AGAIN alone is five of them; each name server's own answer tells which.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    above,
    empty,
    every,
    given,
    seen,
    unseen,
)

_UNRESOLVED = seen("dns.resolve", "fail")
_ASKS_DNS = seen("dns.configuration", asks_dns=True, servers=given)
# systemd-resolved is asked, and has nobody to ask; what it says then is its own word.
_ASKS_NOBODY = seen("dns.configuration", upstream=lambda servers: servers == []) & seen("dns.answer", rcode=("SERVFAIL", "REFUSED"))
_NO_HOSTS_LINE = seen("dns.hosts_file", count=0)
# Nothing usable came back: no answer, or one that could not be read.
_SILENT = {"error": given}
# What a resolver of the host itself says for servers that do not answer it is its own word, not theirs.
_ITS_SERVERS_SILENT = every("dns.upstream", **_SILENT)


def _family(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def _dns_addresses(case: Case) -> tuple[set[str], list[int]]:
    addresses: set[str] = set()
    numbers = []
    for number, observation in case.of("dns.answer", "client"):
        if observation["data"]["addresses"]:
            addresses.update(observation["data"]["addresses"])
            numbers.append(number)
    return addresses, numbers


def _connects(case: Case, addresses: t.Iterable[str], status: str) -> list[int]:
    wanted = set(addresses)
    return [number for number, observation in case.of("tcp.connect", "client")
            if observation["data"]["address"] in wanted and observation["status"] == status]


def _hosts_file(case: Case) -> tuple[list[int], list[dict[str, t.Any]]] | None:
    """The lines that give the name, and where they were seen: the closer look asks again."""
    seen_lines = [(number, observation["data"]["lines"]) for number, observation in case.of("dns.hosts_file", "client")
                  if observation["data"].get("lines")]
    return ([number for number, _lines in seen_lines], seen_lines[0][1]) if seen_lines else None


def _conflicting_lines(case: Case) -> Match | None:
    """Two lines of one family differ, and the one that is used leads nowhere."""
    found = _hosts_file(case)
    if not found:
        return None
    numbers, lines = found
    for family in ("ipv4", "ipv6"):
        of_family = [line for line in lines if _family(line["address"]) == family]
        if len({line["address"] for line in of_family}) < 2:
            continue
        failed = _connects(case, [of_family[0]["address"]], "fail")
        if failed:
            others = ", ".join("line %d (%s)" % (line["line"], line["address"]) for line in of_family[1:])
            used = of_family[0]
            return Match((*numbers, *failed), {
                "line": used["line"], "text": used["text"], "others": others, "address": used["address"]})
    return None


def _is_own_name(case: Case, address: str) -> bool:
    """A server may name itself by an address that is only its own, as Debian's installer does (127.0.1.1)."""
    return case.endpoint.get("server") == case.host and ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _stale_line(case: Case) -> Match | None:
    """The hosts file and the DNS know different addresses, and the file's leads nowhere."""
    found = _hosts_file(case)
    if not found or _conflicting_lines(case):
        return None
    numbers, lines = found
    resolved, answers = _dns_addresses(case)
    for line in lines:
        same_family = {address for address in resolved if _family(address) == _family(line["address"])}
        failed = _connects(case, [line["address"]], "fail")
        if _is_own_name(case, line["address"]):
            continue
        if failed and same_family and line["address"] not in same_family:
            return Match((*numbers, *answers, *failed), {**line, "right": ", ".join(sorted(same_family))})
    return None


def _nowhere_known(case: Case) -> Match | None:
    """Neither the hosts file nor any name server that was asked has the name; or none is asked at all, and that would not help."""
    if any(answer["data"]["addresses"] for _number, answer in case.of("dns.answer", "client")):
        return None
    denied = seen("dns.answer", rcode="NXDOMAIN") & unseen(seen("dns.answer", rcode=("NOERROR", "SERVFAIL", "REFUSED")))
    return (_UNRESOLVED & _NO_HOSTS_LINE & (denied | seen("dns.configuration", asks_dns=False))).match(case)


def _line_said(case: Case) -> Match | None:
    """The inventory has addresses for the name, and this host was let in there."""
    served = [(number, connect["data"]) for number, connect in case.of("tcp.connect", "inventory") if connect["status"] == "ok"]
    if not served:
        return None
    return Match(tuple(number for number, _data in served), {
        "source": "the inventory says", "addresses": _joined(data["address"] for _number, data in served)})


def _line_elsewhere(case: Case) -> Match | None:
    """Other hosts have the name in their hosts file, and reach the endpoint there."""
    for number, others in case.of("fleet.hosts_file", "client"):
        reached = {one["address"] for one in others["data"]["reached"] if one["port"] == case.endpoint.get("port")}
        for group in others["data"]["elsewhere"]:
            if reached & set(group["addresses"]):
                return Match((number,), {"source": "the hosts file of %s says" % ", ".join(group["hosts"]),
                                         "addresses": _joined(reached & set(group["addresses"]))})
    return None


def _disagreement(case: Case) -> Match | None:
    """Some server says that a name does not exist which another one knows."""
    found = None
    answers = [(number, answer["data"]) for number, answer in case.of("dns.answer", "client")]
    for number, known in answers:
        for other, denied in answers if known["addresses"] else ():
            if denied["rcode"] == "NXDOMAIN" and denied["name"] == known["name"] and denied["server"] != known["server"]:
                said = "%s says %s, %s that it does not exist" % (known["server"], ", ".join(known["addresses"]), denied["server"])
                found = _more(found, Match((number, other), {"record": known["name"], "said": said, "server": denied["server"]}))
    return found


def _different_addresses(case: Case) -> Match | None:
    """Two servers give addresses that have nothing in common; those of one lead nowhere, those of the other are served."""
    found = None
    for number, agreement in case.of("dns.agreement", "client"):
        groups = [group for group in agreement["data"]["groups"] if group["addresses"]]
        for wrong, right in itertools.permutations(groups, 2):
            place = _wrong_place(case, wrong["addresses"], right["addresses"])
            if place:
                said = "; ".join("%s: %s" % (", ".join(group["servers"]), ", ".join(group["addresses"])) for group in groups)
                found = _more(found, Match((number, *place), {
                    "record": wrong["name"], "said": said, "server": ", ".join(wrong["servers"])}))
    return found


def _wrong_place(case: Case, used: t.Iterable[str], right: t.Iterable[str]) -> list[int]:
    """What is used does not serve, and what is right accepts connections from this very host."""
    wrong, right = set(used) - set(right), set(right) - set(used)
    failed = _connects(case, wrong, "fail")
    serves = [number for number, connect in case.of("tcp.connect", "elsewhere")
              if connect["status"] == "ok" and connect["data"]["address"] in right]
    return [*failed, *serves] if failed and serves else []


def _joined(addresses: t.Iterable[str]) -> str:
    return ", ".join(sorted(addresses))


def _searched_away(case: Case) -> Match | None:
    """The name with a search domain exists, is used, and leads nowhere; the name as it is leads to somebody who serves."""
    found = None
    for number, search in case.of("dns.search", "client"):
        data = search["data"]
        place = _wrong_place(case, data["used_addresses"], data["absolute_addresses"]) if data["differs"] else ()
        if place:
            domain = data["used"][len(data["name"].rstrip(".")):].strip(".")
            found = _more(found, Match((number, *place), {
                "used": data["used"], "domain": domain, "old": _joined(data["used_addresses"]),
                "right": _joined(data["absolute_addresses"])}))
    return found


def _more(found: Match | None, match: Match) -> Match:
    """Of the closer look too, which asks again."""
    return found + match if found else match


def _stale_copy(case: Case) -> Match | None:
    """A cache has what its source no longer has: one of this host, or the name server, whose answer grows older."""
    found = None
    for number, cache in case.of("dns.cache", "client"):
        data = cache["data"]
        place = _wrong_place(case, data["addresses"], data["server_addresses"]) if data["differs_from_servers"] else ()
        if place:
            found = _more(found, Match((number, *place), {
                "observer": case.host, "cache": data["cache"], "old": _joined(data["addresses"]),
                "right": _joined(data["server_addresses"])}))
    for number, told in _other_authority(case, falls=True):
        used, answers = _said_by(case, told["asked"])
        place = _wrong_place(case, used, told["addresses"])
        if place:
            found = _more(found, Match((number, *answers, *place), {
                "observer": told["asked"], "cache": told["asked"], "old": _joined(used), "right": _joined(told["addresses"])}))
    return found


def _other_authority(case: Case, falls: bool) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
    for number, authority in case.of("dns.authority", "client"):
        if authority["data"]["differs_from_servers"] and authority["data"]["server_ttl_falls"] is falls:
            yield number, authority["data"]


def _said_by(case: Case, server: str) -> tuple[set[str], list[int]]:
    answers = [(number, answer["data"]["addresses"]) for number, answer in case.of("dns.answer", "client")
               if answer["data"]["server"] == server and answer["data"]["addresses"]]
    return {address for _number, addresses in answers for address in addresses}, [number for number, _addresses in answers]


def _server_at(case: Case, addresses: t.Iterable[str]) -> list[int]:
    """What shows that one of these addresses is the endpoint's server's own."""
    wanted = set(addresses)
    return [number for number, rule in case.of("firewall.rule", "server") if rule["data"].get("local_address") in wanted]


def _leads_to_the_server(case: Case) -> Match | None:
    resolved = {address for _number, name in case.of("dns.resolve", "client") for address in name["data"]["addresses"]}
    there = _server_at(case, resolved)
    return Match(tuple(there)) if there else None


def _wrong_view(case: Case) -> Match | None:
    """This host is told of another place than others are, not by an old copy, and the endpoint's server is there, and not here."""
    for number, told in _other_authority(case, falls=False):
        used, answers = _said_by(case, told["asked"])
        place, there = _wrong_place(case, used, told["addresses"]), _server_at(case, set(told["addresses"]) - used)
        if place and there:
            return Match((number, *answers, *place, *there), {
                "observer": told["asked"], "view": told["asked"], "used": _joined(used), "right": _joined(told["addresses"]),
                "others": "the zone's own server " + told["server"]})
    for number, others in case.of("fleet.name", "client"):
        used, current = set(others["data"]["here"]), _is_current(case)
        for group in others["data"]["elsewhere"] if current else ():
            right = set(group["addresses"]) - used
            failed, there = _connects(case, used - set(group["addresses"]), "fail"), _server_at(case, right)
            if failed and there:
                view = case.observations[current[0]]["data"]["asked"]
                return Match((number, *current, *failed, *there), {
                    "observer": view, "view": view, "used": _joined(used), "right": _joined(right),
                    "others": ", ".join(group["hosts"])})
    return None


def _is_current(case: Case) -> list[int]:
    """What shows that the name server's answer is no old copy: it does not grow older, or the zone's own server says the same."""
    return [number for number, authority in case.of("dns.authority", "client")
            if authority["data"].get("server_ttl_falls") is False or authority["status"] == "ok"]


_LEADS_NOWHERE = seen("tcp.connect", "fail")
_LEADS_TO_THE_SERVER = Joined(_leads_to_the_server)


def _line_missing(case: Case) -> Match | None:
    """What the inventory says was tried from here; so it goes before what other hosts have."""
    unknown, line = _nowhere_known(case), _line_said(case) or _line_elsewhere(case)
    if unknown is None or line is None:
        return None
    return Match((*unknown.numbers, *line.numbers), {**line.facts, "record": unknown.facts["name"]})


def _first_server_dead(case: Case) -> Match | None:
    """The first server is silent, a later one answers, and the application waits for the first at every look-up."""
    for number, configuration in case.of("dns.configuration", "client"):
        servers = configuration["data"]["servers"]
        answers = list(case.of("dns.answer", "client"))
        silent = [one for one, answer in answers if answer["data"]["server"] in servers[:1] and answer["data"]["error"]]
        spoke = [one for one, answer in answers
                 if answer["data"]["server"] in servers[1:] and answer["data"]["rcode"] in ("NOERROR", "NXDOMAIN")]
        first_spoke = any(answer["data"]["server"] in servers[:1] and not answer["data"]["error"] for _one, answer in answers)
        if silent and spoke and not first_spoke:
            return Match((number, *silent, *spoke), {"server": servers[0], "next": servers[1]})
    return None


CAUSES = (
    Cause(
        code="dns.hosts_file_conflict",
        meaning="Several lines of the hosts file give the name different addresses; the first is used, and it leads nowhere.",
        summary="{host}: line {line} of /etc/hosts ({text}) wins over {others}, and {address} does not answer",
        proof=Joined(_conflicting_lines),
        ruled_out=seen("dns.hosts_file", count=(0, 1)),
        look_alikes=("dns.hosts_file_stale",),
        explains=seen("tcp.connect", "fail"),
        remediation=Remediation("fix_hosts", GUARDED),
        advice="Keep the line with the right address and remove the others.",
        component="/etc/hosts",
        culprit={"file": "/etc/hosts", "line": "{line}", "text": "{text}"},
    ),
    Cause(
        code="dns.hosts_file_stale",
        meaning="A line of the hosts file gives the name an address that the DNS no longer knows, and nothing answers there.",
        summary="{host}: line {line} of /etc/hosts sends {name} to {address}, the DNS says {right}",
        proof=Joined(_stale_line),
        ruled_out=seen("dns.hosts_file", count=0) | Joined(_conflicting_lines),
        look_alikes=("dns.hosts_file_conflict",),
        explains=seen("tcp.connect", "fail"),
        remediation=Remediation("fix_hosts", GUARDED),
        advice="Remove the line, or give it the address that the DNS has.",
        component="/etc/hosts",
        culprit={"file": "/etc/hosts", "line": "{line}", "text": "{text}"},
    ),
    Cause(
        code="dns.hosts_line_missing",
        meaning="No name server has the name; it is meant to be in the hosts file, and this host's does not have it.",
        summary="{host} lacks the line of /etc/hosts for {record}: no name server knows it, and {source} {addresses}",
        proof=Joined(_line_missing),
        ruled_out=seen("dns.hosts_file", count=above(0)) | seen("dns.answer", addresses=given),
        look_alikes=("dns.nxdomain", "dns.nsswitch"),
        remediation=Remediation("fix_hosts", GUARDED),
        advice="Add the line to /etc/hosts, or have the record created.",
        component="/etc/hosts",
        culprit={"file": "/etc/hosts", "name": "{record}", "addresses": "{addresses}"},
    ),
    Cause(
        code="dns.nsswitch",
        meaning="The host's own settings never ask the DNS: the hosts line of nsswitch.conf names no source that does.",
        summary="{host} does not ask the DNS at all: nsswitch.conf has hosts: {sources}",
        proof=_UNRESOLVED & seen("dns.configuration", asks_dns=False) & seen("dns.answer", addresses=given),
        ruled_out=seen("dns.configuration", asks_dns=True),
        look_alikes=("dns.nxdomain",),
        remediation=Remediation("fix_resolver", AUTOMATIC),
        advice="Restore dns in the hosts line of /etc/nsswitch.conf.",
        component="/etc/nsswitch.conf",
        culprit={"file": "/etc/nsswitch.conf", "line": "{sources_line}"},
    ),
    Cause(
        code="dns.no_resolver",
        meaning="resolv.conf names no server: it is empty, missing, or a link to nothing; or only systemd-resolved, which has none itself.",
        summary="{host} has no name server: /etc/resolv.conf is without one ({file_problem}), or names one that has nobody to ask",
        proof=_UNRESOLVED & (seen("dns.configuration", asks_dns=True, servers=empty) | _ASKS_NOBODY),
        ruled_out=seen("dns.configuration", servers=given) & unseen(_ASKS_NOBODY),
        look_alikes=("dns.resolvers_unreachable", "dns.servfail", "dns.refused"),
        remediation=Remediation("fix_resolver", GUARDED),
        advice="Give the host its name servers through whatever manages resolv.conf.",
        component="/etc/resolv.conf",
        culprit={"file": "/etc/resolv.conf"},
    ),
    Cause(
        code="dns.resolvers_unreachable",
        meaning="None of the configured name servers answers this host.",
        summary="{host} gets no answer from any of its name servers ({servers}): {error}",
        proof=_UNRESOLVED & _ASKS_DNS & (every("dns.answer", **_SILENT) | _ITS_SERVERS_SILENT),
        ruled_out=(seen("dns.answer", error="") & unseen(_ITS_SERVERS_SILENT)) | seen("dns.configuration", servers=empty),
        look_alikes=("dns.no_resolver", "dns.servfail", "dns.refused"),
        remediation=Remediation("fix_resolver", GUARDED),
        advice="Restore name servers that this host can reach, or open UDP and TCP port 53 to them.",
        component="resolver",
        culprit={"servers": "{servers}"},
    ),
    Cause(
        code="dns.servfail",
        meaning="The name servers answer, and say that they can't find out: their upstream fails, or DNSSEC does.",
        summary="{server} answers SERVFAIL for {name}",
        proof=_UNRESOLVED & _ASKS_DNS & seen("dns.answer", rcode="SERVFAIL") & unseen(seen("dns.answer", rcode=("NOERROR", "NXDOMAIN")))
        & unseen(_ITS_SERVERS_SILENT) & unseen(_ASKS_NOBODY),
        ruled_out=every("dns.answer", rcode=lambda rcode: rcode != "SERVFAIL") | _ITS_SERVERS_SILENT | _ASKS_NOBODY,
        look_alikes=("dns.refused", "dns.resolvers_unreachable", "dns.no_resolver"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the name server why the zone can't be resolved; check the zone's servers and its signatures.",
        component="name server",
        place="server",
        culprit={"server": "{server}", "rcode": "SERVFAIL"},
    ),
    Cause(
        code="dns.refused",
        meaning="The name servers answer, and refuse to serve this host.",
        summary="{server} answers REFUSED to {host}",
        proof=_UNRESOLVED & _ASKS_DNS & seen("dns.answer", rcode="REFUSED") & unseen(seen("dns.answer", rcode=("NOERROR", "NXDOMAIN")))
        & unseen(_ASKS_NOBODY),
        ruled_out=every("dns.answer", rcode=lambda rcode: rcode != "REFUSED") | _ASKS_NOBODY,
        look_alikes=("dns.servfail", "dns.resolvers_unreachable", "dns.no_resolver"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the name server to allow this host's address.",
        component="name server",
        place="server",
        culprit={"server": "{server}", "rcode": "REFUSED"},
    ),
    Cause(
        code="dns.nxdomain",
        meaning="The name does not exist: every name server says so, and the hosts file does not have it.",
        summary="{name} does not exist: {server} answers NXDOMAIN",
        proof=_UNRESOLVED & _ASKS_DNS & _NO_HOSTS_LINE & seen("dns.answer", rcode="NXDOMAIN")
        & unseen(seen("dns.answer", rcode="NOERROR")) & unseen(seen("dns.answer", rcode=("SERVFAIL", "REFUSED"))),
        ruled_out=seen("dns.answer", addresses=given),
        look_alikes=("dns.nsswitch", "dns.no_data", "dns.hosts_line_missing"),
        follows_from=("dns.hosts_line_missing",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Correct the name in the endpoint, or have the record created.",
        component="name server",
        place="server",
        culprit={"name": "{name}", "rcode": "NXDOMAIN"},
    ),
    Cause(
        code="dns.no_data",
        meaning="The name exists, but has no address of a family that this host can use.",
        summary="{name} exists, but has no usable address for {host}",
        # With a search domain behind it, the name may well not exist.
        proof=(_UNRESOLVED & _ASKS_DNS & seen("dns.answer", rcode="NOERROR")
               & every("dns.answer", rcode=("NOERROR", "NXDOMAIN"), addresses=empty, error=""))
        | (seen("dns.answer", type="A", rcode="NOERROR", addresses=empty, error="") & seen("dns.answer", type="AAAA", addresses=given)
           & unseen(seen("dns.answer", type="A", addresses=given)) & every("tcp.connect", "fail", error="ENETUNREACH", answer="local")),
        ruled_out=seen("dns.answer", type="A", addresses=given) | every("dns.answer", rcode="NXDOMAIN"),
        look_alikes=("dns.nxdomain",),
        explains=seen("tcp.connect", "fail"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have a record of the family created that this host uses.",
        component="name server",
        place="server",
        culprit={"name": "{name}", "rcode": "NOERROR", "addresses": "none"},
    ),
    Cause(
        code="dns.tcp_blocked",
        meaning="The answer is too long for UDP, and TCP port 53 of the name server can't be reached.",
        summary="{server} answers {name} only over TCP, and port 53/tcp gives {tcp_error}",
        proof=seen("dns.answer", truncated=True, tcp_error=given),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Open TCP port 53 to the name server.",
        component="firewall",
        direction="outbound",
        place="path",
        explains=_UNRESOLVED,
        culprit={"server": "{server}", "port": "53/tcp"},
    ),
    Cause(
        code="dns.first_resolver_dead",
        meaning="The first name server is dead; a later one answers, after a wait of seconds at every look-up.",
        summary="{host} waits for its dead first name server {server} at every look-up; {next} answers",
        proof=Joined(_first_server_dead) & seen("dns.resolve", "ok", elapsed_ms=above(1000)),
        remediation=Remediation("fix_resolver", GUARDED),
        advice="Put a name server first that answers.",
        component="/etc/resolv.conf",
        culprit={"file": "/etc/resolv.conf", "server": "{server}"},
    ),
    Cause(
        code="dns.resolvers_disagree",
        meaning="The name servers of this host contradict each other about the name.",
        summary="the name servers of {host} contradict each other about {record}: {said}",
        proof=Joined(_disagreement) | Joined(_different_addresses),
        ruled_out=seen("dns.agreement", agree=True),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have all name servers serve the same data; until then, use only the right ones.",
        component="name server",
        place="server",
        explains=_UNRESOLVED | _LEADS_NOWHERE,
        follows_from=("dns.stale_cache",),
        culprit={"server": "{server}", "name": "{record}"},
    ),
    Cause(
        code="dns.search_domain",
        meaning="A search domain is put behind the name, and what is found there is another host.",
        summary="{host} looks up {name} as {used} and gets {old}; {name} itself is {right}",
        proof=Joined(_searched_away),
        suspicion=seen("dns.search", differs=True) & _LEADS_NOWHERE,
        ruled_out=seen("dns.search", differs=False) | _LEADS_TO_THE_SERVER,
        look_alikes=("dns.hosts_file_stale", "dns.stale_cache", "dns.split_horizon", "server.not_running"),
        decide_by="a connection from this host to the address of the name with a dot at its end",
        explains=_LEADS_NOWHERE,
        remediation=Remediation("fix_resolver", GUARDED),
        advice="Take {domain} out of the search domains, lower ndots, or write the name with a dot at its end.",
        component="/etc/resolv.conf",
        culprit={"file": "/etc/resolv.conf", "search": "{domain}", "name": "{used}"},
    ),
    Cause(
        code="dns.stale_cache",
        meaning="A cache still has an address that the name no longer has, and nobody serves there.",
        summary="the cache of {cache} still sends {host} to {old}, {name} is {right} now",
        proof=Joined(_stale_copy),
        suspicion=seen("dns.authority", differs_from_servers=True, server_ttl_falls=lambda falls: falls is not False) & _LEADS_NOWHERE,
        ruled_out=seen("dns.authority", server_ttl_falls=False) | seen("dns.authority", "ok") | _LEADS_TO_THE_SERVER,
        look_alikes=("dns.hosts_file_stale", "dns.split_horizon", "server.not_running"),
        decide_by="the TTL of the name server's answer, asked for twice: a copy grows older",
        explains=_LEADS_NOWHERE,
        remediation=Remediation("flush_cache", AUTOMATIC),
        advice="Flush the cache of {cache}, and let it keep nothing longer than its TTL.",
        component="cache",
        place="observer",
        culprit={"cache": "{cache}", "address": "{old}"},
    ),
    Cause(
        code="dns.split_horizon",
        meaning="The name server shows this host another view of the name than others get, and nobody serves there.",
        summary="{view} sends {host} to {used}; {others} has {right} for {name}, where its server is",
        proof=Joined(_wrong_view),
        suspicion=(seen("dns.authority", differs_from_servers=True, server_ttl_falls=lambda falls: falls is not True)
                   | seen("fleet.name", differs=True)) & _LEADS_NOWHERE,
        ruled_out=seen("dns.authority", differs_from_servers=True, server_ttl_falls=True) | _LEADS_TO_THE_SERVER,
        look_alikes=("dns.hosts_file_stale", "dns.stale_cache", "server.not_running"),
        decide_by="which of the addresses the endpoint's server has, seen on the server itself",
        explains=_LEADS_NOWHERE,
        follows_from=("dns.resolvers_disagree", "dns.hosts_file_stale", "dns.hosts_file_conflict", "dns.search_domain", "dns.stale_cache"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the name server to give {host} the view that leads to the server.",
        component="name server",
        place="observer",
        culprit={"server": "{view}", "name": "{name}", "addresses": "{used}"},
    ),
)
