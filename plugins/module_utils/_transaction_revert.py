# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts back what a transaction changed.

A copy of it in the transaction's folder is run by a timer, when nobody comes back to confirm. So it imports nothing of the collection.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile

OPEN, COMMITTED, ROLLED_BACK, REVERTED = "open", "committed", "rolled_back", "reverted_itself"
_COMMAND_S = 60
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What makes a unit so again, by its UnitFileState (systemctl(1)).
_ENABLING = {"enabled": ("enable",), "enabled-runtime": ("enable", "--runtime"), "disabled": ("disable",), "masked": ("mask",)}
_TOUCHED = "touched.json"
# Of a file that is being written, so that what a killed module leaves beside it is known; Ansible's own modules have the other one.
_UNFINISHED, _UNFINISHED_BY_ANSIBLE = ".connectivity-doctor-", ".ansible_tmp"


def revert(folder, state):
    """Restore, in this order: what commands undo, firewall rules by their mark, files to the byte, what units were doing; then reload.

    Killed at any moment, it can be done again, and does then what is left.

    :param folder: of the transaction. :param state: what it is in afterwards. :returns: what could not be restored, as texts.
    """
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    problems = []
    for argv in manifest["commands"]:
        problems += _run(argv)
    if manifest["mark"]:
        problems += _delete_marked_rules(manifest["mark"])
    touched = _note_touched(folder, manifest["files"])
    for number, kept in enumerate(manifest["files"]):
        _restore(folder, number, kept, problems)
    if any("/systemd/" in path for path in touched):
        problems += _run(["systemctl", "daemon-reload"])
    for unit in manifest["units"]:
        problems += _restore_unit(unit, bool(touched))
    for argv in manifest.get("reloads", ()) if touched else ():
        problems += _run(argv)
    _write_state(folder, state, problems)
    os.unlink(os.path.join(folder, _TOUCHED))
    return problems


def _note_touched(folder, files):
    """Which files are not as before. It is written down before any of them is: a second try finds them restored, and still has to let
    programs read them again.
    """
    path = os.path.join(folder, _TOUCHED)
    try:
        with open(path, encoding="utf-8") as file:
            noted = json.load(file)
    except (OSError, ValueError):
        noted = []
    touched = noted + [kept["path"] for kept in files if kept["path"] not in noted and _differs(kept)]
    replace(path, json.dumps(touched).encode(), 0o600, (os.getuid(), os.getgid()))
    return touched


