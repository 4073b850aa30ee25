# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation page of an agent, from its profile; and that of the profiles' shape.

``./doctor docs`` writes them to ``docs/agents``; a unit test holds the written pages against the catalogue.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import AgentProfile, known_agents, load_profile

_HEADER = """<!--
Copyright (c) 2026 the connectivity.doctor contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
Generated from the catalogue of agents by `./doctor docs`; do not edit.
-->
"""
_INTRODUCTION = """What is known about an agent is data: one YAML file, its profile. `agent: NAME` in an entry of `connectivity_endpoints`
takes one.

```yaml
connectivity_endpoints:
  - url: https://api.datadoghq.eu
    agent: datadog
```

Of every group of facts a profile says where they come from, and whether they are sure, or why there are none. What is in doubt is marked
on its page.

## One's own

[How to write a profile](../own_agents.md), step by step. In short:

`connectivity_agents_path` is a folder on the controller, or a list of them, with further profiles. One that has the name of a
profile of the catalogue stands before it, and may inherit from it, so that single keys are overridden:

```yaml
# agents/datadog.yml
inherits: datadog
environment: {credential: COMPANY_DATADOG_KEY}
```

A mapping of the same shape may stand in the entry itself, as for an agent that runs inside of an application:

```yaml
connectivity_endpoints:
  - url: https://apm.example.com:8200
    agent: {inherits: elastic_apm, unit: shop}
```
"""
_TITLES = {
    "unit": "Unit", "config": "Configuration", "environment": "Environment", "credential": "Credential", "endpoints": "Endpoints",
    "validate": "Is the credential accepted?", "proxy": "Proxy", "trust": "Trusted authorities", "health": "What it says of itself",
    "logs": "Logs", "signatures": "What its log says", "fates": "What becomes of refused data", "restart": "Restart",
    "diagnose": "Its own diagnosis", "notes": "Notes",
}
_FATES = {
    "retried": "it tries again after", "dropped": "it drops what was answered with",
    "fatal_until_restart": "it stops until a restart after",
}


def render_page(profile: AgentProfile) -> str:
    """:returns: the page as Markdown."""
    lines = [_HEADER, "# %s" % (profile.title or profile.name), "", "`agent: %s`" % profile.name]
    for group, title in _TITLES.items():
        told = [line for key in _agent_shape.GROUPS[group] if getattr(profile, key) for line in _RENDERERS[key](getattr(profile, key))]
        if told:
            lines += ["", "## %s" % title, "", *told]
            lines += ["", *_standing(profile, group)]
        elif profile.absent.get(group):
            lines += ["", "## %s" % title, "", "None: %s." % profile.absent[group]]
    return "\n".join(lines) + "\n"


def render_index(agents: t.Iterable[AgentProfile] | None = None, tally: str = "") -> str:
    """:param tally: what was counted of the lines that are known.
    :returns: the list of all agents and the shape of a profile, as Markdown."""
    profiles = list(agents) if agents is not None else [load_profile(name) for name in known_agents()]
    lines = [_HEADER, "# Agents", "", "%d agents. %s" % (len(profiles), _INTRODUCTION), "## The catalogue", "",
             "What of each is known: %s.\nWhy there is nothing of a kind, or what is in doubt, is on its page." % ", ".join(
                 "`%s` %s" % (sign, meaning) for sign, meaning in _SIGNS.items()), "",
             "| agent | `agent:` | %s |" % " | ".join(_TITLES), "|---|---|%s" % ("---|" * len(_TITLES))]
    for profile in sorted(profiles, key=lambda one: one.title.lower()):
        known = " | ".join(_sign(profile, group) for group in _TITLES)
        lines.append("| [%s](%s.md) | `%s` | %s |" % (profile.title, profile.name, profile.name, known))
    lines += ["", tally] if tally else []
    lines += ["", "## The shape of a profile", ""]
    lines += _table(_agent_shape.PROFILE)
    for title, key, keys in _PARTS:
        lines += ["", "### `%s`" % title, "", _agent_shape.PROFILE[key].means[0].upper() + _agent_shape.PROFILE[key].means[1:] + ".", ""]
        lines += _table(keys)
    lines += ["", "The groups of facts are %s." % ", ".join("`%s`" % group for group in _agent_shape.GROUPS)]
    return "\n".join(lines) + "\n"


