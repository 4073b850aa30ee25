# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What remedies of an agent share: the unit that takes up a change, and a drop-in that changes the unit itself.

A drop-in is a file of its own, read after all others (systemd.unit(5)): nothing that somebody else wrote is touched, and to undo it is to
delete it.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble

_SUFFIX = re.compile(r"\.(service|socket|timer|mount|path|target|scope|slice)$")
SETTLES_S = 10.0


class DropIn(t.NamedTuple):
    """``name``: what it is about, so that two of them do not replace each other. ``lines``: of its section [Service]."""

    name: str
    lines: t.Sequence[str]


def unit_of(trouble: Trouble) -> str:
    """:raises NoRemedy: nothing is known that would take up a change."""
    for observation in trouble.endpoint["observations"]:
        if observation["check"] == "service.unit" and "side" not in observation and observation["data"].get("load_state") == "loaded":
            return str(observation["data"]["unit"])
    raise NoRemedy("no systemd unit of the agent is known that would take up the change")


def unit_if_known(trouble: Trouble) -> str:
    """Empty where nothing has to take up a change."""
    try:
        return unit_of(trouble)
    except NoRemedy:
        return ""


def with_suffix(unit: str) -> str:
    """As systemd names its file."""
    return unit if _SUFFIX.search(unit) else unit + ".service"


def quoted(text: str) -> str:
    """For a setting of a unit: systemd.syntax(7) and the specifiers of systemd.unit(5)."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def with_restart(
    summary: str, unit: str, files: t.Sequence[str] = (), drop_in: DropIn | None = None, **parameters: t.Any,
) -> Change:
    """A change that the agent takes up with a restart. :param files: that are changed beside the drop-in."""
    written = {}
    if drop_in:
        written = {
            "path": "/etc/systemd/system/%s.d/zz-connectivity-doctor-%s.conf" % (with_suffix(unit), drop_in.name),
            "content": "".join(line + "\n" for line in ("# Written by connectivity.doctor.", "[Service]", *drop_in.lines)),
        }
    return Change(
        summary="%s, and restart %s" % (summary, unit),
        parameters={"unit": unit, "enabled": False, "drop_in": written, **parameters},
        files=tuple(dict.fromkeys((*files, *([written["path"]] if written else [])))),
        units=(unit,),
        settles_s=SETTLES_S,
    )


def with_raised_limit(trouble: Trouble, unit: str, setting: str, limit: str) -> Change:
    """:param setting: of systemd.exec(5), such as LimitNOFILE. :param limit: that is reached. It is doubled; where the unit allows more
        than the process has, as somebody has lowered it since, the unit's own counts again.

    :raises NoRemedy: it is no number.
    """
    if not limit.isdigit():
        raise NoRemedy("the limit that is reached is not known")
    for observation in trouble.endpoint["observations"]:
        limits = observation["data"].get("limits", {}) if observation["check"] == "service.unit" and "side" not in observation else {}
        if setting in limits and (limits[setting] is None or limits[setting] > int(limit)):
            allowed = "infinity" if limits[setting] is None else limits[setting]
            return with_restart("let %s=%s of %s, which its process has lost, count again" % (setting, allowed, unit), unit)
    line = "%s=%d" % (setting, 2 * int(limit))
    return with_restart("set %s of %s" % (line, unit), unit, drop_in=DropIn("limit-" + setting, [line]))
