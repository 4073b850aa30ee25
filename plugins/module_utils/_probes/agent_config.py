# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent's configuration tells it, and whether the agent can read it: the files as its user sees them, the endpoint, the credential.

The credential itself is never told: only its state and, under the controller's salt, the beginning of its fingerprint.

Sources: the formats' own rules (see ``_config_*.py``), acl(5) and path_resolution(7) for who may read, proc(5) for the environment.
"""
from __future__ import annotations

import os
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _agent_process, _agent_trust, _process_environment
from ansible_collections.connectivity.doctor.plugins.module_utils._config import endpoint as _config_endpoint
from ansible_collections.connectivity.doctor.plugins.module_utils._config import settings as _config_settings
from ansible_collections.connectivity.doctor.plugins.module_utils._config.credential import Verdict, judge, region_of
from ansible_collections.connectivity.doctor.plugins.module_utils._config.headers import credential_in
from ansible_collections.connectivity.doctor.plugins.module_utils._config.lookup import (
    ROLES,
    Declared,
    Setting,
    as_list,
    read_declared,
    settings,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.place import Places
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import (
    FORMATS,
    Reading,
    read_text,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._file_access import Access, may_read, mode_text
from ansible_collections.connectivity.doctor.plugins.module_utils._identity import owner_names
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import redact_setting, redact_url

ARGUMENTS: dict[str, t.Any] = {
    "files": {
        "type": "list", "elements": "dict", "required": True,
        "options": {
            "path": {"type": "path", "required": True},
            "format": {"type": "str", "required": True, "choices": list(FORMATS)},
            "endpoint": {"type": "list", "elements": "str"},
            "site": {"type": "str"},
            "port": {"type": "str"},
            "scheme": {"type": "str"},
            "credential": {"type": "list", "elements": "str"},
            "credential_file": {"type": "str"},
            "ca_file": {"type": "list", "elements": "str"},
            "headers": {"type": "list", "elements": "str"},
            "enabled": {"type": "str"},
            "disabled": {"type": "str"},
            "settings": {"type": "dict"},
        },
    },
    "expected_settings": {"type": "dict", "default": {}},
    "unit": {"type": "str", "default": ""},
    "process": {"type": "str", "default": ""},
    "user": {"type": "str", "default": ""},
    "environment": {"type": "dict", "default": {}},
    "host": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 0},
    "scheme": {"type": "str", "default": ""},
    "default_port": {"type": "int", "default": 0},
    "default_scheme": {"type": "str", "default": ""},
    "credential_format": {"type": "str", "default": "", "no_log": False},
    "credential_placeholders": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "credential_regions": {"type": "dict", "default": {}, "no_log": False},
    "credential_header": {"type": "str", "default": "", "no_log": False},
    "credential_fingerprint": {
        "type": "dict", "no_log": False,
        "options": {"salt": {"type": "str", "required": True, "no_log": False}, "sha256": {"type": "str", "default": ""}},
    },
}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``agent_config.file`` for every file, then what the agent takes from them; passes where nothing is wrong.

    ``agent_config.file``: ``path``, ``real_path`` (without links), ``format``, ``error`` (empty, ``missing``, ``not_permitted``,
    ``not_a_file``, ``too_large``, ``syntax``, ``beyond_reader``), ``user`` (the agent's), ``user_group`` (its first), ``readable`` (by that
    user; null if unknown), ``blocked_by``, ``blocked_why`` (``mode``, ``acl``, ``missing``, ``not_permitted``), ``owner``, ``group``,
    ``mode``, ``modified``, ``syntax_error`` (null, or ``line``, ``column``, ``problem``, ``text``),
    ``stray`` (list of ``kind``, ``line``, ``column``, ``bytes``, ``count``, ``harmful``), ``stray_harmful``.
    ``agent_config.endpoint``: ``configured`` and ``expected`` (``host``, ``port``, ``scheme``, ``path``, ``url``; null if none),
    ``differs`` (of ``host``, ``port``, ``scheme``), ``comparable`` (false: a name against an address), ``source``, ``from_environment``,
    ``others`` (further destinations), ``unresolved`` (variables without a value), ``set_by`` (for each of ``host``, ``port``, ``scheme``
    and ``path``, where it is set, see ``_config.place.py``; of a port or a scheme of its own also the ``value``).
    ``agent_config.credential``: ``state`` (``ok``, ``missing``, ``empty``, ``placeholder``, ``malformed``, ``different``, ``unreadable``),
    ``compared`` (it is known which it should be), ``right_when_cleaned``, ``length``, ``fingerprint``, ``region`` and
    ``endpoint_region`` (of the credential and of the host that it is shown to; empty without a rule), ``source``, ``from_environment``,
    ``unresolved``, ``set_by`` (as above; where there is none, where it would be; ``header`` is the field of a value that is header fields).
    ``agent_config.trust``, where it is told a file of authorities: ``ca_file``, ``source``, ``from_environment``, ``unresolved``,
    ``set_by``.
    ``agent_config.environment``: ``environment_from`` (``process``, ``unit``), ``pid``, ``overrides`` (list of ``name``, ``role``,
    ``over_file``, ``differs``, ``right_in_file`` (what the file says would be right; null if that is not known)), ``unit``, ``proxies``,
    ``login_proxies``, ``proxies_differ``.
    ``agent_config.reporting``: ``enabled`` (null: no switch is set), ``value``, ``source``, ``from_environment``, ``set_by``.
    ``agent_config.settings``, where some are declared: ``settings`` (list of ``name``, ``value`` (null: not set), ``expected`` (null:
    nobody says), ``differs``, ``source``, ``set_by``, which names the ``parameter`` where it is one of a url, and is empty for another part
    of one). That one differs does no harm by itself.
    """
    agent = _agent_process.find_agent(parameters["unit"], parameters["process"], parameters["user"], context)
    files = [_declared(file) for file in parameters["files"]]
    look = _Look(parameters, context, agent, files)
    for file in files:
        for reading in file.readings:
            look.observe_file(reading, [entry.line for role in file.keys for entry in file.entries(role) if entry.path == reading.path])
    look.observe_endpoint()
    look.observe_credential()
    look.observe_trust()
    look.observe_reporting()
    look.observe_settings()
    look.observe_environment()
    return Outcome(look.well)


