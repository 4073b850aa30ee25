# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a service's processes are connected to: real processes, real sockets on loopback."""
from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _sock_diag
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.plugins.module_utils._service_connections import observe_connections

CLIENT = """
import socket, sys
held = [socket.create_connection(('127.0.0.1', int(port))) for port in sys.argv[1:]]
print(flush=True)
input()
"""


@pytest.fixture
def listener():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened


@pytest.fixture
def connect():
    """Starts processes that hold connections to these ports."""
    children = []

    def begin(*ports):
        child = subprocess.Popen([sys.executable, "-c", CLIENT, *map(str, ports)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(child)
        child.stdout.readline()
        return child.pid

    yield begin
    for child in children:
        child.communicate(b"\n")


def look(*pids):
    context = Context(Recorder(), Deadline(5.0), {"host": "web1", "address": "", "user": "root"})
    observe_connections(context, "agent", pids)
    (seen,) = context.recorder.seal()
    return seen


def test_connections_of_all_its_processes_are_counted_by_peer(listener, connect):
    port = listener.getsockname()[1]
    seen = look(connect(port, port), connect(port))
    assert (seen["check"], seen["status"], seen["message"]) == ("service.connections", "ok", "agent has 3 connections to others")
    assert seen["data"]["peers"] == [{"address": "127.0.0.1", "port": port, "state": "ESTABLISHED", "count": 3}]
    assert seen["data"]["complete"] is True


def test_connections_that_others_made_to_it_are_none_of_its_own(listener, connect):
    connect(listener.getsockname()[1])
    accepted, _address = listener.accept()
    with accepted:
        assert look(os.getpid())["data"]["peers"] == []


def test_a_process_without_connections_and_one_that_is_gone(connect):
    assert look(connect())["data"] == {"unit": "agent", "peers": [], "complete": True}
    assert look(2 ** 22 + 1)["data"]["peers"] == []


def test_a_kernel_that_does_not_tell(monkeypatch, connect):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_sock_diag, "read_sockets", refuse)
    seen = look(connect())
    assert (seen["status"], seen["data"]) == ("cannot_tell", {"reason": "not_permitted"})
