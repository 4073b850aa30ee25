# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a package there as a whole (dpkg-query(1), dpkg(1) -V, rpm(8) -V): half installed, or with files that are gone.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

_QUERY_S = 5.0
# Verifying reads every file of the package; a large agent has half a gigabyte.
_VERIFY_S = 10.0
_MOST_FILES = 20

_LINE = re.compile(r"(?:missing|\S{9})\s+(?:([cdglr]) )?\s*(/.*)")
# What images leave out on purpose.
_LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/lintian/")
_HALF = ("half-installed", "half-configured", "unpacked", "triggers-pending", "triggers-awaited")


class Package(t.NamedTuple):
    """``state``: ``installed``, ``half_installed`` or ``not_installed``. ``verified``: false where there was no time for it.

    ``missing`` and ``changed``: its files that are gone or differ, configuration files apart in ``configuration_changed``.
    """

    manager: str
    state: str
    version: str
    verified: bool
    missing: list[str]
    changed: list[str]
    configuration_changed: list[str]


def look_up(name: str, context: Context) -> Package | None:
    """None on a host with neither dpkg nor rpm."""
    answer = context.command(["dpkg-query", "-W", "-f=${db:Status-Status}\t${db:Status-Eflag}\t${Version}\n", "--", name], seconds=_QUERY_S)
    if not answer.problem:
        state, flag, version = (answer.output.split("\n", 1)[0].split("\t") + ["", ""])[:3] if answer.exit_code == 0 else ("", "", "")
        manager, verify = "dpkg", ["dpkg", "-V", name]
        half = state in _HALF or flag == "reinstreq"
        installed = state == "installed" or half
    else:
        answer = context.command(["rpm", "-q", "--queryformat", "%{VERSION}-%{RELEASE}\n", "--", name], seconds=_QUERY_S)
        if answer.problem:
            return None
        manager, verify, half, installed = "rpm", ["rpm", "-V", name], False, answer.exit_code == 0
        version = answer.output.split("\n", 1)[0] if installed else ""
    if not installed:
        return Package(manager, "not_installed", "", False, [], [], [])
    checked = context.command(verify, seconds=_VERIFY_S)
    missing, changed, configuration = parse_verification(checked.output)
    return Package(manager, "half_installed" if half else "installed", version, not checked.problem, missing, changed, configuration)


def parse_verification(output: str) -> tuple[list[str], list[str], list[str]]:
    """:returns: the files that are missing, changed, and configuration that was changed; some of each. Both tools write the same lines."""
    missing, changed, configuration = [], [], []
    for line in output.splitlines():
        match = _LINE.fullmatch(line)
        if not match or (match.group(2) + "/").startswith(_LEFT_OUT):
            continue
        gone = line.startswith("missing")
        (configuration if match.group(1) == "c" else missing if gone else changed).append(match.group(2))
    return missing[:_MOST_FILES], changed[:_MOST_FILES], configuration[:_MOST_FILES]
