# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files that belong together, written so that a reader finds the old ones or the new ones, and never a half of one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import pathlib
import tempfile
import typing as t


def write_whole(folder: pathlib.Path, texts: t.Mapping[str, str], mode: int = 0o600) -> None:
    """Nothing is replaced before all of it is on the disk.

    :param texts: by the name of the file. :param mode: of the files; without one, only their owner can read them.
    :raises OSError: nothing was replaced, or, between two replacements, not all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, str] = {}
    try:
        for name, text in texts.items():
            descriptor, written[name] = tempfile.mkstemp(dir=folder, prefix="." + name)  # mkstemp gives 0600
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
                os.fchmod(file.fileno(), mode)
        for name in texts:
            os.replace(written.pop(name), folder / name)
    finally:
        for temporary in written.values():
            os.unlink(temporary)
