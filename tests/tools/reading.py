# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style, documentation and licences: what reads the files and runs nothing of them but their documentation."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.tools import checks
from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT, collection_copy, files
from ansible_collections.connectivity.doctor.tests.tools.environments import controllers

# Which folders of plugins/ hold plugins with documentation of their own, by ansible-doc's name for them.
_DOCUMENTED = {"modules": "module", "lookup": "lookup", "filter": "filter", "test": "test", "callback": "callback"}


def linters() -> Path:
    """The bin folder with the linters in it."""
    return controllers()[-1].environment("lint.txt")


def lint() -> Iterator[checks.Result]:
    """ruff, yamllint, ansible-lint in its production profile, shellcheck."""
    tools = linters()
    env = checks.environ(tools)
    yield checks.command("ruff", [tools / "ruff", "check", "--no-cache", "--output-format", "concise", "."], env)
    yield checks.command("yamllint", [tools / "yamllint", "--strict", "."], env)
    yield checks.command("shellcheck", [tools / "shellcheck", *_shell_scripts()], env)
    with collection_copy() as copy:  # what lies ignored in a checkout would be read too, and slowly
        env["ANSIBLE_COLLECTIONS_PATH"] = str(copy.parents[2])
        yield checks.command("ansible-lint", [tools / "ansible-lint", "--offline", "--profile", "production", "--strict"], env, cwd=copy)


def _shell_scripts() -> list[Path]:
    def starts_a_shell(path: Path) -> bool:
        with path.open("rb") as file:
            line = file.readline(80)
        return line.startswith(b"#!") and line.split()[-1].rsplit(b"/", 1)[-1] in (b"sh", b"bash")

    return [ROOT / name for name in files() if starts_a_shell(ROOT / name)]


def docs() -> Iterator[checks.Result]:
    """Every plugin's and role's documentation renders; links and markup in it are right; the changelog is well formed."""
    tools = linters()
    with collection_copy() as copy:
        env = checks.environ(tools, ANSIBLE_COLLECTIONS_PATH=str(copy.parents[2]))
        for folder, kind in _DOCUMENTED.items():
            names = sorted(path.stem for path in (copy / "plugins" / folder).glob("[!_]*.py"))
            if names:
                yield _rendered(tools, kind, names, env)
        names = sorted(path.parent.parent.name for path in copy.glob("roles/*/meta/argument_specs.yml"))
        missing = sorted({path.name for path in copy.glob("roles/*")} - set(names))
        if missing:
            yield checks.outcome("roles", [f"role {name} has no meta/argument_specs.yml" for name in missing], "")
        if names:
            yield _rendered(tools, "role", names, env)
        yield checks.command("antsibull-docs", [tools / "antsibull-docs", "lint-collection-docs", "--plugin-docs",
                                                "--validate-collection-refs", "self", "."], env, cwd=copy)
        yield checks.command("antsibull-changelog", [tools / "antsibull-changelog", "lint"], env, cwd=copy)


def _rendered(tools: Path, kind: str, names: list[str], env: dict[str, str]) -> checks.Result:
    """ansible-doc answers 0 for a plugin that it could not read, and leaves it out: so its answer is compared with the files."""
    full = [f"connectivity.doctor.{name}" for name in names]
    answer = subprocess.run([tools / "ansible-doc", "--type", kind, "--json", *full], env=env, capture_output=True, text=True, check=False)
    try:
        known = set(json.loads(answer.stdout))
    except ValueError:
        known = set()
    problems = [f"{kind} {name}: ansible-doc does not render it" for name in full if name not in known]
    if problems or answer.returncode:
        problems.append(answer.stderr)
    return checks.outcome(f"ansible-doc {kind}", problems, f"{len(full)} of type {kind} documented")


def reuse() -> Iterator[checks.Result]:
    """Every file names its copyright and its licence."""
    tools = linters()
    with collection_copy() as copy:
        yield checks.command("reuse", [tools / "reuse", "lint"], checks.environ(tools), cwd=copy)
