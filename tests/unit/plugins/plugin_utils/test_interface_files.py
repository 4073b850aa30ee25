# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of which files set up routes and MTUs, and that exactly these are taken out or changed: files of three programs."""
from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    ifupdown as _interfaces_ifupdown,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    networkd as _interfaces_networkd,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    networkmanager as _interfaces_networkmanager,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    owner as _interface_owner,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface.setting import LinkSetting, RouteSetting
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import _interface_files
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy

_INTERFACES = """auto lo
iface lo inet loopback
# gateway 10.0.0.9
iface eth0 inet static
    address 10.0.0.5/24
    gateway 10.0.0.1
    mtu 9000
    up ip route add blackhole 192.0.2.9
    post-up /sbin/ip -4 route add blackhole 192.0.2.9/32 metric 5
    # up ip route add blackhole 192.0.2.9
    up ip route add prohibit 192.0.2.9
    up ip route add 192.0.2.0/24 via 10.0.0.7 dev eth0
    up ethtool -K eth0 tso off
iface eth0 inet6 static
    gateway fd00::1
    up ip -6 route replace default via fd00::2
auto eth8
gateway 10.0.0.8
source interfaces.d/*
auto eth9
    gateway 10.0.0.6
"""
_SOURCED = """iface eth1 inet static
    gateway 10.1.0.1
"""
_NETWORK = """[Match]
Name=eth0

[Network]
Address=10.0.0.5/24
Gateway=10.0.0.1
Gateway=fd00::1

# to the old site
[Route]
Destination=192.0.2.9
Type=blackhole

[Route]
Destination=192.0.2.0/24
Gateway=10.0.0.1

[Route]
Gateway=_dhcp4
"""
_KEYFILE = """[connection]
id=eth0
uuid=6f0a3b0e-5d0f-4a57-9d0c-5b0f4c1f7a10
interface-name=eth0

[802-1x]
password=s3cr3t-canary

[ipv4]
method=manual
address1=10.0.0.5/24,10.0.0.1
route1=192.0.2.9/32
route1_options=type=blackhole
route2=192.0.2.0/24,10.0.0.7,50

[ipv6]
gateway=fd00::1
method=manual
"""
_Read = t.Callable[[pathlib.Path], "list[RouteSetting]"]


def _ifupdown(folder: pathlib.Path) -> list[RouteSetting]:
    (folder / "interfaces.d").mkdir()
    (folder / "interfaces.d" / "more").write_text(_SOURCED)
    (folder / "interfaces").write_text(_INTERFACES)
    return _interfaces_ifupdown.routes(str(folder / "interfaces"))


def _networkd(folder: pathlib.Path) -> list[RouteSetting]:
    (folder / "10-eth0.network").write_text(_NETWORK)
    (folder / "10-eth0.network.d").mkdir()
    (folder / "10-eth0.network.d" / "more.conf").write_text("[Route]\nDestination=198.51.100.0/24\nType=prohibit")
    return _interfaces_networkd.routes(str(folder))


def _network_manager(folder: pathlib.Path) -> list[RouteSetting]:
    (folder / "eth0.nmconnection").write_text(_KEYFILE)
    return _interfaces_networkmanager.routes([str(folder), ""])


@pytest.mark.parametrize(("read", "told"), [
    (_ifupdown, [
        ("eth0", "0.0.0.0/0", "unicast", "10.0.0.1"), ("eth0", "192.0.2.9/32", "blackhole", ""), ("eth0", "192.0.2.9/32", "blackhole", ""),
        ("eth0", "192.0.2.9/32", "prohibit", ""), ("eth0", "192.0.2.0/24", "unicast", "10.0.0.7"), ("eth0", "::/0", "unicast", "fd00::1"),
        ("eth0", "::/0", "unicast", "fd00::2"), ("eth1", "0.0.0.0/0", "unicast", "10.1.0.1")]),
    (_networkd, [
        ("eth0", "0.0.0.0/0", "unicast", "10.0.0.1"), ("eth0", "::/0", "unicast", "fd00::1"), ("eth0", "192.0.2.9/32", "blackhole", ""),
        ("eth0", "192.0.2.0/24", "unicast", "10.0.0.1"), ("eth0", "198.51.100.0/24", "prohibit", "")]),
    (_network_manager, [
        ("eth0", "0.0.0.0/0", "unicast", "10.0.0.1"), ("eth0", "192.0.2.9/32", "blackhole", ""),
        ("eth0", "192.0.2.0/24", "unicast", "10.0.0.7"), ("eth0", "::/0", "unicast", "fd00::1")]),
])
def test_what_the_files_set(read: _Read, told: list[tuple[str, ...]], tmp_path: pathlib.Path) -> None:
    found = read(tmp_path)
    assert [(one.device, one.prefix, one.type, one.gateway) for one in found] == told
    assert "canary" not in repr(found)


