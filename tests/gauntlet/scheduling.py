# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs cases side by side where none of them changes a machine that another one needs."""
from __future__ import annotations

import re
import typing as t
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, described

# More than processors, as a case mostly waits for what does not answer.
_WORKERS = 4
# What every case needs: the way to the servers, and their names.
_NEEDED_BY_ALL = frozenset(("router", "ns1"))
# What stands behind these, so that a case that goes through them needs it too.
_BEHIND = {"lb1": ("apm1", "db1"), "proxy1": ("apm1",)}
_PARENT = "apm1"
# What these change, or measure, is shared by all machines: the kernel, the processors, the time that packets take.
_ALONE_LAYERS = ("host", "network", "clock")
_ALONE_NAMES = ("load", "loss", "latency", "bandwidth", "far-away", "flood")
_MACHINE = re.compile(r"\b(\w+)\.lab\.example")

Result = t.TypeVar("Result")


class Needs(t.NamedTuple):
    """The machines that a case looks at or goes through, and those that it changes. ``alone``: it runs beside no other."""

    used: frozenset[str]
    changed: frozenset[str]
    alone: bool

    def disturbs(self, other: Needs) -> bool:
        """Whether the two can't run side by side."""
        return bool(self.alone or other.alone or self.changed & (other.used | other.changed) or other.changed & self.used)


def needs(fault: Fault) -> Needs:
    endpoint = described(fault)
    named = set(_MACHINE.findall(" ".join(str(endpoint.get(key, "")) for key in ("url", "proxy", "members"))))
    served = {name for name in (*named, endpoint.get("server", "")) if name}
    behind = {name for machine in served for name in _BEHIND.get(machine, ())}
    changed = frozenset(fault.machines)
    if changed:  # the clients are waited for until they stream to their parent again
        behind.add(_PARENT)
    alone = fault.layer in _ALONE_LAYERS or any(word in fault.name for word in _ALONE_NAMES)
    return Needs(frozenset({fault.host, *fault.beside, *served, *behind} | _NEEDED_BY_ALL), changed, alone)


def run_all(faults: t.Iterable[Fault], run: t.Callable[[Fault], Result]) -> dict[str, Future[Result]]:
    """:returns: by the name of the case, its future, which has ended. Cases that run alone come last."""
    waiting = sorted(faults, key=lambda fault: needs(fault).alone)
    active: dict[Future[Result], Needs] = {}
    ended: dict[str, Future[Result]] = {}
    with ThreadPoolExecutor(_WORKERS) as pool:
        while waiting or active:
            for fault in list(waiting):
                wanted = needs(fault)
                if len(active) < _WORKERS and not any(wanted.disturbs(other) for other in active.values()):
                    future = ended[fault.name] = pool.submit(run, fault)
                    active[future] = wanted
                    waiting.remove(fault)
            done, _running = wait(active, return_when=FIRST_COMPLETED)
            for future in done:
                del active[future]
    return ended
