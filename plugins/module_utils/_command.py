# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a read-only command with a bound on its time and on its output.

``AnsibleModule.run_command`` bounds neither, and does not exist in the streamed program.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
import typing as t

# The C locale keeps messages in English; the paths are where administrators' tools live, which sudo and cron often leave out.
_ENVIRONMENT = {"LC_ALL": "C", "LANGUAGE": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class CommandResult(t.NamedTuple):
    """``problem`` says why there is no exit code: ``not_found``, ``not_permitted``, ``timed_out``; empty if the command ended by itself."""

    exit_code: int | None
    output: str
    errors: str
    problem: str


def run_bounded(argv: t.Sequence[str], seconds: float, limit: int) -> CommandResult:
    """:param argv: program and arguments; no shell. :param seconds: its time. :param limit: bytes kept of each stream."""
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function  # this runs where there is no AnsibleModule
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, **_ENVIRONMENT),
            start_new_session=True,
        )
    except FileNotFoundError:
        return CommandResult(None, "", "", "not_found")
    except OSError:  # not executable, a folder, or no program at all
        return CommandResult(None, "", "", "not_permitted")
    in_time = False
    try:
        kept, in_time = _read(process, time.monotonic() + seconds, limit)
    finally:
        if not in_time:
            _kill(process)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
    output, errors = (bytes(part).decode("utf-8", "backslashreplace") for part in kept)
    if not in_time:
        return CommandResult(None, output, errors, "timed_out")
    return CommandResult(process.returncode, output, errors, "")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With its children, which may hold its output open: they are a session of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        process.kill()


def _read(process: subprocess.Popen[bytes], end: float, limit: int) -> tuple[tuple[bytearray, bytearray], bool]:
    """Both streams until they close and the process ends. What exceeds the limit is read and dropped."""
    kept = (bytearray(), bytearray())
    with selectors.DefaultSelector() as selector:
        for index, stream in enumerate((process.stdout, process.stderr)):
            if stream:
                selector.register(stream, selectors.EVENT_READ, kept[index])
        while selector.get_map():
            remaining = end - time.monotonic()
            if remaining <= 0:
                return kept, False
            for key, _events in selector.select(remaining):
                chunk = os.read(key.fd, 65536)
                if chunk:
                    key.data.extend(chunk[:max(0, limit - len(key.data))])
                else:
                    selector.unregister(key.fileobj)
    try:
        process.wait(max(0.01, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return kept, False
    return kept, True