def _declared(file: t.Mapping[str, t.Any]) -> Declared:
    keys = {**{role: as_list(file.get(role)) for role in (*ROLES, _agent_trust.ROLE)},
            **_config_settings.declared_keys(file.get("settings") or {})}
    return read_declared(file, keys)


class _Look:
    """One agent, looked at part by part. ``well`` turns false with the first part that is not."""

    def __init__(
        self, parameters: dict[str, t.Any], context: Context, agent: _agent_process.AgentProcess, files: list[Declared],
    ) -> None:
        self.well = True
        self._parameters = parameters
        self._context = context
        self._agent = agent
        self._files = files
        self._target = parameters["unit"] or parameters["process"] or parameters["files"][0]["path"]
        self._blocked: dict[str, str] = {}
        self._places = Places(files, parameters["unit"], context)

    def _record(self, check: str, status: str, message: str, data: dict[str, t.Any], target: str = "", reproduce: str = "") -> None:
        self.well = self.well and status == "ok"
        self._context.observe(check, status, target or self._target, message, data=data, reproduce=reproduce)

    def _settings(self, role: str) -> list[Setting]:
        return settings(role, self._files, self._parameters["environment"], self._agent.environment or {})

    def _asked_for(self, *roles: str) -> bool:
        return any(file.keys.get(role) for file in self._files for role in roles) or any(
            role in self._parameters["environment"] for role in roles)

    def _unread(self) -> str:
        """Why a value that was not found may be there all the same; empty where everything was read."""
        for file in self._files:
            for reading in file.readings:
                if reading.error not in ("", "missing"):
                    return reading.error
        return "no_environment" if self._parameters["environment"] and self._agent.environment is None else ""

    def _cannot_tell(self, check: str, what: str) -> None:
        reason = self._unread()
        self._record(check, "cannot_tell", "can't tell %s: %s" % (what, reason.replace("_", " ")), {"reason": reason})

    # --- the files

    def observe_file(self, reading: Reading, watched_lines: list[int]) -> None:
        access = may_read(reading.path, self._agent.user) if self._agent.user else Access(None)
        stray = reading.stray(watched_lines)
        data = {
            "path": reading.path,
            "real_path": os.path.realpath(reading.path),
            "format": reading.format,
            "error": reading.error,
            "user": self._agent.user.name if self._agent.user else "",
            "user_group": self._agent.user.group if self._agent.user else "",
            "readable": access.readable,
            "blocked_by": access.blocked_by,
            "blocked_why": access.why,
            **_ownership(reading.path),
            "syntax_error": self._syntax_error(reading),
            "stray": [found._asdict() for found in stray],
            "stray_harmful": any(found.harmful for found in stray),
        }
        if access.readable is False and reading.error != "missing":
            self._blocked[reading.path] = access.blocked_by
        status, message = self._judge_file(data)
        self._record("agent_config.file", status, message, data, reading.path, _reproduce_file(reading, data["user"]))

    def _observe_named(self, path: str, watched_lines: list[int]) -> tuple[str, str]:
        """A file that the configuration names, as a whole. :returns: its text, and why it was not read."""
        text, error, detail = read_text(path)
        self.observe_file(Reading(path, "raw", (), error, detail, None, text), watched_lines)
        return text, error

    def _syntax_error(self, reading: Reading) -> dict[str, t.Any] | None:
        if reading.syntax is None:
            return None
        return {
            "line": reading.syntax.line,
            "column": reading.syntax.column,
            "problem": self._context.text(redact_setting(reading.syntax.problem)),
            "text": self._context.text(redact_setting(reading.line(reading.syntax.line).strip())),
        }

    def _judge_file(self, data: dict[str, t.Any]) -> tuple[str, str]:
        """Status and sentence; the first that applies."""
        path, user = data["path"], data["user"]
        if data["error"] == "missing":
            return "warn", "%s does not exist" % path
        if data["readable"] is False:
            return "fail", "%s can't be read by %s: %s of %s does not permit it" % (
                path, user, {"acl": "the access list"}.get(data["blocked_why"], "the mode"), data["blocked_by"])
        if data["syntax_error"]:
            place = data["syntax_error"]
            return "fail", "%s is no valid %s: line %d, column %d: %s" % (
                path, data["format"], place["line"], place["column"], place["problem"])
        if data["error"]:
            data["reason"] = data["error"]
            return "cannot_tell", "%s was not read: %s" % (path, data["error"].replace("_", " "))
        if data["stray_harmful"]:
            first = next(found for found in data["stray"] if found["harmful"])
            return "warn", "%s has a stray character (%s, bytes %s) in line %d, column %d" % (
                path, first["kind"].replace("_", " "), first["bytes"], first["line"], first["column"])
        return "ok", "%s can be read%s" % (path, " by %s" % user if user else "")

    # --- what they say

    def observe_endpoint(self) -> None:
        if not self._asked_for("endpoint", "site"):
            return
        given = self._parameters
        found = [(destination, setting) for setting in self._settings("endpoint") for destination in self._destinations(setting)]
        found = found or [(self._at_site(setting), setting) for setting in self._settings("site") if setting.value.strip()]
        if not found and self._unread():
            self._cannot_tell("agent_config.endpoint", "where the agent sends")
            return
        wanted = (given["host"], given["port"], given["scheme"])
        judged = [(_config_endpoint.differences(one, *wanted), one, setting) for one, setting in found]
        judged.sort(key=lambda item: ("host" in item[0], len(item[0])))  # what fits best is what is meant
        differs, destination, setting = judged[0] if judged else ([], None, None)
        comparable = destination is None or not given["host"] or _config_endpoint.comparable(destination.host, given["host"].lower())
        data = {
            "configured": destination._asdict() if destination else None,
            "expected": {"host": given["host"], "port": given["port"], "scheme": given["scheme"]},
            "differs": differs,
            "comparable": comparable,
            "others": [one.url for _differs, one, _setting in judged[1:11]],
            "set_by": self._parts_set_by(setting),
            **_origin(setting),
        }
        if destination is None or setting is None:
            status, message = "warn", "no endpoint is configured"
        elif differs:
            status, message = "fail", "the agent sends to %s, which has another %s than %s" % (
                destination.url, " and ".join(differs), _shown_expected(given))
        else:
            status, message = "ok", "the agent sends to %s" % destination.url
        self._record("agent_config.endpoint", status, self._context.text(message), data,
                     reproduce="sed -n %sp %s" % (setting.source.rpartition(":")[2], setting.source.rpartition(":")[0])
                     if setting and not setting.from_environment and ":" in setting.source else "")

    def _parts_set_by(self, setting: Setting | None) -> dict[str, t.Any]:
        """By part of the destination: a port and a scheme may have settings of their own."""
        of_site = setting is not None and not self._settings("endpoint")
        whole = self._places.of("site" if of_site else "endpoint", setting)
        own = {role: next(iter(self._settings(role)), None) for role in ("port", "scheme")}
        return {"host": whole, "path": whole,
                **{role: {**self._places.of(role, one), "value": one.value} if one else whole for role, one in own.items()}}

    def _at_site(self, setting: Setting) -> _config_endpoint.Destination:
        given = self._parameters
        return _config_endpoint.at_site(setting.value, given["host"], given["default_port"], given["default_scheme"])

    def _destinations(self, setting: Setting) -> list[_config_endpoint.Destination]:
        given = self._parameters
        ports, schemes = self._settings("port"), self._settings("scheme")
        found = []
        for text in _config_endpoint.split_destinations(setting.value)[:20]:
            one = _config_endpoint.parse_destination(text, given["default_port"], given["default_scheme"])
            one = _config_endpoint.with_port(one, ports[0].value) if ports else one
            found.append(_config_endpoint.with_scheme(one, schemes[0].value) if schemes else one)
        return found

    def observe_credential(self) -> None:
        if not self._asked_for("credential", "credential_file", "headers"):
            return
        setting, place = self._told_credential()
        pointer = None if setting else next(iter(self._settings("credential_file")), None)
        if pointer:
            setting = self._from_credential_file(pointer)
            if setting is None:
                return
        if setting is None and self._unread():
            if self._blocked:
                self._record_unreadable(next(iter(self._blocked)))
            else:
                self._cannot_tell("agent_config.credential", "whether there is a credential")
            return
        source = setting.source.rpartition(":")[0] or setting.source if setting and not setting.from_environment else ""
        if source in self._blocked:
            self._record_unreadable(source)
            return
        verdict = self._judged(setting.value if setting else None)
        regions = self._parameters["credential_regions"]
        data = {
            "state": verdict.state, "compared": verdict.compared, "right_when_cleaned": verdict.right_when_cleaned,
            "length": verdict.length, "fingerprint": verdict.shown,
            "region": region_of(setting.value, regions, "credential") if setting and setting.value.strip() else "",
            "endpoint_region": region_of(self._parameters["host"], regions, "host"),
            "set_by": place or self._places.of("credential", setting),
            **_origin(setting),
        }
        where = " (%s)" % setting.source if setting else ""
        status = "ok" if verdict.state == "ok" else "fail"
        self._record("agent_config.credential", status, _CREDENTIAL_SENTENCES[verdict.state] + where, data)

    def _told_credential(self) -> tuple[Setting | None, dict[str, t.Any]]:
        """A setting of its own, or among the header fields that are sent along; of the latter also where it stands."""
        for setting in self._settings("credential"):
            return setting, {}
        for setting in self._settings("headers"):
            shown = credential_in(setting.value, self._parameters["credential_header"])
            if shown:
                return setting._replace(value=shown.credential), {**self._places.of("headers", setting), "header": shown.field}
        return None, {}

    def _judged(self, value: str | None) -> Verdict:
        expected = self._parameters.get("credential_fingerprint") or {}
        return judge(value, self._parameters["credential_format"], self._parameters["credential_placeholders"],
                     expected.get("salt", ""), expected.get("sha256") or "")

    def _record_unreadable(self, path: str) -> None:
        user = self._agent.user.name if self._agent.user else ""
        data = {"state": "unreadable", "compared": False, "right_when_cleaned": False, "length": 0, "fingerprint": "",
                "region": "", "endpoint_region": "", **_origin(None), "source": path}
        self._record("agent_config.credential", "fail", "%s can't read %s, where its credential is" % (user, path), data,
                     reproduce="sudo -u %s test -r %s" % (user, path))

    def _from_credential_file(self, pointer: Setting) -> Setting | None:
        """The credential in a file that the configuration names. None where that was recorded instead."""
        path = pointer.value
        text, error = self._observe_named(path, [1])
        if path in self._blocked:
            self._record_unreadable(path)
            return None
        if error and error != "missing":
            message = "%s was not read: %s" % (path, error.replace("_", " "))
            self._record("agent_config.credential", "cannot_tell", message, {"reason": error})
            return None
        return Setting("" if error else text.split("\n")[0], path + ":1", False)

    def observe_trust(self) -> None:
        """Where it is told which authorities to trust, whether it can read that."""
        found = self._settings(_agent_trust.ROLE)
        path = _agent_trust.told_file(found)
        if not path:
            return
        if not os.path.isdir(path):
            self._observe_named(path, [])
        setting = next(one for one in found if one.value.strip() == path)
        self._record("agent_config.trust", "ok", "the agent trusts the authorities in %s" % path,
                     {"ca_file": path, "set_by": self._places.of(_agent_trust.ROLE, setting), **_origin(setting)}, path)

    def observe_reporting(self) -> None:
        if not self._asked_for("enabled", "disabled"):
            return
        for role, turns_on in (("enabled", True), ("disabled", False)):
            for setting in self._settings(role)[:1]:
                yes = _config_endpoint.is_yes(setting.value)
                enabled = None if yes is None else yes == turns_on
                self._record(
                    "agent_config.reporting", "fail" if enabled is False else "ok",
                    "reporting is %s in %s" % ("not a switch" if enabled is None else "on" if enabled else "off", setting.source),
                    {"enabled": enabled, "value": self._context.text(setting.value, 40), "set_by": self._places.of(role, setting),
                     **_origin(setting)},
                )
                return
        if self._unread():
            self._cannot_tell("agent_config.reporting", "whether reporting is on")
        else:
            self._record("agent_config.reporting", "ok", "no switch turns reporting off", {"enabled": None, "value": "", **_origin(None)})

    def observe_settings(self) -> None:
        declared = [file.get("settings") or {} for file in self._parameters["files"]]
        found = _config_settings.client_settings(
            self._files, declared, self._parameters["environment"], self._agent.environment or {}) if any(declared) else []
        if not found:
            return
        if not _config_settings.values(found) and self._unread():
            self._cannot_tell("agent_config.settings", "how the client is set")
            return
        told = [self._setting(one) for one in found]
        said = ", ".join("%s=%s" % (one["name"], one["value"]) for one in told if one["value"] is not None)
        self._record("agent_config.settings", "ok", self._context.text("the client is set so: %s" % (said or "nothing of it")),
                     {"settings": told})

    def _setting(self, one: _config_settings.ClientSetting) -> dict[str, t.Any]:
        expected = self._parameters["expected_settings"].get(one.name)
        place = self._places.of(one.name if one.stands_in is None else "settings", one.stands_in)
        return {
            "name": one.name,
            "value": None if one.value is None else self._context.text(_config_settings.shown(one.value)),
            "expected": expected,
            "differs": one.value is not None and expected is not None and _config_settings.differs(one.value, expected),
            "source": one.stands_in.source if one.stands_in else "",
            "set_by": {} if one.is_part else {**place, "role": "settings", **({"parameter": one.parameter} if one.parameter else {})},
        }

    # --- the environment

    def observe_environment(self) -> None:
        environment = self._agent.environment
        if environment is None:
            if self._parameters["unit"] or self._parameters["process"]:
                self._record("agent_config.environment", "cannot_tell", "the environment of %s can't be read" % self._target,
                             {"reason": "not_permitted"})
            return
        proxies = _shown(_process_environment.proxies(environment))
        login = _shown(_process_environment.proxies({**(_process_environment.of_file("/etc/environment") or {}), **os.environ}))
        overrides = list(self._overrides())
        data = {
            "environment_from": self._agent.environment_from,
            "pid": self._agent.pid,
            "unit": self._parameters["unit"],
            "overrides": overrides,
            "proxies": proxies,
            "login_proxies": login,
            "proxies_differ": sorted(name for name in {*proxies, *login} if proxies.get(name) != login.get(name)),
        }
        conflicts = [override["name"] for override in overrides if override["differs"]]
        self._record(
            "agent_config.environment", "warn" if conflicts else "ok",
            "%s counts, and not what the file says" % ", ".join(conflicts) if conflicts else "no variable replaces what the files say",
            data, reproduce="tr '\\0' '\\n' < /proc/%d/environ | cut -d= -f1" % self._agent.pid if self._agent.pid else "",
        )

    def _overrides(self) -> t.Iterator[dict[str, t.Any]]:
        for role in ROLES:
            for setting in self._settings(role):
                if setting.from_environment:
                    yield {
                        "name": setting.source, "role": role, "over_file": setting.over.source if setting.over else "",
                        "differs": bool(setting.over and setting.over.value != setting.value),
                        "right_in_file": self._right_in_file(role, setting.over.value) if setting.over else None,
                    }

    def _right_in_file(self, role: str, value: str) -> bool | None:
        """Whether the agent would be told right by its file, if no variable replaced it."""
        given = self._parameters
        if role == "endpoint" and given["host"]:
            places = self._destinations(Setting(value, "", False))
            return any(not _config_endpoint.differences(one, given["host"], given["port"], given["scheme"]) for one in places)
        if role == "credential":
            verdict = self._judged(value)
            return verdict.state == "ok" if verdict.compared or verdict.state != "ok" else None
        return None


