# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./doctor docs``: the pages that are generated from the catalogue of causes."""
from __future__ import annotations

import pathlib

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause_page import render_index, render_page
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE

FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "causes"


def pages() -> dict[str, str]:
    """All generated pages by their file names."""
    return {"README.md": render_index(), **{code + ".md": render_page(cause) for code, cause in CATALOGUE.items()}}


def write_pages(folder: pathlib.Path = FOLDER) -> None:
    """Write all pages, and remove those of causes that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.md"):
        path.unlink()
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
