# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in an HTTP proxy on the way. Its own answers carry its marks; the server's don't.

A proxy counts where the endpoint is described with one, or where an agent's own environment leads it to one. What a login has in its
environment is no fault of the endpoint's: it only shows what the agent lacks.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import AT_WORK, COMPLAINS
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Observation,
    described,
    given,
    seen,
    unseen,
)

Numbered = t.Tuple[int, Observation]

_THROUGH_PROXY = described(proxy=given)
_DIRECT = described(proxy="")
_OF_AGENT = ("process", "unit")
# What the proxy did with the request, where it took it at all.
_NOT_FORWARDED = ("refused_by_proxy", "closed", "reset", "timeout", "no_response", "incomplete", "proxy_failed")
# What nobody but the network in between does to a request.
_BLOCKED = ("connect_failed", "unresolved", "no_response")
_DIRECTLY_ONLY = seen("proxy.comparison", direct_works=True, proxy_works=False, proxy_error=_NOT_FORWARDED)
# The comparison tries one address of the name; another one may have answered.
_REACHED_DIRECTLY = _DIRECT & seen("http.response", error="")
_PROXY_ONLY = seen("proxy.comparison", direct_works=False, proxy_works=True) & unseen(_REACHED_DIRECTLY)
_BY_REQUEST = seen("proxy.connect", "fail", status=407)
# Whatever a connection around the proxy meets where only the proxy lets through.
_AROUND = (
    seen("dns.resolve", "fail") | seen("dns.answer", "fail") | seen("tcp.connect", "fail") | seen("firewall.rule", "fail")
    | seen("tls.handshake", "fail") | seen("tls.verify", "fail") | seen("http.response", "fail") | seen("route.path", "fail")
    | seen("route.ping", "fail") | seen("route.neighbours", "fail")
)


def _decisions(case: Case) -> list[Numbered]:
    """What the libraries make of the environment of the endpoint's agent: those that find a proxy in it."""
    return [one for one in case.of("proxy.bypass", "client")
            if one[1]["data"].get("source") in _OF_AGENT and one[1]["data"].get("because") != "no_proxy_variable"]


def _told(decisions: t.Sequence[Numbered]) -> Match | None:
    if not decisions:
        return None
    libraries = ", ".join(observation["data"]["library"].replace("_", " ") for _number, observation in decisions)
    no_proxy = next(iter((decisions[0][1]["data"].get("no_proxy") or {}).values()), "")
    facts = {**decisions[0][1]["data"], "libraries": libraries, "exclusions": no_proxy or "nothing"}
    return Match(tuple(number for number, _observation in decisions), facts)


def _all_through(case: Case) -> Match | None:
    """Whichever library the agent is built on, it goes to the proxy."""
    decisions = _decisions(case)
    return _told(decisions) if all(one["data"]["decision"] == "proxy" for _number, one in decisions) else None


def _some_through(case: Case) -> Match | None:
    """Of the libraries, some go to the proxy, and others don't."""
    decisions = _decisions(case)
    through = [one for one in decisions if one[1]["data"]["decision"] == "proxy"]
    return _told(through) if len(through) < len(decisions) else None


def _excluded(case: Case) -> Match | None:
    """An entry of the agent's exclusions keeps some library from the proxy."""
    return _told([one for one in _decisions(case) if one[1]["data"]["because"] == "excluded"])


# Some agents read no such variable: one that is connected to the endpoint itself is sent nowhere.
_SENT_TO_PROXY = Joined(_all_through) & unseen(AT_WORK)
_KEPT_FROM_PROXY = Joined(_excluded)
_USES_PROXY = _THROUGH_PROXY | _SENT_TO_PROXY


def _proxies(variables: t.Mapping[str, str]) -> list[str]:
    return [name for name, value in variables.items() if value and name.lower() != "no_proxy"]


def _lacking(case: Case) -> Match | None:
    """A login is led to a proxy that the agent knows nothing of."""
    for number, environment in case.of("proxy.environment", "client"):
        data = environment["data"]
        lacks = [name for name in [*(data.get("only_in_login") or ()), *(data.get("different") or ())] if name.lower() != "no_proxy"]
        if lacks and not _proxies(data.get("process") or {}):
            return Match((number,), {**data, "unit": environment["target"], "variables": ", ".join(lacks)})
    return None


def _having_more(case: Case) -> Match | None:
    """The agent is led to a proxy, and a login is not.

    Where the agent has exclusions of its own and a login has no proxy at all, it is meant to have one: what is wrong is the exclusions.
    """
    for number, environment in case.of("proxy.environment", "client"):
        data = environment["data"]
        process, login = data.get("process") or {}, data.get("login") or {}
        maintained = any(value for name, value in process.items() if name.lower() == "no_proxy")
        if data.get("login_way") == "direct" and data.get("process_way") == "proxy" and (_proxies(login) or not maintained):
            names = [*data["only_in_process"], *data["only_in_login"], *data["different"]]
            return Match((number,), {**data, "unit": environment["target"], "variables": ", ".join(names)})
    return None


