# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs iperf3(1) against an iperf3 server, bounded in bytes and in time, and reads what it says.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._transfer import Transfer, failed

_OUTPUT_BYTES = 1048576
_CONNECT_MS = 3000
_INTERVAL_S = 0.5
_FEW_STEPS = 3


def run_iperf3(context: Context, address: str, port: int, upload: bool, most_bytes: int, seconds: float) -> Transfer:
    """It ends after so many bytes; after so many seconds it is interrupted, and tells how far it came.

    An interrupted upload is counted by the sender, so what its buffer took up is in the rate: it is an upper bound.

    ``error``: ``not_found``, ``iperf3`` (it could not connect, or the server was busy), ``bad_output``.
    """
    argv = ["timeout", "-s", "INT", "-k", "2", "%.1f" % seconds, "iperf3", "-c", address, "-p", str(port), "-J", "-n", str(most_bytes),
            "-i", str(_INTERVAL_S), "--connect-timeout", str(_CONNECT_MS)]
    answer = context.command(argv if upload else [*argv, "-R"], seconds=seconds + 4, limit=_OUTPUT_BYTES)
    if answer.exit_code == 127 or answer.problem == "not_found":
        return failed("not_found")
    return read_report(answer.output, most_bytes)


def read_report(output: str, most_bytes: int) -> Transfer:
    """:param output: iperf3's JSON. What this side counted in its intervals is taken, as it is there also after an interrupt."""
    try:
        report = json.loads(output)
        intervals = [(float(one["sum"]["end"]), int(one["sum"]["bytes"])) for one in report.get("intervals", ())]
        ends = report.get("end") or {}
        retransmits = (ends.get("sum_sent") or {}).get("retransmits")
        retransmits = int(retransmits) if retransmits is not None else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return failed("bad_output")
    steps: list[tuple[float, int]] = [(0.0, 0)]
    for end, size in intervals:
        steps.append((end, steps[-1][1] + size))
    total = steps[-1][1]
    if total <= 0:
        return failed("iperf3")
    if len(steps) > _FEW_STEPS:
        del steps[0]  # at first a sender only fills its own buffer: what it wrote then is not what went over
    limited_by = "bytes" if total >= most_bytes else "seconds"
    return Transfer("", total, steps[-1][0], limited_by, 0.0, None, steps, None, retransmits, None, None)
