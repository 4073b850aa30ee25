# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation page of a cause, from its one place in the catalogue.

``./doctor docs`` writes them to ``docs/causes``; a unit test holds the written pages against the catalogue.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE

_HEADER = """<!--
Copyright (c) 2026 the connectivity.doctor contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
Generated from the catalogue of causes by `./doctor docs`; do not edit.
-->
"""
_PLACES = {
    "client": "on the host that connects", "server": "at the endpoint", "path": "between the host and the endpoint",
    "observer": "on the host that the evidence names",
}
_CLASSES = {
    AUTOMATIC: "safe to do without asking",
    GUARDED: "safe with a policy that allows it",
    ESCALATE: "for the person who owns that part",
}


def render_page(cause: Cause) -> str:
    """:returns: the page as Markdown."""
    lines = [
        _HEADER,
        "# %s" % cause.code,
        "",
        cause.meaning,
        "",
        "| | |",
        "|---|---|",
        "| where | %s |" % _PLACES[cause.place],
        "| component | %s |" % cause.component,
        "| said as | %s |" % _as_prose(cause.summary),
        "| what to do | %s |" % _as_prose(cause.advice),
        "| action | `%s`, %s |" % (cause.remediation.action, _CLASSES[cause.remediation.kind]),
    ]
    if cause.look_alikes:
        lines += ["", "## What looks like it", ""]
        lines += ["* %s" % _look_alike(code) for code in cause.look_alikes]
    if cause.decide_by:
        lines += ["", "Where the evidence does not tell them apart, what would decide is %s." % cause.decide_by]
    return "\n".join(lines) + "\n"


def render_index() -> str:
    """:returns: the list of all causes by layer, as Markdown."""
    lines = [_HEADER, "# Causes", "", "%d causes, each with what shows it and what looks like it." % len(CATALOGUE)]
    layer = ""
    for cause in sorted(CATALOGUE.values(), key=lambda one: one.code):
        if cause.layer != layer:
            layer = cause.layer
            lines += ["", "## %s" % layer, ""]
        lines.append("* [%s](%s.md): %s" % (cause.code, cause.code, cause.meaning))
    return "\n".join(lines) + "\n"


def _look_alike(code: str) -> str:
    like = CATALOGUE.get(code)
    return "[%s](%s.md): %s" % (code, code, like.meaning) if like else "`%s`" % code


def _as_prose(template: str) -> str:
    """Facts that only a case has are shown as their names."""
    return re.sub(r"\{(\w+)\}", r"*\1*", template).replace("|", "\\|")
