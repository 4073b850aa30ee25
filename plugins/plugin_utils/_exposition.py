# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' text exposition format 0.0.4: from a table of metrics, and what they are read from, to a text.

Labels are bounded: hosts and endpoints by the inventory, states and causes by the catalogue; nothing that a peer says gets into one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

Labels = t.Dict[str, str]
Sample = t.Tuple[Labels, float]


class Metric(t.NamedTuple):
    """``samples``: of what is rendered; no two of them have the same labels. ``kind``: ``gauge`` or ``counter``."""

    name: str
    help: str
    samples: t.Callable[[t.Any], t.Iterable[Sample]]
    kind: str = "gauge"


def exposed(prefix: str, metrics: t.Iterable[Metric], subject: t.Any) -> str:
    """:param prefix: of all names. A metric that has no samples is left out."""
    lines: list[str] = []
    for metric in metrics:
        name = prefix + metric.name
        samples = [_line(name, labels, value) for labels, value in metric.samples(subject)]
        if samples:
            lines += ["# HELP %s %s" % (name, metric.help), "# TYPE %s %s" % (name, metric.kind), *samples]
    return "\n".join([*lines, ""])


def _line(name: str, labels: Labels, value: float) -> str:
    listed = ",".join('%s="%s"' % (label, _escaped(text)) for label, text in labels.items())
    return "%s%s %.17g" % (name, "{%s}" % listed if listed else "", value)


def _escaped(text: str) -> str:
    """A label's value may hold any UTF-8 character, of which three are escaped. What is no UTF-8, and what a reader of lines could take for
    the end of one, is spelt out.
    """
    spelt = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\r", "\\r")
    return spelt.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
