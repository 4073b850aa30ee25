# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a time daemon keep the clock right: started and enabled, with sources that answer, and stepped where the clock is far off.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_TIMESYNCD_DROP_IN = "/etc/systemd/timesyncd.conf.d/zz-connectivity-doctor.conf"
_SETTLES_S = 30.0


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    seen = own(trouble, "clock.synchronization")
    daemon = seen[0]["data"] if seen else {"unit": ""}
    if not daemon["unit"]:
        raise NoRemedy("no time daemon is installed; which one it should be is not for this to decide")
    if not daemon["running"]:
        return _started(daemon)
    if trouble.cause["code"] == "clock.wrong_source":
        return _other_sources(trouble, daemon, [trouble.cause["culprit"]["source"]])
    if trouble.cause["code"] == "clock.not_synchronized":
        return _other_sources(trouble, daemon, [source["name"] for source in daemon["configured"]])
    return _stepped(daemon)


def _started(daemon: t.Mapping[str, t.Any]) -> Change:
    return Change(summary="start and enable %s" % daemon["unit"], parameters=_parameters(daemon), units=(daemon["unit"],),
                  settles_s=_SETTLES_S)


def _stepped(daemon: t.Mapping[str, t.Any]) -> Change:
    """A clock is moved, never put back: so the policy must allow this cause."""
    if daemon["daemon"] not in _STEPS:
        raise NoRemedy("how %s steps a clock is not known" % daemon["daemon"])
    if daemon["synchronized"] is not False and abs(daemon["offset_ms"] or 0.0) < 1000.0:
        raise NoRemedy("%s takes the clock for right; what else moves it is not for this to find" % daemon["daemon"])
    return Change(summary="let %s step the clock at once" % daemon["daemon"], units=(daemon["unit"],), settles_s=_SETTLES_S,
                  parameters=_parameters(daemon, step=_STEPS[daemon["daemon"]]))


# timesyncd(8) steps a clock that is far off when it starts.
_STEPS: dict[str, list[str]] = {"chrony": ["chronyc", "makestep"], "timesyncd": ["systemctl", "restart", "systemd-timesyncd.service"]}


def _other_sources(trouble: Trouble, daemon: t.Mapping[str, t.Any], wrong: t.Sequence[str]) -> Change:
    """Those that are wrong go. Where none is left that was seen to tell the right time, those come that the user gave."""
    if daemon["daemon"] not in _FILES:
        raise NoRemedy("the sources of %s are not changed" % daemon["daemon"])
    right = [source for source in own(trouble, "clock.source") if source["data"]["server"] not in wrong and _is_good(trouble, source)]
    needs = [] if right else ["time_servers"]
    file = _FILES[daemon["daemon"]](daemon, wrong)
    told = "take %s out of the time sources" % ", ".join(wrong) if wrong else "give %s time sources" % daemon["daemon"]
    return Change(
        summary="%s, in %s%s" % (told, file, "" if right else ", and put those there that connectivity_time_servers gives"),
        parameters=_parameters(
            daemon, file=file, needs=needs, wrong="|".join(map(re.escape, wrong)),
            right=list(dict.fromkeys(source["data"]["server"] for source in right))),
        files=(file,), units=(daemon["unit"],), settles_s=_SETTLES_S)


def _is_good(trouble: Trouble, source: Observation) -> bool:
    """It answers, and is none of those that the others contradict."""
    outliers = {address for offset in own(trouble, "clock.offset") for address in offset["data"].get("outliers", ())}
    return not source["data"]["error"] and source["data"]["address"] not in outliers


def _chrony_file(daemon: t.Mapping[str, t.Any], wrong: t.Sequence[str]) -> str:
    files = {source["file"] for source in daemon["configured"] if source["name"] in wrong}
    if len(files) != 1:
        raise NoRemedy("it is not one file that names %s, but %s" % (", ".join(wrong) or "a source", ", ".join(sorted(files)) or "none"))
    return str(files.pop())


def _timesyncd_file(daemon: t.Mapping[str, t.Any], wrong: t.Sequence[str]) -> str:
    """Later files add to earlier ones, and an empty assignment forgets them."""
    del daemon, wrong
    return _TIMESYNCD_DROP_IN


_FILES: dict[str, t.Callable[[t.Mapping[str, t.Any], t.Sequence[str]], str]] = {"chrony": _chrony_file, "timesyncd": _timesyncd_file}


def _parameters(daemon: t.Mapping[str, t.Any], **others: t.Any) -> dict[str, t.Any]:
    return {"unit": daemon["unit"], "daemon": daemon["daemon"], "file": "", "needs": [], "wrong": "", "right": [], "step": [], **others}


REMEDY = Remedy("fix_time", _plan)