_PARTS: tuple[tuple[str, str, t.Mapping[str, _agent_shape.Key]], ...] = (
    ("config", "config", _agent_shape.FILE), ("environment", "environment", _agent_shape.ENVIRONMENT),
    ("credential", "credential", _agent_shape.CREDENTIAL), ("validate", "validate", _agent_shape.VALIDATE),
    ("proxy", "proxy", _agent_shape.PROXY), ("trust", "trust", _agent_shape.TRUST), ("health", "health", _agent_shape.HEALTH),
    ("logs", "logs", _agent_shape.LOGS), ("other_side", "other_side", _agent_shape.OTHER_SIDE), ("fates", "fates", _agent_shape.FATES),
    ("restart", "restart", _agent_shape.RESTART),
)


_SIGNS = {"+": "it is sure", "?": "some of it is in doubt", "-": "there is nothing"}


def _sign(profile: AgentProfile, group: str) -> str:
    if not any(getattr(profile, key) for key in _agent_shape.GROUPS[group]):
        return "-"
    return "+" if profile.verified.get(group) else "?"


def _table(keys: t.Mapping[str, _agent_shape.Key]) -> list[str]:
    return ["| key | means |", "|---|---|", *("| `%s` | %s |" % (key, told.means.replace("|", "\\|")) for key, told in keys.items())]


def _standing(profile: AgentProfile, group: str) -> list[str]:
    """Where a group's facts are from, and whether they are sure."""
    sources = "; ".join(profile.sources.get(group, ()))
    if profile.verified.get(group):
        return ["Verified: %s." % sources]
    doubt = "Not verified: %s." % profile.doubts.get(group, "all of it")
    return [doubt + (" Else: %s." % sources if sources else "")]


def _code(value: t.Any) -> str:
    """As code, whatever backticks and bars are in it."""
    text = str(value)
    fence = "``" if "`" in text else "`"
    return "%s%s%s" % (fence, " %s " % text if "`" in text else text, fence)


def _codes(values: t.Any) -> str:
    return ", ".join(_code(value) for value in ([values] if isinstance(values, (str, int)) else values))


def _named(label: str) -> t.Callable[[t.Any], list[str]]:
    return lambda value: ["* %s: %s" % (label, _codes(value))]


def _roles(value: t.Mapping[str, t.Any]) -> list[str]:
    return ["* %s: %s" % (role.replace("_", " "), _codes(names)) for role, names in value.items()]