def read_state(folder):
    """:returns: one of the four states, or empty where the folder holds no whole transaction."""
    try:
        with open(os.path.join(folder, "state.json"), encoding="utf-8") as file:
            return json.load(file)["state"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def write_state(folder, state):
    _write_state(folder, state, [])


def _write_state(folder, state, problems):
    content = json.dumps({"state": state, "problems": problems}).encode()
    replace(os.path.join(folder, "state.json"), content, 0o600, (os.getuid(), os.getgid()))


def replace(path, content, mode, owner, attributes=None):
    """The old file or the new one, never a part of it, also when the machine stops in between.

    :param owner: uid and gid. :param attributes: extended ones (an ACL, an SELinux context) in hexadecimal, by name.
    :raises OSError: it can't be written; then the old file stays, and nothing beside it.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            for name, value in (attributes or {}).items():
                os.setxattr(file.fileno(), name, bytes.fromhex(value))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def locked(root):
    """:param root: the folder of all transactions. :returns: an open file that holds the lock until it is closed."""
    file = open(os.path.join(root, "lock"), "a", encoding="utf-8")  # noqa: SIM115  # the caller closes it
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def describe(path):
    """What tells whether a file is as it was: ``kind`` (``absent``, ``link``, ``file``, ``other``) and what belongs to it.

    :raises OSError: it can't be read.
    """
    if not os.path.lexists(path):
        return {"path": path, "kind": "absent"}
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return {"path": path, "kind": "link", "target": os.readlink(path)}
    if not stat.S_ISREG(status.st_mode):
        return {"path": path, "kind": "other"}
    with open(path, "rb") as file:
        content = hashlib.sha256(file.read()).hexdigest()
    return {"path": path, "kind": "file", "mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid,
            "sha256": content, "attributes": {name: os.getxattr(path, name).hex() for name in os.listxattr(path)}}


def _run(argv):
    try:
        ran = subprocess.run(  # pylint: disable=ansible-bad-function  # this runs where there is no AnsibleModule
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_COMMAND_S, check=False,
            env=dict(os.environ, PATH=_PATH, LC_ALL="C"))
    except (OSError, subprocess.SubprocessError) as problem:
        return ["%s: %s" % (argv[0], problem)]
    said = ran.stdout.decode("utf-8", "replace").strip()[-200:]
    return ["%s ended with %d: %s" % (argv[0], ran.returncode, said)] if ran.returncode else []


def _delete_marked_rules(mark):
    """nftables gives a rule its handle when it is added, so what was added is known by its comment."""
    try:
        listed = subprocess.run(  # pylint: disable=ansible-bad-function
            ["nft", "--json", "--handle", "list", "ruleset"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_S,
            check=True, env=dict(os.environ, PATH=_PATH, LC_ALL="C")).stdout
        rules = [entry["rule"] for entry in json.loads(listed)["nftables"] if entry.get("rule", {}).get("comment") == mark]
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        return ["nft: %s" % problem]
    problems = []
    for rule in rules:
        problems += _run(["nft", "delete", "rule", rule["family"], rule["table"], rule["chain"], "handle", str(rule["handle"])])
    return problems


def _differs(kept):
    try:
        return any(kept.get(name) != value for name, value in describe(kept["path"]).items())
    except OSError:
        return True


def _restore(folder, number, kept, problems):
    path = kept["path"]
    try:
        _sweep(path)
        if kept["kind"] == "absent":
            _remove(path, kept.get("folders", ()))
        elif kept["kind"] == "link" and _differs(kept):
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink(kept["target"], path)
        elif kept["kind"] == "file" and _differs(kept):
            with open(os.path.join(folder, "file.%d" % number), "rb") as copy:
                content = copy.read()
            if os.path.islink(path):
                os.unlink(path)
            replace(path, content, kept["mode"], (kept["uid"], kept["gid"]), kept["attributes"])
    except OSError as problem:
        problems.append("%s: %s" % (path, problem))


def _sweep(path):
    """Take away what was to become this file, and whose writer was killed."""
    folder, name = os.path.split(path)
    for left in os.listdir(folder) if os.path.isdir(folder) else ():
        if left.startswith(_UNFINISHED) or (left.startswith(_UNFINISHED_BY_ANSIBLE) and left.endswith(name)):
            os.unlink(os.path.join(folder, left))


def _remove(path, folders):
    """:param folders: that were made for it; they stay where others put something into them."""
    if os.path.lexists(path):
        os.unlink(path)
    for folder in folders:
        try:
            os.rmdir(folder)
        except OSError:
            break


def _enabled(name):
    """As systemd has it now; empty where it can't be asked."""
    try:
        ran = subprocess.run(  # pylint: disable=ansible-bad-function
            ["systemctl", "show", "--property=UnitFileState", "--value", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=_COMMAND_S, check=False, env=dict(os.environ, PATH=_PATH, LC_ALL="C"))
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout.decode("utf-8", "replace").strip()


def _restore_unit(unit, files_restored):
    """Enabled and running as before; what was running is started again where its files were put back."""
    name = unit["name"]
    problems = []
    if unit["enabled"] in _ENABLING and unit["enabled"] != _enabled(name):  # what a generator has enabled is no file of this
        problems += _run(["systemctl", *_ENABLING[unit["enabled"]], "--quiet", name])
    if unit["active"] == "active":
        problems += _run(["systemctl", "restart" if files_restored else "start", name])
    elif unit["active"] in ("inactive", "failed"):
        problems += _run(["systemctl", "stop", name])
    return problems


def main(folder):
    """What the timer runs: nothing where the transaction was confirmed or rolled back meanwhile."""
    with locked(os.path.dirname(folder)):
        if read_state(folder) == OPEN:
            revert(folder, REVERTED)


if __name__ == "__main__":
    main(sys.argv[1])
