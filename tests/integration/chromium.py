# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium for tests of pages: the system's, or Debian's package where the tests may install it."""
from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_INSTALL_S = 300
# No network of its own, no sandbox for root, and nothing of the graphics hardware.
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
              "--disable-sync", "--no-first-run")


def find() -> str:
    """:returns: its path; empty where there is none and none can be installed."""
    if not _installed() and os.geteuid() == 0 and shutil.which("apt-get"):
        with open(pathlib.Path(tempfile.gettempdir(), "connectivity-doctor-chromium.lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # every worker of the tests comes by here
            if not _installed():
                _install()
    return _installed()


def _install() -> None:
    for arguments in (("update",), ("install", "--yes", "--no-install-recommends", "chromium")):
        subprocess.run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=240", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                       env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"), check=False, timeout=_INSTALL_S)


def _installed() -> str:
    return next(filter(None, map(shutil.which, _NAMES)), "") or ""


@contextlib.contextmanager
def browser(path: str) -> t.Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        try:
            yield launched
        finally:
            launched.close()
