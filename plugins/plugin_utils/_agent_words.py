# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent itself says of the trouble that it has: the lines of its log that a cause cites, beside the observations that prove it.

An agent may be wrong about the layer, so its words are no proof. But a cause that keeps it from reporting is told with them, as they
are what its owner sees.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import (
    NOT_LET_IN,
    NOT_THROUGH,
    complaints,
    said_at_start,
    said_by_server,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Pattern, seen

_LOST = ("too_large", "rate_limited")
# What an agent that meets trouble of any layer may say.
_SYMPTOMS = ("not_reporting", "timeout", "reset", "refused", "unreachable", "wrong_protocol")
_NAMES = ("dns_no_such_name", "dns_unavailable")
_TLS = ("tls_clock_or_expiry", "tls_name", "tls_untrusted", "tls_version_or_cipher", "tls_to_plain_port", "encryption_refused")
_PROXY = ("proxy_auth", "proxy_refused", "proxy_unreachable")
_SERVER = (*_SYMPTOMS, *_LOST, "server_unavailable", "gave_up", "wrong_path")
# By a cause's layer, the families of lines that can be about it.
_ABOUT: t.Mapping[str, tuple[str, ...]] = {
    "agent": (*NOT_THROUGH, *_LOST),
    "credential": (*_SYMPTOMS, *NOT_LET_IN, "gave_up"),
    "dns": (*_SYMPTOMS, *_NAMES),
    "tls": (*_SYMPTOMS, *_TLS),
    "clock": ("tls_clock_or_expiry", "auth"),
    "proxy": (*_SYMPTOMS, *_PROXY, *_NAMES, *_LOST, "auth", "tls_untrusted", "server_unavailable"),
    "firewall": _SYMPTOMS,
    "network": _SYMPTOMS,
    "server": _SERVER,
    "balancer": (*_SERVER, "wrong_path"),
}
# What an agent says once, when it reads its configuration.
_AT_START = {"agent.config_syntax": ("config_invalid",), "agent.config_stray_characters": ("config_invalid",)}
_DOES_NOT_RUN = seen("service.unit", "fail") | seen("service.process", "fail")


def cited(case: Case, code: str) -> tuple[int, ...]:
    """Numbers of the observations in which the agent that runs now, or its server about it, says that it has this trouble."""
    families = _ABOUT.get(code.partition(".")[0], ())
    if not families or not case.endpoint.get("agent") or _DOES_NOT_RUN.match(case):
        return ()
    patterns = [_said(how, families) for how in (complaints, said_by_server)] + [_said(said_at_start, _AT_START.get(code, ()))]
    found = (pattern.match(case) for pattern in patterns)
    return tuple(number for match in found if match for number in match.numbers)


def _said(how: t.Callable[[Case, t.Container[str]], Match | None], families: t.Container[str]) -> Pattern:
    return Joined(lambda case: how(case, families))
