# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the agent's user read its file, and nobody else: by the owner's bit where it owns the file, else by its own group.

The modes that a package has set are known to no database of Debian's, so the least that helps is given. A folder on the way and an access
list are left alone: they may be meant so.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import unit_of, with_restart
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_OWNER_READS, _GROUP_READS = 0o400, 0o040


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    file = trouble.proofs("agent_config.file", readable=False)[0]["data"]
    path = file.get("real_path", file["path"])
    if file["blocked_by"] != path:
        raise NoRemedy("it is %s that does not permit it, which others may need as it is" % file["blocked_by"])
    if file["blocked_why"] != "mode":
        raise NoRemedy("it is the access list of %s that does not permit it" % path)
    if not file.get("user_group"):
        raise NoRemedy("the group of %s is not known" % file["user"])
    mode = int(file["mode"], 8)
    owns = file["owner"] == file["user"]
    group = file["group"] if owns else file["user_group"]
    new_mode = "%04o" % (mode | (_OWNER_READS if owns else _GROUP_READS))
    return with_restart(
        "let %s read %s (%s:%s %s)" % (file["user"], path, file["owner"], group, new_mode), unit_of(trouble), [path],
        path=path, group=group, mode=new_mode,
    )


REMEDY = Remedy("restore_file_mode", _plan)
