# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What is the same in the documentation of everything that reaches no managed node. Private to the collection."""

    DOCUMENTATION = r"""
attributes:
  action:
    support: full
    description: This action runs on the controller only.
  check_mode:
    support: full
    description: It writes nothing but its result, on the controller, and modifies no managed node.
  diff_mode:
    support: none
    description: There is no change to show.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: all
"""
