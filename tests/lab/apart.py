# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command apart, so that it can have a lab of its own beside another: ``python -m …tests.lab.apart NAME COMMAND …``.

There is one lab in a network namespace, under one folder and in one control group. Apart, these are other ones behind the same names; the
image is shared, and built before, as there is no network but the lab's. When the command ends, so does all that it has started.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import image
from .lab import DEFAULT_FOLDER, INOTIFY_LIMIT
from .machines import HIERARCHIES, NSPAWN_STATE, end_groups
from .shell import announce

GROUP = "doctor-apart"
# Ansible's open connections, by address: through one of them a host of the other lab would answer.
CONNECTIONS = Path.home() / ".ansible" / "cp"
# Mounts are private here, so nothing needs to be undone. "$@" is the folder, the one that stands for it, its hierarchies and the command.
ENTER = f"""set -e
folder=$1 own=$2 group=$3 hierarchies=$4; shift 4
mkdir -p "$own/images" {NSPAWN_STATE} /run/netns {CONNECTIONS}
mount -t tmpfs apart /run/netns
mount -t tmpfs apart {NSPAWN_STATE}
mount -t tmpfs -o mode=700 apart {CONNECTIONS}
mount --bind "$folder/images" "$own/images"
mount --rbind "$own" "$folder"
for hierarchy in $hierarchies; do mount --bind "$hierarchy/$group" "$hierarchy"; done
ip link set lo up
exec "$@"
"""
END_S = 20.0
# What two labs need, and some for what runs in them. The kernel's default, 128, is enough for one.
INOTIFY_INSTANCES = 256


def run(name: str, command: Sequence[str]) -> int:
    """Run the command apart, and end what it leaves. :returns: its exit status."""
    folder = Path(os.environ.get("DOCTOR_LAB_DIR") or DEFAULT_FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image.install_tools()
        image.ensure(folder / "images")
    _raise_limit()
    group = f"{GROUP}/{name}"
    _end(group)
    for hierarchy in HIERARCHIES:
        (hierarchy / group).mkdir(parents=True, exist_ok=True)
    own = folder.with_name(f"{folder.name}-{name}")
    given = [str(folder), str(own), group, " ".join(map(str, HIERARCHIES))]
    enter = ["unshare", "--mount", "--net", "--cgroup", "sh", "-c", ENTER, "apart", *given, *command]
    process = subprocess.Popen(enter, preexec_fn=lambda: _join(group))
    # An interrupt reaches the command, too: it ends, and then what it has left is ended.
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        return process.wait()
    finally:
        _end(group)
        subprocess.run(["rm", "-rf", "--one-file-system", str(own)], check=False)


def _raise_limit() -> None:
    """The only setting of the machine that is changed, as it counts for all labs together. It stays: others may use it by then."""
    limit = int(INOTIFY_LIMIT.read_text())
    if limit < INOTIFY_INSTANCES:
        announce(f"raising {INOTIFY_LIMIT} from {limit} to {INOTIFY_INSTANCES}, for more than one lab")
        INOTIFY_LIMIT.write_text(str(INOTIFY_INSTANCES))


def _join(group: str) -> None:
    for hierarchy in HIERARCHIES:
        (hierarchy / group / "cgroup.procs").write_text(str(os.getpid()))


def _end(group: str) -> None:
    """Also what a killed run left."""
    end_groups([hierarchy / group for hierarchy in HIERARCHIES if (hierarchy / group).is_dir()], END_S)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
