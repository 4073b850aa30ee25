# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's one image: a Debian 12 root directory, built once and kept under a name that is a hash of its definition."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .shell import announce, run, timed

DEFINITION = Path(__file__).with_name("image")
SUITE = "bookworm"
OPTIONS = (
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Languages "none"',
)
# What the lab needs on the machine itself: program, then the package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
}
# The build's processes and mounts end when this process does, however it does.
ENDS_WITH_US = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
# Of the suite: what is installed for it need not be what this program runs with.
PYTHON = "3.11"
AGENTS = "/opt/agents"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def install_tools() -> None:
    """Install, with apt, those of ``TOOLS`` that the machine doesn't have."""
    missing = {package for program, package in TOOLS.items() if not shutil.which(program)}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    if not missing:
        return
    with timed(f"installing {', '.join(sorted(missing))} with apt"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-qq"], env=environment)
        run(["apt-get", "install", "-qq", "--no-install-recommends", *sorted(missing)], env=environment)


def packages() -> list[str]:
    """The packages of ``image/packages.txt``."""
    lines = (DEFINITION / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def key() -> str:
    """Twelve hexadecimal digits that change with everything that defines the image."""
    digest = hashlib.sha256()
    files = (DEFINITION / name for name in ("customize.sh", "agents.txt"))
    for part in (SUITE, PYTHON, *OPTIONS, *packages(), *(file.read_text() for file in files)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:12]


def ensure(folder: Path) -> Path:
    """The root directory of the image, built first if the folder doesn't have it; removes images of older definitions."""
    image = folder / key()
    if image.is_dir():
        return image
    if folder.is_dir():
        run(["rm", "-rf", "--one-file-system", *(str(old) for old in folder.iterdir())])
    # Built beside its final name, so that a killed build is never taken for an image.
    unfinished = folder / "unfinished"
    unfinished.mkdir(parents=True)
    command = [
        *ENDS_WITH_US,
        "mmdebstrap",
        *OPTIONS,
        f"--include={','.join(packages())}",
        f'--customize-hook={DEFINITION / "customize.sh"} "$1"',
        SUITE,
        str(unfinished),
    ]
    log = folder.parent / "image-build.log"
    with timed(f"building the Debian image ({len(packages())} packages; log in {log})"), log.open("wb") as output:
        result = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RuntimeError(f"the image could not be built:\n{tail}")
    with timed("adding agents from PyPI"):
        _add_agents(unfinished)
    unfinished.rename(image)
    announce(f"image {image.name} is ready")
    return image


def _add_agents(root: Path) -> None:
    """Unpack the wheels of ``image/agents.txt`` into the image, and let its own Python compile them."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    wheels = ["--python-version", PYTHON, "--only-binary=:all:", "-r", str(DEFINITION / "agents.txt")]
    run([*pip, "--target", str(root / AGENTS.lstrip("/")), *wheels])
    run(["chroot", str(root), "python3", "-m", "compileall", "-q", AGENTS])
