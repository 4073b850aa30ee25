# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what the agent should be told where it is told something else: one value of one file, or of the unit's environment.

What is written is what the endpoint says, or what the file itself says without what is proved to be wrong in it; nothing is made up.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils._config.destination import CannotCorrect, Parts, corrected
from ansible_collections.connectivity.doctor.plugins.module_utils._config.edit import FORMATS
from ansible_collections.connectivity.doctor.plugins.module_utils._config.endpoint import parse_destination
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import MASK
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import _client_environment, _client_values
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import DropIn, quoted, unit_of, with_restart
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

Place = t.Mapping[str, t.Any]

_OPPOSITES = dict((pair for one, other in (("yes", "no"), ("true", "false"), ("on", "off"), ("1", "0"), ("enabled", "disabled"))
                   for pair in ((one, other), (other, one))))
_PORTS_OF_SCHEMES = (80, 443)
_WHOLE_FILE = ("byte order mark", "carriage return")


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    if trouble.cause["code"] not in _PLANS:
        raise NoRemedy("no file of the client is known that says so")
    return _PLANS[trouble.cause["code"]](trouble)


def _in_file(place: Place) -> dict[str, t.Any]:
    """Which value of which file. :raises NoRemedy: that is not known, or it stands where it can't be changed for sure."""
    if place.get("put_together"):
        raise NoRemedy("%s of %s is put together of variables" % (place["key"], place["path"]))
    if not place.get("path"):
        raise NoRemedy("where %s is set is not known" % (place.get("variable") or "it"))
    if place["format"] not in FORMATS:
        raise NoRemedy("%s is %s, of which single values are not changed" % (place["path"], place["format"]))
    parameter = {"parameter": place["parameter"]} if place.get("parameter") else {}
    return {"path": place["path"], "format": place["format"], "key": place.get("key", ""), **parameter}


def _edited(trouble: Trouble, what: str, *edits: dict[str, t.Any]) -> Change:
    return with_restart(what, unit_of(trouble), [edit["path"] for edit in edits], edits=list(edits))


def _named(edit: t.Mapping[str, t.Any]) -> str:
    key = "%s of %s" % (edit["parameter"], edit["key"]) if edit.get("parameter") else edit["key"]
    return "%s in %s" % (key, edit["path"]) if key else edit["path"]


# --- where it sends


def _destination(*parts: str) -> t.Callable[[Trouble], Change]:
    """:param parts: those of the destination that are proved to be wrong, where they differ; all of them, where they are named first."""

    def plan(trouble: Trouble) -> Change:
        told = _told(trouble)
        scheme_and_port = "scheme" in parts and {told["configured"]["port"], told["expected"]["port"]} <= set(_PORTS_OF_SCHEMES)
        wrong = [part for part in told["differs"] if part in parts or (part == "port" and scheme_and_port)]
        if "host" in parts and not told["comparable"]:
            wrong = ["host", *wrong]
        return _corrected(trouble, told, {part: told["expected"][part] for part in wrong})

    return plan


def _told(trouble: Trouble) -> t.Mapping[str, t.Any]:
    """:raises NoRemedy: it is not the agent that is told wrong, or it is not known where."""
    told = next(iter(_observed(trouble, "agent_config.endpoint")), None)
    if told is None or "set_by" not in told:
        raise NoRemedy("it is the inventory that says so, and no file of this host")
    if told["others"] and not _is_the_only_one_of_its_host(told):
        raise NoRemedy("the agent has several destinations, and which of them is wrong is not known")
    return told


def _is_the_only_one_of_its_host(told: t.Mapping[str, t.Any]) -> bool:
    """Of several destinations, the one of the endpoint's own host is the one that is meant."""
    same = [other for other in told["others"] if parse_destination(other).host == told["configured"]["host"]]
    return told["comparable"] and "host" not in told["differs"] and not same


