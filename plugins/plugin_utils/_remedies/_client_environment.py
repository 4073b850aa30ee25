# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables a unit is given, so that it takes the way to the endpoint that was seen to work: around a proxy that does not lead there.

Only this one endpoint goes another way than before: other exclusions stay, and a proxy is taken away only where it is none.

Source: systemd.exec(5), Environment= and UnsetEnvironment=.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import quoted
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy, Trouble

_EXCLUSIONS = ("no_proxy", "NO_PROXY")


class Given(t.NamedTuple):
    """``what`` it is, for people, and the ``lines`` of the unit."""

    what: str
    lines: list[str]


def wanted(trouble: Trouble) -> Given:
    """:raises NoRemedy: what was seen does not say which variables would be right."""
    return BY_CAUSE[trouble.cause["code"]](trouble)


def _of_unit(trouble: Trouble) -> t.Mapping[str, t.Any]:
    """The proxy variables of the unit, and those of a login."""
    for environment in own(trouble, "proxy.environment"):
        if environment["data"].get("source") in ("process", "unit"):
            return environment["data"]
    raise NoRemedy("it is no unit's environment that says so")


def _comparison(trouble: Trouble) -> t.Mapping[str, t.Any]:
    return next((one["data"] for one in own(trouble, "proxy.comparison")), {})


def _excluded(trouble: Trouble) -> Given:
    """The endpoint's host beside what is excluded already, in the variables that are there; in both where there is none."""
    environment, host = _of_unit(trouble), str(trouble.endpoint["host"])
    now = {name: value for name, value in (environment.get("process") or {}).items() if name in _EXCLUSIONS and value}
    lines = _set({name: ",".join([now[name], host] if name in now else [host]) for name in now or _EXCLUSIONS})
    return Given("except %s from the proxy of the unit" % host, lines)


def _differs(trouble: Trouble) -> Given:
    if _of_unit(trouble).get("process_way") == "proxy":
        return _excluded(trouble)
    raise NoRemedy("the endpoint is not reached without the login's proxy, and the inventory does not name that as the endpoint's")


def _without(trouble: Trouble) -> Given:
    """No proxy has that URL, so nothing that the unit reaches is lost with it."""
    environment, (url, *_others) = _of_unit(trouble), trouble.proofs("proxy.url")
    if not _comparison(trouble).get("direct_works"):
        raise NoRemedy("what is right in the place of %s is not known" % url["data"]["proxy"])
    if not set(url["data"].get("fatal", ())) & {"placeholder"}:
        raise NoRemedy("what %s was meant to be is not known" % url["data"]["proxy"])
    names = sorted(name for name, value in environment["process"].items() if value == url["data"]["proxy"])
    return Given("take the proxy away from the unit that is none", ["UnsetEnvironment=" + " ".join(names)])


def _set(values: t.Mapping[str, str]) -> list[str]:
    return ["Environment=" + quoted("%s=%s" % pair) for pair in sorted(values.items())]


BY_CAUSE: dict[str, t.Callable[[Trouble], Given]] = {
    "proxy.bypass_missing": _excluded,
    "proxy.environment_differs": _differs,
    "proxy.url_invalid": _without,
}
