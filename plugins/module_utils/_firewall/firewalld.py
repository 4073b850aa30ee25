# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firewalld does now, and what it will do after its next start: firewall-cmd(1), firewalld.zone(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import threading
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import ipset as ipsets

# Each of these starts a Python of its own on the managed node.
_QUESTIONS = {
    "default": ("--get-default-zone",),
    "runtime": ("--list-all-zones",),
    "permanent": ("--permanent", "--list-all-zones"),
    "runtime_direct": ("--direct", "--get-all-rules"),
    "permanent_direct": ("--permanent", "--direct", "--get-all-rules"),
}
_SECONDS = 8.0

# The lines of a zone that are lists, with the word for one of their entries.
_LISTS = {"services": "service", "ports": "port", "protocols": "protocol", "source-ports": "source port", "sources": "source",
          "interfaces": "interface", "forward-ports": "forward port"}
# firewalld.zones(5): the services that zones let in before anybody has changed them.
_SHIPPED = ("ssh", "dhcpv6-client", "mdns", "samba-client", "cockpit", "dhcp", "dns")
_SERVICE_FOLDERS = ("/etc/firewalld/services/", "/usr/lib/firewalld/services/")
_SERVICE_PORT = re.compile(r"<port\b([^>]*)>")
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*[\"']([^\"']*)[\"']")

Zone = t.Dict[str, t.List[str]]


class State(t.NamedTuple):
    """Zones by name, with the words of each of their lists; direct rules as firewall-cmd prints them."""

    default_zone: str
    runtime: dict[str, Zone]
    permanent: dict[str, Zone]
    runtime_direct: list[str]
    permanent_direct: list[str]


def read_state(context: Context) -> State | None:
    """None where firewalld does not run, or does not let this user ask."""
    state = context.command(["firewall-cmd", "--state"], seconds=_SECONDS)
    if state.exit_code != 0:
        return None
    answers: dict[str, str] = {}

    def ask(name: str, options: t.Sequence[str]) -> None:
        answer = context.command(["firewall-cmd", *options], seconds=_SECONDS)
        if answer.exit_code == 0:
            answers[name] = answer.output

    threads = [threading.Thread(target=ask, args=question, daemon=True) for question in _QUESTIONS.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answers) < len(_QUESTIONS):
        return None
    return State(answers["default"].strip(), parse_zones(answers["runtime"]), parse_zones(answers["permanent"]),
                 answers["runtime_direct"].splitlines(), answers["permanent_direct"].splitlines())


def parse_zones(text: str) -> dict[str, Zone]:
    """What ``firewall-cmd --list-all-zones`` prints."""
    zones: dict[str, Zone] = {}
    zone: Zone = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        if not line[0].isspace():
            zone = zones.setdefault(line.split()[0], {"rich rules": []})
            continue
        name, colon, value = line.strip().partition(":")
        if line.startswith("\t") or name == "rule" or not colon:
            zone.setdefault("rich rules", []).append(line.strip())
        elif name == "target":
            zone["target"] = [value.strip()]
        elif name in _LISTS:
            zone[name] = value.split()
    return zones


class View(t.NamedTuple):
    """What firewalld says of one flow.

    :ivar zone: the zone that the flow falls into. :ivar assigned: whether the interface is in a zone by name, not by default only.
    :ivar runtime_only: what holds now and will be gone. :ivar permanent_only: what is written and does not hold yet.
    :ivar concerning: which of these are about the flow. :ivar allowing: the zones that would let it in.
    :ivar opening: those of them in which somebody has opened its port.
    """

    zone: str
    by: str
    assigned: bool
    runtime_only: list[str]
    permanent_only: list[str]
    concerning: list[str]
    allowing: list[str]
    opening: list[str]


