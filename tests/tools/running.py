# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that run the code: under every Python it must run under, in a real Ansible, in the lab, in the gauntlet."""
from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.lab import fetched
from ansible_collections.connectivity.doctor.tests.tools import checks
from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT, cache
from ansible_collections.connectivity.doctor.tests.tools.environments import Python, controllers, environment, pythons

_NEWEST_MANAGED_NODE = (3, 13)
_WORKERS = ("-n", "2")
# Unit tests of probes mostly wait for peers that don't answer.
_WAITERS = ("-n", "4")


def _managed_nodes() -> list[Python]:
    return [python for python in pythons() if python.version <= _NEWEST_MANAGED_NODE]


def unit() -> Iterator[checks.Result]:
    """All unit tests on the newest controller; what runs on the controller on each other one, too, and what runs on managed nodes on the
    oldest Python that they may have. The Pythons between are held to it by ansible-test and by the tests of the streamed program.
    """
    *others, newest = controllers()
    on_managed_nodes = ROOT / "tests/unit/plugins/module_utils"
    tools = newest.environment()
    yield checks.pytest(newest.name, tools / "python", [*_WAITERS, ROOT / "tests/unit"], checks.environ(tools), seconds=1200)
    for controller in others:
        tools = controller.environment()
        yield checks.pytest(controller.name, tools / "python",
                            [*_WAITERS, ROOT / "tests/unit", f"--ignore={on_managed_nodes}"], checks.environ(tools))
    oldest = _managed_nodes()[0]
    if oldest != newest.python:
        tools = environment(oldest, ("target.txt",))
        yield checks.pytest(f"module_utils on Python {oldest.name}", tools / "python", [*_WAITERS, on_managed_nodes], checks.environ(tools))


def integration() -> Iterator[checks.Result]:
    """Every module through ansible-playbook: the oldest Ansible with the oldest Python it can manage, the newest with the newest."""
    targets = _managed_nodes()
    for controller, target in zip(controllers(), (targets[0], targets[-1])):
        tools = controller.environment()
        env = checks.environ(tools, DOCTOR_TEST_TARGET_PYTHON=str(environment(target, ("target.txt",)) / "python"))
        yield checks.pytest(f"{controller.name}, modules on Python {target.name}", tools / "python",
                            [*_WORKERS, ROOT / "tests/integration"], env)


def lab() -> Iterator[checks.Result]:
    """The fleet of containers: that it is one, and each probe in it beside the tools that a person would take."""
    yield _in_the_lab("lab", ROOT / "tests/lab/test_lab.py", ROOT / "tests/lab/probes")


def playbooks() -> Iterator[checks.Result]:
    """The playbooks in the fleet, as users run them: remediate, monitor, support_bundle, bootstrap, and what comes of events."""
    fetched.fetch()
    yield _in_the_lab("playbooks", *(path for path in sorted(ROOT.glob("tests/lab/test_*.py")) if path.name != "test_lab.py"))


def _in_the_lab(name: str, *tests: Path) -> checks.Result:
    tools = controllers()[-1].environment()
    return checks.pytest(name, tools / "python", ["--durations=8", *tests], checks.environ(tools), seconds=1500, runner=_apart(tools, name))


_GAUNTLET = ROOT / "tests/gauntlet"
_REMEDIATED = _GAUNTLET / "test_remediation.py"


def gauntlet() -> Iterator[checks.Result]:
    """The quickest case of every cause, and controls: injected, diagnosed and scored."""
    yield _gauntlet("the gauntlet", _GAUNTLET, f"--ignore={_REMEDIATED}", "--short", seconds=2700)


def remediation() -> Iterator[checks.Result]:
    """A case of every remedy: injected, remediated, and undone."""
    yield _gauntlet("the gauntlet, remediated", _REMEDIATED, "--short", seconds=1800)


def whole_gauntlet() -> Iterator[checks.Result]:
    """Every fault injected, diagnosed and scored; about three quarters of an hour."""
    yield _gauntlet("the gauntlet", _GAUNTLET, f"--ignore={_REMEDIATED}", seconds=7200)


def whole_remediation() -> Iterator[checks.Result]:
    """Every fault that has a remedy: injected, remediated, and undone; about an hour."""
    yield _gauntlet("the gauntlet, remediated", _REMEDIATED, seconds=7200)


def _gauntlet(title: str, *arguments: str | Path, seconds: int) -> checks.Result:
    """:param title: of the table that the tests print."""
    tools = controllers()[-1].environment()
    # The first test waits for all cases, which run side by side; that is long, and no hang.
    patient = ["-o", "faulthandler_timeout=2400", f"--gauntlet-json={cache() / 'gauntlet.json'}", *arguments]
    name = "remediation" if _REMEDIATED in arguments else "gauntlet"
    result = checks.pytest(name, tools / "python", patient, checks.environ(tools), seconds=seconds, runner=_apart(tools, name))
    return result._replace(shown="\n".join(_section(result.output, title)))


def _apart(tools: Path, name: str) -> list[str | Path]:
    """In a lab of its own."""
    return [tools / "python", "-m", "ansible_collections.connectivity.doctor.tests.lab.apart", name]


def _section(output: str, title: str) -> list[str]:
    """The lines of one section of pytest's summary: what is under ``--- title ---``, up to the next such rule."""
    lines = output.splitlines()
    rule = re.compile(r"[-=]{3,}.* .*[-=]{3,}$")
    start = next((number for number, line in enumerate(lines) if rule.match(line) and line.strip("-= ") == title), len(lines))
    return list(itertools.takewhile(lambda line: not rule.match(line), lines[start + 1:]))


def is_root() -> bool:
    return os.geteuid() == 0
