# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else than a PostgreSQL server would take a port of a database's host: poolers and balancers, as they are configured.

Sources: the places in which Debian and Red Hat keep the configuration of pgbouncer(1), pgpool, odyssey and haproxy(1).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import re
import typing as t

_FILES = ("/etc/pgbouncer/*.ini", "/etc/pgpool*/pgpool.conf", "/etc/odyssey/*.conf", "/etc/haproxy/*.cfg", "/etc/haproxy/*/*.cfg")
# pgbouncer's own, where its configuration names none.
_UNNAMED = {"pgbouncer": 6432}
_LARGEST = 1024 * 1024
_MOST_FILES = 20


def configured_for(port: int, patterns: t.Iterable[str] = _FILES) -> str | None:
    """The first configuration in which this port stands, empty where it stands in none; None where one of them can't be read."""
    blocked = False
    for path in [path for pattern in patterns for path in sorted(glob.glob(pattern))][:_MOST_FILES]:
        try:
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                text = file.read(_LARGEST)
        except OSError:
            blocked = True
            continue
        if re.search(r"(?<![\d.])%d(?![\d.])" % port, text) or any(name in path and port == own for name, own in _UNNAMED.items()):
            return path
    return None if blocked else ""