def view(state: State, flow: flows.Flow) -> View:
    port = flow.local_port.low if flow.direction == "inbound" else flow.peer_port.low
    zone, by = _zone_of(state, flow)
    now, then = _entries(state.runtime.get(zone, {})), _entries(state.permanent.get(zone, {}))
    now += ["direct rule " + rule for rule in state.runtime_direct]
    then += ["direct rule " + rule for rule in state.permanent_direct]
    runtime_only, permanent_only = [entry for entry in now if entry not in then], [entry for entry in then if entry not in now]
    return View(
        zone, by, by != "default",
        runtime_only, permanent_only,
        [entry for entry in runtime_only + permanent_only if _is_about(entry, port, flow)],
        sorted(name for name, lists in state.runtime.items() if _allows(lists, port, flow.protocol)),
        sorted(name for name, lists in state.runtime.items() if _opens(lists, port, flow.protocol)),
    )


def _zone_of(state: State, flow: flows.Flow) -> tuple[str, str]:
    """Sources come before interfaces, interfaces before the default zone."""
    peer = flows.address_number(flow.peer)
    for name, zone in state.runtime.items():
        for source in zone.get("sources", ()):
            try:
                span = ipsets.address_span(source)
            except (OSError, ValueError):
                continue  # an ipset or a hardware address
            if (":" in source) == (peer[0] == 6) and span.low <= peer[1] <= span.high:
                return name, "source"
    for name, zone in state.runtime.items():
        if flow.interface in zone.get("interfaces", ()):
            return name, "interface"
    return state.default_zone, "default"


def _entries(zone: Zone) -> list[str]:
    found = ["%s %s" % (word, entry) for name, word in _LISTS.items() for entry in zone.get(name, ())]
    found += ["target %s" % target for target in zone.get("target", ())]
    return found + ["rich rule %s" % rule for rule in zone.get("rich rules", ())]


def _is_about(entry: str, port: int, flow: flows.Flow) -> bool:
    kind, _space, text = entry.partition(" ")
    if kind == "port":
        return _port_matches(text, port, flow.protocol)
    if kind == "service":
        return any(_port_matches(one, port, flow.protocol) for one in service_ports(text))
    if kind in ("target", "interface", "source"):
        return kind == "target" or text in (flow.interface, flow.peer)
    services = re.findall(r'service name="([^"]+)"', entry)
    named = any(_port_matches(one, port, flow.protocol) for service in services for one in service_ports(service))
    return named or re.search(r"(?<!\d)%d(?!\d)" % port, text) is not None or (flow.peer in text and "port" not in text)


def _allows(zone: Zone, port: int, protocol: str) -> bool:
    if zone.get("target") == ["ACCEPT"] or protocol in zone.get("protocols", ()):
        return True
    return _has_port(zone.get("ports", ()), zone.get("services", ()), port, protocol)


def _opens(zone: Zone, port: int, protocol: str) -> bool:
    """Beyond what zones let in as they are shipped."""
    return _has_port(zone.get("ports", ()), [one for one in zone.get("services", ()) if one not in _SHIPPED], port, protocol)


def _has_port(ports: t.Iterable[str], services: t.Iterable[str], port: int, protocol: str) -> bool:
    return any(_port_matches(one, port, protocol) for one in (*ports, *(one for service in services for one in service_ports(service))))


def _port_matches(written: str, port: int, protocol: str) -> bool:
    """``5432/tcp`` or ``5432-5440/tcp``."""
    numbers, _slash, wanted = written.partition("/")
    low, _dash, high = numbers.partition("-")
    return wanted == protocol and low.isdigit() and int(low) <= port <= (int(high) if high.isdigit() else int(low))


def service_ports(name: str) -> list[str]:
    """The ports of a service, as ``5432/tcp``; none if nothing is known of it."""
    if not re.match(r"[\w.-]+$", name):
        return []
    for folder in _SERVICE_FOLDERS:
        try:
            with open(folder + name + ".xml", encoding="utf-8", errors="replace") as file:
                text = re.sub(r"<!--.*?-->", "", file.read(65536), flags=re.DOTALL)
        except OSError:
            continue
        attributes = [dict(_ATTRIBUTE.findall(found)) for found in _SERVICE_PORT.findall(text)]
        return ["%s/%s" % (one.get("port", ""), one.get("protocol", "")) for one in attributes]
    return []
