# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's secrets and ssh keys: random, made once for each lab, kept in its folder."""

from __future__ import annotations

import json
import secrets
import uuid
from pathlib import Path

from .shell import run


def load_or_create(folder: Path) -> dict[str, str]:
    """The lab's credentials by name."""
    path = folder / "credentials.json"
    if not path.exists():
        made = {
            "database_password": secrets.token_urlsafe(18),
            "apm_token": secrets.token_hex(20),
            # netdata wants a UUID for a key.
            "stream_api_key": str(uuid.uuid4()),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(made, indent=2) + "\n")
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def ssh_key(folder: Path, name: str) -> Path:
    """The private key file of this name, made if it is not there; the public key is beside it, as ``.pub``."""
    path = folder / "ssh" / name
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)])
    return path


def public_ssh_key(folder: Path, name: str) -> str:
    """The public half of the key of this name, as ``known_hosts`` and ``authorized_keys`` have it."""
    return ssh_key(folder, name).with_suffix(".pub").read_text().strip()
