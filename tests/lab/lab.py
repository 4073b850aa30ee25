# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as an object: what the tests and the gauntlet hold."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from . import credentials, image, machines, network, provisioning, topology
from .certificates import Authority, Certificate
from .machines import Machine
from .shell import CommandError, announce, timed
from .topology import Host

DEFAULT_FOLDER = "/var/lib/connectivity-doctor-lab"
# Booting is waiting more than computing; two at a time for each core keeps both cores busy.
PARALLEL = 2 * (os.cpu_count() or 2)

# A daemon that starts before its server's name can be looked up may sleep for half a minute before it tries again.
FIRST_ROLES = {"router", "nameserver"}

# All machines' daemons have the same user, root, as far as this limit of the kernel goes; counted on a running lab.
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_PER_MACHINE = 6

Result = TypeVar("Result")


class Lab:
    """A fleet of real machines in one folder.

    ``Lab()`` is the lab of this machine, running or not; ``up()`` makes it run. All of it needs root.
    """

    def __init__(self, folder: str | Path | None = None, clients: int | None = None) -> None:
        """
        :param folder: where everything is kept; default ``$DOCTOR_LAB_DIR``, else ``DEFAULT_FOLDER``.
        :param clients: how many clients; default as many as the running lab has, else ``DEFAULT_CLIENTS``.
        """
        self.folder = Path(folder or os.environ.get("DOCTOR_LAB_DIR") or DEFAULT_FOLDER)
        #: The generated inventory of Ansible.
        self.inventory = self.folder / "inventory.yml"
        #: The machines by name, with their roles and addresses.
        self.hosts: dict[str, Host] = topology.hosts(clients or self._running_clients() or topology.DEFAULT_CLIENTS)
        #: Prefix of a command that shall run on the controller: ssh, ansible, ansible-playbook.
        self.controller_prefix: tuple[str, ...] = network.CONTROLLER_PREFIX

    # --- what is where

    def _running_clients(self) -> int:
        """How many clients the lab has that runs; 0 when none runs."""
        if not self.inventory.exists():
            return 0
        return len(yaml.safe_load(self.inventory.read_text())["all"]["children"]["clients"]["hosts"])

    def _machine(self, host: str) -> Machine:
        if host not in self.hosts:
            raise KeyError(f"the lab has no machine {host!r}; it has {', '.join(self.hosts)}")
        return Machine(self.hosts[host], self.folder, self.folder / "images" / image.key())

    @property
    def clients(self) -> list[str]:
        """The names of the clients."""
        return [name for name, host in self.hosts.items() if host.group == "clients"]

    @property
    def vars(self) -> dict[str, str]:
        """The inventory's variables for all hosts: credentials, names and paths, each with the prefix ``lab_``."""
        return {
            **{f"lab_{name}": value for name, value in credentials.load_or_create(self.folder).items()},
            "lab_domain": topology.DOMAIN,
            "lab_database_name": "production",
            "lab_database_user": "reporting",
            "lab_ca_file": "/etc/ssl/lab/ca.pem",
        }

    @property
    def authority(self) -> Authority:
        """The lab's certificate authority."""
        return Authority(self.folder / "ca")

    def mint(self, *names: str, **options: Any) -> Certificate:
        """A certificate from the lab's authority, good or bad: see ``Authority.mint``."""
        return self.authority.mint(*names, **options)

    def is_running(self, host: str) -> bool:
        """Whether a machine runs."""
        return self._machine(host).leader is not None

    def is_up(self) -> bool:
        """Whether every machine runs, was provisioned to the end (the inventory is written last), and from today's image."""
        of_today = (self.folder / "images" / image.key()).exists()
        return of_today and self.inventory.exists() and all(map(self.is_running, self.hosts))

    # --- life

    def up(self) -> None:
        """Bring the lab up, from nothing or from what a killed run left; nothing to do if it runs already."""
        with self._locked():
            if self.is_up():
                announce("already up")
                return
            with timed("bringing the lab up"):
                image.install_tools()
                image.ensure(self.folder / "images")
                self._check_limits()
                self._remove()
                self._boot()
            announce(f"up; inventory in {self.inventory}")

    def down(self, purge: bool = False) -> None:
        """Remove the lab; its image stays for the next time, unless ``purge``."""
        with self._locked():
            with timed("taking the lab down"):
                self._remove()
                for path in self.folder.iterdir():
                    if path.name in ("images", "lock") and not purge:
                        continue
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
        if purge:
            self.folder.rmdir()

    def restart(self, host: str) -> None:
        """Reboot a machine, and wait until it is up."""
        self._machine(host).restart()

    def wait_until_healthy(self, *hosts: str, timeout: float = 120.0) -> None:
        """Wait until these machines (default: all) do their work; ``CommandError`` says what one of them doesn't.

        It asks the machines themselves (see ``provision/<role>/healthy``): name, time, services, and on a client the
        stream to its netdata parent, which netdata tries again after a minute. It is how to know that a healed fault is over.
        """
        deadline = time.monotonic() + timeout
        values = self._values()
        waiting = [self._machine(host) for host in hosts or self.hosts]
        while True:
            complaints = _for_each(lambda machine: provisioning.complaint(machine, values), waiting)
            waiting = [machine for machine, complaint in zip(waiting, complaints, strict=True) if complaint]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise CommandError("\n".join(filter(None, complaints)))
            time.sleep(0.3)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lab's lock: two runs don't build, or remove, at once."""
        if os.geteuid() != 0:
            raise PermissionError("the lab needs root: it makes namespaces, mounts and containers")
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                announce("waiting for another run that holds the lab")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def reset(self, host: str) -> None:
        """Make a machine as new: whatever was done to its files, processes and network is gone, in a few seconds."""
        with self._locked():
            machine = self._machine(host)
            machines.remove(self.folder, host)
            network.disconnect(network.namespace(host))
            values = self._values()
            self._prepare(machine, values)
            self._finish(machine, values)

    def _check_limits(self) -> None:
        limit = int(INOTIFY_LIMIT.read_text())
        needed = INOTIFY_PER_MACHINE * len(self.hosts)
        if needed > limit:
            raise RuntimeError(
                f"{len(self.hosts)} machines need {needed} inotify instances, and {INOTIFY_LIMIT} allows {limit}: "
                "use fewer clients, or raise the limit yourself, as the lab leaves the machine's settings alone"
            )

    def _remove(self) -> None:
        self.inventory.unlink(missing_ok=True)
        machines.remove(self.folder)
        network.remove()

    def _boot(self) -> None:
        network.create()
        fleet = [self._machine(name) for name in self.hosts]
        values = self._values()
        for what, wave in (
            ("what all others need", [machine for machine in fleet if FIRST_ROLES & {*machine.host.roles}]),
            ("the others", [machine for machine in fleet if not FIRST_ROLES & {*machine.host.roles}]),
        ):
            with timed(f"booting {what}: {', '.join(machine.host.name for machine in wave)}"):
                _for_each(lambda machine: self._prepare(machine, values), wave)
                _for_each(lambda machine: self._finish(machine, values), wave)
        with timed("waiting until all of it works"):
            self.wait_until_healthy()
        self._write_inventory()

    def _prepare(self, machine: Machine, values: Mapping[str, str]) -> None:
        machine.mount()
        provisioning.prepare(machine, {**values, **self._identity(machine.host)})
        network.connect(machine.host)
        machine.start()

    def _finish(self, machine: Machine, values: Mapping[str, str]) -> None:
        machine.wait_until_booted()
        provisioning.finish(machine, values)

    # --- what machines and Ansible are told

    def _values(self) -> dict[str, str]:
        """What the files and scripts of every machine can name, see ``provisioning``."""
        values = {
            **credentials.load_or_create(self.folder),
            "domain": topology.DOMAIN,
            "ca_root": self.authority.root,
            "ca_intermediate": self.authority.intermediate,
            "ssh_user_public_key": credentials.public_ssh_key(self.folder, "ops"),
            "zone_records": self._zone_records(),
        }
        for name, number in (("resolver", topology.RESOLVER_NUMBER), ("authority", topology.AUTHORITY_NUMBER)):
            values[f"{name}_address4"] = topology.SERVER_NET.address4(number)
            values[f"{name}_address6"] = topology.SERVER_NET.address6(number)
        for net in (topology.CLIENTS, topology.SERVER_NET):
            values[f"{net.name}_subnet4"] = f"{net.prefix4}.0/24"
            values[f"{net.name}_subnet6"] = f"{net.prefix6}::/64"
        for server in topology.SERVERS:
            values[f"{server.name}_address4"] = server.address4
            values[f"{server.name}_address6"] = server.address6
        return values

    def _identity(self, host: Host) -> dict[str, str]:
        """What one machine's files and scripts can name: its own keys and certificate."""
        identity = {
            # The same after a reset: the netdata parent knows its children by it.
            "machine_uuid": str(host.uuid),
            "ssh_host_key": credentials.ssh_key(self.folder, f"host_{host.name}").read_text(),
            "ssh_host_public_key": credentials.public_ssh_key(self.folder, f"host_{host.name}"),
        }
        if "server" in host.roles:
            aliases = [f"{name}.{topology.DOMAIN}" for name, _type, value in topology.EXTRA_RECORDS if value == host.name]
            minted = self.mint(host.fqdn, host.name, *aliases, host.address4, host.address6)
            identity |= {"server_chain": minted.chain, "server_key": minted.key}
        return identity

    def _zone_records(self) -> str:
        records = list(topology.EXTRA_RECORDS)
        for host in self.hosts.values():
            records += [(host.name, "A", host.address4), (host.name, "AAAA", host.address6)]
        return "\n".join(f"{name} IN {kind} {value}" for name, kind, value in records)

    def _write_inventory(self) -> None:
        known_hosts = self.folder / "known_hosts"
        lines = []
        for host in self.hosts.values():
            lines.append(f"{host.management_address},{host.name} {credentials.public_ssh_key(self.folder, f'host_{host.name}')}\n")
        known_hosts.write_text("".join(lines))

        groups: dict[str, Any] = {}
        for host in self.hosts.values():
            for group in {host.group, *(f"{role}s" for role in host.roles if role not in ("base", "client", "server"))}:
                groups.setdefault(group, {"hosts": {}})["hosts"][host.name] = {}
        addresses = {
            host.name: {
                "ansible_host": host.management_address,
                "lab_address4": host.address4,
                "lab_address6": host.address6,
            }
            for host in self.hosts.values()
        }
        common = {
            **self.vars,
            "ansible_user": "ops",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.folder / "ssh" / "ops"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
        }
        content = {"all": {"vars": common, "hosts": addresses, "children": groups}}
        self.inventory.touch(mode=0o600)
        self.inventory.write_text(yaml.safe_dump(content, sort_keys=False))

    # --- commands and files

    def run(
        self,
        host: str,
        command: Sequence[str] | str,
        *,
        check: bool = True,
        input: str | None = None,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine, as root, without ssh.

        :param command: a list, or a string for ``sh -c``.
        :param check: raise ``CommandError`` if it fails.
        :param input: text for its standard input.
        :param timeout: seconds; then the command is killed and ``CommandError`` raised.
        """
        return self._machine(host).run(command, check=check, input=input, timeout=timeout)

    def put(self, host: str, path: str, content: str, mode: int = 0o644) -> None:
        """Write a text file on a machine, as root; a file that is there keeps its owner."""
        self.run(host, ["sh", "-c", 'cat > "$1" && chmod "$2" "$1"', "put", path, f"{mode:o}"], input=content)

    def on_controller(
        self, command: Sequence[str], *, check: bool = True, timeout: float = 120.0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program where the controller is: ``ssh``, ``ansible``, ``ansible-playbook``."""
        argv = [*self.controller_prefix, *command]
        environment = {**os.environ, **(env or {})}
        result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout, env=environment)
        if check and result.returncode:
            raise CommandError(f"exit status {result.returncode} from: {' '.join(command)}\n{result.stdout}{result.stderr}")
        return result


def _for_each(action: Callable[[Machine], Result], fleet: Sequence[Machine]) -> list[Result]:
    """Do it to every machine, a few at a time; the first error comes out, after all have ended."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(action, fleet))
