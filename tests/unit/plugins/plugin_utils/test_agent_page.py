# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The written pages of the agents are those of the catalogue, and hide no doubt."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_page import render_index, render_page
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import known_agents, load_profile
from ansible_collections.connectivity.doctor.tests.tools.pages import AGENTS_FOLDER, agent_pages

PAGES = agent_pages()


def test_written_pages_are_those_of_the_catalogue() -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in AGENTS_FOLDER.glob("*.md")}
    assert written == PAGES, "run ./doctor docs"


@pytest.mark.parametrize("name", known_agents())
def test_a_page_tells_each_doubt_and_each_source(name: str) -> None:
    profile, page = load_profile(name), PAGES[name + ".md"]
    for group, doubt in profile.doubts.items():
        if any(getattr(profile, key) for key in _agent_shape.GROUPS[group]):
            assert "Not verified: %s." % doubt in page
    for line in [line for lines in profile.examples.values() for line in lines]:
        assert line.replace("|", "\\|") in page


def test_the_shape_is_documented_key_by_key() -> None:
    page = render_index()
    for keys in (_agent_shape.PROFILE, _agent_shape.FILE, _agent_shape.CREDENTIAL, _agent_shape.VALIDATE, _agent_shape.FATES):
        assert all("| `%s` | %s |" % (key, told.means.replace("|", "\\|")) in page for key, told in keys.items())


def test_a_profile_without_sources_is_all_in_doubt() -> None:
    page = render_page(load_profile({"name": "mine", "unit": "mine", "examples": {"refused": "a|b `c`"}}))
    assert "# mine\n" in page and "Not verified: all of it." in page and "`` a\\|b `c` ``" in page
