# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time at which a line of a log was written, from the forms that programs use.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import calendar
import re
import time

_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}
_MONTH = "(?P<name>[A-Z][a-z]{2})"
_CLOCK = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"
_ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?"

_FORMS = tuple(re.compile(form) for form in (
    # ISO 8601 and its relatives: 2026-11-20T06:29:22.121Z, 2026/11/20 06:33:41.745562, 2026-11-20 06:52:58,786, 2026-11-20 06:39:52 UTC
    r"(?<!\d)(?P<year>\d{4})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]" + _CLOCK + _FRACTION + _ZONE,
    # Zabbix: 3637:20261120:063632.028
    r"\d+:(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d):(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)\.(?P<fraction>\d{3})",
    # The common log format: 20/Nov/2026:06:33:41 +0000
    r"(?P<day>\d\d)/" + _MONTH + r"/(?P<year>\d{4}):" + _CLOCK + _ZONE,
    # ctime(3): Fri Nov 20 06:33:41 2026
    _MONTH + r" +(?P<day>\d{1,2}) " + _CLOCK + r" (?P<year>\d{4})(?!\d)",
    # RFC 3164: Nov 20 06:33:41
    r"(?:^|[\s>])" + _MONTH + r" +(?P<day>\d{1,2}) " + _CLOCK,
    # glog: E1120 06:33:41.123456
    r"^[IWEF](?P<month>\d\d)(?P<day>\d\d) " + _CLOCK + _FRACTION,
))
_EPOCH = re.compile(r"(?:^|[\"\s\[(=:])(1\d{9})(?:\.?(\d{1,9}))?(?=[\s\"\],:})]|$)")
_KEYED = re.compile(r"\"(?:@?timestamp|time|ts|date|t)\"\s*:\s*\"?([^\",}]{8,40})")

# A timestamp stands near the beginning; one further on is part of what the line says.
_NEAR = 80
_FAR = 2000
_DAY_S = 86400


def line_time(line: str, now: float) -> float | None:
    """Seconds since the epoch, or None for a line without a time. Times without a zone are this host's.

    :param now: by which a year is chosen where the line has none.
    """
    if line.startswith("{"):
        keyed = _KEYED.search(line, 0, _FAR)
        head = keyed.group(1) if keyed else line[:_NEAR]
    else:
        head = line[:_NEAR]
    for form in _FORMS:
        match = form.search(head)
        if match:
            return _seconds({key: value for key, value in match.groupdict().items() if value}, now)
    epoch = _EPOCH.search(head)
    return float("%s.%s" % (epoch.group(1), epoch.group(2) or 0)) if epoch else None


def _seconds(parts: dict[str, str], now: float) -> float | None:
    month = _MONTHS.get(parts["name"].lower(), 0) if "name" in parts else int(parts["month"])
    day, hour, minute, second = (int(parts[key]) for key in ("day", "hour", "minute", "second"))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    year = int(parts.get("year") or time.localtime(now).tm_year)
    fraction = float("0." + parts.get("fraction", "0"))
    try:
        if "zone" in parts:
            return calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0)) - _offset(parts["zone"]) + fraction
        seconds = time.mktime((year, month, day, hour, minute, second, 0, 0, -1)) + fraction
        if "year" not in parts and seconds > now + _DAY_S:  # December's lines, read in January
            seconds = time.mktime((year - 1, month, day, hour, minute, second, 0, 0, -1)) + fraction
    except (ValueError, OverflowError):
        return None
    return seconds


def _offset(zone: str) -> int:
    """Seconds east of Greenwich."""
    if zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds
