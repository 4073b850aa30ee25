# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the capture on the managed node, and writes what it brought back on the controller."""
from __future__ import annotations

import base64
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        captured = result.pop("pcap", "")
        dest = self._task.args.get("dest")
        if captured and isinstance(captured, str) and dest and not self._task.check_mode:
            host = str(self._task.delegate_to or (task_vars or {}).get("inventory_hostname", "localhost"))
            result["dest"] = _write(str(dest), host, captured)
            result["changed"] = True
        return result


def _write(dest: str, host: str, captured: str) -> str:
    """:returns: the file that was written. :raises AnsibleActionFail: it can't be."""
    path = os.path.expanduser(dest)
    if path.endswith(os.sep) or os.path.isdir(path):
        path = os.path.join(path, "%s.pcap" % "".join(c if c.isalnum() or c in "-_.:" else "_" for c in host).lstrip("."))
    try:
        data = base64.b64decode(captured, validate=True)
        os.makedirs(os.path.dirname(path) or ".", mode=_FOLDER_MODE, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _FILE_MODE)
            file.write(data)
    except (OSError, ValueError) as problem:
        raise AnsibleActionFail("the capture can't be written to %s: %s" % (path, problem)) from problem
    return path
