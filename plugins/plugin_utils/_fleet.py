# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other hosts of a run as further vantage points: "from here no, from there yes". Pure functions.

Every host is compared with the others in what can be the same for all of them: whether an address and port is reached, what a name
resolves to, where an agent is told to send, and what time it is.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import collections
import math
import statistics
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation, concluded

# Names that are told of each group; how many there are is told of all.
_MOST_NAMES = 5
# Fewer hosts than this have no majority, and no median worth the name.
_LEAST_FOR_A_MAJORITY = 3

_Key = t.Tuple[t.Any, ...]
# What is compared, and what this host saw of it; None where it is not comparable.
_Reader = t.Callable[[Observation], "tuple[_Key, t.Any] | None"]


def _connect(observation: Observation) -> tuple[_Key, t.Any] | None:
    data = observation["data"]
    return ((data.get("address"), data.get("port")), observation["status"] == "ok") if observation["status"] in ("ok", "fail") else None


def _name(observation: Observation) -> tuple[_Key, t.Any] | None:
    data = observation["data"]
    return None if data.get("literal") else ((data.get("name"),), tuple(sorted(data.get("addresses", ()))))


def _hosts_file(observation: Observation) -> tuple[_Key, t.Any] | None:
    data = observation["data"]
    return (data["name"],), tuple(sorted(data["addresses"]))


def _destination(observation: Observation) -> tuple[_Key, t.Any] | None:
    configured, expected = observation["data"].get("configured"), observation["data"].get("expected")
    if not configured or not expected:
        return None
    return (expected.get("host"), expected.get("port")), (configured.get("host"), configured.get("port"))


def _clock(observation: Observation) -> tuple[_Key, t.Any] | None:
    data = observation["data"]
    return ((), data["offset_s"]) if data.get("reference") == "controller" and math.isfinite(data["offset_s"]) else None


_READERS: dict[str, _Reader] = {
    "tcp.connect": _connect, "dns.resolve": _name, "dns.hosts_file": _hosts_file, "agent_config.endpoint": _destination,
    "clock.offset": _clock,
}


# There is one clock a host, so it has no key.
_CLOCK: tuple[str, _Key] = ("clock.offset", ())


class Group(t.NamedTuple):
    """The hosts that saw the same ``value``: how many, and some of their names."""

    value: t.Any
    count: int
    names: list[str]


class _Clocks(t.NamedTuple):
    """Of all hosts, this one too, the median of the offsets against the controller: the same for each of them."""

    hosts: int
    median_s: float

    @classmethod
    def of(cls, offsets: t.Collection[float]) -> _Clocks:
        return cls(len(offsets), statistics.median(offsets) if offsets else 0.0)

    def beside(self, here: float) -> list[Observation]:
        """``offset_s`` of this host against the controller, ``median_s`` of all hosts, ``from_median_s``, ``hosts``, ``majority`` (enough
        of them for a median): a controller whose own clock is wrong is as far from all of them. Nothing where no other host has one.
        """
        if self.hosts < 2:
            return []
        return [concluded(
            "fleet.clock", "ok", "clock",
            {"offset_s": here, "median_s": round(self.median_s, 1), "from_median_s": round(here - self.median_s, 1), "hosts": self.hosts,
             "majority": self.hosts >= _LEAST_FOR_A_MAJORITY},
            "this host's clock is %+.1f s from the median of %d hosts" % (here - self.median_s, self.hosts))]


class Fleet:
    """What every host of a run saw, by what it is about."""

    def __init__(self, observations: t.Mapping[str, t.Iterable[Observation]]) -> None:
        self._seen: dict[tuple[str, _Key], dict[str, t.Any]] = collections.defaultdict(dict)
        for host, own in observations.items():
            for check, key, value in _comparable(own):
                earlier = self._seen[check, key].get(host)
                self._seen[check, key][host] = earlier or value
        # Hardly two clocks are alike: groups of them would be as many as hosts.
        self._clocks = _Clocks.of(self._seen.get(_CLOCK, {}).values())
        self._groups = {about: [group for group in _grouped(seen) if about[0] != "dns.resolve" or not _is_itself(group.value)]
                        for about, seen in self._seen.items() if about != _CLOCK}
        self._reached = {key for (check, key), seen in self._seen.items() if check == "tcp.connect" and any(seen.values())}

    def beside(self, host: str, observations: t.Iterable[Observation]) -> list[Observation]:
        """How the other hosts see what this host saw, where any other saw it too; once for each thing."""
        told = []
        for about in dict.fromkeys((check, key) for check, key, _value in _comparable(observations)):
            value = self._seen[about].get(host)
            if about == _CLOCK:
                told += self._clocks.beside(value)
                continue
            others = _without(self._groups.get(about, ()), host, value)
            if others and about[0] == "dns.hosts_file":
                told += self._hosts_files(about[1], value, others)
            elif others:
                told.append(_VIEWS[about[0]](about[1], value, others))
        return told

    def _hosts_files(self, key: _Key, here: tuple[str, ...], others: list[Group]) -> list[Observation]:
        """``name``, ``here`` (addresses), ``elsewhere`` (``addresses``, ``hosts``, ``count``), ``reached`` (of these addresses: ``address``
        and ``port`` that some host reaches). Nothing where no other host has a line.
        """
        having = [group for group in others if group.value]
        addresses = {address for group in having for address in group.value}
        return [concluded(
            "fleet.hosts_file", "ok", str(key[0]),
            {"name": key[0], "here": list(here),
             "elsewhere": [{"addresses": list(group.value), "count": group.count, "hosts": group.names} for group in having[:_MOST_NAMES]],
             "reached": [{"address": address, "port": port} for address, port in sorted(self._reached) if address in addresses]},
            "%d of %d other hosts have %s in their hosts file, as %s" % (
                _total(having), _total(others), key[0], ", ".join(having[0].value)))] if having else []


