# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the declared faults can be remediated, as the planner itself says of what was recorded of them; of the others, why not."""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import Step
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault

# Each cause by its name, too: some remedies are for nobody who has not named them.
ALLOWED = ("automatic", "guarded", *sorted(CATALOGUE))
# The machine that is given where a remedy needs a name server that is right.
GIVEN = "ns1"
_NOT_SHOWN = "it is waited until it is over, or %s is needed, which is what does not work" % GIVEN
# Servers of the lab that a play can change.
SERVERS = ("apm1", "db1", "lb1", "proxy1")


class Row(t.NamedTuple):
    """What a row of the report's remediations says: which cause is removed by what, on which host."""

    host: str
    code: str
    action: str


@dataclasses.dataclass(frozen=True)
class Remediable:
    """A fault, what is done about it, and what of it nothing is done about."""

    fault: Fault
    changes: frozenset[Row]
    refused: frozenset[Row] = frozenset()


def remediable(faults: t.Iterable[Fault], recorded: t.Mapping[str, dict[str, t.Any]], approved_ca: str) -> list[Remediable]:
    """:param recorded: the recorded cases by name. :param approved_ca: certificates (PEM) that may be trusted."""
    found = []
    for fault in faults:
        steps = _steps(recorded[fault.name], approved_ca) if fault.become and fault.name in recorded else []
        changes = frozenset(_row(step) for step in steps if _is_removed(step, fault))
        if changes:
            found.append(Remediable(fault, changes, frozenset(_row(step) for step in steps if not step.change)))
    return found


def reasons(faults: t.Iterable[Fault], recorded: t.Mapping[str, dict[str, t.Any]], approved_ca: str) -> dict[str, str]:
    """By name, of each fault that has a cause and no remedy: why not, in the words of the plan."""
    told = {}
    for fault in faults:
        if fault.name in recorded and fault.expect:
            steps = _steps(recorded[fault.name], approved_ca)
            if not fault.become:
                told[fault.name] = "it is looked at as a user who may change nothing"
            elif not any(_is_removed(step, fault) for step in steps):
                why = dict.fromkeys(step.refused or _NOT_SHOWN for step in steps)
                told[fault.name] = "; ".join(why) or "no cause is found in what was recorded of it"
    return told


def _steps(case: dict[str, t.Any], approved_ca: str) -> list[Step]:
    endpoint = {**case["endpoint"], "name": case["endpoint_name"]}
    causes = infer(Case(case["host"], {key: value for key, value in endpoint.items() if key != "observations"},
                        case["endpoint"]["observations"])).causes
    report = {"hosts": {case["host"]: {"endpoints": {case["endpoint_name"]: {**endpoint, "causes": list(causes)}}}}}
    return plan(report, Policy(ALLOWED, approved_ca=approved_ca), "planned", (case["host"], *SERVERS))


def _is_removed(step: Step, fault: Fault) -> bool:
    """By what is changed: what is only waited for stays as long as it is injected, and the lab has no other name server to be given."""
    if not step.change or REMEDIES[step.action].only_looks:
        return False
    return "name_servers" not in step.change.parameters.get("needs", ()) or GIVEN not in fault.machines


def _row(step: Step) -> Row:
    return Row(step.host, step.code, step.action)
