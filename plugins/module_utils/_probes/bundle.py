# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a support bundle has of this host: read, and redacted before any of it leaves."""
from __future__ import annotations

import base64
import functools
import re
import socket
import time
import typing as t
import zlib

from ansible_collections.connectivity.doctor.plugins.module_utils import _bundle_sources as sources
from ansible_collections.connectivity.doctor.plugins.module_utils._bundle_reading import (
    Text,
    matching,
    read_file,
    read_journal,
    read_log,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._bundle_reading import (
    run as run_command,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.bundle import CONFIGURATION, FACT, LOG, Redactor
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.places import Places

PARTS = ("config", "diagnostics", "logs")
ARGUMENTS: dict[str, t.Any] = {
    "key": {"type": "str", "required": True, "no_log": True},
    "parts": {"type": "list", "elements": "str", "default": list(PARTS)},
    "configurations": {"type": "list", "elements": "str", "default": []},
    "logs": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
    "units": {"type": "list", "elements": "str", "default": []},
    "window": {"type": "int", "default": 3600},
    "map_places": {"type": "bool", "default": False},
    "names": {"type": "list", "elements": "str", "default": []},
}

_MOST_FILES = 300
_MOST_BYTES = 12 * 1024 * 1024
# What redaction and the way back need of the deadline.
_RESERVE_S = 1.0
_UNUSUAL = re.compile(r"[^\w.@+=/-]|\.\.")
_ENVIRONMENT_FILE = re.compile(r"^EnvironmentFiles=(\S+)", re.MULTILINE)
_HOST_NAMES = re.compile(r"^\s*(?:[\d.]+|[0-9a-fA-F:]+)\s+([^#\n]+)|^\s*(?:search|domain)\s+([^#\n]+)", re.MULTILINE)

_Read = t.Callable[[], Text]


class _Item(t.NamedTuple):
    """``source``: where it is from, for a person."""

    member: str
    kind: str
    source: str
    read: _Read


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``bundle.file`` for all that there is to read, and ``bundle.places`` for addresses and names that were mapped; always passes.

    ``bundle.file``: ``member`` (its path in the bundle), ``kind`` (``configuration``, ``log``, ``fact``, ``public``), ``source`` (path or
    command), ``content`` (of zlib, in base64), ``bytes``, ``truncated``, ``redacted`` (by rule, how many secrets); or ``reason`` why there
    is none: ``missing``, ``not_found`` (the command), ``not_permitted``, ``not_a_file``, ``too_large``, ``binary``, ``damaged``,
    ``timed_out``, ``nothing_in_window``, ``never_collected``, ``link_of_another_user``, ``deadline``, ``bundle_full``.
    ``bundle.places``: ``told``, from what there is to what stands for it.
    """
    key = parameters["key"]
    configurations = _read_now(_configurations(parameters, context), context)
    places = Places(key, [*parameters["names"], *_own_names(configurations)]) if parameters["map_places"] else None
    redactor = Redactor(key, [secret for secret in context.secrets if secret != key], places)
    for _item, text in configurations:
        redactor.learn(text.text)
    named = set(matching(parameters["files"]))
    shown = [(item, text) for item, text in configurations if "config" in parameters["parts"] or item.source in named]
    left = _MOST_BYTES
    for item, text in _all(shown, _others(parameters, context), context):
        if len(text.text) > left:
            text = Text(problem="bundle_full")
        left -= len(text.text)
        _record(item, text, redactor, context)
    if places:
        context.observe("bundle.places", "ok", "", "%d addresses and names were mapped" % len(places.told), data={"told": places.told})
    return Outcome(True)


def _all(
    configurations: list[tuple[_Item, Text]], others: t.Iterable[_Item], context: Context,
) -> t.Iterator[tuple[_Item, Text]]:
    """Configurations first; of all others one is in memory at a time."""
    yield from configurations
    for number, item in enumerate(others, len(configurations)):
        yield item, Text(problem="bundle_full") if number >= _MOST_FILES else _read(item, context)


def _read_now(items: t.Iterable[_Item], context: Context) -> list[tuple[_Item, Text]]:
    return [(item, _read(item, context)) for item in items][:_MOST_FILES]


def _read(item: _Item, context: Context) -> Text:
    return item.read() if context.deadline.remaining() > _RESERVE_S else Text(problem="deadline")


def _configurations(parameters: dict[str, t.Any], context: Context) -> t.Iterator[_Item]:
    """Always read, as what is learned from them is masked in all that is shown."""
    paths = [*sources.CONFIGURATIONS, *parameters["configurations"], *parameters["files"]]
    for unit in parameters["units"]:
        argv = (*sources.UNIT_FILES, unit)
        yield _Item("config/systemd/%s.txt" % unit, CONFIGURATION, " ".join(argv), functools.partial(run_command, argv, context))
        shown = run_command(("systemctl", "show", "--property=EnvironmentFiles", unit), context)
        paths += _ENVIRONMENT_FILE.findall(shown.text)
    for path in matching(paths):
        if not path.endswith(".log"):
            yield _Item("config" + path, CONFIGURATION, path, functools.partial(read_file, path))


def _others(parameters: dict[str, t.Any], context: Context) -> t.Iterator[_Item]:
    """What is not learned from: what commands say, and logs."""
    if "diagnostics" in parameters["parts"]:
        commands = [*sources.COMMANDS, *((member % unit, kind, (*argv, unit)) for unit in parameters["units"]
                                         for member, kind, argv in sources.UNIT_COMMANDS)]
        for member, kind, argv in commands:
            yield _Item(member, kind, " ".join(argv), functools.partial(run_command, argv, context))
    now = time.time()
    since = now - parameters["window"]
    named = [path for path in matching(parameters["files"]) if path.endswith(".log")]
    for path in dict.fromkeys([*named, *(matching([*parameters["logs"], *sources.LOGS]) if "logs" in parameters["parts"] else ())]):
        yield _Item("logs" + path, LOG, path, functools.partial(read_log, path, since, now, context))
    if "logs" in parameters["parts"]:
        for unit in dict.fromkeys([*parameters["units"], *sources.UNITS, ""]):
            yield _Item("logs/journal/%s.log" % (unit.replace("*", "") or "kernel"), LOG, "journal of " + (unit or "the kernel"),
                        functools.partial(read_journal, unit, since, context))


def _own_names(configurations: t.Iterable[tuple[_Item, Text]]) -> list[str]:
    """What this host calls itself and others."""
    texts = [text.text for item, text in configurations if item.source in ("/etc/hosts", "/etc/resolv.conf")]
    found = [word for text in texts for match in _HOST_NAMES.findall(text) for word in "".join(match).split()]
    return [socket.gethostname(), *found]


def _record(item: _Item, text: Text, redactor: Redactor, context: Context) -> None:
    member = _UNUSUAL.sub("_", item.member)
    source = redactor.text("", item.source, FACT)
    data: dict[str, t.Any] = {"member": redactor.text("", member, FACT), "kind": item.kind, "source": source}
    if text.problem:
        context.observe("bundle.file", "cannot_tell", source, "%s: %s" % (source, text.problem), data={**data, "reason": text.problem})
        return
    redacted = redactor.text(member, text.text, item.kind).encode("utf-8", "backslashreplace")
    context.observe("bundle.file", "ok", source, "%d bytes" % len(redacted), data={
        **data, "content": base64.b64encode(zlib.compress(redacted, 6)).decode(), "bytes": len(redacted), "truncated": text.truncated,
        "redacted": redactor.counts.get(member, {}),
    })