_AGENT_LACKS_IT = Joined(_lacking) & unseen(AT_WORK) & _PROXY_ONLY & seen("proxy.comparison", source="login")
_AGENT_HAS_IT_ALONE = Joined(_having_more) & _SENT_TO_PROXY & _DIRECTLY_ONLY
_DIFFERS = (_AGENT_LACKS_IT | _AGENT_HAS_IT_ALONE) & unseen(_BY_REQUEST)


def _unusable_url(case: Case) -> Match | None:
    """The value that the endpoint's way goes by is none: of its description, or of the variable that its agent's libraries read."""
    at_work = AT_WORK.match(case) is not None
    used = {(one["data"]["source"], one["data"]["variable"])
            for _number, one in _decisions(case) if one["data"]["decision"] == "proxy" and not at_work}
    used |= {("given", "given")} if case.endpoint.get("proxy") else set()
    for number, url in case.of("proxy.url", "client"):
        data = url["data"]
        if url["status"] == "fail" and (data["source"], data["variable"]) in used:
            wrong = [*data.get("fatal", ()), *(["speaks no TLS"] if data.get("speaks_tls") is False else [])]
            return Match((number,), {**data, "wrong": ", ".join(wrong).replace("_", " ")})
    return None


def _empty_url(case: Case) -> Match | None:
    """A variable of the agent that is set to nothing hides the proxy without which nothing works."""
    for number, url in case.of("proxy.url", "client"):
        data = url["data"]
        if data.get("problems") == ["empty"] and data.get("source") in _OF_AGENT and not _decisions(case):
            return Match((number,), {**data, "wrong": "empty"})
    return None


_EMPTY_URL = Joined(_empty_url) & _PROXY_ONLY
_URL_INVALID = (
    Joined(_unusable_url)
    | _EMPTY_URL
    | (_SENT_TO_PROXY & seen("proxy.connect", "fail", error="unresolved", gai_error="EAI_NONAME"))
)

