# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written together."""
from __future__ import annotations

import os
import pathlib
import stat

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._whole_files import write_whole


def _files(folder: pathlib.Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_new_ones_replace_old_ones_and_only_the_owner_reads_them(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "a" / "b"
    write_whole(folder, {"one": "1", "two": "→"})
    (folder / "one").chmod(0o644)
    write_whole(folder, {"one": "new"})
    assert _files(folder) == {"one": "new", "two": "→"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    write_whole(folder, {"one": "newer"}, 0o644)
    assert stat.S_IMODE((folder / "one").stat().st_mode) == 0o644


def test_where_one_cannot_be_written_none_is_replaced(tmp_path: pathlib.Path) -> None:
    write_whole(tmp_path, {"one": "old"})
    with pytest.raises(OSError):
        write_whole(tmp_path, {"one": "new", "x" * 300: "its name is too long"})
    assert _files(tmp_path) == {"one": "old"}


def test_what_is_no_unicode_is_spelt_out(tmp_path: pathlib.Path) -> None:
    write_whole(tmp_path, {"one": "a\ud800b"})
    assert _files(tmp_path) == {"one": "a\\ud800b"}


def test_a_link_is_replaced_and_not_followed(tmp_path: pathlib.Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("untouched", encoding="utf-8")
    folder = tmp_path / "reports"
    folder.mkdir()
    os.symlink(target, folder / "one")
    write_whole(folder, {"one": "new"})
    assert target.read_text(encoding="utf-8") == "untouched" and not (folder / "one").is_symlink()
