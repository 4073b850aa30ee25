# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host itself has left: space, memory, descriptors, tracked connections, ports, processes; and what its security module denies.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    file_systems as _host_file_systems,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    log as _host_log,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    numbers as _host_numbers,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    ports as _host_ports,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    selinux as _host_selinux,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._kernel_counters import tcp_counters
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._process import descriptors

ARGUMENTS = {
    "paths": {"type": "list", "elements": "path", "default": []},
    "units": {"type": "list", "elements": "str", "default": []},
    "interval": {"type": "float", "default": 0.0},
}

_ALWAYS = ("/", "/var", "/tmp")  # noqa: S108  # looked at, and nothing is written there
_MOST_TRACKED = "/proc/sys/net/netfilter/nf_conntrack_max"
_MOST_PATHS = 40
_MOST_HELD = 5
_MOST_UNITS = 10
_LONGEST_INTERVAL_S = 10.0
_STATVFS_S = 2.0
_NETLINK_S = 3.0
_RECENT_S = 3600.0
# Shares of a limit from which on it is a warning, and a failure.
_DISK = (0.9, 0.98)
_MEMORY = (0.92, 0.98)
_TABLE = (0.8, 0.95)
# Per cent of the last minute in which every task waited for memory.
_STALLED = (5.0, 30.0)

