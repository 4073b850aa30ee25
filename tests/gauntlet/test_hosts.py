# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lack something, and hosts that wait for everything: what can be seen is still seen, and in time."""
from __future__ import annotations

import contextlib
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.gauntlet.running import diagnose
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab

_BLACK_HOLES = 12
# What one silent endpoint takes: the wait for its connection, and a look at the route.
_ONE_SILENT_S = 5.0


@contextlib.contextmanager
def _moved_away(lab: Lab, host: str, pattern: str) -> t.Iterator[None]:
    """The files that match the shell's pattern are gone inside of the block."""
    lab.run(host, "for one in %s; do mv $one $one.away; done" % pattern)
    try:
        yield
    finally:
        lab.run(host, "for one in %s.away; do mv $one ${one%%.away}; done" % pattern)


def test_host_without_python_is_told_so(lab: Lab) -> None:
    with _moved_away(lab, "web3", "/usr/bin/python3*"):
        found = diagnose(lab, "web3,web4", [load_endpoints()["gateway"]], ["-e", "ansible_python_interpreter=auto_silent"])
    without, beside = found.endpoints["web3"]["gateway"], found.endpoints["web4"]["gateway"]
    assert (without["state"], without["causes"]) == ("unknown", [])
    assert "no Python on this host; install Python 3.8 or newer" in without["reason"]
    assert beside["state"] == "healthy", "a host that lacks Python must not keep the others from being looked at"
    assert found.exit_status == 2


def test_host_without_psycopg_is_seen_up_to_the_login(lab: Lab) -> None:
    with _moved_away(lab, "web3", "/usr/lib/python3/dist-packages/psycopg"):
        endpoint = diagnose(lab, "web3", [load_endpoints()["warehouse"]]).endpoints["web3"]["warehouse"]
    assert (endpoint["state"], endpoint["causes"]) == ("unknown", [])
    assert "psycopg" in endpoint["reason"]
    statuses = {observation["check"]: observation["status"] for observation in endpoint["observations"]}
    assert statuses["tls.verify"] == "ok"
    assert statuses["postgresql.startup"] == "ok", "the server's answer before the login needs no library"
    assert statuses["postgresql.login"] == "cannot_tell"


def test_black_holes_of_a_host_take_the_time_of_one(lab: Lab) -> None:
    endpoints = [{"name": "hole%d" % n, "url": "tcp://db1.lab.example:%d" % (7000 + n)} for n in range(_BLACK_HOLES)]
    lab.run("db1", "nft 'add table inet fault; add chain inet fault input { type filter hook input priority 0; }'")
    lab.run("db1", "nft 'add rule inet fault input tcp dport 7000-7100 drop'")
    began = time.monotonic()
    try:
        found = diagnose(lab, "web1", endpoints)
    finally:
        lab.run("db1", "nft delete table inet fault")
    seconds = time.monotonic() - began
    states = {endpoint["state"] for endpoint in found.endpoints["web1"].values()}
    assert (len(found.endpoints["web1"]), states) == (_BLACK_HOLES, {"down"})
    assert seconds < 4 * _ONE_SILENT_S, "%d silent endpoints, of two addresses each, took %.1f s" % (_BLACK_HOLES, seconds)


@pytest.mark.parametrize("entry, complaint", [
    ({"url": "postgresql://db1.lab.example", "pasword": "x"}, "connectivity_endpoints[0].pasword: unknown key; did you mean 'password'?"),
    ({"url": "postgresql://reporting:hunter2@db1.lab.example/production"}, "connectivity_endpoints[0].url: holds a password"),
    ({"url": "gopher://db1.lab.example"}, "connectivity_endpoints[0].url: unknown scheme 'gopher'"),
])
def test_bad_endpoint_is_one_clear_error(lab: Lab, entry: dict[str, t.Any], complaint: str) -> None:
    with pytest.raises(RuntimeError) as failed:
        diagnose(lab, "web1", [entry])
    assert "host web1: " + complaint in str(failed.value)
    assert "hunter2" not in str(failed.value)


def test_connection_that_cannot_stream_runs_the_same_as_a_module(lab: Lab) -> None:
    lab.run("web3", "echo 'Defaults requiretty' > /etc/sudoers.d/zz-fault")
    try:
        found = diagnose(lab, "web3", [load_endpoints()["warehouse"]], ["-vv"])
    finally:
        lab.run("web3", "rm /etc/sudoers.d/zz-fault")
    assert "not streamed" in found.output and "running as a module" in found.output
    endpoint = found.endpoints["web3"]["warehouse"]
    assert (endpoint["state"], endpoint["reason"]) == ("healthy", "")
