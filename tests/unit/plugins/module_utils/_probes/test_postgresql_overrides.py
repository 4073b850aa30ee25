# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host adds to an endpoint's connection string: variables, a service file, a password file. The server is real."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.tests.support.postgresql import NotFound, PostgresqlServer, find_programs
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

try:
    find_programs()
except NotFound as reason:
    pytest.skip(str(reason), allow_module_level=True)

pytest.importorskip("psycopg")

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def server() -> t.Iterator[PostgresqlServer]:
    with PostgresqlServer() as running:
        running.sql("CREATE ROLE app LOGIN PASSWORD '%s'" % PASSWORD)
        yield running


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")


def login(server: PostgresqlServer, password: str = PASSWORD, **parameters: str) -> dict[str, t.Any]:
    given = {"host": "localhost", "address": "127.0.0.1", "port": server.port, "user": "app", "database": "postgres", "timeout": 5.0,
             "parameters": parameters, **({"password": password} if password else {})}
    observation = run_probe("postgresql", given, secrets=(PASSWORD,)).one("postgresql.login")
    assert PASSWORD not in repr(observation)
    return dict(observation["data"], status=observation["status"])


def test_nothing_is_added_where_nothing_is_set(server: PostgresqlServer) -> None:
    assert login(server, connect_timeout="4", sslmode="disable")["overrides"] == []


def test_a_variable_counts_where_the_endpoint_says_nothing(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c nonsense.on=")
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGPASSWORD", "another horse")
    found = {one["keyword"]: (one["value"], one["source"]) for one in login(server)["overrides"]}
    assert found == {"options": ("-c nonsense.on=", "PGOPTIONS"), "sslmode": ("disable", "PGSSLMODE")}
    assert [one["keyword"] for one in login(server, sslmode="prefer", options="-c a.b=c")["overrides"]] == []


def test_a_service_file(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    (tmp_path / "services").write_text("[warehouse]\nsslmode=disable\ntarget_session_attrs=standby\npassword=%s\n" % PASSWORD)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    data = login(server, service="warehouse")
    found = {one["keyword"]: (one["value"], one["source"]) for one in data["overrides"]}
    assert found == {"sslmode": ("disable", "service"), "target_session_attrs": ("standby", "service")}
    assert (data["status"], data["error_kind"]) == ("fail", "session_attrs")


def test_a_password_file(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    file = tmp_path / "passwords"
    file.write_text("localhost:%d:postgres:app:of-last-year\n" % server.port)
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    data = login(server, password="")
    assert (data["status"], data["sqlstate"], data["password_file"]) == ("fail", "28P01", str(file))
    assert "of-last-year" not in repr(data)
    assert login(server, password="wrong")["password_file"] == ""
