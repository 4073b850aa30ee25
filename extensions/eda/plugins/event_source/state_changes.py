# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of state, as events for ansible-rulebook: the door. What is behind it is in plugins/plugin_utils."""
from __future__ import annotations

import asyncio
import pathlib
import runpy
import time
from collections.abc import Callable
from typing import Any

DOCUMENTATION = r"""
---
module: state_changes
short_description: Tell when endpoints break, heal or change, from reports and states of monitors
description:
  - Watches files that C(connectivity.doctor.diagnose), C(remediate) and C(monitor) write, and sends an event for every change of what
    a host sees of an endpoint.
  - An endpoint that is ill when it is first seen is told as broken; one that is healthy then is not told.
  - A host that a later file does not have is not told as healed; nothing is known about it.
options:
  reports:
    description: Patterns of paths of reports (C(report.json)) on the machine of ansible-rulebook. What they say of any host is believed.
    type: list
    elements: str
    default: []
  monitors:
    description:
      - Patterns of paths of the states of monitors (C(state.json)) on the same machine, in which C({host}) stands for the host's name.
      - A host wrote its state itself; so it is believed of this host only.
    type: list
    elements: str
    default: []
  interval_s:
    description: Seconds between two looks at the files.
    type: float
    default: 5
  repeat_s:
    description: Seconds after which an endpoint that is ill still, in a newer file, is told again.
    type: float
    default: 1800
  flaps:
    description: An endpoint that changes more often than this within O(flap_window_s) is told once as flapping, then when it has calmed.
    type: int
    default: 4
  flap_window_s:
    description: Seconds that count for O(flaps).
    type: float
    default: 900
  most_hosts:
    description: Where one look finds changes on more hosts than this, one event without a host tells of all of them.
    type: int
    default: 50
"""

EXAMPLES = r"""
- connectivity.doctor.state_changes:
    reports:
      - /var/lib/connectivity/report.json
      - /var/lib/connectivity/remediation/*/report.json
    monitors:
      - /var/lib/connectivity/monitors/{host}/state.json
    interval_s: 10
"""

# ansible-rulebook runs this file by its path, outside of Ansible, where no collection can be imported: so are these.
_UTILS = pathlib.Path(__file__).parents[4] / "plugins" / "plugin_utils"
_FILES = runpy.run_path(str(_UTILS / "_state_files.py"))
_CHANGES = runpy.run_path(str(_UTILS / "_state_changes.py"))
_KINDS: tuple[str, ...] = tuple(_FILES["KINDS"])


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Sends events until it is cancelled.

    :param args: the options above. :raises ValueError: an option is wrong.
    """
    options = _options(args)
    files = _FILES["Files"]({name: options[name] for name in _KINDS})
    tracker = _CHANGES["Tracker"](options["repeat_s"], options["flaps"], options["flap_window_s"])
    while True:
        # In a thread, as reading the report of thousands of hosts takes a while.
        found = await asyncio.to_thread(files.changed, time.time())
        for event in _CHANGES["bounded"]([event for seen in found if (event := tracker.tell(seen))], options["most_hosts"]):
            await queue.put(event)
        await asyncio.sleep(options["interval_s"])


_NUMBERS: dict[str, tuple[Callable[[Any], float], float]] = {
    "interval_s": (float, 5), "repeat_s": (float, 1800), "flaps": (int, 4), "flap_window_s": (float, 900), "most_hosts": (int, 50),
}


def _options(args: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(args) - {*_NUMBERS, *_KINDS, "eda_feedback_queue"})
    if unknown:
        raise ValueError("state_changes has no option %s" % unknown[0])
    options: dict[str, Any] = {name: convert(args.get(name, default)) for name, (convert, default) in _NUMBERS.items()}
    if min(options.values()) <= 0:
        raise ValueError("state_changes: its numbers must be above 0")
    options.update({name: args.get(name) or [] for name in _KINDS})
    if not any(options[name] for name in _KINDS) or not all(isinstance(options[name], list) for name in _KINDS):
        raise ValueError("state_changes: reports, monitors or both must be lists of patterns")
    if not all(pattern.count(_FILES["HOST"]) == 1 for pattern in options["monitors"]):
        raise ValueError("state_changes: a pattern of monitors has {host} once")
    return options