CAUSES = (
    Cause(
        code="proxy.url_invalid",
        meaning="The proxy's URL is none: empty, a placeholder, misspelt, of a scheme that the proxy does not speak, or of a name that "
                "does not exist.",
        summary="{host} can't use {proxy} as the proxy for {name}:{port}: {wrong}",
        proof=_URL_INVALID,
        ruled_out=seen("proxy.connect", error="", proxy=given),
        look_alikes=("proxy.unreachable",),
        silences=COMPLAINS,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Correct the proxy's URL to http://host:port; https:// only where the proxy itself speaks TLS.",
        component="proxy",
        explains=seen("proxy.connect", ("fail", "cannot_tell")) | seen("proxy.comparison", "fail") | (_URL_INVALID & _AROUND),
        culprit={"variable": "{variable}", "source": "{source}", "value": "{proxy}"},
    ),
    Cause(
        code="proxy.unreachable",
        meaning="The proxy that the endpoint is configured to use does not accept connections.",
        summary="the proxy {proxy} does not accept connections ({error})",
        proof=(_THROUGH_PROXY & seen("tcp.connect", "fail", error="ECONNREFUSED", answer="rst"))
        | (_SENT_TO_PROXY & seen("proxy.connect", "fail", error="ECONNREFUSED")),
        suspicion=(_THROUGH_PROXY & seen("tcp.connect", "fail", error="TIMEOUT"))
        | (_SENT_TO_PROXY & seen("proxy.connect", "fail", error=("TIMEOUT", "EHOSTUNREACH", "ENETUNREACH"))),
        ruled_out=(_THROUGH_PROXY & seen("tcp.connect", "ok")) | seen("proxy.connect", error="")
        | seen("proxy.comparison", proxy_error=("invalid_proxy", "unsupported_scheme")),
        look_alikes=("firewall.path", "proxy.bypass_missing"),
        decide_by="who listens on the proxy's port, seen on the proxy itself",
        silences=COMPLAINS,
        remediation=Remediation("escalate", ESCALATE),
        advice="Start the proxy, or use another one.",
        component="proxy",
        place="path",
        explains=_SENT_TO_PROXY & _AROUND,
        culprit={"proxy": "{proxy}"},
    ),
    Cause(
        code="proxy.authentication_required",
        meaning="The proxy demands credentials of its own.",
        summary="the proxy demands credentials (407)",
        proof=_USES_PROXY & _BY_REQUEST,
        silences=COMPLAINS,
        remediation=Remediation("escalate", ESCALATE),
        advice="Give the proxy's credentials, or have this host allowed without.",
        component="proxy",
        place="path",
        explains=(_THROUGH_PROXY & seen("http.response", ("fail", "cannot_tell"))) | (_SENT_TO_PROXY & _AROUND),
        culprit={"proxy": "{proxy}", "status": "407"},
    ),
    Cause(
        code="proxy.denied",
        meaning="The proxy itself refuses to forward the request.",
        summary="the proxy refuses to forward to {name}:{port} ({status})",
        proof=(_THROUGH_PROXY | (_SENT_TO_PROXY & unseen(seen("proxy.comparison", direct_works=True))))
        & seen("proxy.connect", "fail", status=(403, 405), answered_by="proxy"),
        ruled_out=seen("proxy.connect", "ok") | (_DIRECT & seen("proxy.comparison", direct_works=True)),
        look_alikes=("credential.rejected",),
        silences=COMPLAINS,
        remediation=Remediation("escalate", ESCALATE),
        advice="Request that the proxy allows this destination and port.",
        component="proxy",
        place="path",
        explains=(_THROUGH_PROXY & seen("http.response", ("fail", "cannot_tell"))) | (_SENT_TO_PROXY & _AROUND),
        culprit={"proxy": "{proxy}", "status": "{status}"},
    ),
    Cause(
        code="proxy.bypass_missing",
        meaning="The agent's environment sends it to a proxy that does not reach the endpoint, and directly it is reached: NO_PROXY "
                "lacks it.",
        summary="{host}: NO_PROXY ({exclusions}) lacks {name}, so that the agent goes to {proxy}, which does not reach it; directly it "
                "is reached",
        proof=_SENT_TO_PROXY & _DIRECTLY_ONLY & unseen(_BY_REQUEST) & unseen(_AGENT_HAS_IT_ALONE),
        suspicion=Joined(_some_through) & _DIRECTLY_ONLY & COMPLAINS,
        ruled_out=seen("proxy.comparison", direct_works=False) | seen("proxy.comparison", proxy_works=True)
        | seen("proxy.comparison", proxy_error=("ECONNREFUSED", "TIMEOUT", "unresolved", "invalid_proxy", "tls_failed"))
        | seen("proxy.comparison", source="given"),
        look_alikes=("proxy.environment_differs", "proxy.denied"),
        decide_by="which library the agent makes its requests with",
        silences=COMPLAINS,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Add {name} to NO_PROXY, and to no_proxy, of the unit, in the form that the agent's library understands.",
        component="proxy",
        explains=seen("proxy.connect", "fail") | seen("proxy.comparison", "warn"),
        culprit={"no_proxy": "{exclusions}", "proxy": "{proxy}", "variable": "{variable}"},
    ),
    Cause(
        code="proxy.bypass_too_broad",
        meaning="An entry of NO_PROXY keeps the agent from the proxy without which it does not reach the endpoint.",
        summary="{host}: the entry {token} of {variable} keeps {libraries} from the proxy, and directly {name}:{port} is not reached",
        proof=_KEPT_FROM_PROXY & _PROXY_ONLY,
        ruled_out=seen("proxy.comparison", direct_works=True) | seen("proxy.comparison", proxy_works=False),
        look_alikes=("proxy.required",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Narrow the entry of NO_PROXY; libraries read leading dots, stars and networks differently, so prefer whole names.",
        component="proxy",
        explains=_AROUND,
        culprit={"variable": "{variable}", "entry": "{token}", "libraries": "{libraries}"},
    ),
    Cause(
        code="proxy.environment_differs",
        meaning="The agent's proxy settings are other ones than those of a login, so that a test by hand works and the agent does not.",
        summary="{host}: {unit} and a login differ in {variables}: what works by hand does not work for it",
        proof=_DIFFERS & unseen(_EMPTY_URL),
        ruled_out=seen("proxy.environment", "ok") | (seen("proxy.comparison", source="login") & unseen(seen("proxy.environment"))),
        look_alikes=("proxy.bypass_missing", "proxy.required"),
        silences=COMPLAINS,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Give the unit the same proxy settings in a drop-in (Environment=), and restart it.",
        component="proxy",
        explains=(_AGENT_LACKS_IT & _AROUND) | seen("proxy.connect", "fail"),
        culprit={"unit": "{unit}", "variables": "{variables}"},
    ),
    Cause(
        code="proxy.required",
        meaning="The endpoint is not reached directly, and is reached through the proxy that this host knows: it must go that way.",
        summary="{name}:{port} is not reached directly from {host}, and is reached through the proxy {proxy}",
        proof=_DIRECT & _PROXY_ONLY & seen("proxy.comparison", direct_error=_BLOCKED)
        & unseen(_KEPT_FROM_PROXY) & unseen(_DIFFERS) & unseen(_EMPTY_URL),
        ruled_out=seen("proxy.comparison", direct_works=True) | seen("proxy.comparison", proxy_works=False) | _KEPT_FROM_PROXY
        | Joined(_lacking),
        look_alikes=("proxy.environment_differs", "firewall.path"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Let the application use the proxy {proxy}, and name it as the endpoint's proxy.",
        component="proxy",
        place="path",
        explains=_AROUND,
        culprit={"proxy": "{proxy}", "variable": "{variable}"},
    ),
)
