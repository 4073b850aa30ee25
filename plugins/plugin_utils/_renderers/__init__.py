# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of the report beside ``report.json``: each a pure function from the report to the text of one file.

To add one, write its file here and name it in :data:`RENDERERS`. A renderer knows the report's schema, and no probe.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._html import render_html
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._junit import render_junit
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._markdown import render_markdown
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._nagios import render_nagios
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._prometheus import render_prometheus

# By the name of the file. Every text can be encoded as UTF-8, whatever was observed.
RENDERERS: t.Mapping[str, t.Callable[[t.Mapping[str, t.Any]], str]] = {
    "report.html": render_html,
    "report.md": render_markdown,
    "junit.xml": render_junit,
    "metrics.prom": render_prometheus,
    "nagios.txt": render_nagios,
}