def _edited(edits: t.Iterable[t.Mapping[str, str]], text: str) -> str:
    """As ansible.builtin.replace does it."""
    for edit in edits:
        text = re.compile(edit["regexp"], re.MULTILINE).sub(edit["replace"], text)
    return text


def _difference(old: str, new: str) -> tuple[list[str], list[str]]:
    """Lines that went, and that came; each as often as it did."""
    gone, come = old.splitlines(), []
    for line in new.splitlines():
        if line in gone:
            gone.remove(line)
        else:
            come.append(line)
    return gone, come


def _route(prefix: str, kind: str, gateway: str = "", device: str = "") -> dict[str, t.Any]:
    return {"prefix": prefix, "type": kind, "gateway": gateway, "device": device}


@pytest.mark.parametrize(("read", "text", "route", "gone", "come"), [
    (_ifupdown, _INTERFACES, _route("192.0.2.9/32", "blackhole"),
     ["    up ip route add blackhole 192.0.2.9", "    post-up /sbin/ip -4 route add blackhole 192.0.2.9/32 metric 5"], []),
    (_ifupdown, _INTERFACES, _route("0.0.0.0/0", "unicast", "10.0.0.1", "eth0"), ["    gateway 10.0.0.1"], []),
    (_ifupdown, _INTERFACES, _route("0.0.0.0/0", "unicast", "10.0.0.1", "eth1"), [], []),
    (_networkd, _NETWORK, _route("192.0.2.9/32", "blackhole"), ["[Route]", "Destination=192.0.2.9", "Type=blackhole"], []),
    (_networkd, _NETWORK, _route("0.0.0.0/0", "unicast", "10.0.0.1", "eth0"), ["Gateway=10.0.0.1"], []),
    (_networkd, _NETWORK, _route("192.0.2.0/24", "unicast", "10.0.0.1", "eth0"),
     ["[Route]", "Destination=192.0.2.0/24", "Gateway=10.0.0.1"], []),
    (_network_manager, _KEYFILE, _route("192.0.2.9/32", "blackhole"), ["route1=192.0.2.9/32", "route1_options=type=blackhole"], []),
    (_network_manager, _KEYFILE, _route("0.0.0.0/0", "unicast", "10.0.0.1", "eth0"),
     ["address1=10.0.0.5/24,10.0.0.1"], ["address1=10.0.0.5/24"]),
    (_network_manager, _KEYFILE, _route("::/0", "unicast", "fd00::1", "eth0"), ["gateway=fd00::1"], []),
])
def test_exactly_the_lines_of_the_very_route_go(
    read: _Read, text: str, route: dict[str, t.Any], gone: list[str], come: list[str], tmp_path: pathlib.Path,
) -> None:
    settings = [one._replace(file="/etc/" + pathlib.Path(one.file).name) for one in read(tmp_path)]
    kept = _interface_files.without_routes(_interface_owner.setting_any(settings, [route]))
    edited = _edited(kept.edits, text)
    removed, added = _difference(text, edited)
    assert (sorted(removed), added) == (sorted(gone), come)
    assert _edited(kept.edits, edited) == edited
    assert bool(kept.reloads) == (bool(gone) and read is _network_manager) and bool(kept.told) == bool(gone)


def test_of_two_equal_lines_only_that_of_the_right_section_goes(tmp_path: pathlib.Path) -> None:
    """``Gateway=10.0.0.1`` stands in [Network] and in a [Route] of another destination."""
    route = _route("0.0.0.0/0", "unicast", "10.0.0.1", "eth0")
    settings = [one._replace(file="/etc/a.network") for one in _networkd(tmp_path)]
    edited = _edited(_interface_files.without_routes(_interface_owner.setting_any(settings, [route])).edits, _NETWORK)
    assert "Destination=192.0.2.0/24\nGateway=10.0.0.1\n" in edited and "Address=10.0.0.5/24\nGateway=fd00::1\n" in edited


