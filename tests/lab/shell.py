# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands and saying what happens, in one place."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class CommandError(RuntimeError):
    """A command failed; the message has the command, its exit status and what it said."""


def announce(text: str) -> None:
    """One line of progress for the person who waits."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Announce a step, and how many seconds it took."""
    announce(what)
    started = time.monotonic()
    yield
    announce(f"  took {time.monotonic() - started:.1f} s")


def run(command: Sequence[str], *, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its text output; raise ``CommandError`` if it fails, unless ``check`` is false."""
    result = subprocess.run(list(command), capture_output=True, text=True, check=False, **options)
    if check and result.returncode:
        raise explain(command, result)
    return result


def explain(command: Sequence[str] | str, result: subprocess.CompletedProcess[str]) -> CommandError:
    """The error for a command that failed."""
    shown = command if isinstance(command, str) else " ".join(command)
    said = (result.stderr or result.stdout or "").strip()[-2000:]
    return CommandError(f"exit status {result.returncode} from: {shown}\n{said}")
