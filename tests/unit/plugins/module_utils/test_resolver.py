# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolv.conf, nsswitch.conf and the hosts file as hosts have them, well and badly written."""
from __future__ import annotations

import os

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._resolver import (
    ResolverConfiguration,
    candidates,
    hosts_lines,
    read_configuration,
)


@pytest.fixture
def read(tmp_path):
    def read_files(resolv_conf, nsswitch="hosts: files dns\n"):
        (tmp_path / "resolv.conf").write_bytes(resolv_conf if isinstance(resolv_conf, bytes) else resolv_conf.encode())
        (tmp_path / "nsswitch.conf").write_text(nsswitch)
        return read_configuration(str(tmp_path / "resolv.conf"), str(tmp_path / "nsswitch.conf"))

    return read_files


def test_a_usual_file(read):
    assert read("# made by NetworkManager\nsearch corp.example.com example.com\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\n"
                "options ndots:2 timeout:1 rotate\n") == ResolverConfiguration(
        ("10.0.0.53", "fe80::1%eth0"), ("corp.example.com", "example.com"), 2, "", "", ("files", "dns"), 1)


@pytest.mark.parametrize(("text", "servers"), [
    ("nameserver 10.0.0.1 # first\n  nameserver\t10.0.0.2 ; second\n", ("10.0.0.1", "10.0.0.2")),
    ("#nameserver 10.0.0.1\n;nameserver 10.0.0.2\n", ()),
    ("nameserver\nnameserver 10.0.0.2\n", ("10.0.0.2",)),
    ("".join("nameserver 10.0.0.%d\n" % number for number in range(1, 7)), ("10.0.0.1", "10.0.0.2", "10.0.0.3")),
    ("", ()),
    ("\x00\x01\x02", ()),
    (b"\xff\xfe\nnameserver 10.0.0.9\n", ("10.0.0.9",)),
    ("nameserver 10.0.0.1\r\n", ("10.0.0.1",)),
    ("search a\n" * 100000 + "nameserver 10.0.0.1\n", ("10.0.0.1",)),
])
def test_name_servers(read, text, servers):
    assert read(text).servers == servers


@pytest.mark.parametrize(("text", "search", "ndots"), [
    ("search a b\nsearch c\n", ("c",), 1),
    ("domain a\n", ("a",), 1),
    ("options ndots:5\n", (), 5),
    ("options ndots:99\n", (), 15),  # resolv.conf(5): silently capped
    ("options ndots:many\n", (), 1),
    ("options ndots:0\n", (), 0),
])
def test_search_and_ndots(read, text, search, ndots):
    configuration = read(text)
    assert (configuration.search, configuration.ndots) == (search, ndots)


def test_a_file_that_is_missing_dangling_linked_or_unreadable(tmp_path):
    path = tmp_path / "resolv.conf"
    assert read_configuration(str(path)).problem == "missing"
    path.symlink_to(tmp_path / "run" / "stub-resolv.conf")
    dangling = read_configuration(str(path))
    assert dangling.problem == "dangling_link" and dangling.link == os.path.realpath(str(path))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stub-resolv.conf").write_text("nameserver 127.0.0.53\n")
    linked = read_configuration(str(path))
    assert (linked.problem, linked.servers) == ("", ("127.0.0.53",)) and linked.link.endswith("run/stub-resolv.conf")
    path.unlink()
    path.mkdir()
    assert read_configuration(str(path)).problem == "unreadable"


@pytest.mark.parametrize(("text", "sources", "line"), [
    ("passwd: files\nhosts: files dns\n", ("files", "dns"), 2),
    ("hosts:files mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] dns\n", ("files", "mdns4_minimal", "resolve", "dns"), 1),
    ("hosts: files[NOTFOUND=return]dns\n", ("files", "dns"), 1),
    ("hosts: files [SUCCESS=continue NOTFOUND=return UNAVAIL=continue] dns\n", ("files", "dns"), 1),
    ("  hosts :\tfiles   # dns\n", ("files",), 1),
    ("#hosts: files\n", ("dns", "files"), 0),
    ("hosts:\n", (), 1),
    ("hosts_other: x\nhosts: dns\n", ("dns",), 2),
    ("hosts files dns\n", ("dns", "files"), 0),
])
def test_sources_of_host_names(read, text, sources, line):
    configuration = read("", text)
    assert (configuration.sources, configuration.sources_line) == (sources, line)


def test_without_nsswitch_the_default_holds(tmp_path):
    assert read_configuration(str(tmp_path / "none"), str(tmp_path / "none")).sources == ("dns", "files")


HOSTS = """127.0.0.1 localhost
# 10.0.0.9 db.example.com
10.0.0.5\tdb.example.com db   # the old one
10.0.0.6 other DB.Example.Com
::1 localhost
10.0.0.7
"""


@pytest.mark.parametrize(("name", "found"), [
    ("db.example.com", [(3, "10.0.0.5"), (4, "10.0.0.6")]),
    ("DB.example.com.", [(3, "10.0.0.5"), (4, "10.0.0.6")]),
    ("db", [(3, "10.0.0.5")]),
    ("localhost", [(1, "127.0.0.1"), (5, "::1")]),
    ("example.com", []),
    ("old", []),
    ("10.0.0.7", []),
])
def test_lines_of_the_hosts_file(tmp_path, name, found):
    (tmp_path / "hosts").write_text(HOSTS)
    assert [(line.line, line.address) for line in hosts_lines(name, str(tmp_path / "hosts"))] == found


def test_a_hosts_file_that_is_not_there_or_is_rubbish(tmp_path):
    assert hosts_lines("db", str(tmp_path / "none")) == []
    (tmp_path / "hosts").write_bytes(bytes(range(256)) * 1000 + b"\n10.0.0.5 db\n")
    assert [line.address for line in hosts_lines("db", str(tmp_path / "hosts"))] == ["10.0.0.5"]


@pytest.mark.parametrize(("name", "search", "ndots", "tried"), [
    ("db", ("a.example", "b.example"), 1, ["db.a.example.", "db.b.example.", "db."]),
    ("db.example.com", ("a.example",), 1, ["db.example.com.", "db.example.com.a.example."]),
    ("db.example.com", ("a.example",), 5, ["db.example.com.a.example.", "db.example.com."]),
    ("db.example.com.", ("a.example",), 5, ["db.example.com."]),
    ("db", (), 1, ["db."]),
    ("db", (".", "a.example."), 1, ["db.a.example.", "db."]),
    ("db", ("a",), 0, ["db.", "db.a."]),
    ("db", tuple("abcdefgh"), 1, ["db.a.", "db.b.", "db.c.", "db.d.", "db.e.", "db.f."]),
])
def test_the_names_that_the_resolver_tries_in_its_order(name, search, ndots, tried):
    assert candidates(name, ResolverConfiguration((), search, ndots, "", "", (), 0)) == tried
