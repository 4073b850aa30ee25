# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine: its root file system, its processes, and a way to run commands in it.

A machine's root is an overlay: the image below, read-only and shared by all, a small tmpfs of its own above. It runs
under systemd-nspawn, which needs neither Docker nor a machine whose own PID 1 is systemd.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from . import network
from .shell import CommandError, explain, run
from .topology import Host

# systemd-nspawn must be in a control group of its own, which then belongs to the machine's systemd. These are the
# hierarchies that systemd uses; a machine that has only the second (cgroup v2 alone) has it at /sys/fs/cgroup.
HIERARCHIES = tuple(
    path
    for path in (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
    if (path / "cgroup.procs").exists()
)
CONTROL_GROUP = "doctor-lab"

NSPAWN_STATE = Path("/run/systemd/nspawn")

ROOT_SIZE = "768m"
# systemd-nspawn leaves a reboot to what started it, and says so with this exit status (EXIT_FORCE_RESTART).
BOOT_AGAIN_AFTER_REBOOT = 'while :; do "$@"; [ $? -eq 133 ] || exit; done'

BOOT_DEADLINE_S = 60.0
STOP_DEADLINE_S = 10.0

# A command comes in with all of the outer root's capabilities: without these it can't set the one clock that all
# machines share, load kernel modules, or restart the machine that the lab runs on.
FORBIDDEN_CAPABILITIES = "-sys_time,-sys_module,-sys_boot,-sys_rawio"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class Machine:
    """A machine of the topology, as it is (or will be) in the lab's folder."""

    def __init__(self, host: Host, folder: Path, image: Path) -> None:
        self.host = host
        self.image = image
        self.folder = folder / "machines" / host.name
        self.root = self.folder / "root"
        self.log = self.folder / "console.log"
        self._pid_file = self.folder / "supervisor.pid"

    # --- file system

    def mount(self) -> None:
        """Put together an empty root: nothing but the image."""
        layer = self.folder / "layer"
        for path in (self.root, layer):
            path.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", f"size={ROOT_SIZE},mode=0755", CONTROL_GROUP, str(layer)])
        for path in (layer / "upper", layer / "work"):
            path.mkdir()
        options = f"lowerdir={self.image},upperdir={layer}/upper,workdir={layer}/work"
        run(["mount", "-t", "overlay", "-o", options, CONTROL_GROUP, str(self.root)])

    # --- life

    def start(self) -> None:
        """Start systemd-nspawn; ``wait_until_booted`` says when it is up."""
        for hierarchy in HIERARCHIES:
            (hierarchy / CONTROL_GROUP / self.host.name).mkdir(parents=True, exist_ok=True)
        command = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.root}",
            f"--machine={network.namespace(self.host.name)}",
            f"--hostname={self.host.name}",
            f"--network-namespace-path=/run/netns/{network.namespace(self.host.name)}",
            # Its own firewall and routes; BPF is how systemd filters a unit's traffic (IPAddressDeny=).
            "--capability=CAP_NET_ADMIN,CAP_BPF",
            "--system-call-filter=bpf",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
        ]
        environment = {
            "PATH": ENVIRONMENT["PATH"],
            # cgroup v2 as on any current distribution, whatever the machine has.
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            # A machine's root can set net.* sysctls, those of its own namespace.
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", BOOT_AGAIN_AFTER_REBOOT, "lab-machine", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=self._enter_control_group,
            )
        self._pid_file.write_text(str(process.pid))

    def _enter_control_group(self) -> None:
        for hierarchy in HIERARCHIES:
            (hierarchy / CONTROL_GROUP / self.host.name / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def leader(self) -> int | None:
        """The process that is PID 1 inside, or ``None`` when the machine is not running."""
        try:
            supervisor = int(self._pid_file.read_text())
            nspawn = _only_child(supervisor, "sh")
            return _only_child(nspawn, "systemd-nspawn")
        except (OSError, ValueError, IndexError):
            return None

    def wait_until_booted(self) -> None:
        """Wait until systemd inside has started everything; ``CommandError`` names the units that failed."""
        deadline = time.monotonic() + BOOT_DEADLINE_S
        state = "not started"
        while time.monotonic() < deadline:
            if self.leader is not None:
                result = self.run(["systemctl", "is-system-running", "--wait"], check=False, timeout=BOOT_DEADLINE_S)
                state = result.stdout.strip() or result.stderr.strip()
                if state == "running":
                    return
                if state == "degraded":
                    failed = self.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout
                    raise CommandError(f"{self.host.name}: units failed:\n{failed}")
            time.sleep(0.1)
        raise CommandError(f"{self.host.name} did not boot in {BOOT_DEADLINE_S:.0f} s ({state}); see {self.log}")

    def restart(self) -> None:
        """Reboot it: what was changed on its file system stays, what was not is lost."""
        before = self.leader
        if before is None:
            raise CommandError(f"{self.host.name} is not running")
        # To systemd, SIGINT is Ctrl-Alt-Del.
        os.kill(before, signal.SIGINT)
        deadline = time.monotonic() + BOOT_DEADLINE_S
        while self.leader in (before, None):
            if time.monotonic() > deadline:
                raise CommandError(f"{self.host.name} did not go down in {BOOT_DEADLINE_S:.0f} s")
            time.sleep(0.1)
        self.wait_until_booted()

    # --- commands

    def run(
        self,
        command: Sequence[str] | str,
        *,
        check: bool = True,
        input: str | None = None,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, without ssh; a string goes to ``sh -c``."""
        leader = self.leader
        if leader is None:
            raise CommandError(f"{self.host.name} is not running")
        inside = ["sh", "-c", command] if isinstance(command, str) else list(command)
        outer = ["nsenter", f"--target={leader}", "--all", "--root", "--wd"]
        outer += ["setpriv", f"--bounding-set={FORBIDDEN_CAPABILITIES}", "--", *inside]
        process = subprocess.Popen(
            outer,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise CommandError(f"{self.host.name}: no end after {timeout:g} s: {shlex.join(inside)}") from None
        result = subprocess.CompletedProcess(inside, process.returncode, output, errors)
        if check and result.returncode:
            raise explain(f"[{self.host.name}] {shlex.join(inside)}", result)
        return result


def _only_child(pid: int, name: str) -> int:
    """The one child of a process of that name; ``ValueError`` if it is another program, or has none."""
    if Path(f"/proc/{pid}/comm").read_text().strip() != name:
        raise ValueError(f"process {pid} is not {name}")
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def remove(folder: Path, host: str = "") -> None:
    """End and unmount one machine of a lab in this folder, or all of them, also those that a killed run left.

    :raises CommandError: a lab runs that another folder has; there is one on a machine at a time.
    """
    machines = folder / "machines" / host
    if not machines.is_dir() and any(_processes(group) for group in _control_groups(host)):
        raise CommandError(f"a lab runs that is not in {folder}: take it down first (DOCTOR_LAB_DIR says where it is)")
    end_groups(_control_groups(host))
    mounted = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for path in reversed([path for path in mounted if path.is_relative_to(machines)]):
        inode = path.stat()
        run(["umount", str(path)])
        # What systemd-nspawn leaves of a container that it did not see end.
        (NSPAWN_STATE / "locks" / f"inode-{inode.st_dev}:{inode.st_ino}").unlink(missing_ok=True)
    for path in (NSPAWN_STATE / "propagate").glob(network.namespace(host or "*")):
        path.rmdir()
    if machines.is_dir():
        run(["rm", "-rf", "--one-file-system", str(machines)])


def end_groups(groups: Sequence[Path], seconds: float = STOP_DEADLINE_S) -> None:
    """Kill all that is in these control groups, which hold nothing else, and remove them.

    :raises CommandError: something lives longer than so many seconds.
    """
    deadline = time.monotonic() + seconds
    while pids := {pid for group in groups for pid in _processes(group)}:
        if time.monotonic() > deadline:
            raise CommandError(f"processes of an earlier lab don't end: {sorted(pids)}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for group in groups:
        for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            path.rmdir()
        group.rmdir()


def _control_groups(host: str) -> list[Path]:
    """The control groups of one machine, or of all of them."""
    return [path for path in (hierarchy / CONTROL_GROUP / host for hierarchy in HIERARCHIES) if path.is_dir()]


def _processes(group: Path) -> set[int]:
    """The processes in a control group and in those below it."""
    pids: set[int] = set()
    for path in group.rglob("cgroup.procs"):
        # A group can go away while we look.
        with suppress(OSError):
            pids.update(int(pid) for pid in path.read_text().split())
    return pids
