# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All lines of logs whose family is known: those in the profiles of agents and runtimes, and those of servers and databases."""
from __future__ import annotations

import functools
import pathlib
import typing as t

import yaml

from ansible_collections.connectivity.doctor.plugins.module_utils._log.families import Classifier
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import FOLDER, RUNTIMES, AgentProfile, known_agents, load_profile

_CAPTURED = pathlib.Path(__file__).parents[1] / "unit/plugins/plugin_utils/captured_lines.yml"
DECOYS = "decoys"


@functools.lru_cache(maxsize=None)
def written_profiles() -> dict[pathlib.Path, dict[str, t.Any]]:
    """The files of the catalogue as they are written, without what they inherit."""
    return {path: _agent_shape.checked(yaml.safe_load(path.read_text(encoding="utf-8")))
            for folder in (FOLDER, RUNTIMES) for path in sorted(folder.glob("*.yml"))}


@functools.lru_cache(maxsize=None)
def captured_lines() -> dict[str, t.Any]:
    """By the profile that reads such a log, by family, lines of others than agents; and the decoys."""
    return yaml.safe_load(_CAPTURED.read_text(encoding="utf-8"))


def labelled_lines() -> dict[tuple[str, str], str]:
    """:returns: by who reads the log (empty for nobody in particular) and the line, the family in which it belongs."""
    labelled = {(path.stem, line): family for path, written in written_profiles().items()
                for family, lines in written.get("examples", {}).items() for line in lines}
    labelled.update({(name, line): family for name, families in captured_lines().items() if name != DECOYS
                     for family, lines in families.items() for line in lines})
    return labelled


def classifier(profile: AgentProfile) -> Classifier:
    return Classifier(profile.signatures, profile.logs.get("recovered", ()))


@functools.lru_cache(maxsize=None)
def classifiers() -> dict[str, Classifier]:
    """By the name of a profile or of a runtime; the empty name knows no more than what all programs say."""
    runtimes = {path.stem: Classifier(written.get("signatures", {}), ()) for path, written in written_profiles().items()
                if path.parent == RUNTIMES}
    return {"": Classifier({}, ()), **runtimes, **{name: classifier(load_profile(name)) for name in known_agents()}}


def tally() -> str:
    """How many lines are known and how many of them are told right, in words."""
    labelled, told = labelled_lines(), classifiers()
    right = sum(told[name].family(line) == family for (name, line), family in labelled.items())
    decoys = captured_lines()[DECOYS]
    taken_in = sum(any(one.family(line) for one in told.values()) for line in decoys)
    return ("%d lines of agents, their runtimes, servers and databases are known with the family in which they belong, %d families in all; "
            "%d of these lines are told right. Of %d lines that only look like a failure, %d are taken for one." % (
                len(labelled), len(set(labelled.values())), right, len(decoys), taken_in))
