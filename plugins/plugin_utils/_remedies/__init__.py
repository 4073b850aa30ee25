# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All remedies by the action that a cause names. One file a remedy, which is found here by itself; the tasks of each are in the role
``remediate``, under the same name.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import importlib
import pkgutil

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Remedy

_MODULES = (importlib.import_module("%s.%s" % (__name__, found.name)) for found in pkgutil.iter_modules(__path__) if found.name[0] != "_")
REMEDIES: dict[str, Remedy] = {module.REMEDY.action: module.REMEDY for module in _MODULES}
