# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./doctor docs``: the pages that are generated from the catalogues of causes and of agents."""
from __future__ import annotations

import json
import pathlib

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_page, _agent_schema, _cause_page
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import known_agents, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.tests.gauntlet import shown
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_faults
from ansible_collections.connectivity.doctor.tests.support import labelled_lines

_DOCS = pathlib.Path(__file__).parents[2] / "docs"
FOLDER = _DOCS / "causes"
AGENTS_FOLDER = _DOCS / "agents"
PROFILE_SCHEMA = _DOCS / "agent-profile.schema.json"


def pages() -> dict[str, str]:
    """The pages of all causes by their file names."""
    return {"README.md": _cause_page.render_index(), **{code + ".md": _cause_page.render_page(cause) for code, cause in CATALOGUE.items()}}


def agent_pages() -> dict[str, str]:
    """The pages of all agents by their file names."""
    profiles = [load_profile(name) for name in known_agents()]
    index = _agent_page.render_index(profiles, labelled_lines.tally())
    told = {profile.name + ".md": _agent_page.render_page(profile) for profile in profiles}
    return {"README.md": index, "faults.md": shown.page(load_faults()), **told}


def profile_schema() -> str:
    """The JSON Schema of a profile, as it is published."""
    return json.dumps(_agent_schema.profile_schema(), indent=2) + "\n"


def write_pages() -> None:
    """Write all pages, and remove those of causes and agents that are gone."""
    PROFILE_SCHEMA.write_text(profile_schema(), encoding="utf-8")
    for folder, texts in ((FOLDER, pages()), (AGENTS_FOLDER, agent_pages())):
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.md"):
            path.unlink()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
