# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are the same for the same contents, and the report that is in one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import tempfile
import typing as t
import zipfile
import zlib

REPORT, MANIFEST = "report.json", "manifest.json"
# Before this there is no time in a zip; no archive tells when it was made.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_OWNER_ONLY = 0o600 << 16
_UNIX = 3
_LEVEL = 6
# An archive comes from elsewhere: what it may unpack to.
_LARGEST_REPORT = 1024 * 1024 * 1024
_LARGEST_MANIFEST = 64 * 1024 * 1024

Content = t.Union[bytes, "os.PathLike[str]"]


def write_zip(path: pathlib.Path, members: t.Mapping[str, Content]) -> None:
    """Whole or not at all, readable by its owner only. :param members: bytes are compressed, files, which are zips, taken as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=str(path.parent), prefix="." + path.name)
    try:
        with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            for name in sorted(members):
                _add(archive, name, members[name])
        os.replace(temporary, str(path))
    except BaseException:
        os.unlink(temporary)
        raise


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> None:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.create_system, entry.external_attr = _UNIX, _OWNER_ONLY
    if isinstance(content, bytes):
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED, _LEVEL)
    else:
        archive.writestr(entry, pathlib.Path(content).read_bytes(), zipfile.ZIP_STORED)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def load_report(path: str) -> t.Any:
    """A saved report, by itself or in a support bundle. Of a bundle, it must be the one that the manifest is of.

    :raises OSError: it cannot be read. :raises ValueError: there is none, or it is damaged.
    """
    if not zipfile.is_zipfile(path):
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    try:
        with zipfile.ZipFile(path) as archive:
            report = _member(archive, REPORT, _LARGEST_REPORT)
            listed = json.loads(_member(archive, MANIFEST, _LARGEST_MANIFEST))["files"][REPORT]["sha256"]
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, NotImplementedError, RuntimeError) as problem:
        raise ValueError("is no whole support bundle (%s)" % problem) from None
    if sha256(report) != listed:
        raise ValueError("%s in it is not the one that its manifest is of" % REPORT)
    return json.loads(report)


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """:raises ValueError: it is not in the archive's own folder, or too large."""
    found = [entry for entry in archive.infolist() if entry.filename.split("/")[1:] == [name]]
    if len(found) != 1:
        raise ValueError("holds no %s: it was made without diagnostics" % name if not found else "holds more than one %s" % name)
    with archive.open(found[0]) as file:  # what the archive says of the size may be wrong
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError("%s in it is too large" % name)
    return content
