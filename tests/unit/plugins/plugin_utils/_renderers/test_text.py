# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others: nothing is lost that can be shown, nothing is kept that would be obeyed."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible


@pytest.mark.parametrize(("text", "shown"), [
    ("plain, 中文 and 🎉", "plain, 中文 and 🎉"),
    ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
    ("a\r\nb\tc", "a ⏎ b c"),
    ("\u202egnp.exe\u2028", "\\u202egnp.exe\\u2028"),
    ("\ud800", "\\ud800"),
    (5, "5"),
])
def test_visible(text: object, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_cut_off_is_said() -> None:
    assert visible("x" * 1000, 10) == "x" * 10 + "… (990 more characters)"
    assert visible("x" * 10, 10) == "x" * 10