def _files(value: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    lines = []
    for file in value:
        keys = ["%s %s" % (role.replace("_", " "), _codes(names)) for role, names in file.items() if role not in ("path", "format")]
        lines.append("* %s (%s)%s" % (_code(file["path"]), file["format"].replace("_", " "), ": " + "; ".join(keys) if keys else ""))
    return lines


def _credential(value: t.Mapping[str, t.Any]) -> list[str]:
    lines = ["* it may be right to have none"] if value.get("required") is False else []
    lines += ["* form: %s" % _code(value["format"])] if "format" in value else []
    lines += ["* placeholders: %s" % _codes(value["placeholders"])] if "placeholders" in value else []
    return lines + ["* for %s: %s" % (region, "; ".join("%s %s" % (what, _code(found)) for what, found in rule.items()))
                    for region, rule in value.get("regions", {}).items()]


def _validate(value: t.Mapping[str, t.Any]) -> list[str]:
    shown = " with `%s: %s`*credential*" % (value["header"], value.get("prefix", "")) if "header" in value else ""
    lines = ["`%s %s`%s" % (value.get("method", "GET"), value.get("path", "/"), shown)]
    if "statuses" in value:
        lines += ["", "| answer | means |", "|---|---|"]
        lines += ["| %s | %s |" % (status, _agent_shape.MEANINGS[meaning]) for status, meaning in value["statuses"].items()]
    return lines


def _says(value: t.Mapping[str, t.Any]) -> list[str]:
    lines = ["* it can't go through one"] if value.get("supported") is False else []
    lines += ["* %s: %s" % ({"keys": "settings", "environment": "variables"}[key], _codes(value[key]))
              for key in ("keys", "environment") if value.get(key)]
    return lines + (["* %s" % value["says"]] if value.get("says") else [])


def _health(value: t.Iterable[t.Mapping[str, str]]) -> list[str]:
    return ["* %s: %s%s" % (_code(one["url"]), one.get("says", "it answers"), "; needs %s" % _code(one["needs"]) if "needs" in one else "")
            for one in value]


def _logs(value: t.Mapping[str, t.Any]) -> list[str]:
    names = {"unit": "journal of", "files": "files", "recovered": "says that it works"}
    lines = ["* %s %s" % (names[key] + (":" if key != "unit" else ""), _codes(found)) for key, found in value.items() if key in names]
    return lines + (["* a failure is written once, and nothing more until it changes"] if value.get("says_once") else [])


def _signatures(value: t.Mapping[str, t.Any]) -> list[str]:
    """Those of its own; the examples show what all programs share."""
    return ["Patterns of its own:", "", *("* %s: %s" % (family, _codes(found)) for family, found in value.items() if found), ""]


def _examples(value: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    lines = ["| family | it writes |", "|---|---|"]
    for family, shown in value.items():
        lines += ["| %s | %s |" % (family, _code(line.replace("|", "\\|"))) for line in shown]
    return lines


def _misleading(value: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    return ["", *("Where it says %s, it may be in truth: %s." % (_code(said), _codes(truths)) for said, truths in value.items())]


def _silent(value: t.Sequence[str]) -> list[str]:
    return ["", "It says nothing about: %s." % _codes(value)]


def _other_side(value: t.Mapping[str, t.Any]) -> list[str]:
    where = [*([_code(value["unit"])] if "unit" in value else []), *(_code(path) for path in value.get("files", ()))]
    return ["", "On the server%s: %s" % (" (%s)" % ", ".join(where) if where else "", value.get("says", ""))]


def _fates(value: t.Mapping[str, t.Sequence[int]]) -> list[str]:
    return ["* %s %s" % (_FATES[fate], ", ".join(str(status) for status in found)) for fate, found in value.items()]


def _restart(value: t.Mapping[str, t.Any]) -> list[str]:
    names = {"command": "with %s", "reload": "without one, where that is enough: %s", "check": "a configuration is tried with %s"}
    lines = ["* %s" % (names[key] % _code(value[key])) for key in names if value.get(key)]
    lines += ["* tries again without one within %d s" % value["tries_again_s"]] if "tries_again_s" in value else []
    return lines + (["* needed for: %s" % ", ".join(value["needed_for"])] if value.get("needed_for") else [])


def _listed(value: t.Sequence[str]) -> list[str]:
    return ["* %s" % text for text in value]


_RENDERERS: dict[str, t.Callable[[t.Any], list[str]]] = {
    "unit": _named("systemd unit"), "units": _named("further units"), "process": _named("process"), "package": _named("package"),
    "pid_file": _named("file with its process's number"), "config": _files, "environment": _roles, "credential": _credential,
    "endpoints": _roles, "validate": _validate, "proxy": _says, "trust": _says, "health": _health, "logs": _logs, "signatures": _signatures,
    "examples": _examples, "misleading": _misleading, "silent_on": _silent, "other_side": _other_side, "fates": _fates, "restart": _restart,
    "diagnose": lambda value: ["* %s" % _code(command) for command in value], "notes": _listed,
}
