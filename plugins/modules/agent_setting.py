#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: agent_setting
short_description: Change one setting in a configuration file, and nothing else of it
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Changes the value of one key in a file of any of the usual formats, in the way in which that value is written there. Comments, order,
    quotes and everything else of the file stay to the byte, as do its owner, mode and extended attributes.
  - The new file is read again before it is used. It must say what the old one said, but for that one value; otherwise nothing is changed.
  - A key that is missing gets a line beside its neighbours.
options:
  path:
    description:
      - The file. It must exist.
    type: path
    required: true
  format:
    description:
      - How it is written. Of V(raw) the first line is the value.
    type: str
    required: true
    choices: [yaml, toml, json, env, ini, key_value, properties, collectd, xml, raw]
  key:
    description:
      - The dotted way to the value, as in C(stream.destination). Items of lists have numbers.
    type: str
    default: ''
  value:
    description:
      - The new value.
    type: str
  credential:
    description:
      - The new value, which is secret. No output, diff or log shows it, nor the one before it.
    type: str
  header:
    description:
      - The value is one header field or several, and the O(credential) belongs into the one of this name. What stands before it there, as
        C(Bearer), stays.
    type: str
    default: ''
  parameter:
    description:
      - The value is a url, and O(value) is that of this parameter in its query. All else of the url stays.
    type: str
    default: ''
  destination:
    description:
      - What of the value is changed, where that is one or several places that an agent sends to.
    type: dict
    suboptions:
      host:
        description: The new host.
        type: str
        default: ''
      port:
        description: The new port.
        type: int
        default: 0
      scheme:
        description: A scheme with TLS, or one without; of the old one's protocol.
        type: str
        default: ''
      path:
        description: The new path.
        type: str
      now_host:
        description: The host that it has now. Tells which one is meant, where there are several.
        type: str
        default: ''
      now_port:
        description: The port that it has now.
        type: int
        default: 0
  stray_line:
    description:
      - Take out a byte order mark and carriage returns where they do harm, and what nobody sees in the value of this line. V(0) is no line.
    type: int
  check:
    description:
      - A command that succeeds if the agent can use the file, and its arguments. C({file}) stands for a copy of the new file.
      - Its refusal counts where it takes the file as it was.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Tells whether the file would change.
  diff_mode:
    support: full
    description: Shows the lines that change, with secrets masked.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: posix
seealso:
  - module: connectivity.doctor.probe_agent_config
  - module: connectivity.doctor.transaction
"""

EXAMPLES = r"""
- name: Send to the other port
  connectivity.doctor.agent_setting:
    path: /etc/netdata/stream.conf
    format: ini
    key: stream.destination
    destination:
      port: 19999

- name: Deploy the credential
  connectivity.doctor.agent_setting:
    path: /etc/datadog-agent/datadog.yaml
    format: yaml
    key: api_key
    credential: "{{ vault_api_key }}"