_CREDENTIAL_SENTENCES = {
    "ok": "there is a credential, and nothing is wrong with its form",
    "missing": "no credential is configured",
    "empty": "the credential is empty",
    "placeholder": "the credential is still a placeholder",
    "malformed": "the credential has not the form of one",
    "different": "the credential is another one than it should be",
}


def _origin(setting: Setting | None) -> dict[str, t.Any]:
    if setting is None:
        return {"source": "", "from_environment": False, "unresolved": []}
    return {"source": setting.source, "from_environment": setting.from_environment, "unresolved": list(setting.unresolved)}


def _ownership(path: str) -> dict[str, t.Any]:
    try:
        status = os.stat(path)
    except OSError:
        return {"owner": "", "group": "", "mode": "", "modified": ""}
    owner, group = owner_names(status)
    return {"owner": owner, "group": group, "mode": mode_text(status), "modified": timestamp(status.st_mtime)}


def _reproduce_file(reading: Reading, user: str) -> str:
    if reading.syntax:
        return "sed -n %dp %s" % (reading.syntax.line, reading.path)
    return "sudo -u %s test -r %s; namei -l %s" % (user, reading.path, reading.path) if user else "namei -l %s" % reading.path


def _shown(proxies: dict[str, str]) -> dict[str, str]:
    return {name: redact_url(value)[:300] for name, value in proxies.items()}


def _shown_expected(given: t.Mapping[str, t.Any]) -> str:
    place = "%s:%d" % (given["host"], given["port"]) if given["port"] else given["host"]
    return "%s://%s" % (given["scheme"], place) if given["scheme"] else place
