# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed in the files by which an interface is set up at the next start: the lines that the host has shown, and no others.

The kernel is changed by ip(8) and keeps it; nobody is told to set the interface up anew, which would take away the routes that others
have set on it (systemd-networkd) and the host's connections with them. So these files must be right, and are read when it is due.

Sources: interfaces(5), systemd.network(5), nm-settings-keyfile(5).

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy

DROP_IN_FOLDER = "/etc/systemd/network/"
_DROP_IN = "zz-connectivity-doctor.conf"
# What a program has made, such as netplan, which makes it again.
_MADE = ("/run/", "/usr/")
_STANZAS = "iface|auto|allow-|mapping|source|no-auto-down|no-scripts|rename|template"

Edit = t.Dict[str, str]


class Kept(t.NamedTuple):
    """How a change outlasts the next start: ``edits`` of ``files``, or a new one; what makes programs read them again; and in words."""

    edits: tuple[Edit, ...] = ()
    drop_in: t.Mapping[str, str] = {}
    files: tuple[str, ...] = ()
    reloads: tuple[tuple[str, ...], ...] = ()
    told: str = ""


def without_routes(settings: t.Iterable[t.Mapping[str, t.Any]]) -> Kept:
    """:param settings: ``routes_configured`` of ``route.lookup``."""
    settings = list({(one["file"], one["line"]): one for one in settings}.values())
    files = tuple(dict.fromkeys(one["file"] for one in settings))
    return Kept(
        tuple(_edit(one["file"], edit["head"], edit["old"], edit["new"]) for one in settings for edit in one["edits"]),
        files=files, reloads=_reloads(settings), told=", and what sets it again in %s" % ", ".join(files) if files else "")


def with_mtu(setting: t.Mapping[str, t.Any] | None, mtu: int) -> Kept:
    """:param setting: ``configured`` of ``route.mtu``."""
    if setting is None:
        return Kept(told=", until the next start: who sets it up then is not known")
    file = setting["file"]
    if setting["by"] == "networkd" and "netplan" not in file:
        path = "%s%s.d/%s" % (DROP_IN_FOLDER, os.path.basename(file), _DROP_IN)
        return Kept(drop_in={"path": path, "content": "# Written by connectivity.doctor.\n[Link]\nMTUBytes=%d\n" % mtu}, files=(path,),
                    told=", and in %s" % path)
    if file.startswith(_MADE):
        return Kept(told=", until the next start: %s is made by another program%s; change it there" % (
            file, " (netplan)" if "netplan" in file else ""))
    return Kept((_MTU_EDITS[setting["by"]](setting, mtu),), files=(file,), reloads=_reloads([setting]), told=", and in %s" % file)


def _of_ifupdown(setting: t.Mapping[str, t.Any], mtu: int) -> Edit:
    if setting["mtu"]:
        return _edit(setting["file"], setting["head"], setting["mtu"], re.sub(r"\S+(?=\s*$)", str(mtu), setting["mtu"]))
    return _edit(setting["file"], "", setting["head"], "%s\n    mtu %d" % (setting["head"], mtu))


def _of_network_manager(setting: t.Mapping[str, t.Any], mtu: int) -> Edit:
    line = "mtu=%d" % mtu
    if setting["mtu"]:
        return _edit(setting["file"], setting["head"], setting["mtu"], line)
    if setting["head"]:
        return _edit(setting["file"], "", setting["head"], "%s\n%s" % (setting["head"], line))
    return {"file": setting["file"], "regexp": r"(?s)\A(.*?)\n*\Z", "replace": r"\g<1>\n\n[ethernet]\n%s\n" % line}


_MTU_EDITS: dict[str, t.Callable[[t.Mapping[str, t.Any], int], Edit]] = {"ifupdown": _of_ifupdown, "networkmanager": _of_network_manager}


def _edit(file: str, head: str, old: str, new: str) -> Edit:
    """The whole lines ``old``; behind a ``head`` only up to the next section or stanza."""
    if not file.startswith("/etc/"):
        raise NoRemedy("%s is no file that is edited" % file)
    inside = r"(?:(?!\[|[ \t]*(?:%s))[^\n]*\n)*?" % _STANZAS
    before = r"(?m)^(%s\n%s)" % (re.escape(head), inside) if head and head != old else "(?m)^()"
    put = r"\g<1>" + "".join(line.replace("\\", r"\\") + r"\n" for line in new.splitlines())
    return {"file": file, "regexp": before + re.escape(old) + r"(?:\n|\Z)", "replace": put}


def _reloads(settings: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[tuple[str, ...], ...]:
    """NetworkManager reads a connection again and leaves the interface as it is; the others read their files when they are due."""
    return tuple(("nmcli", "connection", "load", file)
                 for file in dict.fromkeys(one["file"] for one in settings if one["by"] == "networkmanager"))
