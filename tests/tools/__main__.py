# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./doctor test [stage …]``, ``./doctor bench`` and ``./doctor docs``."""
from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from ansible_collections.connectivity.doctor.tests.tools import checks
from ansible_collections.connectivity.doctor.tests.tools.environments import controllers
from ansible_collections.connectivity.doctor.tests.tools.pages import write_pages
from ansible_collections.connectivity.doctor.tests.tools.running import is_root
from ansible_collections.connectivity.doctor.tests.tools.stages import STAGES, Report, Runner, Stage, counted

_MOST_FAILURES = 20


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] == "bench":
        return _bench(arguments[1:])
    if arguments and arguments[0] == "docs":
        write_pages()
        return 0
    return _test(arguments[1:])


def _bench(arguments: Sequence[str]) -> int:
    """Replaces this process by the benchmark, in an environment with what it compares with."""
    python = controllers()[-1].environment("bench.txt") / "python"
    os.execve(python, [str(python), "-m", "ansible_collections.connectivity.doctor.tests.bench", *arguments], checks.environ(python.parent))
    return 1


def _test(arguments: Sequence[str]) -> int:
    names = [stage.name for stage in STAGES]
    parser = argparse.ArgumentParser(prog="./doctor test", description="Run the tests of this repository.")
    of = f"of: {', '.join(names)} (default: all but the last)"
    parser.add_argument("stage", nargs="*", choices=[*names, []], metavar="stage", help=of)
    parser.add_argument("--list", action="store_true", help="say what each stage does")
    options = parser.parse_args(arguments)
    if options.list:
        for stage in STAGES:
            print(f"{stage.name:12} {stage.purpose}{' (as root)' if stage.needs_root else ''}")
        return 0
    wanted = [stage for stage in STAGES if (stage.name in options.stage if options.stage else not stage.by_name_only)]
    left_out = [stage for stage in wanted if stage.needs_root and not is_root()]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = Runner()
    try:
        runner.run([stage for stage in wanted if stage not in left_out])
    except KeyboardInterrupt:
        print("interrupted: what ran has been stopped", file=sys.stderr)
        return 130
    return _conclude(runner.reports, left_out)


def _conclude(reports: Sequence[Report], left_out: Sequence[Stage]) -> int:
    print(f"\n{'stage':12} {'result':7} {'seconds':>7}  passed  failed  skipped")
    for report in sorted(reports, key=lambda one: STAGES.index(one.stage)):
        passed, failed, skipped = report.counts
        result = "FAILED" if report.failed else "passed"
        print(f"{report.stage.name:12} {result:7} {report.seconds:7.0f} {passed:7} {failed:7} {skipped:8}")
    if left_out:
        names = " ".join(stage.name for stage in left_out)
        print(f"Left out, as they need root: {names}. To run them: sudo ./doctor test {names}")
    failed = [report.stage.name for report in reports if report.failed]
    if failed:
        for report in reports:
            for result in report.results:
                for line in result.failures[:_MOST_FAILURES] if result.failed else ():
                    print(f"{report.stage.name}, {result.name}: {line}")
        print(f"Not good: {', '.join(failed)} failed; what failed is shown in full above.")
    elif reports:
        print("All is well: everything that ran has passed.")
    else:
        print("Nothing ran.")
    totals = [report.counts for report in reports]
    print(counted((sum(one[0] for one in totals), sum(one[1] for one in totals), sum(one[2] for one in totals))))
    return 1 if failed or not reports else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
