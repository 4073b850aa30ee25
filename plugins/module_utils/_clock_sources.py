# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this host is configured to take its time from: chrony.conf(5), timesyncd.conf(5), ntp.conf(5), OpenNTPD's ntpd.conf(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import os
import typing as t

_LARGEST_FILE = 256 * 1024
_MOST_FILES = 64
_MOST_SOURCES = 32


class Source(t.NamedTuple):
    """``kind``: ``server``, ``pool`` or ``peer``; for timesyncd also ``fallback``. ``line``: of the file, from 1."""

    name: str
    port: int
    kind: str
    daemon: str
    file: str
    line: int


# The main file of each daemon, by the places in which distributions keep it.
_FILES = {
    "chrony": ("/etc/chrony/chrony.conf", "/etc/chrony.conf"),
    "timesyncd": ("/etc/systemd/timesyncd.conf",),
    "ntpd": ("/etc/ntpsec/ntp.conf", "/etc/ntp.conf"),
    "openntpd": ("/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"),
}
_DROP_INS = ("/etc/systemd/timesyncd.conf.d", "/run/systemd/timesyncd.conf.d",
             "/usr/local/lib/systemd/timesyncd.conf.d", "/usr/lib/systemd/timesyncd.conf.d")
_KINDS = {"server": "server", "servers": "server", "pool": "pool", "peer": "peer"}


def read_sources(daemon: str, root: str = "/") -> list[Source]:
    """:param daemon: ``chrony``, ``timesyncd``, ``ntpd`` or ``openntpd``. :param root: the tree in which its files are."""
    reader = _Reader(root)
    if daemon == "timesyncd":
        reader.timesyncd()
    else:
        for path in _FILES.get(daemon, ()):
            reader.directives(path, daemon)
        reader.source_folders(daemon)
    return reader.sources[:_MOST_SOURCES]


class _Reader:
    """Each file once, and not too many of them, however they name each other."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self._seen: set[str] = set()
        self._source_folders: list[str] = []
        self.sources: list[Source] = []

    def _lines(self, path: str) -> list[tuple[int, list[str]]]:
        """Number and words of each line that is no comment."""
        if path in self._seen or len(self._seen) >= _MOST_FILES:
            return []
        self._seen.add(path)
        try:
            with open(self._root + path, encoding="utf-8", errors="backslashreplace") as file:
                text = file.read(_LARGEST_FILE).replace("\0", " ")
        except OSError:
            return []
        return [(number, line.split("#")[0].split()) for number, line in enumerate(text.splitlines(), 1)
                if line.strip() and line.lstrip()[0] not in "#%!;"]

    def _matching(self, pattern: str) -> list[str]:
        return [path[len(self._root):] for path in sorted(glob.glob(self._root + pattern))[:_MOST_FILES]]

    def directives(self, path: str, daemon: str) -> None:
        for number, words in self._lines(path):
            directive = words[0].lower() if words else ""
            if len(words) < 2:
                continue
            if directive in _KINDS:
                self._add(words, _KINDS[directive], daemon, path, number)
            elif directive in ("include", "includefile"):
                for included in self._matching(words[1]):
                    self.directives(included, daemon)
            elif daemon == "chrony" and directive == "confdir":
                for included in self._first_of_each_name(words[1:], "*.conf"):
                    self.directives(included, daemon)
            elif daemon == "chrony" and directive == "sourcedir":
                self._source_folders += words[1:]

    def source_folders(self, daemon: str) -> None:
        """chronyd reads them all together, after its configuration."""
        for included in self._first_of_each_name(self._source_folders, "*.sources"):
            self.directives(included, daemon)

    def _first_of_each_name(self, folders: t.Iterable[str], ending: str) -> list[str]:
        """Of files with one name in several folders, the first folder's counts; they are read in the order of their names."""
        chosen: dict[str, str] = {}
        for folder in folders:
            for path in self._matching(os.path.join(folder, ending)):
                chosen.setdefault(os.path.basename(path), path)
        return [chosen[name] for name in sorted(chosen)]

    def _add(self, words: list[str], kind: str, daemon: str, path: str, number: int) -> None:
        name, options = words[1], [word.lower() for word in words[2:]]
        port = 123
        if "port" in options[:-1]:
            text = options[options.index("port") + 1]
            port = int(text) if text.isdigit() and 0 < int(text) < 65536 else port
        if daemon == "ntpd" and name.startswith("127.127."):
            return  # a clock that is wired to this host, by ntpd's convention
        self.sources.append(Source(name, port, kind, daemon, path, number))

    def timesyncd(self) -> None:
        """Later files add to what earlier ones say, and an empty assignment forgets it; fallbacks count only where there is no other."""
        found: dict[str, list[Source]] = {"server": [], "fallback": []}
        for path in [*_FILES["timesyncd"], *self._first_of_each_name(_DROP_INS, "*.conf")]:
            for number, words in self._lines(path):
                key, equals, first = " ".join(words).partition("=")
                kind = {"NTP": "server", "FallbackNTP": "fallback"}.get(key.strip())
                if not kind or not equals:
                    continue
                if not first.strip():
                    found[kind] = []
                found[kind] += [Source(name, 123, kind, "timesyncd", path, number) for name in first.split()]
        self.sources += found["server"] or found["fallback"]
