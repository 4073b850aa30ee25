# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting of the client's own with which the endpoint does not serve it, while with the inventory's it does: both were tried, or what
was seen with the inventory's takes longer than the client waits.

A setting that only differs is none: another one may do as well.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import math
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import COMPLAINS, CONNECTED, NOT_RESTARTED, REFUSED
from ansible_collections.connectivity.doctor.plugins.plugin_utils._client_settings import side_of
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Observation, unseen

# What shows that the endpoint serves, and what from below may show that it does not.
_SERVED = ("postgresql.login", "http.response")
_LADDER = ("dns.resolve", "tcp.connect", "tls.handshake", "tls.verify", "postgresql.ssl_request", "postgresql.startup", *_SERVED)
# What comes and goes, whatever is set: no answer in time, no connection free, a server that stops or starts (classes 53 and 57).
_PASSING = ("timeout", "TIMEOUT", "deadline", "closed", "reset")
_PASSING_CLASSES = ("53", "57")
# libpq waits at least so long, whatever it is told (PostgreSQL documentation, "Connection Parameters").
_LEAST_PATIENCE_S = 2
# What of a setting's failures is its own: who may log in to another database is another question.
_OWN = {"database": ("3D000",)}


def _is_lasting(observation: Observation) -> bool:
    data = observation["data"]
    kinds = {data.get(key) for key in ("error", "error_kind", "result", "answer")}
    return not kinds & set(_PASSING) and str(data.get("sqlstate") or "")[:2] not in _PASSING_CLASSES


def _counts(observation: Observation) -> bool:
    """A start with the other transport, which the client would not try, is no failure of the setting's."""
    return observation["data"].get("purpose") != "comparison"


def _failures(case: Case, side: str) -> list[tuple[int, Observation]]:
    return [one for check in _LADDER for one in case.of(check, side) if one[1]["status"] == "fail" and _counts(one[1])]


def _served(case: Case, side: str) -> list[int]:
    return [number for check in _SERVED for number, observation in case.of(check, side) if observation["status"] in ("ok", "warn")]


def _wrong_setting(case: Case) -> Match | None:
    served = _served(case, "client")
    for number, told in case.of("agent_config.settings", "client") if served else ():
        for one in told["data"]["settings"]:
            side = side_of(one["name"])
            failures = _failures(case, side)
            own = _OWN.get(one["name"])
            failures = [failure for failure in failures if own is None or failure[1]["data"].get("sqlstate") in own]
            if failures and not _served(case, side) and all(_is_lasting(failure) for _number, failure in failures):
                return Match((number, *(at for at, _failure in failures), *served), _facts(one, _said(failures[-1][1])))
    return None


def _impatient(case: Case) -> Match | None:
    """Every login that succeeded took longer than the client waits for one."""
    took_s = {number: login["data"]["elapsed_ms"] / 1000 for number, login in case.of("postgresql.login", "client")
              if login["status"] in ("ok", "warn")}
    quickest_s = min(took_s.values(), default=0.0)
    for number, told in case.of("agent_config.settings", "client"):
        for one in told["data"]["settings"]:
            if one["name"] == "connect_timeout" and quickest_s > _waits_s(one["value"] or ""):
                return Match((number, *took_s), _facts(one, "a login takes %.1f s" % quickest_s))
    return None


def _waits_s(connect_timeout: str) -> float:
    """For ever where it is 0 or no number."""
    return max(_LEAST_PATIENCE_S, int(connect_timeout)) if connect_timeout.isdecimal() and int(connect_timeout) else math.inf


def _facts(one: t.Mapping[str, t.Any], detail: str) -> dict[str, t.Any]:
    return {"setting": one["name"], "value": one["value"], "expected": one["expected"], "source": one["source"], "detail": detail}


def _said(failure: Observation) -> str:
    return str(failure["data"].get("server_message") or failure["data"].get("detail") or failure["message"])


# Connected with the configuration as it is, the client works with what it is set to. One that tries again and again is connected for a
# moment each time, and complains.
WITHOUT_EFFECT = unseen(CONNECTED & unseen(NOT_RESTARTED) & unseen(COMPLAINS | REFUSED))

WRONG_SETTING = (Joined(_wrong_setting) | Joined(_impatient)) & WITHOUT_EFFECT
