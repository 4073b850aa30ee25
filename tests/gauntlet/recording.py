# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was observed of each fault, kept as a file, so that the same case replays in milliseconds and without root."""
from __future__ import annotations

import functools
import json
import pathlib
import typing as t

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault

FOLDER = pathlib.Path(__file__).parent / "recorded"


def record(fault: Fault, endpoint: t.Mapping[str, t.Any]) -> None:
    """Keep the endpoint's row of the report: its observations, and what was said of it then."""
    FOLDER.mkdir(exist_ok=True)
    kept = {"name": fault.name, "layer": fault.layer, "host": fault.host, "expect": list(fault.expect), "endpoint_name": fault.endpoint,
            "endpoint": {key: value for key, value in endpoint.items() if key != "causes"}}
    (FOLDER / (fault.name + ".json")).write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def recorded() -> t.Sequence[dict[str, t.Any]]:
    """All recorded cases, read once. They are many and large: who wants to change one copies it."""
    return _all(FOLDER)


@functools.cache
def _all(folder: pathlib.Path) -> t.Sequence[dict[str, t.Any]]:
    return tuple(one(path.stem) for path in sorted(folder.glob("*.json")))


def one(name: str) -> dict[str, t.Any]:
    """The recorded case of this name."""
    kept: dict[str, t.Any] = json.loads((FOLDER / (name + ".json")).read_text(encoding="utf-8"))
    return kept
