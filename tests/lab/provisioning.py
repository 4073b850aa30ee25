# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the image to a machine of its own: names, addresses, and what its roles add.

A role is a folder ``provision/<role>``: ``files/`` is copied over the machine's root before it boots (``@name@`` in a
file is a value); ``prepare`` is a shell script that runs in that root before it boots, ``ready`` one that runs once in the
machine after it has booted, ``healthy`` one that succeeds when the role does its work. They get the values as environment
variables, in capitals: ``LAB_...``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from .machines import ENVIRONMENT, Machine
from .shell import CommandError, run
from .topology import DOMAIN, Host

ROLES = Path(__file__).with_name("provision")
_VALUE = re.compile(r"@([a-z][a-z0-9_]*)@")


def interfaces_file(host: Host) -> str:
    """``/etc/network/interfaces`` (see interfaces(5)) for a machine's cards."""
    lines = ["auto lo", "iface lo inet loopback", ""]
    for card in host.interfaces:
        lines.append(f"auto {card.name}")
        for position, number in enumerate(card.numbers):
            network = card.network
            lines += [f"iface {card.name} inet static", f"    address {network.address4(number)}/24"]
            if position == 0:
                # The namespace outlives a reboot, and so do its addresses.
                lines.append("    pre-up ip address flush dev $IFACE")
                if card.default_route:
                    lines.append(f"    gateway {network.address4(network.gateway)}")
            if network.prefix6:
                lines += [f"iface {card.name} inet6 static", f"    address {network.address6(number)}/64"]
                lines += ["    dad-attempts 0", "    accept_ra 0"]
                if position == 0 and card.default_route:
                    lines.append(f"    gateway {network.address6(network.gateway)}")
        lines.append("")
    return "\n".join(lines)


def hosts_file(host: Host) -> str:
    """``/etc/hosts`` as Debian's installer writes it: only the machine itself."""
    return f"127.0.0.1 localhost\n127.0.1.1 {host.fqdn} {host.name}\n\n::1 localhost ip6-localhost ip6-loopback\n"


def prepare(machine: Machine, values: Mapping[str, str]) -> None:
    """Provision a mounted machine that has not booted yet."""
    host = machine.host
    etc = machine.root / "etc"
    # A machine without an id takes its first boot for an installation, and enables every daemon there is.
    (etc / "machine-id").write_text(f"{host.uuid.hex}\n")
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "hosts").write_text(hosts_file(host))
    (etc / "network" / "interfaces").write_text(interfaces_file(host))
    for role in host.roles:
        folder = ROLES / role
        copy_files(folder / "files", machine.root, values)
        if (folder / "prepare").exists():
            script = (folder / "prepare").read_text()
            run(["chroot", str(machine.root), "sh", "-eu"], input=script, env=environment(values))


def finish(machine: Machine, values: Mapping[str, str]) -> None:
    """What a machine's roles need once it has booted."""
    for role in machine.host.roles:
        _run_script(machine, ROLES / role / "ready", values)


def complaint(machine: Machine, values: Mapping[str, str]) -> str:
    """The first thing that is not as its roles' ``healthy`` scripts want it; empty when the machine is healthy."""
    for role in machine.host.roles:
        try:
            _run_script(machine, ROLES / role / "healthy", values)
        except CommandError as error:
            return f"{machine.host.name}: {role}: {error}"
    return ""


def _run_script(machine: Machine, script: Path, values: Mapping[str, str]) -> None:
    if script.exists():
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment(values).items())
        machine.run(["sh", "-eu"], input=f"{exports}set -x\n{script.read_text()}", timeout=60)


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """The values as environment variables, beside a plain environment."""
    return {**ENVIRONMENT, "LAB_DOMAIN": DOMAIN, **{f"LAB_{name.upper()}": value for name, value in values.items()}}


def copy_files(source: Path, root: Path, values: Mapping[str, str]) -> None:
    """Copy a tree over a root, with its values filled in; a file keeps its mode."""
    for path in sorted(source.rglob("*")):
        target = root / path.relative_to(source)
        if path.is_dir():
            target.mkdir(exist_ok=True)
            continue
        target.unlink(missing_ok=True)
        target.write_text(fill(path.read_text(), values))
        shutil.copymode(path, target)
        os.chown(target, 0, 0)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``@name@``; ``KeyError`` for a name without a value."""
    return _VALUE.sub(lambda match: values[match[1]], text)