_COUNTERS = {
    "listen_overflows": "ListenOverflows", "listen_drops": "ListenDrops", "syncookies_sent": "SyncookiesSent",
    "syncookies_received": "SyncookiesRecv", "syncookies_failed": "SyncookiesFailed", "request_queue_drops": "TCPReqQFullDrop",
    "request_queue_cookies": "TCPReqQFullDoCookies", "time_wait_overflows": "TCPTimeWaitOverflow", "aborts_on_memory": "TCPAbortOnMemory",
    "paws_active": "PAWSActive", "paws_established": "PAWSEstab", "paws_time_wait": "PAWSTimewait",
}
# Each of these, rising, is a connection that this host could not take or keep.
_LOSSES = ("listen_overflows", "listen_drops", "syncookies_sent", "request_queue_drops", "time_wait_overflows", "aborts_on_memory")


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``host.disk`` and ``host.mount`` for each file system behind the paths, and once ``host.memory``, ``host.files``,
    ``host.conntrack``, ``host.ports``, ``host.processes``, ``host.selinux`` and ``host.counters``.

    What is a share of a limit has ``fraction``, ``warn_at`` and ``fail_at``. What the kernel's log tells of it has ``logged`` (how often,
    null where the log can't be read) and ``logged_s_ago``. ``units`` has what the given units use, with null where there is no limit.

    ``host.disk``: ``path``, ``mount``, ``device``, ``type``, ``size_bytes``, ``free_bytes``, ``fraction``, ``inodes``, ``inodes_free``,
    ``inodes_fraction``, ``holds``. ``host.mount``: ``mount``, ``device``, ``type``, ``options``, ``read_only``, ``expected`` (``rw``,
    ``ro``, empty), ``holds``: what is on it of the given paths, and of the folders that the given units have files open for writing in or
    that systemd made for them.
    ``host.memory``: ``total_bytes``, ``available_bytes``, ``swap_total_bytes``, ``swap_free_bytes``, ``some_avg10``, ``some_avg60``,
    ``full_avg10``, ``full_avg60`` (null without PSI), ``oom_kills`` (since boot), ``killed`` (``process``, ``age_s``).
    ``host.files``: ``used``, ``limit`` (of the whole system), ``units`` (``unit``, ``used``, ``limit``).
    ``host.conntrack``: ``tracking``, ``used``, ``limit``, ``drop``, ``early_drop``, ``insert_failed`` (since boot), ``settable`` (whether
    the limit is this host's own; all containers of a machine have that of the machine).
    ``host.ports``: ``low``, ``high``, ``reserved``, ``size``, ``in_use``, ``time_wait``, ``busiest`` (``source``, ``address``, ``port``,
    ``in_use``, ``time_wait``), ``complete``, ``reuse`` (tcp_tw_reuse).
    ``host.processes``: ``used`` (tasks), ``limit`` (the smaller of pid_max and threads-max), ``load``, ``processors``, ``cgroup_tasks``,
    ``cgroup_limit``, ``cgroup_rejected``, ``units`` (``unit``, ``tasks``, ``tasks_limit``, ``tasks_rejected``, ``user_tasks``,
    ``user_limit``, ``memory_bytes``, ``memory_limit_bytes``, ``oom_kills``).
    ``host.selinux``: ``mode``, ``denials`` (``permission``, ``process``, ``port``, ``target_class``, ``source_context``,
    ``target_context``, ``blocked``, ``count``, ``last_s_ago``), ``recent_s``.
    ``host.counters``: ``totals`` and, over ``interval_s``, ``rises`` (null without an interval), ``somaxconn``, ``max_syn_backlog``,
    ``syncookies``, ``timestamps``, ``logged`` (of SYN flooding).
    """
    gathered = _Gathered(parameters, context)
    threads = [threading.Thread(target=_guarded, args=(check, gathered, context), daemon=True) for check in _CHECKS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(context.deadline.remaining())
    return Outcome(True)


def _guarded(check: t.Callable[[_Gathered, Context], None], gathered: _Gathered, context: Context) -> None:
    """A crash in one check is an observation, and the others go on."""
    try:
        check(gathered, context)
    except Exception as problem:
        name = check.__name__.replace("_observe_", "")
        context.observe("host.run", "cannot_tell", name, "the check of %s itself failed: %s" % (name, type(problem).__name__),
                        data={"reason": "probe_crashed", "exception": type(problem).__name__, "detail": context.text(problem, 200)})


class _Gathered:
    """What several checks look at, read once."""

    def __init__(self, parameters: dict[str, t.Any], context: Context) -> None:
        self.interval = max(0.0, min(parameters["interval"], _LONGEST_INTERVAL_S))
        self.events = _host_log.read_events(context)
        self.units = _host_numbers.read_units(parameters["units"][:_MOST_UNITS], context)
        self.given = list(dict.fromkeys([*parameters["paths"], *_folders(self.units)]))[:_MOST_PATHS]


def _folders(units: list[_host_numbers.Unit]) -> t.Iterator[str]:
    for unit in units:
        yield from unit.folders
        yield from _host_file_systems.written_folders(unit.pid) if unit.pid else ()


def _graded(fraction: float | None, limits: tuple[float, float]) -> str:
    """``ok``, ``warn`` or ``fail``. What has no limit can't be used up."""
    warn_at, fail_at = limits
    return "ok" if fraction is None or fraction < warn_at else "warn" if fraction < fail_at else "fail"


def _worst(*statuses: str) -> str:
    return max(statuses, key=("ok", "warn", "fail").index)


def _share(used: int | None, limit: int | None) -> float | None:
    return None if used is None or not limit else round(used / limit, 4)


def _scale(used: int | None, limit: int | None, limits: tuple[float, float]) -> dict[str, t.Any]:
    return {"used": used, "limit": limit, "fraction": _share(used, limit), "warn_at": limits[0], "fail_at": limits[1]}


def _is_recent(logged: dict[str, t.Any]) -> bool:
    return logged["logged_s_ago"] is not None and logged["logged_s_ago"] < _RECENT_S


def _observe_file_systems(gathered: _Gathered, context: Context) -> None:
    mounts = _host_file_systems.read_mounts()
    found: dict[str, tuple[_host_file_systems.Mount, list[str]]] = {}
    for path in [*gathered.given, *_ALWAYS]:
        mount = _host_file_systems.mount_of(path, mounts)
        if mount is not None:
            found.setdefault(mount.mount, (mount, []))[1].append(path)
    for mount, paths in found.values():
        holds = [context.text(path, 255) for path in paths if path in gathered.given][:_MOST_HELD]
        _observe_mount(mount, holds, gathered, context)
        _observe_space(paths[0], mount, holds, context)


def _observe_mount(mount: _host_file_systems.Mount, holds: list[str], gathered: _Gathered, context: Context) -> None:
    logged = _host_log.summary(gathered.events, "remounted_read_only")
    wrong = mount.read_only and mount.expected != "ro"
    context.observe(
        "host.mount",
        ("fail" if mount.expected == "rw" or _is_recent(logged) else "warn") if wrong else "ok",
        context.text(mount.mount, 255),
        "%s (%s on %s) is mounted %s" % (
            context.text(mount.mount, 255), mount.type, context.text(mount.device, 100), "read-only" if mount.read_only else "for writing"),
        data={
            "mount": context.text(mount.mount, 255), "device": context.text(mount.device, 255), "type": mount.type,
            "options": context.text(mount.options, 255), "read_only": mount.read_only, "expected": mount.expected,
            "holds": holds, **logged,
        },
        reproduce="findmnt --target %s" % context.text(mount.mount, 255),
    )


def _observe_space(path: str, mount: _host_file_systems.Mount, holds: list[str], context: Context) -> None:
    started = time.time()
    space = _host_file_systems.space(mount.mount, context.deadline.allow(_STATVFS_S))  # the path itself may not exist
    data: dict[str, t.Any] = {
        "path": context.text(path, 255), "mount": context.text(mount.mount, 255), "device": context.text(mount.device, 255),
        "type": mount.type, "warn_at": _DISK[0], "fail_at": _DISK[1], "holds": holds,
    }
    if space is None:
        status, message = "cannot_tell", "the file system on %s does not answer" % data["mount"]
        data["reason"] = "no_answer"
    else:
        data.update(
            size_bytes=space.size_bytes, free_bytes=space.free_bytes, fraction=round(space.fraction, 4),
            inodes=space.inodes, inodes_free=space.inodes_free, inodes_fraction=round(space.inodes_fraction, 4),
        )
        never_written = mount.read_only and mount.expected == "ro"
        status = "ok" if never_written else _worst(_graded(space.fraction, _DISK), _graded(space.inodes_fraction, _DISK))
        message = "%.0f %% of the space and %.0f %% of the inodes of %s are used" % (
            100 * space.fraction, 100 * space.inodes_fraction, data["mount"])
    context.observe("host.disk", status, data["mount"], message, data=data, started=started,
                    reproduce="df -B1 %s; df -i %s" % (data["path"], data["path"]))


def _observe_memory(gathered: _Gathered, context: Context) -> None:
    kilobytes = _host_numbers.table(_host_numbers.text("/proc/meminfo"))
    total, available = kilobytes.get("MemTotal"), kilobytes.get("MemAvailable")
    waits = _host_numbers.pressure("memory")
    logged = _host_log.summary(gathered.events, "oom_kill")
    killed = [{"process": context.text(event.process, 40), "age_s": event.age_s}
              for event in (gathered.events or ()) if event.kind == "oom_kill"][-10:]
    used = None if total is None or available is None else total - available
    share = _share(used, total)
    status = _worst(_graded(share, _MEMORY), _graded(waits["full_avg60"], _STALLED), "warn" if _is_recent(logged) else "ok")
    context.observe(
        "host.memory",
        status,
        "memory",
        "%s of the memory is in use%s" % (
            "an unknown part" if share is None else "%.0f %%" % (100 * share),
            "; the kernel killed %d processes for want of it" % logged["logged"] if logged["logged"] else ""),
        data={
            "total_bytes": _bytes(total), "available_bytes": _bytes(available), "fraction": share,
            "warn_at": _MEMORY[0], "fail_at": _MEMORY[1], "swap_total_bytes": _bytes(kilobytes.get("SwapTotal")),
            "swap_free_bytes": _bytes(kilobytes.get("SwapFree")), **waits, "stalled_warn_at": _STALLED[0], "stalled_fail_at": _STALLED[1],
            "oom_kills": _host_numbers.table(_host_numbers.text("/proc/vmstat")).get("oom_kill"), "killed": killed, **logged,
        },
        reproduce="free -b; cat /proc/pressure/memory; journalctl -k --grep 'out of memory'",
    )


def _bytes(kilobytes: int | None) -> int | None:
    return None if kilobytes is None else kilobytes * 1024


def _observe_files(gathered: _Gathered, context: Context) -> None:
    words = _host_numbers.text("/proc/sys/fs/file-nr").split()
    numbers = [_host_numbers.integer(word) for word in words] if len(words) == 3 else [None, None, None]
    used = None if numbers[0] is None or numbers[1] is None else numbers[0] - numbers[1]
    logged = _host_log.summary(gathered.events, "files_full")
    units = []
    for unit in gathered.units:
        held, limit = descriptors(unit.pid) if unit.pid else (None, None)
        units.append({"unit": unit.unit, "used": held, "limit": limit})
    scale = _scale(used, numbers[2], _TABLE)
    context.observe(
        "host.files",
        _worst(_graded(scale["fraction"], _TABLE), "warn" if _is_recent(logged) else "ok",
               *(_graded(_share(one["used"], one["limit"]), _TABLE) for one in units)),
        "files",
        "%s of %s open files of this host are in use" % (used, numbers[2]),
        data={**scale, "units": units, **logged},
        reproduce="cat /proc/sys/fs/file-nr",
    )


def _observe_conntrack(gathered: _Gathered, context: Context) -> None:
    used = _host_numbers.number("/proc/sys/net/netfilter/nf_conntrack_count")
    limit = _host_numbers.number(_MOST_TRACKED)
    logged = _host_log.summary(gathered.events, "conntrack_full")
    scale = _scale(used, limit, _TABLE)
    context.observe(
        "host.conntrack",
        _worst(_graded(scale["fraction"], _TABLE), "fail" if _is_recent(logged) and used is not None else "ok"),
        "conntrack",
        "this host tracks no connections" if used is None else "%d of at most %s connections are tracked%s" % (
            used, limit, "; the kernel's log has 'table full' %d times" % logged["logged"] if logged["logged"] else ""),
        data={"tracking": used is not None, **scale, **_host_numbers.conntrack_statistics(), **logged,
              "settable": os.access(_MOST_TRACKED, os.W_OK)},
        reproduce="sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max; conntrack -S",
    )


def _observe_ports(gathered: _Gathered, context: Context) -> None:
    del gathered
    started = time.time()
    ports = _host_ports.read_ports(context.deadline.allow(_NETLINK_S))
    if ports is None:
        context.observe("host.ports", "cannot_tell", "ports", "the kernel does not tell its range of ephemeral ports",
                        data={"reason": "no_range"}, started=started)
        return
    busiest = ports.busiest[0] if ports.busiest else None
    share = _share(busiest.in_use if busiest else 0, ports.size)
    context.observe(
        "host.ports",
        _graded(share, _TABLE),
        "ports",
        "%d ephemeral ports; %s" % (ports.size, "%d of them are in use to %s port %d, %d of these in TIME_WAIT" % (
            busiest.in_use, busiest.address, busiest.port, busiest.time_wait) if busiest else "none is in use"),
        data={
            "low": ports.low, "high": ports.high, "reserved": ports.reserved, "size": ports.size, "in_use": ports.in_use,
            "time_wait": ports.time_wait, "busiest": [one._asdict() for one in ports.busiest], "complete": ports.complete,
            "fraction": share, "warn_at": _TABLE[0], "fail_at": _TABLE[1],
            "reuse": _host_numbers.number("/proc/sys/net/ipv4/tcp_tw_reuse"),
        },
        started=started,
        reproduce="sysctl net.ipv4.ip_local_port_range; ss -Htan state all | awk '{print $5}' | sort | uniq -c | sort -n | tail",
    )


def _observe_processes(gathered: _Gathered, context: Context) -> None:
    words = _host_numbers.text("/proc/loadavg").split()
    tasks = _host_numbers.integer(words[3].partition("/")[2]) if len(words) > 3 else None
    limits = [limit for limit in map(_host_numbers.number, ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")) if limit]
    scale = _scale(tasks, min(limits) if limits else None, _TABLE)
    own = [_host_numbers.text("/sys/fs/cgroup/pids." + name) for name in ("current", "max", "events")]
    cgroup_tasks, cgroup_limit = _host_numbers.integer(own[0]), _host_numbers.integer(own[1])
    logged = _host_log.summary(gathered.events, "pids_rejected")
    units = []
    for unit in gathered.units:
        user_tasks, user_limit = _host_numbers.process_limit(unit.pid) if unit.pid else (None, None)
        facts = unit._asdict()
        for key in ("pid", "folders"):
            facts.pop(key)
        units.append(dict(facts, user_tasks=user_tasks, user_limit=user_limit))
    rejected = _host_numbers.table(own[2]).get("max")
    shares = [_share(one["tasks"], one["tasks_limit"]) for one in units] + [_share(one["user_tasks"], one["user_limit"]) for one in units]
    context.observe(
        "host.processes",
        _worst(*(_graded(share, _TABLE) for share in (scale["fraction"], _share(cgroup_tasks, cgroup_limit), *shares)),
               "warn" if _is_recent(logged) or any(one["tasks_rejected"] for one in units) else "ok"),
        "processes",
        "%s of at most %s tasks; load %s" % (tasks, scale["limit"], " ".join(words[:3]) or "unknown"),
        data={
            **scale, "load": [float(word) for word in words[:3]], "processors": os.cpu_count(),
            "cgroup_tasks": cgroup_tasks, "cgroup_limit": cgroup_limit, "cgroup_rejected": rejected, "units": units, **logged,
        },
        reproduce="cat /proc/loadavg /proc/sys/kernel/pid_max; systemctl show -p TasksCurrent,TasksMax",
    )


def _observe_selinux(gathered: _Gathered, context: Context) -> None:
    del gathered
    started = time.time()
    mode = _host_selinux.mode()
    denials = _host_selinux.read_denials(context) if mode != "disabled" else []
    data: dict[str, t.Any] = {"mode": mode, "denials": [], "recent_s": _RECENT_S}
    if denials is None:
        context.observe("host.selinux", "cannot_tell", "SELinux", "SELinux is %s, and its log can't be read" % mode,
                        data=dict(data, reason="not_permitted"), started=started)
        return
    for denial in denials:
        facts = {key: context.text(value, 200) if isinstance(value, str) else value for key, value in denial._asdict().items()}
        facts["last_s_ago"] = round(max(0.0, started - facts.pop("last")), 1)
        data["denials"].append(facts)
    recent = [one for one in data["denials"] if one["last_s_ago"] < _RECENT_S]
    first = next((one for one in recent if one["blocked"]), None)
    context.observe(
        "host.selinux",
        "fail" if first else "warn" if recent else "ok",
        "SELinux",
        _selinux_sentence(mode, first, bool(recent)),
        data=data,
        started=started,
        reproduce="getenforce; ausearch -m avc -ts recent",
    )


def _selinux_sentence(mode: str, first: dict[str, t.Any] | None, has_recent: bool) -> str:
    if first is None:
        return "SELinux is %s%s" % (mode, "; it would have denied something" if has_recent else "")
    where = " to port %s" % first["port"] if first["port"] else ""
    return "SELinux denied %s %s%s" % (first["process"], first["permission"], where)


def _observe_counters(gathered: _Gathered, context: Context) -> None:
    started = time.time()
    before = _counters()
    rises: dict[str, int] | None = None
    now = before
    if gathered.interval:
        time.sleep(context.deadline.allow(gathered.interval))
        now = _counters()
        rises = {name: now[name] - before[name] for name in now}
    logged = _host_log.summary(gathered.events, "syn_flood")
    losses = [name for name in _LOSSES if rises and rises[name] > 0]
    context.observe(
        "host.counters",
        "warn" if losses or _is_recent(logged) else "ok",
        "counters",
        "within %s s rose: %s" % (gathered.interval, ", ".join("%s by %d" % (name, rises[name]) for name in losses))
        if losses and rises
        else "since boot %(listen_overflows)d connections found a full accept queue, %(syncookies_sent)d SYN cookies were sent" % now,
        data={
            "totals": now, "rises": rises, "interval_s": gathered.interval,
            "somaxconn": _host_numbers.number("/proc/sys/net/core/somaxconn"),
            "max_syn_backlog": _host_numbers.number("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
            "syncookies": _host_numbers.number("/proc/sys/net/ipv4/tcp_syncookies"),
            "timestamps": _host_numbers.number("/proc/sys/net/ipv4/tcp_timestamps"), **logged,
        },
        started=started,
        reproduce="nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtSyncookiesSent",
    )


def _counters() -> dict[str, int]:
    found = tcp_counters(list(_COUNTERS.values()))
    return {name: found[kernel_name] for name, kernel_name in _COUNTERS.items()}


_CHECKS = (_observe_file_systems, _observe_memory, _observe_files, _observe_conntrack, _observe_ports, _observe_processes, _observe_selinux,
           _observe_counters)
