# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults as they are declared in ``faults/<layer>.yml``, and the endpoints that they break."""
from __future__ import annotations

import dataclasses
import functools
import pathlib
import typing as t

import yaml

_FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Fault:
    """One case of the gauntlet.

    ``host`` looks at ``endpoint`` (a name of ``endpoints.yml``, changed by ``change``), and so do the hosts ``beside`` it. ``inject``
    and ``heal`` are shell scripts by machine, run in their order; a machine whose turn comes twice has a word behind its name then
    (``ns1 again``). ``certificate`` is what to serve instead, by machine (before the others are changed; after the machine itself is),
    and ``trust`` how the root is dated that it trusts. ``expect``
    are the causes that must be found, none for a control, and whatever else is found costs precision. ``why`` says what makes it hard.
    Without ``become`` the hosts are looked at as a user who may do nothing.
    """

    name: str
    layer: str
    fault: str
    host: str
    endpoint: str
    expect: tuple[str, ...] = ()
    why: str = ""
    beside: tuple[str, ...] = ()
    become: bool = True
    change: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    inject: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    heal: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    certificate: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    trust: t.Mapping[str, t.Mapping[str, float]] = dataclasses.field(default_factory=dict)

    @property
    def is_control(self) -> bool:
        return not self.expect

    @property
    def machines(self) -> list[str]:
        """The machines that are changed."""
        return sorted({*map(machine_of, self.inject), *self.certificate, *self.trust})


def machine_of(turn: str) -> str:
    return turn.split()[0]


def load_faults() -> list[Fault]:
    """All declarations, the layers in the order of their files' names."""
    faults = []
    for path in sorted((_FOLDER / "faults").glob("*.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            faults.append(Fault(**{"layer": path.stem, **entry, "expect": tuple(entry.get("expect", ())),
                                   "beside": tuple(entry.get("beside", ()))}))
    names = [fault.name for fault in faults]
    if len(set(names)) != len(names):
        raise ValueError("two faults have one name: %s" % sorted(name for name in names if names.count(name) > 1))
    return faults


def described(fault: Fault) -> dict[str, t.Any]:
    """The fault's endpoint as ``connectivity_endpoints`` has it: that of the lab, with what the fault changes, without what it empties."""
    return {key: value for key, value in {**load_endpoints()[fault.endpoint], **fault.change}.items() if value != ""}


@functools.cache
def load_endpoints() -> dict[str, dict[str, t.Any]]:
    """The lab's endpoints by name, as ``connectivity_endpoints`` has them."""
    entries = yaml.safe_load((_FOLDER / "endpoints.yml").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in entries}
