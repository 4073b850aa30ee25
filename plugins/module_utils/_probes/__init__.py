# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes, one file each. A probe is a file here with ``ARGUMENTS`` and ``run(parameters, context) -> Outcome``.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import importlib
import types
import typing as t


class Outcome(t.NamedTuple):
    """What the steps after this one need to know.

    ``passed``: they can go on. ``outputs``: facts for them, for example the addresses of a name.
    """

    passed: bool
    outputs: t.Mapping[str, t.Any] = types.MappingProxyType({})


def load(name: str) -> t.Any:
    """The probe's file, imported only when a plan asks for it: unused probes cost the managed node nothing.

    :raises ModuleNotFoundError: there is no such probe.
    """
    return importlib.import_module("%s.%s" % (__name__, name))