def _seen(trouble: Trouble, check: str) -> list[t.Mapping[str, t.Any]]:
    """All that was seen of the host itself, cited or not."""
    return [one["data"] for one in trouble.endpoint["observations"] if one["check"] == check and "side" not in one]


def _observed(trouble: Trouble, check: str) -> list[t.Mapping[str, t.Any]]:
    """What the cause cites of a check; nothing where it cites none."""
    return [trouble.endpoint["observations"][number]["data"] for number in trouble.cause["evidence"]
            if trouble.endpoint["observations"][number]["check"] == check]


def _corrected(trouble: Trouble, told: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> Change:
    """:param wanted: the parts to change. Those that have a setting of their own are changed there, the others in one value."""
    own = {part: told["set_by"][part] for part in wanted if part in ("port", "scheme") and "value" in told["set_by"][part]}
    edits = [{**_in_file(place), "value": _own_value(part, place["value"], wanted[part])} for part, place in own.items()]
    whole = {part: value for part, value in wanted.items() if part not in own}
    what = "set the %s that the agent sends to (%s)" % (
        " and the ".join(wanted), ", ".join("%s" % value if value != "" else "none" for value in wanted.values()))
    if not whole:
        return _edited(trouble, "%s by %s" % (what, ", ".join(map(_named, edits))), *edits)
    place = told["set_by"]["host"]
    if place["role"] == "site":
        raise NoRemedy("the agent is told a site, and which one is right is not known")
    if place.get("unit_file") and not edits:
        return _in_environment(trouble, what, place, told, whole)
    now = {"now_host": told["configured"]["host"], "now_port": told["configured"]["port"]}
    edits.append({**_in_file(place), "destination": {**whole, **now}})
    return _edited(trouble, "%s by %s" % (what, ", ".join(map(_named, edits))), *edits)


def _own_value(part: str, value: str, wanted: t.Any) -> str:
    if part == "port":
        return str(wanted)
    word = value.strip().lower()
    if word in _OPPOSITES:
        return _OPPOSITES[word]
    if word in ("http", "https", "grpc", "grpcs"):
        return word[:-1] if word.endswith("s") else word + "s"
    raise NoRemedy("how the agent is told its scheme (%s) is not known" % value)


def _in_environment(trouble: Trouble, what: str, place: Place, told: t.Mapping[str, t.Any], whole: t.Mapping[str, t.Any]) -> Change:
    """A variable of the unit itself: another drop-in, which counts more, sets it again."""
    configured = told["configured"]
    try:
        value = corrected(configured["url"], Parts(configured["host"], configured["port"]), Parts(**whole))
    except CannotCorrect as problem:
        raise NoRemedy("the variable %s: %s" % (place["variable"], problem)) from None
    if MASK in value:
        raise NoRemedy("the variable %s holds a secret beside it" % place["variable"])
    return with_restart("%s by the variable %s" % (what, place["variable"]), unit_of(trouble),
                        drop_in=DropIn("environment", ["Environment=" + quoted("%s=%s" % (place["variable"], value))]), edits=[])


def _path(trouble: Trouble) -> Change:
    told = _told(trouble)
    wanted = urllib.parse.urlsplit(trouble.endpoint["url"]).path
    if wanted.strip("/"):
        raise NoRemedy("the endpoint's url has the path %s, and whether the agent's is the same is not known" % wanted)
    return _corrected(trouble, told, {"path": ""})


# --- what it shows


def _credential(trouble: Trouble) -> Change:
    held = next(iter(_observed(trouble, "agent_config.credential")), None)
    if held is None or "set_by" not in held:
        raise NoRemedy("it is the inventory's credential that was not taken: it must be renewed")
    if not held["compared"]:
        raise NoRemedy("the endpoint has no credential in the inventory that could be deployed")
    if held["state"] == "ok":
        raise NoRemedy("the agent has the inventory's credential: it must be renewed")
    if held["set_by"].get("unit_file"):
        raise NoRemedy("the variable %s is set in %s, which everybody may read: it belongs into an EnvironmentFile" % (
            held["set_by"]["variable"], held["set_by"]["unit_file"]))
    edit = {**_in_file(held["set_by"]), "credential": True, **({"header": held["set_by"]["header"]} if "header" in held["set_by"] else {})}
    return _edited(trouble, "write the inventory's credential into %s" % _named(edit), edit)


# --- the file itself


def _stray(trouble: Trouble) -> Change:
    path, _colon, line = trouble.cause["culprit"].get("place", "").rpartition(":")
    file = next((file for file in _seen(trouble, "agent_config.file") if file["path"] == path), {})
    path, file_format = file.get("real_path", path), file.get("format")
    if file_format not in FORMATS:
        raise NoRemedy("where the character stands is a variable, or a file whose single lines are not changed")
    stray_line = 0 if trouble.cause["culprit"].get("kind") in _WHOLE_FILE else int(line)
    edit = {"path": path, "format": file_format, "key": "", "stray_line": stray_line}
    what = "take out what nobody sees (%s) in %s%s" % (
        trouble.cause["culprit"].get("kind"), path, ", line %s" % line if stray_line else "")
    return _edited(trouble, what, edit)


def _syntax(trouble: Trouble) -> Change:
    raise NoRemedy("what should stand at %s is not known, only that it can't be read" % trouble.cause["culprit"].get("place"))


def _switched_on(trouble: Trouble) -> Change:
    (told, *_others) = _observed(trouble, "agent_config.reporting")
    opposite = _OPPOSITES.get(told["value"].strip().lower())
    if not opposite:
        raise NoRemedy("how reporting is switched on is not known")
    edit = {**_in_file(told.get("set_by", {})), "value": opposite}
    return _edited(trouble, "set %s to %s" % (_named(edit), opposite), edit)


def _not_overridden(trouble: Trouble) -> Change:
    """The file is right: without the variable, wherever it is set, it counts again."""
    (told, *_others) = _observed(trouble, "agent_config.environment")
    variable = trouble.cause["culprit"]["variable"]
    if told["environment_from"] != "process" or not told.get("unit"):
        raise NoRemedy("the process that has the variable %s is no unit's" % variable)
    return with_restart("take the variable %s away from the unit, so that %s counts" % (variable, trouble.cause["culprit"]["over_file"]),
                        unit_of(trouble), drop_in=DropIn("environment", ["UnsetEnvironment=" + variable]), edits=[])


# --- how it connects


def _connection_setting(trouble: Trouble) -> Change:
    """One or several settings of its connections, by what the inventory says and what was proved."""
    wanted = _client_values.wanted(trouble)
    edits = [{**_in_file(one.place), "value": one.value} for one in wanted]
    return _edited(trouble, "set %s" % " and ".join("%s to %s" % (_named(edit), edit["value"]) for edit in edits), *edits)


def _environment(trouble: Trouble) -> Change:
    """Variables of the unit, in a drop-in: what an ``EnvironmentFile=`` says counts more, and then it does not help."""
    given = _client_environment.wanted(trouble)
    return with_restart(given.what, unit_of(trouble), drop_in=DropIn("proxy", given.lines), edits=[])


_PLANS: dict[str, t.Callable[[Trouble], Change]] = {
    "agent.wrong_host": _destination("host", "port", "scheme"),
    "agent.wrong_port": _destination("port"),
    "agent.wrong_scheme": _destination("scheme"),
    "agent.wrong_path": _path,
    "agent.env_override": _not_overridden,
    "agent.reporting_disabled": _switched_on,
    "agent.config_stray_characters": _stray,
    "agent.config_syntax": _syntax,
    **dict.fromkeys(_client_values.BY_CAUSE, _connection_setting),
    **dict.fromkeys(_client_environment.BY_CAUSE, _environment),
    "credential.missing": _credential,
    "credential.placeholder": _credential,
    "credential.malformed": _credential,
    "credential.rejected": _credential,
}
REMEDY = Remedy("fix_agent_config", _plan)