"""

RETURN = r"""
line:
  description: The first line that was changed, counted from 1; 0 where nothing was.
  returned: success
  type: int
  sample: 3
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.connectivity.doctor.plugins.module_utils._command import run_bounded
from ansible_collections.connectivity.doctor.plugins.module_utils._config.destination import CannotCorrect, Parts, corrected
from ansible_collections.connectivity.doctor.plugins.module_utils._config.edit import (
    FORMATS,
    RAW,
    CannotEdit,
    value_of,
    with_value,
    without_stray,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.headers import with_credential
from ansible_collections.connectivity.doctor.plugins.module_utils._config.query import with_parameter
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import read_text
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import MASK, redact, redact_setting
from ansible_collections.connectivity.doctor.plugins.module_utils._transaction_revert import describe, replace

_CHECK_S = 30.0
_OUTPUT = 65536


def _new_text(text: str, given: t.Mapping[str, t.Any]) -> str:
    """:raises CannotEdit: :raises CannotCorrect: with what is in the way."""
    place = (text, given["format"], given["key"])
    if given["credential"] is not None:
        return with_value(*place, _shown_with(given, value_of(*place) or ""), is_text=True)
    if given["parameter"]:
        return with_value(*place, with_parameter(value_of(*place) or "", given["parameter"], given["value"] or ""), is_text=True)
    if given["value"] is not None:
        return with_value(*place, given["value"])
    if given["stray_line"] is not None:
        return without_stray(text, given["format"], given["stray_line"])
    now, parts = given["destination"], given["destination"]
    value = corrected(value_of(*place) or "", Parts(now["now_host"], now["now_port"]),
                      Parts(parts["host"], parts["port"], parts["scheme"], parts["path"]))
    return with_value(*place, value, is_text=True)


def _shown_with(given: t.Mapping[str, t.Any], value: str) -> str:
    """:param value: as it is now."""
    if not given["header"]:
        return str(given["credential"])
    fields = with_credential(value, given["header"], given["credential"])
    if fields is None:
        raise CannotEdit("the field %s is not there, or holds more than a credential" % given["header"])
    return fields


def _changed_lines(old: str, new: str) -> tuple[int, list[str], list[str]]:
    """Where two texts begin to differ, and the lines of each from there until they are the same again."""
    before, after = old.split("\n"), new.split("\n")
    start = next((number for number, pair in enumerate(zip(before, after)) if pair[0] != pair[1]), min(len(before), len(after)))
    same = 0
    while same < min(len(before), len(after)) - start and before[-1 - same] == after[-1 - same]:
        same += 1
    return start, before[start:len(before) - same], after[start:len(after) - same]


def _shown(lines: t.Iterable[str], which: str, secrets: t.Iterable[str | None]) -> str:
    """Lines of a diff. What is secret looks the same before and after, so it is said which one it is."""
    shown = []
    for line in lines:
        text = line
        for secret in secrets:
            text = text.replace(secret, MASK) if secret and secret.strip() else text
        text = redact_setting(ascii(text)[1:-1])
        shown.append(text.replace(MASK, "%s (%s)" % (MASK, which)) + "\n")
    return "".join(shown)


def _complaint(module: AnsibleModule, content: bytes) -> str:
    """What the agent's own command says against a file; empty where it takes it, or is not on this host."""
    copy = os.path.join(module.tmpdir, os.path.basename(module.params["path"]))
    with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    ran = run_bounded([part.replace("{file}", copy) for part in module.params["check"]], _CHECK_S, _OUTPUT)
    os.unlink(copy)
    said = (ran.output + ran.errors).replace(module.params["credential"] or "\0", MASK)
    if ran.exit_code == 0 or ran.problem == "not_found":
        return ""
    return "%s does not take it: %s" % (module.params["check"][0], redact(said.strip()[-300:]))


def _refused_by_agent(module: AnsibleModule, old: bytes, new: bytes) -> str:
    """Empty also where the old file would be refused as well: as when it needs the unit's environment, or files beside it."""
    complaint = _complaint(module, new) if module.params["check"] else ""
    return complaint if complaint and not _complaint(module, old) else ""


def main() -> None:
    part = {"type": "str", "default": ""}
    number = {"type": "int", "default": 0}
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "format": {"type": "str", "required": True, "choices": list(FORMATS)},
            "key": {"type": "str", "default": "", "no_log": False},
            "value": {"type": "str"},
            "parameter": {"type": "str", "default": "", "no_log": False},
            "credential": {"type": "str", "no_log": True},
            "header": {"type": "str", "default": "", "no_log": False},
            "destination": {"type": "dict", "options": {
                "host": part, "port": number, "scheme": part, "path": {"type": "str"}, "now_host": part, "now_port": number}},
            "stray_line": {"type": "int"},
            "check": {"type": "list", "elements": "str", "default": []},
        },
        required_one_of=[("value", "credential", "destination", "stray_line")],
        mutually_exclusive=[("value", "credential", "destination", "stray_line")],
        supports_check_mode=True,
    )
    given = module.params
    path = os.path.realpath(given["path"])
    old, error, detail = read_text(path)
    if error:
        module.fail_json(msg="%s can't be read: %s" % (path, detail or error.replace("_", " ")))
    try:
        new = _new_text(old, given)
        secrets = [given["credential"]]
        secrets += [value_of(text, given["format"], given["key"]) for text in (old, new) if given["credential"] is not None]
    except (CannotEdit, CannotCorrect) as problem:
        module.fail_json(msg="%s is left as it is: %s" % (path, problem))
    if new == old:
        module.exit_json(changed=False, line=0)
    content = new.encode("utf-8", "surrogateescape")
    refused = _refused_by_agent(module, old.encode("utf-8", "surrogateescape"), content)
    if refused:
        module.fail_json(msg="%s is left as it is: %s" % (path, refused))
    start, before, after = _changed_lines(old, new)
    if given["format"] == RAW:
        secrets += [before[0], after[0]]
    diff = {"before": _shown(before, "old", secrets), "after": _shown(after, "new", secrets),
            "before_header": "%s, line %d" % (path, start + 1), "after_header": "%s, line %d" % (path, start + 1)}
    if not module.check_mode:
        kept = describe(path)
        try:
            replace(path, content, kept["mode"], (kept["uid"], kept["gid"]), kept["attributes"])
        except OSError as problem:
            module.fail_json(msg="%s is left as it is: it can't be written (%s)" % (path, os.strerror(problem.errno or 0)))
    module.exit_json(changed=True, line=start + 1, diff=diff)


if __name__ == "__main__":
    main()
