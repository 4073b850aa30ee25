# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of an agent's profile: its keys, what each of them means, and how what is written there is checked.

One table is the check, its complaints and the documentation.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import difflib
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config import settings as _config_settings

Reader = t.Callable[[t.Any, str], t.Any]
# Of any time that a profile tells, in seconds.
LONGEST_S = 3600


class AgentError(ValueError):
    """No such profile, or one with something wrong in it; the text says where, and what would be right."""


@dataclasses.dataclass(frozen=True)
class Key:
    """One key of a mapping. ``means`` is for people, ``read`` checks a value and brings it into its one form."""

    means: str
    read: Reader


def text(value: t.Any, where: str) -> str:
    if not isinstance(value, str):
        raise AgentError("%s must be a string" % where)
    return value


def texts(value: t.Any, where: str) -> list[str]:
    """One text may stand for a list of one."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise AgentError("%s must be a string or a list of strings" % where)
    return list(value)


def pattern(value: t.Any, where: str) -> str:
    _compile(text(value, where), where)
    return t.cast(str, value)


def patterns(value: t.Any, where: str) -> list[str]:
    read = texts(value, where)
    for item in read:
        _compile(item, where)
    return read


def _compile(value: str, where: str) -> None:
    try:
        re.compile(value)
    except (re.error, OverflowError) as problem:
        raise AgentError("%s: %r is no regular expression (%s)" % (where, value, problem)) from None


def flag(value: t.Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise AgentError("%s must be true or false" % where)
    return value


def port(value: t.Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise AgentError("%s must be a number up to 65535" % where)
    return value


def seconds(value: t.Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= LONGEST_S:
        raise AgentError("%s must be a number of seconds up to %d" % (where, LONGEST_S))
    return value


def statuses(value: t.Any, where: str) -> list[int]:
    """HTTP statuses, one or several."""
    listed = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) and 100 <= item <= 599 for item in listed):
        raise AgentError("%s must be HTTP statuses, numbers from 100 to 599" % where)
    return list(listed)


class Mapping:
    """A reader of a mapping with known keys. Another one is refused: it would be a slip that nobody notices."""

    def __init__(self, keys: t.Mapping[str, Key]) -> None:
        self.keys = keys

    def __call__(self, value: t.Any, where: str) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            raise AgentError("%s must be a mapping" % where)
        refuse_unknown(value, self.keys, where)
        return {key: self.keys[key].read(item, "%s.%s" % (where, key)) for key, item in value.items()}


class Named:
    """A reader of a mapping from names that a profile gives to values of one kind."""

    def __init__(self, read: Reader, complaint: str) -> None:
        self.read, self._complaint = read, complaint

    def __call__(self, value: t.Any, where: str) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            raise AgentError("%s must be %s" % (where, self._complaint))
        return {str(name): self.read(item, "%s.%s" % (where, name)) for name, item in value.items()}


def refuse_unknown(value: t.Mapping[t.Any, t.Any], known: t.Iterable[str], what: str) -> None:
    unknown = sorted({str(key) for key in value} - set(known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], list(known), 1)
        right = "did you mean %r?" % near[0] if near else "it has " + ", ".join(known)
        raise AgentError("unknown key %r in %s; %s" % (unknown[0], what, right))


def files(value: t.Any, where: str) -> tuple[dict[str, t.Any], ...]:
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(file, dict) and "path" in file and "format" in file for file in listed):
        raise AgentError("%s must be a list of files, each a mapping with a path and a format" % where)
    return tuple(Mapping(FILE)(file, "%s[%d]" % (where, number)) for number, file in enumerate(listed))


def settings(value: t.Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise AgentError("%s must be a mapping from names of settings to their dotted keys" % where)
    refuse_unknown(value, _config_settings.NAMES, where)
    return {name: text(key, "%s.%s" % (where, name)) for name, key in value.items()}


def regions(value: t.Any, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict) or not all(isinstance(rule, dict) for rule in value.values()):
        raise AgentError("%s must be a mapping from a region to its patterns" % where)
    return {str(name): Mapping(REGION)(rule, "%s.%s" % (where, name)) for name, rule in value.items()}


def health(value: t.Any, where: str) -> list[dict[str, str]]:
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(one, dict) and "url" in one for one in listed):
        raise AgentError("%s must be a list of mappings, each with a url" % where)
    return [Mapping(HEALTH)(one, "%s[%d]" % (where, number)) for number, one in enumerate(listed)]


def meanings(value: t.Any, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(_STATUS.fullmatch(str(status)) for status in value):
        raise AgentError("%s must be a mapping from an HTTP status, or one followed by 'empty', to what it means" % where)
    for status, meaning in value.items():
        if meaning not in MEANINGS:
            raise AgentError("%s.%s must be one of %s" % (where, status, ", ".join(MEANINGS)))
    return {str(status): meaning for status, meaning in value.items()}


class OfGroups:
    """A reader of a mapping from groups of facts to values of one kind."""

    def __init__(self, read: Reader) -> None:
        self.read = read

    def __call__(self, value: t.Any, where: str) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            raise AgentError("%s must be a mapping from a group of facts" % where)
        refuse_unknown(value, GROUPS, where)
        return {group: self.read(item, "%s.%s" % (where, group)) for group, item in value.items()}


_STATUS = re.compile(r"[1-5]\d\d(?: empty)?")
# What an answer to the validate request can mean.
MEANINGS = {
    "accepted": "the credential is accepted",
    "reached": "the server is there; whether the credential is right is not told",
    "refused": "the credential is not accepted",
    "not_allowed": "the credential is known, and may not do this",
    "wrong_path": "this server does not know the path",
    "too_large": "the request is larger than the server takes",
    "limited": "too many requests; to be tried again later",
    "not_ready": "the server can't serve for now",
}

FILE: dict[str, Key] = {
    "path": Key("the file on the managed node", text),
    "format": Key("`yaml`, `ini`, `toml`, `properties`, `env`, `xml`, `json`, `key_value` (as Zabbix has it) or `collectd`", text),
    "site": Key("the dotted key of the domain below which all hosts are that it sends to, where no endpoint is set", text),
    "port": Key("the dotted key of the port", text),
    "scheme": Key("the dotted key of the scheme, or of a switch that turns TLS on", text),
    "credential_file": Key("the dotted key of a path; the credential is the first line there", text),
    "ca_file": Key("the dotted keys of a file with the authorities that it trusts, and no others; the first that is set counts", texts),
    "enabled": Key("the dotted key of a switch that turns reporting on", text),
    "disabled": Key("the dotted key of a switch that turns reporting off", text),
    "endpoint": Key("the dotted keys of the endpoint, `*` for any one name; the first that is set counts", texts),
    "credential": Key("the dotted keys of the credential; the first that is set counts", texts),
    "settings": Key("settings of its connections, from their names to their dotted keys; `KEY?PARAMETER` is a parameter of the url that is "
                    "the key's value, and those of a PostgreSQL url under `endpoint` are known without it. Names are %s" % ", ".join(
                        "`%s`" % name for name in _config_settings.NAMES), settings),
    "headers": Key("the dotted keys of header fields that it sends along (`Name: value`, or `name=value,name=value`). Where no key is the "
                   "credential's own, it is in the field that `validate` names, or in the first whose name is one of a secret's", texts),
}
ENVIRONMENT: dict[str, Key] = {
    role: Key("the variables that replace %s" % what, texts) for role, what in {
        "endpoint": "the endpoint", "site": "the site", "port": "its port", "scheme": "its scheme", "credential": "the credential",
        "headers": "the header fields that it sends along", "credential_file": "the path of the credential",
        "ca_file": "the path of the authorities that it trusts",
        "enabled": "the switch that turns reporting on", "disabled": "the switch that turns reporting off"}.items()
}
REGION: dict[str, Key] = {
    "credential": Key("what is found in a credential of this region", pattern),
    "host": Key("what is found in the name of a host that takes it", pattern),
}
CREDENTIAL: dict[str, Key] = {
    "required": Key("`false` where it may be right to have none", flag),
    "format": Key("a regular expression that the whole credential matches", pattern),
    "placeholders": Key("regular expressions for what stands there before it is set, beside the usual ones", patterns),
    "regions": Key("by region, the patterns `credential` and `host`: a credential for another region than the host's is told", regions),
}
LOGS: dict[str, Key] = {
    "unit": Key("the systemd unit whose journal it writes to", text),
    "files": Key("its log files", texts),
    "says_once": Key("`true` where it writes a failure once, and nothing more until that changes", flag),
    "recovered": Key("regular expressions of lines with which it says that it works (again), beside the usual ones", patterns),
}
VALIDATE: dict[str, Key] = {
    "path": Key("what is asked for", text),
    "method": Key("the request's method; `GET` without it", text),
    "call": Key("over gRPC, what is called with an empty message; an answer is one of the `statuses` of HTTP that means the same", text),
    "header": Key("the field in which the credential is sent", text),
    "prefix": Key("what stands before the credential in that field", text),
    "statuses": Key("what each status of the answer means: %s. `200 empty` is a 200 without a body" % ", ".join(
        "`%s` (%s)" % meaning for meaning in MEANINGS.items()), meanings),
}
HEALTH: dict[str, Key] = {
    "url": Key("on the managed node itself", text),
    "says": Key("what its answers mean, and what they do not", text),
    "needs": Key("the setting without which nobody answers", text),
}
PROXY: dict[str, Key] = {
    "supported": Key("`false` where it can't go through an HTTP proxy", flag),
    "keys": Key("settings of its own", texts),
    "environment": Key("variables that it obeys", texts),
    "says": Key("what else counts", text),
}
TRUST: dict[str, Key] = {
    "keys": Key("settings of its own", texts),
    "environment": Key("variables that it obeys", texts),
    "says": Key("which authorities it trusts without them", text),
}
RESTART: dict[str, Key] = {
    "command": Key("what restarts it", text),
    "reload": Key("what makes it read its configuration without a restart", text),
    "needed_for": Key("what it takes up with a restart only", texts),
    "tries_again_s": Key("without a restart, within how many seconds it sends again after what was in its way is gone; 70 without it",
                         seconds),
    "check": Key("what succeeds if it can use a configuration; `{file}` stands for that. A change is tried with it first", text),
}
OTHER_SIDE: dict[str, Key] = {
    "unit": Key("the server's unit", text),
    "files": Key("the server's logs", texts),
    "says": Key("what only the server knows", text),
}
FATES: dict[str, Key] = {
    "retried": Key("it tries again", statuses),
    "dropped": Key("it drops what it sent", statuses),
    "fatal_until_restart": Key("it stops, until it is restarted", statuses),
}

# What is known of an agent comes in groups; of each a profile says where it comes from, and whether it is sure.
# By group, the keys that belong to it.
GROUPS: dict[str, tuple[str, ...]] = {
    "unit": ("unit", "units", "process", "package", "pid_file"), "config": ("config",), "environment": ("environment",),
    "credential": ("credential",), "endpoints": ("endpoints",), "validate": ("validate",), "proxy": ("proxy",), "trust": ("trust",),
    "health": ("health",), "logs": ("logs",), "signatures": ("signatures", "examples", "misleading", "silent_on", "other_side"),
    "fates": ("fates",), "restart": ("restart",), "diagnose": ("diagnose",), "notes": ("notes",),
}

PROFILE: dict[str, Key] = {
    "name": Key("how it is called; the file's name without it", text),
    "title": Key("its name for people", text),
    "inherits": Key("a profile, or several, of which this one is a variety. Mappings are merged key by key, what is in `signatures` "
                    "and `examples` is added to (an empty list takes the inherited ones away), anything else is replaced", texts),
    "auto": Key("`false` where `agent: auto` shall not look for it, as another profile is found by the same unit", flag),
    "unit": Key("its systemd unit", text),
    "units": Key("further units that belong to it, or under which it is packaged elsewhere", texts),
    "process": Key("the name of its process, where no unit runs it", text),
    "application": Key("`true` where it runs inside of an application. Whose, is for the user to say: "
                       "`agent: {inherits: NAME, unit: UNIT}`", flag),
    "package": Key("the package that it came with, where that should be looked at", text),
    "pid_file": Key("the file in which it keeps its process's number, where that should be looked at", text),
    "scheme": Key("the scheme that it takes where its configuration tells none", text),
    "port": Key("the port that it takes where its configuration tells none", port),
    "config": Key("the files that it reads, the last one winning", files),
    "environment": Key("the variables that stand for the same settings, and count more than its files", Mapping(ENVIRONMENT)),
    "credential": Key("what a credential looks like", Mapping(CREDENTIAL)),
    "endpoints": Key("where it sends by default, by region or site", Named(texts, "a mapping from a region to urls")),
    "validate": Key("the request that tells whether its credential is accepted", Mapping(VALIDATE)),
    "proxy": Key("how it is told to go through a proxy", Mapping(PROXY)),
    "trust": Key("how it is told which authorities to trust", Mapping(TRUST)),
    "health": Key("what it says of itself over HTTP", health),
    "logs": Key("where it writes", Mapping(LOGS)),
    "signatures": Key("by family (`auth`, `refused`, …), regular expressions of its lines, beside those that are known for all",
                      Named(patterns, "a mapping from a family to regular expressions")),
    "examples": Key("by family, or `recovered`, parts of lines as the agent writes them",
                    Named(texts, "a mapping from a family to parts of lines")),
    "misleading": Key("by family that its log names, the families that it may be in truth",
                      Named(texts, "a mapping from a family to families")),
    "silent_on": Key("families of which its log says nothing", texts),
    "other_side": Key("the server's log, where the truth is told there only", Mapping(OTHER_SIDE)),
    "fates": Key("what becomes of data that the server refuses, by status", Mapping(FATES)),
    "restart": Key("how it takes up what was changed", Mapping(RESTART)),
    "diagnose": Key("its own commands for a diagnosis", texts),
    "notes": Key("what else a person should know", texts),
    "sources": Key("by group of facts, where they come from", OfGroups(texts)),
    "verified": Key("by group of facts, whether all of them were seen with the real program, or read in its source or its vendor's "
                    "documentation", OfGroups(flag)),
    "doubts": Key("by group of facts that is not verified, which of them are in doubt", OfGroups(text)),
    "absent": Key("by group of facts that is empty, why", OfGroups(text)),
}


# Lists by family, to which an heir adds.
_ADDED = ("signatures", "examples")


def checked(value: t.Any) -> dict[str, t.Any]:
    """A profile as it is written, each part in its one form; what is null is left out.

    :raises AgentError: at the first thing that is wrong.
    """
    if not isinstance(value, dict):
        raise AgentError("must be the name of a profile or a mapping")
    refuse_unknown(value, PROFILE, "a profile")
    return {key: PROFILE[key].read(item, key) for key, item in value.items() if item is not None}


def merged(inherited: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Two checked profiles as one; what is written in ``own`` counts more."""
    both = dict(inherited)
    for key, value in own.items():
        below = both.get(key)
        if key in _ADDED and below:
            value = {**below, **{family: [*found, *below.get(family, ())] if found else [] for family, found in value.items()}}
        elif isinstance(value, dict) and isinstance(below, dict):
            value = {**below, **value}
        both[key] = value
    verified = both.get("verified", {})
    if "doubts" in both:  # what an heir is sure of, is no doubt of what it inherits from
        both["doubts"] = {group: doubt for group, doubt in both["doubts"].items() if not verified.get(group)}
    if "absent" in both:
        both["absent"] = {group: why for group, why in both["absent"].items() if not any(both.get(key) for key in GROUPS[group])}
    return both
