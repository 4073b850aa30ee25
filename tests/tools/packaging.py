# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact: it builds, holds only what users need, installs and runs without the checkout, and Galaxy would take it."""
from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.tools import checks
from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT
from ansible_collections.connectivity.doctor.tests.tools.environments import controllers, environment

# What an installed collection may hold at its top. Whatever else gets in is for people who work on it.
_FOR_USERS = {
    "CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md",
    "changelogs", "docs", "extensions", "meta", "playbooks", "plugins", "roles",
}


def packaging() -> Iterator[checks.Result]:
    """Build, look inside, install elsewhere, use it from there, import it as Galaxy does."""
    controller = controllers()[-1]
    tools = controller.environment()
    with tempfile.TemporaryDirectory(prefix="doctor-test-") as folder:
        env = {key: value for key, value in checks.environ(tools).items() if key != "PYTHONPATH"}
        env["ANSIBLE_COLLECTIONS_PATH"] = folder
        built = checks.command("build", [tools / "ansible-galaxy", "collection", "build", "--output-path", folder, ROOT], env)
        yield built
        artifacts = list(Path(folder).glob("*.tar.gz"))
        if not artifacts:
            return
        yield _contents(artifacts[0])
        yield checks.command("install", [tools / "ansible-galaxy", "collection", "install", "--no-deps", "-p", folder, artifacts[0]], env)
        installed = Path(folder, "ansible_collections", "connectivity", "doctor")
        modules = [f"connectivity.doctor.{path.stem}" for path in sorted(installed.glob("plugins/modules/*.py"))]
        yield checks.command("ansible-doc of the installed modules", [tools / "ansible-doc", *modules], env, cwd=Path(folder))
        for playbook in sorted(installed.glob("playbooks/*.yml")):
            name = f"connectivity.doctor.{playbook.stem}"
            yield checks.command(name, [tools / "ansible-playbook", "--syntax-check", "-i", "localhost,", name], env, cwd=Path(folder))
        importer = environment(controller.python, ("importer.txt",))
        # The importer writes its own report beside it, and asks its ansible-test for nothing but what is switched on here.
        env.update(PATH=f"{importer}{os.pathsep}{os.environ['PATH']}")
        yield checks.command("galaxy-importer", [importer / "python", "-m", "galaxy_importer.main", artifacts[0]], env, cwd=Path(folder))


def _contents(artifact: Path) -> checks.Result:
    with tarfile.open(artifact) as archive:
        names = archive.getnames()
    problems = [f"{top} is not for users" for top in sorted({name.split("/")[0] for name in names} - _FOR_USERS)]
    problems += [f"{name} is rubbish" for name in names if name.endswith((".pyc", "~")) or "__pycache__" in name]
    return checks.outcome("contents", problems, f"{len(names)} files, {artifact.stat().st_size // 1024} KiB")
