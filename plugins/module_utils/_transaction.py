# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a host as a transaction: what was before is kept, and put back by the host itself unless the change is confirmed in time.

Whatever is killed in between, the play, the connection or the controller, the host ends in the old state or in the new one. Each
transaction is a folder with its manifest, its state, copies of files, and the program that reverts it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _transaction_revert as reverting
from ansible_collections.connectivity.doctor.plugins.module_utils._command import run_bounded

FOLDER = "/var/lib/connectivity-doctor/transactions"
# Closed transactions that are kept, so that they can be undone later.
_KEPT = 50
_LARGEST_FILE = 16 * 1024 * 1024
_COMMAND_S, _OUTPUT = 20.0, 65536
# A play that is slow may go on changing what has been put back meanwhile; so long after it, that is put back again.
_LATE_S = 600.0


class TransactionError(Exception):
    """The text says why the host was not touched, and what would be right."""


class Undo(t.NamedTuple):
    """What puts the old state back: copies of ``files``, what ``units`` were doing, ``commands`` to run, the ``mark`` (comment) of
    nftables rules to delete, and ``reloads``: commands with which programs read again the files that were put back.
    """

    files: t.Sequence[str] = ()
    units: t.Sequence[str] = ()
    commands: t.Sequence[t.Sequence[str]] = ()
    mark: str = ""
    reloads: t.Sequence[t.Sequence[str]] = ()


