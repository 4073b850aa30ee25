# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What is the same in the documentation of every probe. Private to the collection."""

    DOCUMENTATION = r"""
options:
  deadline:
    description:
      - Seconds after which the probe ends, whatever the peer does. What was seen until then is returned.
    type: float
    default: 20.0
attributes:
  check_mode:
    support: full
    description: This action does not modify state.
  diff_mode:
    support: none
    description: There is no change to show.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: linux
notes:
  - A probe that finds trouble is a successful task. It fails only when it could not be run.
  - Needs Python 3.8 or newer on the managed node, and nothing but its standard library unless said otherwise.
"""
