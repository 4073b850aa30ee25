# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a report, made from the recorded cases of the gauntlet by the causes that are known today."""
from __future__ import annotations

import functools
import typing as t

from ansible_collections.connectivity.doctor.tests.support.changed_cases import RECORDED
from ansible_collections.connectivity.doctor.tests.support.reports import recorded

NAMES = sorted(RECORDED)


@functools.lru_cache(maxsize=None)
def row_of(name: str) -> dict[str, t.Any]:
    """:param name: of a case."""
    (seen,) = recorded(name)["hosts"].values()
    (row,) = seen["endpoints"].values()
    return t.cast("dict[str, t.Any]", row)
