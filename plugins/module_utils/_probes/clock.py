# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's clock against the time servers that it is configured to follow, and what its time daemon says of itself.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _clock_daemon, _clock_sources, _ntp_wire
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {
    "servers": {"type": "list", "elements": "str", "default": []},
    "port": {"type": "int", "default": _ntp_wire.PORT},
    "offset_limit": {"type": "float", "default": 5.0},
    "answer_timeout": {"type": "float", "default": 3.0},
}

_RESOLVE_TIMEOUT_S = 5.0
_MOST_NAMES = 8
# A pool's name stands for several servers of different owners; any other name for one, on each address family.
_MOST_ADDRESSES = {"pool": 4}
_OTHER_ADDRESSES = 2
_GAI_NAMES = {value: name for name, value in vars(socket).items() if name.startswith("EAI_") and isinstance(value, int)}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``clock.synchronization``, a ``clock.source`` for each address of each source, and, if one of them told the time,
    ``clock.offset`` with ``reference`` ``ntp``.

    ``clock.synchronization``: ``daemon`` (``chrony``, ``timesyncd``, ``ntpd``, ``openntpd`` or empty), ``unit``, ``unit_state``,
    ``running``, ``enabled`` (null: unknown), ``skipped`` (its unit's conditions, such as not being in a container, do not hold),
    ``synchronized`` (null: can't be seen, see ``reason``), ``selected`` (an address or empty),
    ``offset_ms``, ``stratum``, ``leap``, ``sources`` (how many the daemon knows), ``reachable`` (how many of them answered lately),
    ``daemon_sources`` (``address``, ``state``, ``selected``, ``reach``, ``stratum``, ``offset_ms``), ``kernel_synchronized``,
    ``configured`` (``name``, ``kind``, ``file``, ``line``).
    ``clock.source``: ``server`` (as configured), ``address``, ``port``, ``kind``, ``file``, ``line``, ``offset_ms`` and ``uncertainty_ms``
    (this host's clock minus the server's), ``delay_ms``, ``stratum``, ``leap``, ``refid``, ``root_delay_ms``, ``root_dispersion_ms``,
    ``kiss``, ``selected`` (the daemon follows it), ``limit_s``, ``error`` (empty, an errno or ``EAI_`` name, ``TIMEOUT``, ``MALFORMED``,
    ``UNSYNCHRONIZED``, ``KISS_OF_DEATH``).
    ``clock.offset``: ``reference``, ``offset_s`` (the median), ``uncertainty_s``, ``limit_s``, ``source``, ``servers`` (how many told),
    ``spread_s`` (between the two that differ most), ``outliers`` (the addresses that are further than the limit from the median).
    """
    started = time.time()
    daemon = _clock_daemon.find_daemon(context)
    kernel = _clock_daemon.kernel_synchronized()
    if daemon.running:
        state = _clock_daemon.read_state(daemon.name, context)
    else:  # an installed daemon that is stopped keeps nothing right; without any, who keeps a container's clock is its host
        state = _clock_daemon.State(False if daemon.name else kernel, "", None, None, "", (), "no_tool")
    configured = _clock_sources.read_sources(daemon.name)[:_MOST_NAMES]
    _observe_synchronization(context, daemon, state, kernel, configured, started)
    _Question(parameters, context, state.selected).ask_all(_sources(parameters, configured, state))
    return Outcome(state.synchronized is True)


def _sources(
    parameters: dict[str, t.Any], configured: list[_clock_sources.Source], state: _clock_daemon.State,
) -> list[_clock_sources.Source]:
    """Those that were given, else those in files, else those that the daemon has from elsewhere, such as from DHCP."""
    if parameters["servers"]:
        return [_clock_sources.Source(name, parameters["port"], "server", "", "", 0) for name in parameters["servers"][:_MOST_NAMES]]
    return configured or [
        _clock_sources.Source(str(one["address"]), _ntp_wire.PORT, "server", "", "", 0) for one in state.sources[:_MOST_NAMES]]


def _observe_synchronization(
    context: Context, daemon: _clock_daemon.Daemon, state: _clock_daemon.State, kernel: bool | None,
    configured: list[_clock_sources.Source], started: float,
) -> None:
    data: dict[str, t.Any] = {
        "daemon": daemon.name, "unit": daemon.unit, "unit_state": daemon.unit_state, "running": daemon.running, "enabled": daemon.enabled,
        "skipped": daemon.skipped, "synchronized": state.synchronized, "selected": context.text(state.selected, 100),
        "offset_ms": state.offset_ms,
        "stratum": state.stratum, "leap": state.leap, "sources": len(state.sources),
        "reachable": sum(1 for one in state.sources if one["reach"]),
        "daemon_sources": [dict(one, address=context.text(one["address"], 100)) for one in state.sources],
        "kernel_synchronized": kernel,
        "configured": [{"name": context.text(one.name, 255), "kind": one.kind, "file": one.file, "line": one.line} for one in configured],
    }
    if state.synchronized is None:
        data["reason"] = state.reason
    context.observe(
        "clock.synchronization",
        {True: "ok", False: "fail", None: "cannot_tell"}[state.synchronized],
        daemon.unit or daemon.name or "clock",
        _synchronization_sentence(data),
        data=data,
        started=started,
        reproduce=_REPRODUCE.get(daemon.name, "timedatectl status"),
    )


_REPRODUCE = {
    "chrony": "chronyc -n tracking; chronyc -n sources", "timesyncd": "timedatectl timesync-status", "ntpd": "ntpq -pn",
    "openntpd": "ntpctl -s all",
}


def _synchronization_sentence(data: dict[str, t.Any]) -> str:
    if not data["daemon"]:
        return "no time daemon is on this host; its kernel says that the clock %s kept right" % (
            "is" if data["kernel_synchronized"] else "is not")
    if not data["running"]:
        return "%s does not run, so nothing keeps this clock right" % data["daemon"]
    if data["synchronized"] is None:
        return "%s runs; whether it is synchronized can't be seen (%s)" % (data["daemon"], data["reason"])
    if data["synchronized"]:
        return "%s follows %s, %d of its %d sources answer" % (
            data["daemon"], data["selected"] or "its sources", data["reachable"], data["sources"])
    return "%s runs and is not synchronized: %d of its %d sources answer" % (data["daemon"], data["reachable"], data["sources"])


class _Answer(t.NamedTuple):
    address: str
    offset_s: float
    uncertainty_s: float


class _Question:
    """What is asked of all sources at once, and what they answered."""

    def __init__(self, parameters: dict[str, t.Any], context: Context, selected: str) -> None:
        self._timeout: float = parameters["answer_timeout"]
        self._limit: float = parameters["offset_limit"]
        self._context = context
        self._selected = selected
        self._answers: list[_Answer] = []

    def ask_all(self, sources: list[_clock_sources.Source]) -> None:
        self._at_once(self._ask_source, [(source,) for source in sources], _RESOLVE_TIMEOUT_S + self._timeout + 1)
        if self._answers:
            _observe_offset(self._context, list(self._answers), self._limit)

    def _at_once(self, target: t.Callable[..., None], arguments: list[tuple[t.Any, ...]], seconds: float) -> None:
        threads = [threading.Thread(target=target, args=one, daemon=True) for one in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self._context.deadline.allow(seconds))

    def _ask_source(self, source: _clock_sources.Source) -> None:
        addresses, error = _addresses(source, self._context)
        if error:
            self._observe(source, "", None, _ntp_wire.NtpError(error), time.time())
        self._at_once(self._ask, [(source, address) for address in addresses], self._timeout + 1)

    def _ask(self, source: _clock_sources.Source, address: str) -> None:
        started = time.time()
        try:
            measured = _ntp_wire.measure(address, self._context.deadline.allow(self._timeout), source.port)
        except _ntp_wire.NtpError as problem:
            self._observe(source, address, None, problem, started)
        else:
            self._answers.append(_Answer(address, measured.offset_s, measured.uncertainty_s))
            self._observe(source, address, measured, None, started)

    def _observe(
        self, source: _clock_sources.Source, address: str, measured: _ntp_wire.Measurement | None, problem: _ntp_wire.NtpError | None,
        started: float,
    ) -> None:
        data = _source_data(source, address, measured, problem, self._context)
        data.update(selected=bool(address) and address == self._selected, limit_s=self._limit)
        far = measured is not None and abs(measured.offset_s) - measured.uncertainty_s > self._limit
        self._context.observe(
            "clock.source",
            "fail" if problem else "warn" if far else "ok",
            address or data["server"],
            _source_sentence(data),
            data=data,
            started=started,
            reproduce="chronyd -Q -t 5 'server %s port %d iburst maxsamples 1'" % (address or data["server"], source.port),
        )


def _addresses(source: _clock_sources.Source, context: Context) -> tuple[list[str], str]:
    """getaddrinfo(3) can't be interrupted, so it runs in a thread of its own that may be left behind."""
    result: dict[str, t.Any] = {"error": "EAI_TIMEOUT", "addresses": []}

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(source.name, None, 0, socket.SOCK_DGRAM)
        except socket.gaierror as problem:
            result["error"] = _GAI_NAMES.get(problem.errno or 0, "EAI %s" % problem.errno)
        except (UnicodeError, ValueError):
            result["error"] = "EAI_NONAME"
        else:
            result["addresses"] = [str(item[4][0]) for item in found]
            result["error"] = ""

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(context.deadline.allow(_RESOLVE_TIMEOUT_S))
    return _chosen(result["addresses"], source.kind), result["error"]


def _chosen(addresses: list[str], kind: str) -> list[str]:
    unique = list(dict.fromkeys(addresses))
    if kind in _MOST_ADDRESSES:
        return unique[:_MOST_ADDRESSES[kind]]
    by_family = {":" in address: address for address in reversed(unique)}
    return [address for address in unique if address in by_family.values()][:_OTHER_ADDRESSES]


def _source_data(
    source: _clock_sources.Source, address: str, measured: _ntp_wire.Measurement | None, problem: _ntp_wire.NtpError | None,
    context: Context,
) -> dict[str, t.Any]:
    reply = measured.reply if measured else problem.reply if problem else None
    return {
        "server": context.text(source.name, 255), "address": address, "port": source.port, "kind": source.kind, "file": source.file,
        "line": source.line, "error": str(problem) if problem else "",
        "offset_ms": _milliseconds(measured.offset_s if measured else None),
        "uncertainty_ms": _milliseconds(measured.uncertainty_s if measured else None),
        "delay_ms": _milliseconds(measured.delay_s if measured else None),
        "stratum": reply.stratum if reply else None, "leap": reply.leap if reply else "",
        "refid": reply.refid if reply else "", "kiss": reply.kiss if reply else "",
        "root_delay_ms": _milliseconds(reply.root_delay_s if reply else None),
        "root_dispersion_ms": _milliseconds(reply.root_dispersion_s if reply else None),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _source_sentence(data: dict[str, t.Any]) -> str:
    who = data["server"] if data["server"] == data["address"] or not data["address"] else "%s (%s)" % (data["server"], data["address"])
    if data["error"].startswith("EAI"):
        return "the time server %s could not be resolved: %s" % (who, data["error"])
    if data["error"] == "KISS_OF_DEATH":
        return "the time server %s does not serve this host: %s" % (who, data["kiss"])
    if data["error"] == "UNSYNCHRONIZED":
        return "the time server %s answers that it does not know the time itself" % who
    if data["error"]:
        return "the time server %s gave no usable answer: %s" % (who, data["error"])
    return "this host's clock is %+.3f ms against the time server %s, stratum %d" % (data["offset_ms"], who, data["stratum"])


def _observe_offset(context: Context, answers: list[_Answer], limit: float) -> None:
    ordered = sorted(answers, key=lambda one: one.offset_s)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    offset = (low.offset_s + high.offset_s) / 2
    uncertainty = max(low.uncertainty_s, high.uncertainty_s) + (high.offset_s - low.offset_s) / 2
    outliers = [one.address for one in ordered if abs(one.offset_s - offset) - one.uncertainty_s - uncertainty > limit]
    off = abs(offset) - uncertainty > limit
    context.observe(
        "clock.offset",
        "warn" if off or outliers else "ok",
        context.vantage["host"],
        "this host's clock is %+.3f s (± %.3f s) against its time servers" % (offset, uncertainty),
        data={
            "reference": "ntp", "offset_s": round(offset, 3) + 0.0, "uncertainty_s": round(uncertainty, 3), "limit_s": limit,
            "source": "clock.source", "servers": len(ordered), "spread_s": round(ordered[-1].offset_s - ordered[0].offset_s, 3),
            "outliers": sorted(outliers),
        },
        reproduce="chronyc -n sources",
    )
