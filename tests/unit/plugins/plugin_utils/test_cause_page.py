# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The written pages of the causes are those of the catalogue."""
from __future__ import annotations

from ansible_collections.connectivity.doctor.tests.tools.pages import FOLDER, pages


def test_written_pages_are_those_of_the_catalogue() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    assert written == pages(), "run ./doctor docs"
