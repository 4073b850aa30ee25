# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy a program here would use for a server, which one it would have to use, and whether that works: through it and around it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _agent_trust, _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._http import proxy as _http_proxy
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome, http
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy import (
    java as _proxy_java,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy import (
    rules as _proxy_rules,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy import (
    settings as _proxy_settings,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy import (
    url as _proxy_url,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import place as _tls_place
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import sweep as _tls_sweep

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "https"},
    "path": {"type": "str", "default": "/"},
    "proxy": {"type": "str"},
    "proxy_credential": {"type": "str", "no_log": True},
    "unit": {"type": "str"},
    "pid": {"type": "int"},
    "verify": {"type": "str", "choices": ["full", "ca", "none"], "default": "full"},
    "ca_file": {"type": "path"},
    "agent_trust": _agent_trust.ARGUMENT,
    "timeout": {"type": "float", "default": 5.0},
}

_ASK_S = 2.0
# Passed on to each of the two requests.
_REQUEST = ("host", "port", "scheme", "path", "verify", "ca_file", "timeout")


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Read the settings, judge them, and ask the server once directly and once through the proxy. Passes where one of the two works.

    ``proxy.environment`` (ok, warn, cannot_tell), with ``unit`` or ``pid`` only: ``source`` (``process``, ``unit``: of a unit that does not
    run), ``pid``, ``process`` and ``login`` (the proxy variables of each, without credentials), ``only_in_process``, ``only_in_login``,
    ``different`` (names); ``process_way`` and ``login_way``: where each leads, ``proxy``, ``direct``, or "" where libraries differ.
    ``reason``: ``not_permitted``, ``no_process``.

    ``proxy.url`` (ok, warn, fail), for each value: ``variable`` (``given`` for the parameter), ``source``, ``proxy``, ``problems`` (see
    :func:`_proxy.url.lint`), ``fatal``, ``scheme``, ``proxy_host``, ``proxy_port``, ``speaks_tls`` (of an ``https`` proxy; else None).

    ``proxy.bypass`` (ok, warn), for each of the libraries: ``library``, ``decision`` (``proxy``, ``direct``), ``because``
    (``proxy_variable``, ``no_proxy_variable``, ``excluded``, ``local``), ``variable``, ``token`` (the entry that matched), ``proxy``,
    ``no_proxy`` (its values by name), ``source``, ``host``, ``port``, ``scheme``, ``works`` (whether that way works; None: unknown).
    ``warn``: that way does not work, and the other does.

    ``proxy.connect``: as the http probe tells it.

    ``proxy.comparison`` (ok, warn, fail): ``proxy`` ("": none; the login's where the process has none), ``variable``, ``source``,
    ``direct_works`` and ``proxy_works`` (an HTTP
    answer of the server came, whatever its status; None: not tried), ``direct_error``, ``proxy_error`` (as in ``http.response`` or
    ``proxy.connect``; ``unresolved``, ``refused_by_proxy``, ``invalid_proxy``, ``unsupported_scheme``), ``direct_connect_error``,
    ``direct_status``, ``proxy_status``, ``direct_ms``, ``proxy_ms``, ``scheme_tried`` (of the proxy: ``http`` also where ``https`` stood
    and it speaks no TLS), ``same_certificate`` (None: unknown), ``direct_issuer``, ``proxy_issuer``.
    """
    return _Run(parameters, context).run()


class _Chosen(t.NamedTuple):
    """A proxy and where it was found."""

    lint: _proxy_url.Lint
    variable: str
    source: str


class _Run:
    def __init__(self, parameters: dict[str, t.Any], context: Context) -> None:
        self._parameters = {**parameters, "ca_file": _agent_trust.trusted_file(parameters, context)}
        self._scheme = parameters.get("scheme") or "https"
        self._host = parameters["host"].rstrip(".")
        self._port = parameters["port"]
        self._timeout = float(parameters.get("timeout") or 5.0)
        self._login = _proxy_settings.of_login(context)
        self._process = self._settings_of_process(context)
        self._given = parameters.get("proxy") or ""
        self._values = self._all_values()
        # What a URL's credential is, is known only now; nothing may be recorded before.
        credentials = [one.lint.credential for one in self._values if one.lint.credential]
        secrets = [part for credential in credentials for part in (credential, credential.partition(":")[2])]
        self._context = Context(
            context.recorder, context.deadline, context.vantage, (*context.secrets, *filter(None, secrets)), context.labels,
            context.environment)

    def _settings_of_process(self, context: Context) -> _proxy_settings.Settings | None:
        if self._parameters.get("pid"):
            return _proxy_settings.of_process(self._parameters["pid"])
        return _proxy_settings.of_unit(self._parameters["unit"], context) if self._parameters.get("unit") else None

    @property
    def _settings(self) -> _proxy_settings.Settings:
        """Those that count: the process's own where they could be read."""
        return self._process if self._process and not self._process.problem else self._login

    def _all_values(self) -> list[_Chosen]:
        found = [_Chosen(_proxy_url.lint(self._given), "given", "given")] if self._given else []
        for settings in filter(None, (self._process, self._login)):
            found += [
                _Chosen(_proxy_url.lint(value), name, settings.source)
                for name, value in sorted(settings.variables.items()) if name.lower() != "no_proxy"
            ]
        return found

    def run(self) -> Outcome:
        if self._process:
            self._compare_environments(self._process)
        tls = {one: self._judge_url(one) for one in self._values}
        decisions = self._decisions(self._settings)
        used = self._used()
        works = self._compare_ways(used, tls.get(used) if used else None)
        self._record_decisions(decisions, works)
        return Outcome(True in works.values())

    # -- settings ----------------------------------------------------------------------------------------------------

    def _shown(self, variables: t.Mapping[str, str]) -> dict[str, str]:
        return {
            name: self._context.text(value if name.lower() == "no_proxy" else _proxy_url.lint(value).url, 300)
            for name, value in sorted(variables.items())
        }

    def _compare_environments(self, process: _proxy_settings.Settings) -> None:
        mine, theirs = self._login.variables, process.variables
        data: dict[str, t.Any] = {"source": process.source, "pid": process.pid, "login": self._shown(mine)}
        target = self._parameters.get("unit") or str(process.pid)
        reproduce = "sudo cat /proc/%d/environ | tr '\\0' '\\n' | grep -i _proxy; env | grep -i _proxy" % process.pid
        if process.problem:
            data["reason"] = process.problem
            self._context.observe(
                "proxy.environment", "cannot_tell", target,
                "the environment of %s can't be read: %s" % (target, process.problem.replace("_", " ")), data=data, reproduce=reproduce)
            return
        data.update(
            process=self._shown(theirs),
            only_in_process=sorted(set(theirs) - set(mine)),
            only_in_login=sorted(set(mine) - set(theirs)),
            different=sorted(name for name in set(mine) & set(theirs) if mine[name] != theirs[name]),
            process_way=self._way(process),
            login_way=self._way(self._login),
        )
        differs = data["only_in_process"] + data["only_in_login"] + data["different"]
        message = "%s and a login here %s" % (target, "differ in %s" % ", ".join(differs) if differs else "have the same proxy settings")
        self._context.observe("proxy.environment", "warn" if differs else "ok", target, message, data=data, reproduce=reproduce)

    def _judge_url(self, one: _Chosen) -> bool | None:
        """:returns: whether an ``https`` proxy speaks TLS, None where that was not asked."""
        lint, started = one.lint, time.time()
        speaks_tls = None
        if lint.scheme == "https" and lint.host and lint.port and not lint.fatal:
            remaining = _flow.monotonic_budget(self._context.deadline.allow(_ASK_S))
            addresses, _problem = _http_proxy.resolve(lint.host, lint.port, remaining())
            if addresses:
                place = _tls_place.place({"address": addresses[0], "host": lint.host, "port": lint.port})
                reply = _tls_sweep.ask_anything(place, remaining)
                speaks_tls = None if reply.answer in ("timeout", "ECONNREFUSED", "TIMEOUT") else reply.answer in ("server_hello", "alert")
        data = {
            "variable": one.variable, "source": one.source, "proxy": self._context.text(lint.url, 300), "problems": list(lint.problems),
            "fatal": list(lint.fatal), "scheme": self._context.text(lint.scheme, 20), "proxy_host": self._context.text(lint.host, 255),
            "proxy_port": lint.port, "speaks_tls": speaks_tls,
        }
        bad = bool(lint.fatal) or speaks_tls is False
        found = [name.replace("_", " ") for name in lint.problems] + (["the proxy speaks no TLS"] if speaks_tls is False else [])
        self._context.observe(
            "proxy.url", "fail" if bad else "warn" if lint.problems else "ok", one.variable,
            "%s of the %s: %s" % (one.variable, one.source, ", ".join(found) or "a sound URL"), data=data, started=started,
            reproduce="env | grep -i _proxy")
        return speaks_tls

    # -- decisions ---------------------------------------------------------------------------------------------------

    def _decisions(self, settings: _proxy_settings.Settings) -> list[tuple[str, _proxy_rules.Decision]]:
        environment = dict(settings.variables)
        if self._given:
            environment.update({name: self._given for names in ("http_proxy", "https_proxy") for name in (names, names.upper())})
        found = [
            (library.name, _proxy_rules.decide(library, environment, self._scheme, self._host, self._port))
            for library in _proxy_rules.LIBRARIES
        ]
        java = _proxy_java.properties(settings.java, settings.command_line)
        return [*found, ("java", _proxy_java.decide(java, self._scheme, self._host))]

    def _way(self, settings: _proxy_settings.Settings) -> str:
        """Where the libraries that find a proxy in these variables go; directly, where none finds one."""
        decisions = [decision for library, decision in self._decisions(settings) if library != "java"]
        routes = {decision.route for decision in decisions if decision.because != "no_proxy_variable"}
        return "direct" if not routes else routes.pop() if len(routes) == 1 else ""

    def _used(self) -> _Chosen | None:
        """The proxy to try: the given one, else the first that any library would take for this scheme, were there no exceptions.

        Where the process has none, that of a login: it may be what the process lacks.
        """
        if self._given:
            return self._values[0]
        for settings in (self._settings, self._login):
            for _library, decision in self._decisions(settings):
                for one in self._values:
                    if decision.proxy and one.source == settings.source and settings.variables.get(one.variable) == decision.proxy:
                        return one
                if decision.proxy:
                    return _Chosen(_proxy_url.lint(decision.proxy), decision.variable, settings.source)
        return None

    def _record_decisions(self, decisions: list[tuple[str, _proxy_rules.Decision]], works: dict[str, bool | None]) -> None:
        exceptions = self._shown({name: value for name, value in self._settings.variables.items() if name.lower() == "no_proxy"})
        for library, decision in decisions:
            other = works["direct" if decision.route == "proxy" else "proxy"]
            data = {
                "library": library, "decision": decision.route, "because": decision.because, "variable": decision.variable,
                "token": self._context.text(decision.entry, 255), "proxy": self._context.text(_proxy_url.lint(decision.proxy).url, 300),
                "no_proxy": exceptions, "source": "given" if self._given else self._settings.source, "host": self._host, "port": self._port,
                "scheme": self._scheme, "works": works[decision.route],
            }
            way = "through %s" % data["proxy"] if decision.route == "proxy" else "directly"
            why = " because of %r" % data["token"] if decision.entry else ""
            wrong = works[decision.route] is False and other is True
            verdict = ", which does not work, and the other way does" if wrong else ""
            self._context.observe(
                "proxy.bypass", "warn" if wrong else "ok", "%s:%d" % (self._host, self._port),
                "%s goes to %s:%d %s%s%s" % (library.replace("_", " "), self._host, self._port, way, why, verdict), data=data,
                reproduce="env | grep -i _proxy")

    # -- the two ways ------------------------------------------------------------------------------------------------

    def _compare_ways(self, used: _Chosen | None, speaks_tls: bool | None) -> dict[str, bool | None]:
        started = time.time()
        direct = self._directly()
        scheme = "http" if used and (speaks_tls is False or used.lint.scheme in ("", "http")) else used.lint.scheme if used else ""
        through = self._through(used, scheme)
        works: dict[str, bool | None] = {"direct": direct.get("error") == "", "proxy": through.get("error") == "" if through else None}
        data: dict[str, t.Any] = {
            "proxy": self._context.text(used.lint.url, 300) if used else "", "variable": used.variable if used else "",
            "source": used.source if used else "", "scheme_tried": scheme, "host": self._host, "port": self._port, "scheme": self._scheme,
            "direct_works": works["direct"], "proxy_works": works["proxy"], "direct_connect_error": direct.get("connect_error", ""),
            "same_certificate": None,
        }
        for way, facts in (("direct", direct), ("proxy", through)):
            data.update({
                way + "_error": facts.get("error", ""), way + "_status": facts.get("status"),
                way + "_issuer": facts.get("certificate_issuer", ""), way + "_ms": facts.get("phases", {}).get("total_ms"),
            })
        prints = [facts.get("certificate_fingerprint_sha256") for facts in (direct, through)]
        if all(prints):
            data["same_certificate"] = prints[0] == prints[1]
        tried = [way for way in works.values() if way is not None]
        said = {None: "not tried", True: "works", False: "does not work"}
        self._context.observe(
            "proxy.comparison", "ok" if all(tried) else "warn" if any(tried) else "fail", "%s:%d" % (self._host, self._port),
            "%s:%d directly: %s; through a proxy: %s" % (self._host, self._port, said[works["direct"]], said[works["proxy"]]),
            data=data, started=started, reproduce="curl -sv --noproxy '*' %s://%s:%d/" % (self._scheme, self._host, self._port))
        return works

    def _directly(self) -> dict[str, t.Any]:
        """The data of ``http.response``, without the observation: not to be taken for the endpoint's own way."""
        addresses, problem = _http_proxy.resolve(self._host, self._port, self._context.deadline.allow(self._timeout))
        if not addresses:
            return {"error": "unresolved", "connect_error": problem}
        return self._ask({"address": addresses[0]})[1]

    def _through(self, used: _Chosen | None, scheme: str) -> dict[str, t.Any]:
        if used is None:
            return {}
        if used.lint.fatal or scheme != "http":
            return {"error": "invalid_proxy" if used.lint.fatal else "unsupported_scheme"}
        host = "[%s]" % used.lint.host if ":" in used.lint.host else used.lint.host
        secret = self._parameters.get("proxy_credential") or used.lint.credential
        asked = {"proxy": "http://%s%s" % (host, ":%d" % used.lint.port if used.lint.port else ""), "proxy_credential": secret or None}
        observations, facts = self._ask(asked)
        for observation in observations:
            if observation["check"] == "proxy.connect":
                self._context.recorder.add(observation)
                if observation["status"] != "ok":
                    said = observation["data"]
                    return dict(facts, error=said.get("error") or "refused_by_proxy", status=said.get("status"))
        return facts

    def _ask(self, extra: dict[str, t.Any]) -> tuple[list[dict[str, t.Any]], dict[str, t.Any]]:
        recorder = Recorder()
        context = self._context
        given = {name: self._parameters[name] for name in _REQUEST if self._parameters.get(name) is not None}
        http.run(dict(given, **extra), Context(
            recorder, context.deadline, context.vantage, context.secrets, context.labels, context.environment))
        observations = recorder.seal()
        return observations, next((one["data"] for one in observations if one["check"] == "http.response"), {"error": "not_tried"})
