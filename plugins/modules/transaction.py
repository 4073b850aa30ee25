#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: transaction
short_description: Change a host so that it puts itself back unless the change is confirmed
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Begin a transaction, change the host with any modules, look whether it helped, then confirm it or roll it back.
  - Until it is confirmed, a timer of the managed node puts everything back by itself. So a change that cuts the controller off, and a
    play that is killed in between, leave the host as it was.
  - What was confirmed can still be rolled back later, by its name.
options:
  state:
    description:
      - V(begun) keeps what is there and starts the timer. V(committed) confirms the change. V(rolled_back) puts everything back, also
        after it was confirmed. V(settled) tells how it ended, and puts it back if it is open and its timer got lost.
        V(known) tells of all transactions of this host and changes nothing.
    type: str
    required: true
    choices: [begun, committed, rolled_back, settled, known]
  name:
    description:
      - The transaction's name; needed for every state but V(known).
    type: str
  about:
    description:
      - What is changed and why. C(summary) is shown to others who want to change the host meanwhile; C(key) tells the same change again.
    type: dict
    default: {}
  files:
    description:
      - Files that may be changed, created or deleted. Each is put back to the byte, with owner, mode and extended attributes.
    type: list
    elements: path
    default: []
  units:
    description:
      - systemd units that may be started, stopped, enabled or disabled.
    type: list
    elements: str
    default: []
  commands:
    description:
      - Commands that undo the rest, each a list of a program and its arguments. They run first.
    type: list
    elements: list
    default: []
  mark:
    description:
      - The comment of nftables rules that are to be deleted.
    type: str
    default: ''
  reloads:
    description:
      - Commands with which programs read again the files that were put back, each a list of a program and its arguments. They run last, and
        only where a file was put back.
    type: list
    elements: list
    default: []
  deadline:
    description:
      - Seconds after which the host puts itself back.
    type: int
    default: 120
  cooldown:
    description:
      - Seconds within which a change with the same C(key) that did not help is not tried again.
    type: int
    default: 3600
attributes:
  check_mode:
    support: full
    description: Nothing is begun, and nothing put back.
  diff_mode:
    support: none
    description: The modules between show their own.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: linux
notes:
  - Needs root on the managed node. What is kept is below C(/var/lib/connectivity-doctor), readable by root only.
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: Change a configuration file so that a mistake mends itself
  become: true
  block:
    - name: Begin
      connectivity.doctor.transaction:
        state: begun
        name: larger-timeout
        files: [/etc/myagent/agent.conf]
        units: [myagent.service]

    - name: Change it
      ansible.builtin.lineinfile:
        path: /etc/myagent/agent.conf
        regexp: '^timeout='
        line: timeout=30
        mode: '0644'

    - name: Confirm
      connectivity.doctor.transaction:
        state: committed
        name: larger-timeout
"""

RETURN = r"""
refused:
  description: Why the transaction was not begun, or empty.
  returned: when O(state=begun)
  type: str
  sample: ''
folder:
  description: Where what was before is kept, readable by root only; empty where it was not begun.
  returned: when O(state=begun)
  type: str
  sample: /var/lib/connectivity-doctor/transactions/larger-timeout
left_behind:
  description:
    - Transactions that earlier runs did not end, since the last one that was ended.
    - Those that are V(reverted_itself) this host has put back by itself; what was V(open) had its timer lost, and was put back now.
  returned: when O(state=begun)
  type: list
  elements: dict
  sample: []
ended_as:
  description: V(committed), V(rolled_back), V(reverted_itself), V(open), or empty where it was never begun.
  returned: when O(state=settled)
  type: str
  sample: reverted_itself
problems:
  description: What could not be put back.
  returned: when O(state=rolled_back)
  type: list
  elements: str
  sample: []
transactions:
  description: All transactions of this host, the oldest first.
  returned: when O(state=known)
  type: list
  elements: dict
  sample: [{"name": "larger-timeout", "state": "committed", "began_at": 1767225600.0, "deadline_at": 1767225720.0, "about": {}}]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.connectivity.doctor.plugins.module_utils._transaction import TransactionError, Transactions, Undo


def _begun(module: AnsibleModule, transactions: Transactions) -> dict[str, t.Any]:
    given = module.params
    if module.check_mode:
        return {"changed": False, "left_behind": [], "refused": "", "folder": ""}
    undo = Undo(given["files"], given["units"], given["commands"], given["mark"], given["reloads"])
    begun = transactions.begin(given["name"], given["about"], undo, given["deadline"], given["cooldown"])
    return {"changed": any(one["state"] == "open" for one in begun["left_behind"]), **begun}


def _committed(module: AnsibleModule, transactions: Transactions) -> dict[str, t.Any]:
    if not module.check_mode:
        transactions.commit(module.params["name"])
    return {"changed": False}


def _rolled_back(module: AnsibleModule, transactions: Transactions) -> dict[str, t.Any]:
    was_rolled_back = transactions.state(module.params["name"]) in ("rolled_back", "reverted_itself")
    problems = [] if module.check_mode else transactions.roll_back(module.params["name"])
    return {"changed": not was_rolled_back, "problems": problems}


def _settled(module: AnsibleModule, transactions: Transactions) -> dict[str, t.Any]:
    state = transactions.state(module.params["name"])
    ended_as = state if module.check_mode else transactions.settle(module.params["name"])
    return {"changed": ended_as != state, "ended_as": ended_as}


def _known(module: AnsibleModule, transactions: Transactions) -> dict[str, t.Any]:
    del module
    return {"changed": False, "transactions": transactions.known()}


_STATES = {"begun": _begun, "committed": _committed, "rolled_back": _rolled_back, "settled": _settled, "known": _known}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "required": True, "choices": list(_STATES)},
            "name": {"type": "str"},
            "about": {"type": "dict", "default": {}},
            "files": {"type": "list", "elements": "path", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "commands": {"type": "list", "elements": "list", "default": []},
            "mark": {"type": "str", "default": ""},
            "reloads": {"type": "list", "elements": "list", "default": []},
            "deadline": {"type": "int", "default": 120},
            "cooldown": {"type": "int", "default": 3600},
        },
        required_if=[("state", state, ("name",)) for state in ("begun", "committed", "rolled_back", "settled")],
        supports_check_mode=True,
    )
    try:
        result = _STATES[module.params["state"]](module, Transactions())
    except TransactionError as problem:
        module.fail_json(msg=str(problem))
    except OSError as problem:
        module.fail_json(msg="what is kept of this host can't be read or written: %s" % problem)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
