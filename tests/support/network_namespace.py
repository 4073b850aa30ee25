# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of its own beside this one, made of a network namespace: its routes and its packet filter are the test's to break.

Needs root, ip(8) and nft(8). A client namespace (``CLIENT``) is wired to a server namespace (``SERVER``) behind a router. Nothing of
the machine's own network is touched; each namespace is held by a process of ours, and gone with it.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t

CLIENT, ROUTER, SERVER = "192.0.2.2", "192.0.2.1", "198.51.100.2"
CLIENT6, ROUTER6, SERVER6 = "2001:db8:1::2", "2001:db8:1::1", "2001:db8:2::2"

# One step of a plan, run inside; its observations come back as JSON.
_RUN = """
import json, sys
from ansible_collections.connectivity.doctor.plugins.module_utils._engine import run_plan
print(json.dumps(run_plan(json.load(sys.stdin))["observations"]))
"""


def why_not() -> str:
    """Empty where namespaces can be made; otherwise the reason to skip."""
    if os.geteuid() != 0:
        return "needs root, for a network namespace of its own"
    missing = [program for program in ("ip", "nft", "unshare", "nsenter") if not shutil.which(program)]
    if missing:
        return "needs " + ", ".join(missing)
    tried = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False)
    return "this machine lets nobody make network namespaces with a packet filter" if tried.returncode else ""


class _Namespace:
    """Held by a process that ends when its standard input closes: with us, however we end."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self.pid = self._holder.pid
        # Two errors within a second are to be two: tests don't wait.
        self.run("ip link set lo up; echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit")

    def run(self, commands: str) -> None:
        """Shell commands inside, as root. :raises RuntimeError: with what they said, if one fails."""
        ended = subprocess.run([*self.enter(), "sh", "-ec", commands], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, check=False, timeout=30)
        if ended.returncode:
            raise RuntimeError("%s\n%s" % (commands, ended.stdout.decode()))

    def enter(self) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net"]

    def end(self) -> None:
        for stream in (self._holder.stdin, self._holder.stdout):
            if stream:
                stream.close()
        self._holder.wait()


class Network:
    """Client, router and server. A context manager; ``client``, ``router`` and ``server`` run commands."""

    def __enter__(self) -> Network:
        self._processes: list[subprocess.Popen[bytes]] = []
        self.client, self.router, self.server = _Namespace(), _Namespace(), _Namespace()
        self.router.run("""
            ip link add toclient type veth peer name eth0 netns %d
            ip link add toserver type veth peer name eth0 netns %d
            ip address add %s/24 dev toclient; ip address add 198.51.100.1/24 dev toserver
            ip -6 address add %s/64 dev toclient nodad; ip -6 address add 2001:db8:2::1/64 dev toserver nodad
            ip link set toclient up; ip link set toserver up
            echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
        """ % (self.client.pid, self.server.pid, ROUTER, ROUTER6))
        for host, address, address6, gateway, gateway6 in (
            (self.client, CLIENT, CLIENT6, ROUTER, ROUTER6), (self.server, SERVER, SERVER6, "198.51.100.1", "2001:db8:2::1"),
        ):
            host.run("""
                ip address add %s/24 dev eth0; ip -6 address add %s/64 dev eth0 nodad; ip link set eth0 up
                ip route add default via %s; ip -6 route add default via %s
            """ % (address, address6, gateway, gateway6))
        return self

    def __exit__(self, *_exception: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for host in (self.client, self.router, self.server):
            host.end()

    def serve(self, port: int) -> None:
        """Let the server listen on a port, on both families."""
        code = ("import socket; s = socket.socket(socket.AF_INET6); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0);"
                "s.bind(('::', %d)); s.listen(); print('ready', flush=True)\nwhile True: s.accept()[0].close()" % port)
        process = subprocess.Popen([*self.server.enter(), sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self._processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.stdout.close()

    def observe(self, *steps: dict[str, t.Any], deadline: float = 15.0, host: str = "client") -> list[dict[str, t.Any]]:
        """What the engine, run inside one of the namespaces, observed."""
        plan = {"host": host, "deadline_s": deadline, "secrets": {}, "steps": list(steps)}
        ended = subprocess.run([*getattr(self, host).enter(), sys.executable, "-c", _RUN], input=json.dumps(plan).encode(),
                               stdout=subprocess.PIPE, check=True, timeout=60, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
        return t.cast("list[dict[str, t.Any]]", json.loads(ended.stdout))
