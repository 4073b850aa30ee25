# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads logs from their end, the newest line first, as far back as a window of time goes: however large they are, and rotated or not.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import collections
import os
import re
import stat
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._log.time import line_time

_BLOCK = 65536
LONGEST_LINE = 8192
# What is read of one log at most; a window with more than this is told to be truncated.
MOST_BYTES = 8 * 1024 * 1024
# Compressed files can only be read from their beginning: what may come out of one on the way to its end.
MOST_DECOMPRESSED = 64 * 1024 * 1024
_MOST_ROTATED = 20
# Threads write out of order by a little: this many older lines in a row, and the window has ended.
_OLDER_IN_A_ROW = 20
_MOST_UNTIMED = 1000


class Line(t.NamedTuple):
    """``at``: seconds since the epoch."""

    at: float
    text: str


class Log:
    """One log with its rotated files. Iterating gives the lines in the window, the newest first; what was met is told afterwards.

    ``error``: empty, ``missing``, ``not_permitted``, ``not_a_file`` or ``damaged``. ``newest``: the time of the last line, in or out of the
    window; None for an empty log. ``timed``: false where no line has a time, so that the file's own counts for all of them.

    :param since: and :param now: seconds since the epoch. :param expired: whether there is no time left.
    """

    def __init__(self, path: str, since: float, now: float, expired: t.Callable[[], bool]) -> None:
        self.path = path
        self.error = ""
        self.newest: float | None = None
        self.oldest: float | None = None
        self.lines = 0
        self.truncated = False
        self.timed = True
        self.files: list[str] = []
        self._since = since
        self._now = now
        self._expired = expired
        self._left = MOST_BYTES
        self._window_ended = False

    def __iter__(self) -> t.Iterator[Line]:
        for path, modified in self._candidates():
            if self._window_ended or self.truncated or (modified < self._since and self.files):
                return
            self.files.append(path)
            try:
                yield from self._in_window(path, modified)
            except OSError as problem:
                self.error = self.error or ("not_permitted" if isinstance(problem, PermissionError) else "damaged")
            except (EOFError, ValueError, *_decompression_errors(path)):
                self.error = self.error or "damaged"

    def _candidates(self) -> list[tuple[str, float]]:
        """The log and its rotated files, the newest first."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self.error = "missing"
            return []
        except OSError:
            self.error = "not_permitted"
            return []
        if not stat.S_ISREG(status.st_mode):
            self.error = "not_a_file"
            return []
        older = sorted(rotated(self.path), key=lambda item: -item[1])
        return [(self.path, status.st_mtime), *older[:_MOST_ROTATED]]

    def _in_window(self, path: str, modified: float) -> t.Iterator[Line]:
        older_in_a_row = 0
        for line in self._dated(path, modified):
            if self.newest is None:
                self.newest = line.at
            if line.at < self._since:
                older_in_a_row += 1
                if older_in_a_row >= _OLDER_IN_A_ROW:
                    self._window_ended = True
                    return
                continue
            older_in_a_row = 0
            self.lines += 1
            self.oldest = line.at
            yield line

    def _dated(self, path: str, modified: float) -> t.Iterator[Line]:
        """A line without a time belongs to the one above it that has one; where none has, to the time of the file."""
        waiting: list[str] = []
        any_line = any_time = False
        for raw in self._raw(path):
            text = raw.decode("utf-8", "backslashreplace").strip("\0")
            if not text.strip():
                continue
            any_line = True
            at = line_time(text, self._now)
            if at is None:
                waiting.append(text)
                if len(waiting) < _MOST_UNTIMED:
                    continue
                at, text = modified, ""
            else:
                any_time = True
            for one in waiting:
                yield Line(at, one)
            waiting = []
            if text:
                yield Line(at, text)
        self.timed = self.timed and (any_time or not any_line)
        for one in waiting:
            yield Line(modified, one)

    def _raw(self, path: str) -> t.Iterator[bytes]:
        opener = _opener(path)
        with opener(path) as file:
            for line in _decompressed(file, self._expired) if opener is not _open_plain else backwards(file):
                self._left -= len(line) + 1
                if self._left < 0 or self._expired():
                    self.truncated = True
                    return
                if line is _CUT:
                    self.truncated = True
                    continue
                yield line[:LONGEST_LINE]


# Stands for what was left out, because there was too much of it.
_CUT = b"\0cut"


def backwards(file: t.BinaryIO) -> t.Iterator[bytes]:
    """The lines of a file from its end. Of a line longer than can be kept, the beginning is kept, where its time is."""
    position = file.seek(0, os.SEEK_END)
    rest = b""
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        if not block.strip(b"\0"):  # a hole, which a log has that was cut while it was written
            yield rest
            yield block
            rest = b""
            continue
        lines = (block + rest).split(b"\n")
        rest = lines[0][:_BLOCK]
        yield from reversed(lines[1:])
    yield rest


def _decompressed(file: t.BinaryIO, expired: t.Callable[[], bool]) -> t.Iterator[bytes]:
    """The last part of a file that can only be read from its beginning, its lines in reverse."""
    blocks: collections.deque[bytes] = collections.deque(maxlen=MOST_BYTES // _BLOCK)
    read = 0
    cut = False
    while True:
        block = file.read(_BLOCK)
        if not block:
            break
        blocks.append(block)
        read += len(block)
        if read > MOST_DECOMPRESSED or expired():
            cut = True
            break
    if cut:
        yield _CUT
    yield from reversed(b"".join(blocks).split(b"\n"))


def _open_plain(path: str) -> t.BinaryIO:
    return open(path, "rb")


def _open_gzip(path: str) -> t.Any:
    import gzip
    return gzip.open(path, "rb")


def _open_bz2(path: str) -> t.Any:
    import bz2
    return bz2.open(path, "rb")


def _open_xz(path: str) -> t.Any:
    import lzma
    return lzma.open(path, "rb")


_OPENERS: dict[str, t.Callable[[str], t.Any]] = {".gz": _open_gzip, ".bz2": _open_bz2, ".xz": _open_xz}


def _opener(path: str) -> t.Callable[[str], t.Any]:
    return _OPENERS.get(os.path.splitext(path)[1], _open_plain)


def _decompression_errors(path: str) -> tuple[type[Exception], ...]:
    """What a damaged file raises, beside what every file may."""
    if path.endswith(".gz"):
        import zlib
        return (zlib.error,)
    if path.endswith(".xz"):
        import lzma
        return (lzma.LZMAError,)
    return ()


def rotated(path: str) -> list[tuple[str, float]]:
    """The files that a log was rotated to (logrotate(8), and what log libraries do), with the times of their last change.

    ``agent.log.1``, ``agent.log.2.gz``, ``agent.log-20261120.xz``, ``agent-2026-11-20.log``, ``agent-20261120.log.gz``.
    """
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    forms = re.compile(r"%s[.-]\d[\w.:-]*|%s[.-]\d[\w:-]*%s(?:\.\w+)?" % (re.escape(name), re.escape(stem), re.escape(extension)))
    found = []
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                if forms.fullmatch(entry.name) and entry.is_file():
                    found.append((entry.path, entry.stat().st_mtime))
    except OSError:
        pass
    return found