class Transactions:
    """All transactions of this host."""

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = folder

    def begin(self, name: str, about: dict[str, t.Any], undo: Undo, deadline_s: float, cooldown_s: float) -> dict[str, t.Any]:
        """Keep what is there, and let this host put it back in ``deadline_s`` seconds.

        :param about: what is changed and why; ``key`` tells the same change again.
        :returns: ``left_behind`` (transactions that their runs did not end: this host has put itself back, and those that are still
            ``open`` are put back now), ``refused`` (empty, or why not), ``folder`` (of what is kept; empty where refused).
        :raises TransactionError: another run is changing this host.
        """
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        with reverting.locked(self._folder):
            left_behind = self._end_left_behind()
            refused = self._repeats(str(about.get("key", "")), cooldown_s)
            if not refused:
                self._prune()
                self._write(name, about, undo, deadline_s)
                self._arm(name, deadline_s)
                # Only now may something be changed: killed before, there is nothing to put back.
                reverting.write_state(self._path(name), reverting.OPEN)
        return {"left_behind": left_behind, "refused": refused, "folder": "" if refused else self._path(name)}

    def commit(self, name: str) -> None:
        """:raises TransactionError: it is not open any more, as when it came too late."""
        with reverting.locked(self._folder):
            state = self.state(name)
            if state != reverting.OPEN:
                self._revert_late(name, state)
                late = "has put itself back, as nobody confirmed it in time"
                raise TransactionError("transaction %s can't be confirmed: it %s" % (
                    name, late if state == reverting.REVERTED else "is " + (state or "unknown")))
            reverting.write_state(self._path(name), reverting.COMMITTED)
        self._disarm(name)

    def roll_back(self, name: str) -> list[str]:
        """Also of one that was confirmed. :returns: what could not be put back.

        :raises TransactionError: there is none of this name, or a later one has changed the same file.
        """
        with reverting.locked(self._folder):
            state = self.state(name)
            if state in (reverting.ROLLED_BACK, reverting.REVERTED):
                return self._revert_late(name, state)
            if not state:
                raise TransactionError("there is no transaction %s on this host" % name)
            later = self._later(name)
            if later:
                raise TransactionError("transaction %s has changed the same file since %s; roll it back first" % (later, name))
            problems = reverting.revert(self._path(name), reverting.ROLLED_BACK)
        self._disarm(name)
        return t.cast("list[str]", problems)

    def _revert_late(self, name: str, state: str) -> list[str]:
        """What its play did after the host had put itself back. :returns: what could not be put back."""
        manifest = dict(self._manifests())[name] if state == reverting.REVERTED else {}
        if not manifest or time.time() - float(manifest["deadline_at"]) > _LATE_S:
            return []
        return t.cast("list[str]", reverting.revert(self._path(name), reverting.REVERTED))

    def state(self, name: str) -> str:
        return str(reverting.read_state(self._path(name)))

    def known(self) -> list[dict[str, t.Any]]:
        """All that were begun, the oldest first: ``name``, ``state``, ``began_at``, ``deadline_at`` (s since the epoch), ``about``."""
        told = [{"name": name, "state": self.state(name), **{key: manifest[key] for key in ("began_at", "deadline_at", "about")}}
                for name, manifest in self._manifests()]
        return [one for one in told if one["state"]]

    def _manifests(self) -> list[tuple[str, dict[str, t.Any]]]:
        """With their names, the oldest first."""
        found = []
        for name in sorted(os.listdir(self._folder)) if os.path.isdir(self._folder) else ():
            try:
                with open(os.path.join(self._path(name), "manifest.json"), encoding="utf-8") as file:
                    found.append((name, json.load(file)))
            except (OSError, ValueError):
                continue
        return sorted(found, key=lambda one: float(one[1]["began_at"]))

    def _later(self, name: str) -> str:
        """A confirmed one that changed a file of this one after it; empty where there is none. What it did would be lost with this one."""
        manifests = dict(self._manifests())
        files = {name: {kept["path"] for kept in manifest["files"]} for name, manifest in manifests.items()}
        since = list(manifests)[list(manifests).index(name) + 1:]
        return next((one for one in reversed(since) if self.state(one) == reverting.COMMITTED and files[one] & files[name]), "")

    def _path(self, name: str) -> str:
        if not name or name != os.path.basename(name) or name.startswith("."):
            raise TransactionError("%r is no name of a transaction" % name)
        return os.path.join(self._folder, name)

    def _end_left_behind(self) -> list[dict[str, t.Any]]:
        """:raises TransactionError: one is open, and may still be confirmed."""
        left_behind: list[dict[str, t.Any]] = []
        for one in self.known():
            left_behind = [*left_behind, one] if one["state"] in (reverting.OPEN, reverting.REVERTED) else []
            if one["state"] == reverting.OPEN and not self._put_back_overdue(one):
                raise TransactionError("another run is changing this host (%s); it ends, or puts itself back, within %d s" % (
                    one["about"].get("summary", one["name"]), float(one["deadline_at"]) - time.time() + 1))
        return left_behind

    def _put_back_overdue(self, one: t.Mapping[str, t.Any]) -> bool:
        """What is open beyond its deadline had its timer lost, as by a reboot. :returns: whether it was so."""
        overdue = float(one["deadline_at"]) <= time.time()
        if overdue:
            reverting.revert(self._path(str(one["name"])), reverting.REVERTED)
        return overdue

    def settle(self, name: str) -> str:
        """Put it back if nobody can confirm it any more. :returns: its state then; empty where it was never begun."""
        if self.state(name) == reverting.OPEN:
            with reverting.locked(self._folder):
                for one in self.known():
                    if one["name"] == name and one["state"] == reverting.OPEN:
                        self._put_back_overdue(one)
        return self.state(name)

    def _repeats(self, key: str, cooldown_s: float) -> str:
        """The same change was tried a short while ago and did not help, or nobody came back to confirm it, and then not again either."""
        same = [one for one in self.known() if key and one["about"].get("key") == key and time.time() - float(one["began_at"]) < cooldown_s]
        ends = [one["state"] for one in same]
        why = "did not help" if reverting.ROLLED_BACK in ends else (
            "nobody came back to confirm it, for the second time" if ends[-2:] == [reverting.REVERTED] * 2 else "")
        if not why:
            return ""
        return "the same was tried %d s ago and %s; it is not tried again within %d s" % (
            time.time() - float(same[-1]["began_at"]), why, cooldown_s)

    def _write(self, name: str, about: dict[str, t.Any], undo: Undo, deadline_s: float) -> None:
        path = self._path(name)
        os.mkdir(path, mode=0o700)
        now = time.time()
        manifest = {
            "began_at": now,
            "deadline_at": now + deadline_s,
            "about": about,
            "files": [_keep(path, number, file) for number, file in enumerate(undo.files)],
            "units": [_unit(unit) for unit in undo.units],
            "commands": [list(argv) for argv in undo.commands],
            "mark": undo.mark,
            "reloads": [list(argv) for argv in undo.reloads],
        }
        owner = (os.getuid(), os.getgid())
        reverting.replace(os.path.join(path, "revert.py"), inspect.getsource(reverting).encode(), 0o700, owner)
        reverting.replace(os.path.join(path, "manifest.json"), json.dumps(manifest).encode(), 0o600, owner)

    def _arm(self, name: str, deadline_s: float) -> None:
        command = [sys.executable, os.path.join(self._path(name), "revert.py"), self._path(name)]
        if os.path.isdir("/run/systemd/system"):
            ran = run_bounded(["systemd-run", "--quiet", "--collect", "--unit=%s" % _timer(name), "--on-active=%ds" % deadline_s,
                               "--timer-property=AccuracySec=1s", *command], _COMMAND_S, _OUTPUT)
            if ran.exit_code == 0:
                return
        subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with  # it must outlive this module
            ["/bin/sh", "-c", 'sleep "$1"; shift; exec "$@"', "sh", str(int(deadline_s)), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/")

    def _disarm(self, name: str) -> None:
        """A timer that stays does no harm: it finds the transaction closed."""
        if os.path.isdir("/run/systemd/system"):
            run_bounded(["systemctl", "stop", _timer(name) + ".timer"], _COMMAND_S, _OUTPUT)

    def _prune(self) -> None:
        """Of those that were begun, the last ones stay; what was killed before that goes."""
        kept = {str(one["name"]) for one in self.known()[-_KEPT:]}
        for name in os.listdir(self._folder):
            if name not in kept and os.path.isdir(os.path.join(self._folder, name)):
                shutil.rmtree(os.path.join(self._folder, name), ignore_errors=True)


def _timer(name: str) -> str:
    return "connectivity-doctor-revert-" + name


def _keep(folder: str, number: int, path: str) -> dict[str, t.Any]:
    """:raises TransactionError: it is nothing that can be put back to the byte."""
    if os.path.exists(path) and os.path.getsize(path) > _LARGEST_FILE:
        raise TransactionError("%s is larger than %d bytes, so it is not kept to be put back" % (path, _LARGEST_FILE))
    try:
        kept = reverting.describe(path)
        if kept["kind"] == "file":
            with open(path, "rb") as file:
                reverting.replace(os.path.join(folder, "file.%d" % number), file.read(), 0o600, (os.getuid(), os.getgid()))
    except OSError as problem:
        raise TransactionError("%s can't be kept to be put back: %s" % (path, problem)) from None
    if kept["kind"] == "absent":
        kept["folders"] = _missing_folders(path)
    if kept["kind"] == "other":
        raise TransactionError("%s is no ordinary file, so it can't be kept to be put back" % path)
    return t.cast("dict[str, t.Any]", kept)


def _missing_folders(path: str) -> list[str]:
    """Those that must be made first, the innermost first."""
    folder, missing = os.path.dirname(path), []
    while folder and not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _unit(name: str) -> dict[str, str]:
    shown = run_bounded(["systemctl", "show", "--property=ActiveState,UnitFileState", name], _COMMAND_S, _OUTPUT).output
    properties = dict(line.partition("=")[::2] for line in shown.splitlines())
    return {"name": name, "active": properties.get("ActiveState", ""), "enabled": properties.get("UnitFileState", "")}
