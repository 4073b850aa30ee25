# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lets one flow pass a packet filter, in the words of the tool that owns the rule which stops it. The tools are in ``_openings``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

Argv = tuple[str, ...]
Rule = t.Mapping[str, t.Any]

# By whether the packets come in, and whether they are answers.
_TOLD = {
    (False, False): "to %(peer)s port %(port)d", (True, False): "from %(peer)s to port %(port)d",
    (True, True): "from %(peer)s port %(port)d", (False, True): "from port %(port)d to %(peer)s",
}


@dataclasses.dataclass(frozen=True)
class Flow:
    """The packets that are to pass, and no others: of one protocol, with one peer, one port, in one direction.

    ``incoming``: they come to this host. ``answers``: they belong to connections that stand already, and the port is the one that
    they come from. ``uid``: only those of this user of the host, None for any.
    """

    protocol: str
    peer: str
    port: int
    incoming: bool
    answers: bool = False
    uid: int | None = None

    @property
    def version(self) -> int:
        return ipaddress.ip_address(self.peer).version

    def __str__(self) -> str:
        whose = "" if self.uid is None else " of uid %d" % self.uid
        what = _TOLD[self.incoming, self.answers] % {"peer": self.peer, "port": self.port}
        return "%s%s%s %s" % ("answers of " if self.answers else "", self.protocol, whose, what)


@dataclasses.dataclass(frozen=True)
class Insertion:
    """A line of a file that is loaded when the host boots. It goes before ``line`` (from 1) of the file with this ``sha256``.

    ``check`` is the command that fails where the file can't be loaded any more.
    """

    path: str
    sha256: str
    line: int
    text: str
    check: Argv


@dataclasses.dataclass(frozen=True)
class Opening:
    """``does`` and ``where`` tell it to people; ``adds`` is the rule as the tool writes it, with ``+``, or with ``-`` what is taken away.

    ``commands`` make it, ``undo`` takes it back; where it is ``marked``, it is taken back by its comment. ``files`` are those that the tool
    writes. ``passing`` says why it will not outlast a reboot, and is empty where it will. While the rules are those that were seen,
    the command ``seen_by`` prints ``seen``.
    """

    does: str
    where: str
    adds: str
    commands: tuple[Argv, ...]
    undo: tuple[Argv, ...] = ()
    marked: bool = False
    files: tuple[str, ...] = ()
    insertion: Insertion | None = None
    passing: str = ""
    seen_by: Argv = ()
    seen: str = ""

    @property
    def kept(self) -> tuple[str, ...]:
        """All files that change, so that they must be kept to be put back."""
        return (*self.files, self.insertion.path) if self.insertion else self.files

    @property
    def task(self) -> dict[str, t.Any]:
        """What the module ``change_firewall`` needs of it."""
        return {
            "where": self.where, "adds": self.adds, "commands": self.commands, "seen_by": self.seen_by, "seen": self.seen,
            "insertion": dataclasses.asdict(self.insertion) if self.insertion else None,
        }


def insertion(rule: Rule, text: str, check: t.Callable[[str], Argv]) -> Insertion | None:
    """:param rule: a rule that stops a flow. :param text: what goes before it.
    :param check: from the file that is loaded to the command that tries it.

    :returns: where it goes in the file that is loaded when the host boots, None where none shows the rule.
    """
    place = rule.get("boot")
    if not place or place["why_not"]:
        return None
    return Insertion(place["path"], place["sha256"], place["line"], place["lead"] + text, check(place["entry"]))


def why_passing(rule: Rule) -> str:
    """:returns: why no file gets it; empty where one does."""
    place = rule.get("boot") or {"why_not": "where it is loaded from when the host boots is not known"}
    return str(place["why_not"])