def _comparable(observations: t.Iterable[Observation]) -> t.Iterator[tuple[str, _Key, t.Any]]:
    for observation in observations:
        reader = _READERS.get(observation["check"])
        try:
            read = reader(observation) if reader and "side" not in observation else None
            hash(read)
        except (AttributeError, KeyError, TypeError):
            continue  # what one hostile host sent must not take the others' rows away
        if read:
            yield (observation["check"], *read)


def _grouped(seen: t.Mapping[str, t.Any]) -> list[Group]:
    names: dict[t.Any, list[str]] = collections.defaultdict(list)
    for host, value in seen.items():
        names[value].append(host)
    groups = [Group(value, len(hosts), sorted(hosts)[:_MOST_NAMES + 1]) for value, hosts in names.items()]
    return sorted(groups, key=lambda group: -group.count)


def _without(groups: t.Iterable[Group], host: str, own: t.Any) -> list[Group]:
    """The groups of all other hosts, the largest first."""
    others = [Group(group.value, group.count - (group.value == own), [name for name in group.names if name != host][:_MOST_NAMES])
              for group in groups]
    return sorted((group for group in others if group.count), key=lambda group: -group.count)


def _is_itself(addresses: t.Collection[str]) -> bool:
    """A server's own hosts file may have its name at its loopback address, which nobody else is to be held to."""
    return bool(addresses) and all(address == "::1" or address.startswith("127.") for address in addresses)


def _total(groups: t.Iterable[Group]) -> int:
    return sum(group.count for group in groups)


def _view_of_connect(key: _Key, here: bool, others: list[Group]) -> Observation:
    """``address``, ``port``, ``here`` (this host reaches it), ``reached_by``, ``failed_by`` (names), ``reached``, ``failed`` (numbers)."""
    address, port = key
    by_value = {group.value: group for group in others}
    nobody = Group(None, 0, [])
    reached, failed = by_value.get(True, nobody), by_value.get(False, nobody)
    return concluded(
        "fleet.connect", "ok" if reached.count else "fail", "%s:%s" % key,
        {"address": address, "port": port, "here": here, "reached_by": reached.names, "failed_by": failed.names,
         "reached": reached.count, "failed": failed.count},
        "%s:%s is reached by %d of %d other hosts" % (address, port, reached.count, _total(others)))


def _view_of_name(key: _Key, here: tuple[str, ...], others: list[Group]) -> Observation:
    """``name``, ``here`` (addresses), ``elsewhere`` (``addresses``, ``hosts``, ``count``; the most common first), ``differs`` (no other
    host has what this one has), ``alone`` (all others agree on something else).
    """
    differs = all(group.value != here for group in others)
    alone = differs and len(others) == 1 and _total(others) + 1 >= _LEAST_FOR_A_MAJORITY
    return concluded(
        "fleet.name", "warn" if differs else "ok", str(key[0]),
        {"name": key[0], "here": list(here), "differs": differs, "alone": alone,
         "elsewhere": [{"addresses": list(group.value), "count": group.count, "hosts": group.names} for group in others[:_MOST_NAMES]]},
        "%s is %s here, and %s for %d of %d other hosts" % (
            key[0], ", ".join(here) or "unknown", ", ".join(others[0].value) or "unknown", others[0].count, _total(others)))


def _view_of_destination(key: _Key, here: _Key, others: list[Group]) -> Observation:
    """``expected``, ``here``, ``most`` (where most others send: ``host``, ``port``), ``most_count``, ``others`` (how many), ``differs``,
    ``alone`` (all others send to the same, and this one elsewhere).
    """
    most, total = others[0], _total(others)
    alone = here != most.value and most.count == total and total + 1 >= _LEAST_FOR_A_MAJORITY
    places = {name: {"host": place[0], "port": place[1]} for name, place in (("expected", key), ("here", here), ("most", most.value))}
    return concluded(
        "fleet.destination", "warn" if here != most.value else "ok", "%s:%s" % here,
        {**places, "most_count": most.count, "others": total, "differs": here != most.value, "alone": alone},
        "the agent here sends to %s:%s, those of %d of %d other hosts to %s:%s" % (*here, most.count, total, *most.value))


_VIEWS: dict[str, t.Callable[[_Key, t.Any, list[Group]], Observation]] = {
    "tcp.connect": _view_of_connect, "dns.resolve": _view_of_name, "agent_config.endpoint": _view_of_destination,
}
