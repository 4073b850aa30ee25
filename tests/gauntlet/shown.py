# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which faults are shown with which real agent, as the declarations say: the cases of the gauntlet in which one of the catalogue runs."""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import load_profile
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, described

# The kinds of faults that each agent can meet, and by which causes a case is one; a layer stands for all of its causes.
KINDS: t.Mapping[str, tuple[str, ...]] = {
    "wrong key": ("credential",),
    "wrong host": ("agent.wrong_host",),
    "wrong port": ("agent.wrong_port",),
    "server stopped": ("server.not_running",),
    "TLS": ("tls", "agent.wrong_scheme"),
    "DNS": ("dns",),
    "proxy": ("proxy",),
    "server refuses or is ill": ("server",),
    "other": ("agent", "firewall", "host", "network", "balancer", "clock"),
}
# A setting of the agent's own is what is told; what is wrong with it is what was injected.
_BY_FAULT = {"F136": "proxy"}
_IMPOSSIBLE = "it crosses none"


def agent_of(fault: Fault) -> str:
    """The name of the catalogue's profile; empty where there is no agent, or one that a user described."""
    agent = described(fault).get("agent") or ""
    name = agent.get("inherits", "") if isinstance(agent, dict) else agent
    return name if isinstance(name, str) and name != "auto" else ""


def kind_of(fault: Fault) -> str:
    """The first kind that has its (first) cause; empty for none."""
    code = fault.expect[0]
    wanted = (code, code.partition(".")[0])
    return _BY_FAULT.get(fault.fault) or next((kind for kind, told in KINDS.items() if set(wanted) & set(told)), "")


def shown(faults: t.Iterable[Fault]) -> dict[str, dict[str, list[str]]]:
    """By agent and kind, the causes that are told; of a kind that an agent can't meet, why not. Only agents that are shown with any."""
    table: dict[str, dict[str, list[str]]] = {}
    for fault in faults:
        agent = agent_of(fault)
        if agent and fault.expect and kind_of(fault):
            cell = table.setdefault(agent, {kind: [] for kind in KINDS})[kind_of(fault)]
            cell += [code for code in fault.expect if code not in cell]
    for agent, row in table.items():
        if not row["proxy"] and load_profile(agent).proxy.get("supported") is False:
            row["proxy"] = [_IMPOSSIBLE]
    return {agent: {kind: sorted(told) for kind, told in row.items()} for agent, row in sorted(table.items())}


_OPENING = """<!--
Copyright (c) 2026 the connectivity.doctor contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
Generated from the gauntlet's declarations by `./doctor docs`; do not edit.
-->

# Faults shown with real agents

Each of these was injected into the lab while the agent itself ran there, against its own server or a small one that answers as such
servers do. What stands in a cell are the causes that were told, and no others; nothing was shown where it is empty. Each case is
declared in `tests/gauntlet/faults/`, and recorded; the lines of its log in which the agent complains are cited with the cause.
"""


def page(faults: t.Iterable[Fault]) -> str:
    """For the documentation of the agents."""
    lines = [_OPENING, "| agent | %s |" % " | ".join(KINDS), "|---|%s" % ("---|" * len(KINDS))]
    for agent, row in shown(faults).items():
        lines.append("| [%s](%s.md) | %s |" % (agent, agent, " | ".join(_cell(row[kind]) for kind in KINDS)))
    return "\n".join(lines) + "\n"


def _cell(told: t.Sequence[str]) -> str:
    return "<br>".join(code if code == _IMPOSSIBLE else "[%s](../causes/%s.md)" % (code, code) for code in told)