@pytest.mark.parametrize(("setting", "text", "gone", "come"), [
    (LinkSetting("ifupdown", "/etc/network/interfaces", "iface eth0 inet static", "    mtu 9000"), _INTERFACES,
     ["    mtu 9000"], ["    mtu 1400"]),
    (LinkSetting("ifupdown", "/etc/network/interfaces", "iface eth0 inet6 static", ""), _INTERFACES, [], ["    mtu 1400"]),
    (LinkSetting("networkmanager", "/etc/NetworkManager/a", "", ""), _KEYFILE, [], ["", "[ethernet]", "mtu=1400"]),
    (LinkSetting("networkmanager", "/etc/NetworkManager/a", "[ethernet]", ""), _KEYFILE + "[ethernet]\nx=1\n", [], ["mtu=1400"]),
    (LinkSetting("networkmanager", "/etc/NetworkManager/a", "[ethernet]", "mtu=9000"), _KEYFILE + "[ethernet]\nmtu=9000\n",
     ["mtu=9000"], ["mtu=1400"]),
])
def test_an_mtu_is_set_in_its_one_line(setting: LinkSetting, text: str, gone: list[str], come: list[str]) -> None:
    kept = _interface_files.with_mtu(setting._asdict(), 1400)
    edited = _edited(kept.edits, text)
    assert _difference(text, edited) == (gone, come) and kept.files == (setting.file,)
    if setting.by == "ifupdown":
        assert edited.index("mtu 1400") > edited.index(setting.head)


def test_a_file_of_networkd_gets_another_beside_it_whoever_wrote_it() -> None:
    kept = _interface_files.with_mtu(LinkSetting("networkd", "/usr/lib/systemd/network/80-vm.network", "", "")._asdict(), 1400)
    assert kept.drop_in["path"] == "/etc/systemd/network/80-vm.network.d/zz-connectivity-doctor.conf"
    assert kept.drop_in["content"].endswith("[Link]\nMTUBytes=1400\n") and kept.files == (kept.drop_in["path"],)


@pytest.mark.parametrize("setting", [
    LinkSetting("networkd", "/run/systemd/network/10-netplan-eth0.network", "", ""),
    LinkSetting("networkmanager", "/run/NetworkManager/system-connections/netplan-eth0.nmconnection", "", ""),
])
def test_what_netplan_makes_is_only_named(setting: LinkSetting) -> None:
    kept = _interface_files.with_mtu(setting._asdict(), 1400)
    assert "netplan" in kept.told and (kept.edits, kept.drop_in, kept.files) == ((), {}, ())


def test_an_mtu_that_nobody_is_known_to_set_is_told_to_be_for_now_only() -> None:
    assert "until the next start" in _interface_files.with_mtu(None, 1400).told


def test_a_file_that_is_no_configuration_is_never_edited() -> None:
    """What a host sends is not trusted to name any file at all."""
    with pytest.raises(NoRemedy):
        _interface_files.with_mtu(LinkSetting("ifupdown", "/root/.profile", "iface eth0 inet static", "")._asdict(), 1400)


def test_where_the_mtu_of_an_interface_is_set(tmp_path: pathlib.Path) -> None:
    _ifupdown(tmp_path)
    path = str(tmp_path / "interfaces")
    assert _interfaces_ifupdown.link("eth0", path) == LinkSetting("ifupdown", path, "iface eth0 inet static", "    mtu 9000")
    more = str(tmp_path / "interfaces.d" / "more")
    assert _interfaces_ifupdown.link("eth1", path) == LinkSetting("ifupdown", more, "iface eth1 inet static", "")
    assert _interfaces_ifupdown.link("eth7", path) is None
    shown = "● 3: eth0\n       Link File: n/a\n    Network File: /etc/systemd/network/a.network\n           State: routable (configured)\n"
    assert _interfaces_networkd.link_of(shown) == LinkSetting("networkd", "/etc/systemd/network/a.network", "", "")
    assert _interfaces_networkd.link_of("    Network File: n/a\n") is None and _interfaces_networkd.link_of("") is None


def test_files_that_include_each_other_come_to_an_end(tmp_path: pathlib.Path) -> None:
    (tmp_path / "interfaces").write_text("source interfaces\niface eth0 inet static\n    gateway 10.0.0.1\n")
    assert {one.gateway for one in _interfaces_ifupdown.routes(str(tmp_path / "interfaces"))} == {"10.0.0.1"}


def test_gateways_of_the_same_family_with_their_interface(tmp_path: pathlib.Path) -> None:
    settings = _ifupdown(tmp_path)
    assert [(one["gateway"], one["device"]) for one in _interface_owner.gateways(settings, "192.0.2.1")] == [
        ("10.0.0.1", "eth0"), ("10.1.0.1", "eth1")]
    assert [one["gateway"] for one in _interface_owner.gateways(settings, "2001:db8::1")] == ["fd00::1", "fd00::2"]
