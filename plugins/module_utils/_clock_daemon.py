# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the time daemon of this host says of itself: chronyc(1), timedatectl(1), ntpq(8), and the kernel's own flag (adjtimex(2)).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import typing as t

try:
    import ctypes
except ImportError:  # a Python that was built without libffi
    ctypes = None  # type: ignore[assignment]

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._process import process_ids, read_process

# The first 15 characters of the program's name, as the kernel keeps them (comm in proc(5)), and whose they are.
_PROGRAMS = {"chronyd": "chrony", "systemd-timesyn": "timesyncd", "ntpd": "ntpd", "ntpsec": "ntpd"}
_UNITS = {
    "chrony.service": "chrony", "chronyd.service": "chrony", "systemd-timesyncd.service": "timesyncd",
    "ntpsec.service": "ntpd", "ntp.service": "ntpd", "ntpd.service": "ntpd", "openntpd.service": "openntpd",
}
_ENABLED = ("enabled", "enabled-runtime", "linked", "alias", "static", "indirect", "generated")
_PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,ConditionResult,ConditionTimestampMonotonic"
_COMMAND_TIMEOUT_S = 3.0
_MOST_SOURCES = 32
_TIME_ERROR = 5
# sizeof(struct timex) is 208 on the largest machines; zeroes ask for nothing to be changed.
_TIMEX_BYTES = 1024
_LEAPS = {"Normal": "none", "Insert second": "insert", "Delete second": "delete", "Not synchronised": "unsynchronized"}
_LEAP_NUMBERS = {"0": "none", "00": "none", "1": "insert", "01": "insert", "2": "delete", "10": "delete",
                 "3": "unsynchronized", "11": "unsynchronized"}
_NOT_ALLOWED = ("not authorised", "cannot talk to daemon", "permission denied", "access denied", "not authorized")


class Daemon(t.NamedTuple):
    """The one that runs, else the one that should. ``name``: ``chrony``, ``timesyncd``, ``ntpd``, ``openntpd``, or empty: there is none.

    ``skipped``: systemd did not start it, as a condition of its unit does not hold, such as not being in a container.
    """

    name: str
    unit: str
    running: bool
    enabled: bool | None
    unit_state: str
    skipped: bool = False


class State(t.NamedTuple):
    """What the daemon says. ``synchronized``: None where it can't be seen, with ``reason``. ``offset_ms``: this clock minus the right time.

    ``sources``: ``address``, ``state``, ``selected``, ``reach`` (8 bits, the lowest is the last try), ``stratum``, ``offset_ms``.
    """

    synchronized: bool | None
    selected: str
    offset_ms: float | None
    stratum: int | None
    leap: str
    sources: tuple[dict[str, t.Any], ...]
    reason: str


def find_daemon(context: Context) -> Daemon:
    """Containers' processes are among those of their host: only the ones that see the processes we see are this host's."""
    units = _units(context)
    for pid in process_ids():
        name = _PROGRAMS.get(_command_name(pid), "")
        if name and _is_in_our_namespace(pid):
            process = read_process(pid)
            unit = process.unit if process else ""
            name = _UNITS.get(unit, name)
            properties = units.get(unit, {})
            return Daemon(name, unit, True, _is_enabled(properties), properties.get("ActiveState", ""))
    installed = [(unit, properties) for unit, properties in units.items() if properties.get("LoadState") in ("loaded", "masked")]
    installed.sort(key=lambda one: not _is_enabled(one[1]))
    for unit, properties in installed[:1]:
        # A unit that was never to be started has no time at which its conditions were looked at.
        skipped = properties.get("ConditionResult") == "no" and properties.get("ConditionTimestampMonotonic", "0") != "0"
        return Daemon(_UNITS[unit], unit, False, _is_enabled(properties), properties.get("ActiveState", ""), skipped)
    return Daemon("", "", False, None, "")


def _command_name(pid: int) -> str:
    try:
        with open("/proc/%d/comm" % pid, encoding="utf-8", errors="backslashreplace") as file:
            return file.read(64).strip()
    except OSError:
        return ""


def _is_in_our_namespace(pid: int) -> bool:
    try:
        return os.stat("/proc/%d/ns/pid" % pid).st_ino == os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return True  # another user's process, of which no more can be seen


def _is_enabled(properties: dict[str, str]) -> bool | None:
    return properties["UnitFileState"] in _ENABLED if properties.get("UnitFileState") else None


def _units(context: Context) -> dict[str, dict[str, str]]:
    """Properties by the name that the unit has where it is not an alias."""
    answer = context.command(["systemctl", "show", "-p", _PROPERTIES, *_UNITS], _COMMAND_TIMEOUT_S)
    units: dict[str, dict[str, str]] = {}
    for block in answer.output.split("\n\n"):
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        if properties.get("Id") in _UNITS:
            units.setdefault(properties["Id"], properties)
    return units


def kernel_synchronized() -> bool | None:
    """Whether some program keeps this machine's clock right, as it told the kernel; None where the kernel does not say."""
    if ctypes is None:
        return None
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def read_state(daemon: str, context: Context) -> State:
    return _READERS.get(daemon, _unknown)(context)


def _unknown(_context: Context) -> State:
    return State(None, "", None, None, "", (), "no_tool")


def _problem(errors: str, problem: str) -> State | None:
    if problem:
        return _unknown_because({"not_found": "no_tool"}.get(problem, problem))
    if any(words in errors.lower() for words in _NOT_ALLOWED):
        return _unknown_because("not_permitted")
    return None


