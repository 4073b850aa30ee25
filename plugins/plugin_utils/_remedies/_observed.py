# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a remedy reads beside the proof: observations that the host made of itself, and that no cause had to cite.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy, Trouble


def own(trouble: Trouble, check: str) -> list[Observation]:
    """Those of a check that the host made as a client, the first look's first."""
    return [one for one in trouble.endpoint["observations"] if one["check"] == check and one.get("side", "client") == "client"]


def fact(data: t.Mapping[str, t.Any], name: str) -> t.Any:
    """:raises NoRemedy: the observation does not have it, as that of an older release."""
    if name not in data:
        raise NoRemedy("%s was not looked at, so that it is not known what to change" % name)
    return data[name]
