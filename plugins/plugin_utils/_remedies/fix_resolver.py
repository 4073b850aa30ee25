# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the host ask name servers that answer, through whoever writes its resolv.conf, or lets it ask them at all (nsswitch.conf).

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import unit_if_known
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import fact, own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_FILE, _NSSWITCH = "/etc/resolv.conf", "/etc/nsswitch.conf"
_STUB = "127.0.0.53"
_RESOLVED, _NETWORK_MANAGER = "systemd-resolved.service", "NetworkManager.service"
_RESOLVED_DROP_IN = "/etc/systemd/resolved.conf.d/zz-connectivity-doctor.conf"
_NETWORK_MANAGER_DROP_IN = "/etc/NetworkManager/conf.d/zz-connectivity-doctor.conf"
# resolvconf(8) puts the one before all that it was told by others; resolvconf.conf(5) of openresolv has a setting that does so.
_HEADS = {"resolvconf": "/etc/resolvconf/resolv.conf.d/head", "openresolv": "/etc/resolvconf.conf"}
# Directives of resolv.conf(5) by what is changed; a domain is a search list of one.
_DIRECTIVES = {"servers": "nameserver", "search": "search|domain", "options": "options"}
_SETTLES_S = 5.0


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """What resolv.conf shall say. ``changes``: which of the three is another than now. ``given``: servers that the user gave come first."""

    summary: str
    changes: str
    servers: tuple[str, ...]
    search: tuple[str, ...]
    options: tuple[str, ...]
    given: bool = False

    def lines(self) -> list[str]:
        """Those of the directive that changes."""
        if self.changes == "servers":
            return ["nameserver " + server for server in self.servers]
        words = self.search if self.changes == "search" else self.options
        return [" ".join((self.changes, *words))] if words else []


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    if trouble.cause["code"] == "dns.nsswitch":
        return _nsswitch(unit_if_known(trouble))
    configuration = own(trouble, "dns.configuration")[0]["data"]
    owner = fact(configuration, "owner")
    if owner == "resolved" and _resolved_is_stopped(trouble, configuration):
        return Change(
            summary="start and enable %s, which resolv.conf leads to" % _RESOLVED,
            parameters={"owner": "resolved_stopped", "unit": _RESOLVED}, units=(_RESOLVED,), settles_s=_SETTLES_S)
    if owner not in _OWNERS:
        raise NoRemedy("%s is written by %s, which would write it again; change it there" % (
            _FILE, "a program that is not known" if owner == "other" else owner))
    return _OWNERS[owner](_BY_CODE[trouble.cause["code"]](trouble, configuration), trouble, configuration)


def _nsswitch(unit: str) -> Change:
    """Programs with a glibc before 2.33, or a Go before 1.21, read the file only when they begin (sourceware bug 12459, golang/go issue
    56515).
    """
    return Change(
        summary="add dns to the hosts line of %s%s" % (_NSSWITCH, ", and restart " + unit if unit else ""),
        parameters={"owner": "nsswitch", "file": _NSSWITCH, "unit": unit, "enabled": False},
        files=(_NSSWITCH,), units=(unit,) if unit else (), settles_s=_SETTLES_S)


