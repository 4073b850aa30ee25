#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: change_firewall
short_description: Make planned changes of packet filters, each in the tool that owns the rule
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Makes what M(connectivity.doctor.plan_remediation) planned to let one flow pass. The role C(remediate) uses it, within a transaction.
  - Nothing is changed if the rules or the files are not those any more that were observed.
options:
  openings:
    description:
      - What is changed, in this order.
    type: list
    elements: dict
    required: true
    suboptions:
      where:
        description:
          - The place, for people.
        type: str
        required: true
      adds:
        description:
          - What is added there or taken away, for people; shown as the difference.
        type: str
        required: true
      commands:
        description:
          - The commands that change it, each a list of a program and its arguments.
        type: list
        elements: list
        required: true
      seen_by:
        description:
          - A command that prints O(openings[].seen) while the rules are those that were observed.
        type: list
        elements: str
        default: []
      seen:
        description:
          - A rule as it was observed.
        type: str
        default: ''
      insertion:
        description:
          - A line for a file that is loaded when the host boots.
        type: dict
        suboptions:
          path:
            description:
              - The file.
            type: path
            required: true
          sha256:
            description:
              - Its checksum as it was observed.
            type: str
            required: true
          line:
            description:
              - The number of the line, from 1, before which the new one goes.
            type: int
            required: true
          text:
            description:
              - The new line.
            type: str
            required: true
          check:
            description:
              - A command that fails where what is loaded then is wrong.
            type: list
            elements: str
            required: true
attributes:
  check_mode:
    support: full
    description: Looks whether the rules and the files are those that were observed, and changes nothing.
  diff_mode:
    support: full
    description: The rules, and the files before and after.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: linux
notes:
  - Needs root on the managed node.
  - Modules of other collections do parts of this. None of them knows the policies and direct rules of firewalld, puts a line before another
    one that is known by its number, or shows the rule as a difference.
seealso:
  - module: connectivity.doctor.transaction
"""

EXAMPLES = r"""
- name: Allow a flow before the rule that stops it, now and after a reboot
  become: true
  connectivity.doctor.change_firewall:
    openings:
      - where: nftables inet filter output
        adds: + ip daddr 192.0.2.20 tcp dport 5432 accept
        commands:
          - [nft, insert, rule, inet, filter, output, position, '7', ip, daddr, 192.0.2.20, tcp, dport, '5432', accept]
"""

RETURN = r"""
files:
  description: The files that were changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/nftables.conf]
"""

import hashlib
import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule


class _Changed(Exception):
    """The host is not as it was observed; the text says what differs."""


def _expect(module: AnsibleModule, opening: dict[str, t.Any]) -> None:
    if opening["seen_by"]:
        _status, output, _errors = module.run_command(opening["seen_by"])
        if output.split() != opening["seen"].split():
            raise _Changed("%s is not as it was observed: instead of '%s' there is '%s'" % (
                opening["where"], opening["seen"], output.strip()[:300]))


def _with_lines(insertions: list[dict[str, t.Any]]) -> tuple[str, str]:
    """:param insertions: those of one file. :returns: its text before and after."""
    path = insertions[0]["path"]
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as problem:
        raise _Changed("%s: %s" % (path, problem)) from None
    if {one["sha256"] for one in insertions} != {hashlib.sha256(content).hexdigest()}:
        raise _Changed("%s has been changed since it was observed" % path)
    before = content.decode("utf-8")
    lines = before.splitlines(keepends=True)
    # From below, so that the numbers stay right; the last one first, so that what goes before one line stays in its order.
    for one in sorted(insertions, key=lambda insertion: int(insertion["line"]))[::-1]:
        lines.insert(one["line"] - 1, one["text"] + "\n")
    return before, "".join(lines)


def _run(module: AnsibleModule, argv: list[str]) -> None:
    status, output, errors = module.run_command(argv)
    if status:
        module.fail_json(msg="%s ended with %d: %s" % (" ".join(argv), status, (errors or output).strip()[-500:]))


def _write(module: AnsibleModule, path: str, text: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode("utf-8"))
    module.atomic_move(temporary, path)


def _differences(openings: list[dict[str, t.Any]], files: dict[str, tuple[str, str]]) -> list[dict[str, str]]:
    rules = [{"prepared": "%s\n%s\n" % (opening["where"], opening["adds"])} for opening in openings]
    return rules + [{"before_header": path, "after_header": path, "before": before, "after": after}
                    for path, (before, after) in files.items()]


def main() -> None:
    insertion = {
        "path": {"type": "path", "required": True}, "sha256": {"type": "str", "required": True}, "line": {"type": "int", "required": True},
        "text": {"type": "str", "required": True}, "check": {"type": "list", "elements": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "openings": {"type": "list", "elements": "dict", "required": True, "options": {
                "where": {"type": "str", "required": True},
                "adds": {"type": "str", "required": True},
                "commands": {"type": "list", "elements": "list", "required": True},
                "seen_by": {"type": "list", "elements": "str", "default": []},
                "seen": {"type": "str", "default": ""},
                "insertion": {"type": "dict", "options": insertion},
            }},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LC_ALL": "C"}
    openings = module.params["openings"]
    insertions: dict[str, list[dict[str, t.Any]]] = {}
    for opening in openings:
        if opening["insertion"]:
            insertions.setdefault(opening["insertion"]["path"], []).append(opening["insertion"])
    try:
        for opening in openings:
            _expect(module, opening)
        files = {path: _with_lines(wanted) for path, wanted in insertions.items()}
    except _Changed as problem:
        module.fail_json(msg=str(problem))
    if not module.check_mode:
        for argv in [argv for opening in openings for argv in opening["commands"]]:
            _run(module, argv)
        for path, (_before, after) in files.items():
            _write(module, path, after)
            for argv in {tuple(wanted["check"]) for wanted in insertions[path]}:
                _run(module, list(argv))
    module.exit_json(changed=bool(openings), files=sorted(files), diff=_differences(openings, files))


if __name__ == "__main__":
    main()
