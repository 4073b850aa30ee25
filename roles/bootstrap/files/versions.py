# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the modules named as arguments this interpreter can really import; "missing" for others. Python 3.8, standard library."""
from __future__ import annotations

import importlib
import sys


def version(name: str) -> str:
    """:returns: the version of a module as it says itself; an import can fail in many ways (psycopg without libpq: ImportError)."""
    try:
        module = importlib.import_module(name)
    except Exception:
        return "missing"
    return str(getattr(module, "__version__", "there"))


if __name__ == "__main__":
    sys.stdout.write(", ".join("%s %s" % (name, version(name)) for name in sys.argv[1:]))
