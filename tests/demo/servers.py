# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of the demonstration, and the endpoints that lead to them: two that are well, the others ill, each in its own way."""
from __future__ import annotations

import contextlib
import pathlib
import secrets
import socket
import ssl
import urllib.parse

from ansible_collections.connectivity.doctor.tests.demo.tls_front import tls_front
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.http_server import speaks_http
from ansible_collections.connectivity.doctor.tests.support.postgresql import PostgresqlServer, built_with_tls, free_port
from ansible_collections.connectivity.doctor.tests.support.scripted_server import Behaviour, ScriptedServer, silent
from ansible_collections.connectivity.doctor.tests.support.tls_server import context, speaks_tls

Endpoint = dict[str, str]

_HBA = ("host all reporting,payroll,retired samehost scram-sha-256", "host all auditor samehost reject")
# Means nothing to a server without TLS of its own.
_HBA_OF_TLS = ("hostssl all importer samehost scram-sha-256",)
_ROLES = ("reporting", "payroll", "retired", "importer")


def postgresql_endpoints(setting: Setting) -> list[Endpoint]:
    """A real PostgreSQL: one endpoint of it is well."""
    has_tls = built_with_tls()
    server = PostgresqlServer(_HBA + _HBA_OF_TLS if has_tls else _HBA, certificate=setting.certificate(setting.host) if has_tls else None)
    setting.running.callback(server.stop)
    server.start()
    for role in _ROLES:
        setting.passwords[role] = secrets.token_urlsafe(12)
        server.sql("CREATE ROLE %s LOGIN PASSWORD '%s'" % (role, setting.passwords[role]))
    server.sql("CREATE DATABASE production", "ALTER ROLE retired NOLOGIN")
    setting.passwords["payroll"] = "last year's"
    port = server.port if has_tls else setting.serve(tls_front(setting.tls(setting.host), server.port))
    verified = urllib.parse.urlencode({"sslmode": "verify-full", "sslrootcert": setting.ca_file}, safe="/")

    def endpoint(name: str, role: str, database: str = "production", query: str = verified) -> Endpoint:
        entry = {"name": name, "url": "postgresql://%s@%s:%d/%s?%s" % (role, setting.host, port, database, query)}
        return dict(entry, password="{{ demo_%s_password }}" % role) if role in setting.passwords else entry

    endpoints = [
        endpoint("warehouse", "reporting"),
        endpoint("archive", "reporting", database="production_2019"),
        endpoint("payroll", "payroll"),
        endpoint("leavers", "retired"),
        endpoint("audit", "auditor"),
    ]
    return [*endpoints, endpoint("import", "importer", query="sslmode=disable")] if has_tls else endpoints


def http_endpoints(setting: Setting) -> list[Endpoint]:
    """Small real web servers: one of them is well."""
    healthy, ill = _answers(200, b'{"status": "ok"}\n'), _answers(503, b'{"status": "unhealthy", "reason": "the queue is full"}\n')
    host = setting.host

    def endpoint(name: str, scheme: str, port: int, named: str = host) -> Endpoint:
        entry = {"name": name, "url": "%s://%s:%d/health" % (scheme, named, port)}
        return dict(entry, ca_file=setting.ca_file) if scheme == "https" else entry

    return [
        endpoint("portal", "https", setting.serve(speaks_tls(setting.tls(host), healthy))),
        endpoint("shop", "https", setting.serve(speaks_tls(setting.tls(host, days=-2), healthy))),
        endpoint("billing", "https", setting.serve(speaks_tls(setting.tls("billing.example.com"), healthy))),
        endpoint("metrics", "https", setting.serve(healthy)),
        endpoint("orders", "http", setting.serve(ill)),
        endpoint("reports", "http", setting.serve(silent)),
        endpoint("search", "https", 443, named="search.invalid"),
        {"name": "cache", "url": "tcp://%s:%d" % (host, free_port())},
    ]


class Setting:
    """What the servers of one demonstration share: a directory, an authority, and the stack that stops them."""

    def __init__(self, directory: pathlib.Path, running: contextlib.ExitStack) -> None:
        self.running = running
        self.host = _name_of_loopback()
        self.passwords: dict[str, str] = {}
        self._directory = directory
        self._authority = mint("connectivity.doctor demonstration CA", authority=True, begins_in_days=-100)
        self.ca_file = self._authority.write(directory, "ca")[0]

    def certificate(self, name: str, days: float = 60) -> tuple[str, str]:
        """:param days: how long it is still valid, negative where it has expired. :returns: files of certificate and key."""
        return mint(name, [name], self._authority, begins_in_days=-90, ends_in_days=days).write(self._directory, "%s%+d" % (name, days))

    def tls(self, name: str, days: float = 60) -> ssl.SSLContext:
        return context(*self.certificate(name, days), minimum=ssl.TLSVersion.TLSv1_2)

    def serve(self, behaviour: Behaviour) -> int:
        """:returns: the port of a server that does this from now on."""
        return self.running.enter_context(ScriptedServer(behaviour)).port


def _answers(status: int, body: bytes) -> Behaviour:
    return speaks_http(lambda _method, _target, _fields: (status, {"Content-Type": "application/json"}, body))


def _name_of_loopback() -> str:
    """``localhost``, where that is the one address that the servers listen on: on some machines it is an IPv6 address as well."""
    try:
        found = {answer[4][0] for answer in socket.getaddrinfo("localhost", None, proto=socket.IPPROTO_TCP)}
    except OSError:
        found = set()
    return "localhost" if found == {"127.0.0.1"} else "127.0.0.1"
