# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds a service's process: its control group, its environment, its PID file and its package, each as an observation.

Their data is documented with the service probe, whose parts they are.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.module_utils import _cgroup, _package, _process, _process_environment
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._fingerprint import SHOWN, fingerprint
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import is_secret_name, redact_url

_MOST_NAMES = 200
_PLAIN_VALUE = 300


def observe_group(context: Context, unit: str, path: str) -> None:
    group = _cgroup.read_group(path) if path else None
    if group is None:
        return
    killed, refused = group.oom_kills or 0, group.forks_refused or 0
    message = "the kernel has killed %d processes of %s for want of memory, and refused %d" % (killed, unit, refused)
    context.observe(
        "service.cgroup", "warn" if killed or refused else "ok", unit, message, data={"unit": unit, "path": path, **group._asdict()},
        reproduce="grep . /sys/fs/cgroup%s/memory.events /sys/fs/cgroup%s/pids.*" % (path, path))


def observe_environment(context: Context, unit: str, pid: int, salt: str) -> None:
    environment = _process_environment.of_process(pid)
    if environment is None:
        context.observe("service.environment", "cannot_tell", unit, "the environment of process %d can't be read" % pid,
                        data={"reason": "not_permitted", "pid": pid})
        return
    proxies = {name: context.text(redact_url(value), _PLAIN_VALUE) for name, value in _process_environment.proxies(environment).items()}
    secret = sorted(name for name, value in environment.items() if value and is_secret_name(name))[:_MOST_NAMES] if salt else []
    data = {
        "unit": unit,
        "pid": pid,
        "names": [context.text(name, 100) for name in sorted(environment)[:_MOST_NAMES]],
        "proxies": proxies,
        "libpq": {name: context.text(redact_url(environment[name]), _PLAIN_VALUE) for name in _process_environment.LIBPQ_NAMES
                  if environment.get(name)},
        "fingerprints": {context.text(name, 100): fingerprint(environment[name], salt)[:SHOWN] for name in secret},
    }
    how = "goes through %s" % ", ".join(sorted(proxies)) if proxies else "has no proxy in its environment"
    context.observe("service.environment", "ok", unit, "process %d of %s %s" % (pid, unit, how), data=data,
                    reproduce="tr '\\0' '\\n' < /proc/%d/environ | cut -d= -f1" % pid)


def observe_pid_file(context: Context, unit: str, path: str, command: str) -> int:
    """:returns: the process that the file names, if it lives and is the right program."""
    try:
        with open(path, "rb") as file:
            words = file.read(64).split()
    except OSError as problem:
        missing = isinstance(problem, FileNotFoundError)
        context.observe("service.pid_file", "warn" if missing else "cannot_tell", path, "there is no %s" % path if missing else
                        "%s can't be read" % path, data={"reason": "missing" if missing else "not_permitted", "path": path})
        return 0
    pid = int(words[0]) if words and words[0].isdigit() and len(words[0]) < 10 else 0
    process = _process.read_process(pid) if pid else None
    stale = process is None or bool(command and process.command != command[:15])
    data = {
        "unit": unit, "path": path, "pid": pid, "alive": process is not None, "command": process.command if process else "", "stale": stale,
    }
    what = "process %d, which is %s" % (pid, process.command if process else "gone")
    context.observe("service.pid_file", "warn" if stale else "ok", path, "%s names %s" % (path, what), data=data,
                    reproduce="ps -o pid,lstart,args -p $(cat %s)" % path)
    return 0 if stale else pid


def observe_package(context: Context, name: str) -> None:
    package = _package.look_up(name, context)
    if package is None:
        context.observe("service.package", "cannot_tell", name, "there is neither dpkg nor rpm here", data={"reason": "no_package_manager"})
        return
    bad = package.state != "installed" or package.missing
    state = package.state.replace("_", " ")
    gone = ", and %d of its files are missing" % len(package.missing) if package.missing else ""
    context.observe(
        "service.package", "fail" if bad else "warn" if package.changed else "ok", name,
        "package %s %s is %s%s" % (name, package.version, state, gone) if package.version else "package %s is %s" % (name, state),
        data={"package": name, **package._asdict()}, reproduce="%s -V %s" % (package.manager, name))