def _unknown_because(reason: str) -> State:
    return State(None, "", None, None, "", (), reason)


def _chrony(context: Context) -> State:
    tracking = context.command(["chronyc", "-n", "-c", "tracking"], _COMMAND_TIMEOUT_S)
    trouble = _problem(tracking.errors + tracking.output, tracking.problem)
    if trouble:
        return trouble
    sources = context.command(["chronyc", "-n", "-c", "sources"], _COMMAND_TIMEOUT_S)
    return parse_chrony(tracking.output, sources.output)


def parse_chrony(tracking: str, sources: str) -> State:
    """Two reports of ``chronyc -c``. The state of a source is a character: ``*`` selected, ``+`` combined, ``x`` false ticker …"""
    found = []
    for fields in (line.split(",") for line in sources.splitlines()[:_MOST_SOURCES]):
        if len(fields) > 8:
            offset = _number(fields[8])
            found.append({
                "address": fields[2], "state": _CHRONY_STATES.get(fields[1], fields[1][:1]), "selected": fields[1] == "*",
                "reach": int(fields[5], 8) if _is_octal(fields[5]) else 0, "stratum": _integer(fields[3]),
                "offset_ms": None if offset is None else round(offset * 1000, 3),
            })
    fields = tracking.strip().split("\n")[0].split(",")
    if len(fields) < 14:
        return _unknown_because("unreadable")
    offset = _number(fields[4])  # how far this clock is slow
    leap = _LEAPS.get(fields[13], "")
    return State(
        leap != "unsynchronized" if leap else None,
        fields[1], None if offset is None else round(-offset * 1000, 3), _integer(fields[2]), leap, tuple(found),
        "" if leap else "unreadable",
    )


_CHRONY_STATES = {"*": "selected", "+": "combined", "-": "not_combined", "?": "unusable", "x": "falseticker", "~": "too_variable"}


def _timesyncd(context: Context) -> State:
    answer = context.command(["timedatectl", "show-timesync", "--no-pager"], _COMMAND_TIMEOUT_S)
    return _problem(answer.errors if answer.exit_code else "", answer.problem) or parse_timesyncd(
        answer.output, os.path.exists("/run/systemd/timesync/synchronized"))


def parse_timesyncd(text: str, has_synchronized: bool) -> State:
    """:param text: of ``timedatectl show-timesync``. :param has_synchronized: whether the file is there that tells of a first success."""
    properties = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    message = properties.get("NTPMessage", "").strip("{} ")
    fields = dict(part.strip().partition("=")[::2] for part in message.split(","))
    address = properties.get("ServerAddress", "")
    if not properties:
        return _unknown_because("unreadable")
    heard = bool(fields.get("PacketCount", "0").strip("0"))
    leap = _LEAP_NUMBERS.get(fields.get("Leap", ""), "")
    sources: tuple[dict[str, t.Any], ...] = ()
    if address:
        sources = ({"address": address, "state": "selected" if heard else "unusable", "selected": heard, "reach": int(heard),
                    "stratum": _integer(fields.get("Stratum", "")), "offset_ms": None},)
    # The file stays when the server falls silent, and the message is gone when another server is tried.
    synchronized = has_synchronized and heard and fields.get("Ignored", "no") != "yes" and leap != "unsynchronized"
    return State(synchronized, address if heard else "", None, _integer(fields.get("Stratum", "")), leap, sources, "")


def _ntpd(context: Context) -> State:
    peers = context.command(["ntpq", "-pn"], _COMMAND_TIMEOUT_S)
    trouble = _problem(peers.errors, peers.problem)
    if trouble:
        return trouble
    variables = context.command(["ntpq", "-c", "rv 0 leap,stratum,offset"], _COMMAND_TIMEOUT_S)
    return parse_ntpd(peers.output, variables.output)


def parse_ntpd(peers: str, variables: str) -> State:
    """``ntpq -pn``: a tally character, then remote, refid, st, t, when, poll, reach (octal), delay, offset (ms), jitter."""
    found = []
    for line in peers.splitlines()[:_MOST_SOURCES + 2]:
        fields = line[1:].split()
        if len(fields) < 9 or not _is_octal(fields[6]) or not fields[2].isdigit():
            continue
        offset = _number(fields[8])
        found.append({
            "address": fields[0], "state": _NTPD_STATES.get(line[0], "unusable"), "selected": line[0] in "*o",
            "reach": int(fields[6], 8), "stratum": _integer(fields[2]), "offset_ms": None if offset is None else -offset,
        })
    values = dict(part.strip().partition("=")[::2] for part in variables.replace("\n", ",").split(","))
    if "leap" not in values:
        return _unknown_because("unreadable")
    leap = _LEAP_NUMBERS.get(values["leap"], "")
    offset = _number(values.get("offset", ""))
    selected = next((str(one["address"]) for one in found if one["selected"]), "")
    return State(leap != "unsynchronized", selected, None if offset is None else -offset, _integer(values.get("stratum", "")), leap,
                 tuple(found), "")


_NTPD_STATES = {"*": "selected", "o": "selected", "+": "combined", "-": "not_combined", "x": "falseticker", "#": "not_combined"}
_READERS: dict[str, t.Callable[[Context], State]] = {"chrony": _chrony, "timesyncd": _timesyncd, "ntpd": _ntpd}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e12 else None  # neither infinite nor NaN


def _integer(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _is_octal(text: str) -> bool:
    return 0 < len(text) < 8 and all(character in "01234567" for character in text)