def _resolved_is_stopped(trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> bool:
    """The file is not there, or nobody listens on the address that it names."""
    refused = [answer for answer in own(trouble, "dns.answer")
               if answer["data"]["server"] == _STUB and answer["data"]["error"] == "ECONNREFUSED"]
    return configuration["file_problem"] == "dangling_link" or bool(refused)


def _wanted(configuration: t.Mapping[str, t.Any], summary: str, changes: str, **others: t.Any) -> _Wanted:
    now = {key: tuple(fact(configuration, key)) for key in _DIRECTIVES}
    return _Wanted(summary=summary, changes=changes, **{**now, **others})


def _other_servers(trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> _Wanted:
    """None is configured, or none answers; what is configured stays behind those that were given."""
    del trouble
    return _wanted(configuration, "let the host ask the name servers that connectivity_name_servers gives", "servers", given=True)


def _dead_last(trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> _Wanted:
    """A server that spoke goes before all that were silent; among themselves they keep their order."""
    spoke = {answer["data"]["server"] for answer in trouble.proofs("dns.answer") if not answer["data"]["error"]}
    servers = configuration["servers"]
    if not spoke:
        raise NoRemedy("no configured name server was seen to answer")
    ordered = tuple(sorted(servers, key=lambda server: server not in spoke))
    return _wanted(configuration, "ask %s before %s" % (ordered[0], servers[0]), "servers", servers=ordered)


def _searched(trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> _Wanted:
    """A name with as many dots as ndots is tried as it is first, and the search domain stays for shorter ones; else the domain goes."""
    name, domain = trouble.proofs("dns.search")[0]["data"]["name"].rstrip("."), trouble.cause["culprit"]["search"]
    dots = name.count(".")
    now = _wanted(configuration, "", "options")
    if 1 <= dots < configuration["ndots"]:
        others = tuple(option for option in now.options if not option.startswith("ndots:"))
        return dataclasses.replace(
            now, summary="lower ndots from %d to %d, so that names with as many dots are looked up as they are first" % (
                configuration["ndots"], dots),
            options=(*others, "ndots:%d" % dots) if dots > 1 else others)
    kept = tuple(one for one in now.search if one.strip(".") != domain)
    if kept == now.search:
        raise NoRemedy("%s is none of the search domains (%s)" % (domain, ", ".join(now.search)))
    return dataclasses.replace(now, summary="take %s out of the search domains" % domain, changes="search", search=kept)


_BY_CODE: dict[str, t.Callable[[Trouble, t.Mapping[str, t.Any]], _Wanted]] = {
    "dns.no_resolver": _other_servers, "dns.resolvers_unreachable": _other_servers, "dns.first_resolver_dead": _dead_last,
    "dns.search_domain": _searched,
}


def _parameters(owner: str, wanted: _Wanted, trouble: Trouble, **others: t.Any) -> dict[str, t.Any]:
    return {"owner": owner, "name": own(trouble, "dns.resolve")[0]["data"]["name"], "needs": ["name_servers"] if wanted.given else [],
            "servers": wanted.servers, **others}


def _in_the_file(wanted: _Wanted, trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> Change:
    if configuration["file_problem"] == "unreadable":
        raise NoRemedy("%s can't be read" % _FILE)
    parameters = _parameters("file", wanted, trouble, file=_FILE, directives=_DIRECTIVES[wanted.changes], lines=wanted.lines())
    return Change(summary="%s, in %s" % (wanted.summary, _FILE), parameters=parameters, files=(_FILE,), settles_s=_SETTLES_S)


def _in_resolved(wanted: _Wanted, trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> Change:
    """It never waits for a dead server while another answers, and has no ndots; so this is about servers that it lacks."""
    del configuration
    if not wanted.given:
        raise NoRemedy("%s is written by systemd-resolved, which has no setting for this; change its DNS= or Domains=" % _FILE)
    parameters = _parameters("resolved", wanted, trouble, file=_RESOLVED_DROP_IN, unit=_RESOLVED)
    return Change(
        summary="%s, in %s" % (wanted.summary, _RESOLVED_DROP_IN), parameters=parameters, files=(_RESOLVED_DROP_IN,), units=(_RESOLVED,),
        settles_s=_SETTLES_S)


def _in_network_manager(wanted: _Wanted, trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> Change:
    """Its global settings win over those of all connections, so all three are written; the file that it writes from them is kept too."""
    parameters = _parameters("networkmanager", wanted, trouble, file=_NETWORK_MANAGER_DROP_IN, unit=_NETWORK_MANAGER,
                             search=wanted.search, options=wanted.options)
    return Change(
        summary="%s, in %s" % (wanted.summary, _NETWORK_MANAGER_DROP_IN), parameters=parameters,
        files=(_NETWORK_MANAGER_DROP_IN, configuration["link"] or _FILE), units=(_NETWORK_MANAGER,), settles_s=_SETTLES_S)


def _in_resolvconf(wanted: _Wanted, trouble: Trouble, configuration: t.Mapping[str, t.Any]) -> Change:
    """Its own file comes before what interfaces and daemons tell it; none of that is taken away. It makes others than resolv.conf, too, for
    programs that asked for them: so it is told when its own is put back.
    """
    owner = configuration["owner"]
    if wanted.changes != "servers":
        raise NoRemedy("%s is written by %s from what others tell it, and what is too much there can't be taken away" % (_FILE, owner))
    file = _HEADS[owner]
    return Change(
        summary="%s, in %s" % (wanted.summary, file), parameters=_parameters(owner, wanted, trouble, file=file),
        files=(file, configuration["link"] or _FILE), reloads=(("resolvconf", "-u"),), settles_s=_SETTLES_S)


_OWNERS: dict[str, t.Callable[[_Wanted, Trouble, t.Mapping[str, t.Any]], Change]] = {
    "file": _in_the_file, "resolved": _in_resolved, "networkmanager": _in_network_manager, "resolvconf": _in_resolvconf,
    "openresolv": _in_resolvconf,
}
REMEDY = Remedy("fix_resolver", _plan)
