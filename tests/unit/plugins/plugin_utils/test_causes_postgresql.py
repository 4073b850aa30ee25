# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes of databases, poolers and pools where one fact makes the difference: recorded cases of the lab, with that fact changed."""
from __future__ import annotations

import copy
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.tests.gauntlet import recording
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}


def verdict(name: str, change: t.Callable[[list[dict[str, t.Any]]], t.Any] = lambda observations: None) -> Verdict:
    """Of a recorded case, after a change of its observations."""
    recorded = copy.deepcopy(RECORDED[name])
    observations = recorded["endpoint"].pop("observations")
    change(observations)
    return infer(Case(recorded["host"], {**recorded["endpoint"], "name": recorded["endpoint_name"]}, observations))


def codes(found: Verdict) -> list[str]:
    return sorted(cause["code"] for cause in found.causes)


def facts(check: str, **changed: t.Any) -> t.Callable[[list[dict[str, t.Any]]], None]:
    """Change these facts of all observations of a check."""

    def change(observations: list[dict[str, t.Any]]) -> None:
        met = [observation for observation in observations if observation["check"] == check]
        assert met
        for observation in met:
            observation["data"].update(changed)

    return change


def logged(folder: t.Any, line: str) -> dict[str, t.Any]:
    """What the probe makes of an agent's log with this line."""
    log = folder / "application.log"
    log.write_text("%s %s\n" % (time.strftime("%Y-%m-%d %H:%M:%S"), line))
    return run_probe("logs", {"files": [str(log)]}).one("logs.family")


def test_a_driver_that_says_itself_that_it_lacks_the_method(tmp_path: t.Any) -> None:
    seen = logged(tmp_path, "psycopg2.OperationalError: SCRAM authentication requires libpq version 10 or above")
    found = verdict("healthy-pool", lambda observations: observations.append(seen))
    assert (found.state, codes(found)) == ("degraded", ["postgresql.auth_method_unsupported"])


@pytest.mark.parametrize(("name", "expected"), [
    ("healthy-pooler-in-transaction-mode", ["pooler.transaction_mode_conflict"]), ("healthy-pool-behind-pooler", []), ("healthy-pool", []),
])
def test_statements_that_the_application_missed(name: str, expected: list[str], tmp_path: t.Any) -> None:
    seen = logged(tmp_path, 'ERROR: prepared statement "S_1" does not exist')
    assert [code for code in codes(verdict(name, lambda observations: observations.append(seen))) if code.startswith("pooler")] == expected


def setting(name: str, value: str, unit: str | None = "ms") -> t.Callable[[list[dict[str, t.Any]]], None]:
    return facts("postgresql.session", settings=[
        {"name": name, "value": value, "unit": unit, "source": "user", "source_file": None, "source_line": None}])


@pytest.mark.parametrize(("change", "expected"), [
    (setting("statement_timeout", "999"), ["postgresql.timeout_too_low"]), (setting("statement_timeout", "1000"), []),
    (setting("statement_timeout", "0"), []), (setting("lock_timeout", "50"), []), (setting("idle_session_timeout", "60000"), []),
    (setting("idle_session_timeout", "900"), ["postgresql.timeout_too_low"]), (setting("search_path", "5", None), []),
    (setting("tcp_keepalives_idle", "5", "s"), []), (setting("transaction_timeout", "20"), ["postgresql.timeout_too_low"]),
])
def test_a_time_out_is_too_low_below_what_the_endpoint_may_take(
    change: t.Callable[[list[dict[str, t.Any]]], None], expected: list[str],
) -> None:
    assert codes(verdict("healthy-pool", change)) == expected


@pytest.mark.parametrize(("duration_ms", "expected"), [(20.0, ["postgresql.timeout_too_low"]), (1500.0, [])])
def test_a_first_query_that_is_canceled(duration_ms: float, expected: list[str]) -> None:
    def change(observations: list[dict[str, t.Any]]) -> None:
        facts("postgresql.session", result="error", sqlstate="57014", server_message="canceling statement due to statement timeout",
              from_pooler=False)(observations)
        for observation in observations:
            if observation["check"] == "postgresql.session":
                observation.update(status="fail", duration_ms=duration_ms)

    found = verdict("healthy-pool", change)
    assert (found.state, codes(found)) == ("down", expected)


def waits(**changed: t.Any) -> t.Callable[[list[dict[str, t.Any]]], None]:
    def change(observations: list[dict[str, t.Any]]) -> None:
        for observation in observations:
            for wait in observation["data"].get("waits", ()):
                wait.update(changed)

    return change


@pytest.mark.parametrize(("change", "expected"), [
    (waits(), ["postgresql.lock_wait"]), (waits(query_age_s=4.9), []), (waits(query_age_s=None), []), (waits(user="other"), []),
    (waits(client_address="10.77.1.99"), []), (waits(client_address=None), []),
])
def test_only_what_this_host_has_waited_for_long_is_a_fault(
    change: t.Callable[[list[dict[str, t.Any]]], None], expected: list[str],
) -> None:
    assert codes(verdict("postgresql-application-waits", change)) == expected


def test_a_login_that_hangs_while_somebody_else_waits() -> None:
    def change(observations: list[dict[str, t.Any]]) -> None:
        for observation in observations:
            for waiting in observation["data"].get("waiting", ()) if observation["check"] == "postgresql_server.sessions" else ():
                waiting["address"] = "10.77.1.99"

    found = verdict("postgresql-login-waits", change)
    assert all("decide_by" in cause for cause in found.causes)


def test_who_holds_the_lock_is_told_exactly_where_the_server_logs_it() -> None:
    (before,) = verdict("postgresql-login-waits").causes
    assert "blocked_by" not in before["culprit"] and before["culprit"]["idle_in_transaction"]
    pid = int(before["culprit"]["waiting"])
    found = verdict("postgresql-login-waits", facts("postgresql_server.log", lock_waits=[
        {"pid": pid, "mode": "RowExclusiveLock", "lock": "relation 1262", "holders": [4711]}]))
    assert found.causes[0]["culprit"]["blocked_by"] == "4711"


def test_without_the_servers_view_a_hanging_login_may_be_more() -> None:
    def change(observations: list[dict[str, t.Any]]) -> None:
        observations[:] = [observation for observation in observations if observation.get("side") != "server"]

    found = verdict("postgresql-login-waits", change)
    assert "postgresql.lock_wait" in codes(found) and all(cause["decide_by"] for cause in found.causes)


@pytest.mark.parametrize(("last_state", "no_space", "expected"), [
    ("stopped", 0, ["server.not_running"]), ("ready", 0, ["postgresql.disk_full"]), ("crashed", 3, ["postgresql.disk_full"]),
])
def test_a_server_that_was_asked_to_stop_did_not_stop_for_its_disk(last_state: str, no_space: int, expected: list[str]) -> None:
    def change(observations: list[dict[str, t.Any]]) -> None:
        observations[:] = [observation for observation in observations if observation["check"] != "logs.family"]  # what was wrong before
        facts("postgresql_server.log", last_state=last_state, no_space=no_space)(observations)

    assert codes(verdict("postgresql-disk-full", change)) == expected


def test_a_full_disk_does_not_hide_why_a_login_was_refused() -> None:
    of_full = [one for one in RECORDED["postgresql-disk-full"]["endpoint"]["observations"]
               if one["check"] in ("postgresql_server.space", "postgresql_server.log")]
    found = verdict("postgresql-wrong-password", lambda observations: observations.extend(of_full))
    assert codes(found) == ["postgresql.password_rejected"]


def test_a_full_disk_is_no_fault_of_an_endpoint_that_works() -> None:
    full = next(one for one in RECORDED["postgresql-disk-full"]["endpoint"]["observations"]
                if one["check"] == "postgresql_server.space" and one["status"] == "fail")
    assert codes(verdict("healthy-pool", lambda observations: observations.append(full))) == []


OVERRIDE = [{"keyword": "sslmode", "value": "disable", "source": "PGSSLMODE"}]


@pytest.mark.parametrize(("name", "expected"), [
    ("healthy-pool", []), ("postgresql-database-missing", ["postgresql.database_missing"]),
])
def test_what_a_host_adds_is_a_fault_only_where_it_can_be_what_failed(name: str, expected: list[str]) -> None:
    assert codes(verdict(name, facts("postgresql.login", overrides=OVERRIDE))) == expected


def test_a_password_of_a_file_is_a_candidate_until_the_server_was_asked() -> None:
    found = verdict("postgresql-password-refused-server-unseen", facts("postgresql.login", password_file="/root/.pgpass"))
    assert codes(found) == ["postgresql.client_settings_override", "postgresql.password_expired", "postgresql.password_rejected",
                            "postgresql.role_missing"]


ADDRESS = "10.77.2.20"


@pytest.mark.parametrize(("libpq", "led_to", "expected"), [
    ({"PGHOST": "alias"}, [ADDRESS], []), ({"PGHOST": "db2"}, ["10.77.2.99"], ["PGHOST"]), ({"PGHOST": "gone"}, [], ["PGHOST"]),
    ({"PGHOST": "alias", "PGHOSTADDR": ADDRESS}, ["10.77.2.99"], []), ({"PGHOSTADDR": "10.77.2.99"}, None, ["PGHOSTADDR"]),
    ({"PGPORT": "5433"}, None, ["PGPORT"]), ({"PGDATABASE": "test"}, None, ["PGDATABASE"]), ({"PGUSER": "root"}, None, ["PGUSER"]),
    ({"PGPORT": "5432", "PGDATABASE": "production", "PGUSER": "reporting"}, None, []), ({"PGSERVICE": "x"}, None, []),
    ({"PGHOST": "db2"}, None, []),
])
def test_an_environment_is_wrong_where_it_leads_elsewhere(libpq: dict[str, str], led_to: list[str] | None, expected: list[str]) -> None:
    def change(observations: list[dict[str, t.Any]]) -> None:
        like = observations[0]
        observations.append({**like, "check": "service.environment", "status": "ok", "data": {"unit": "app.service", "libpq": libpq}})
        if led_to is not None:
            observations.append({**like, "check": "dns.resolve", "side": "libpq", "data": {"name": libpq["PGHOST"], "addresses": led_to}})

    found = verdict("healthy-pool", change)
    assert [cause["culprit"]["setting"] for cause in found.causes] == expected
    assert codes(found) == ["postgresql.client_settings_override"] * len(expected)


@pytest.mark.parametrize(("reason", "expected"), [
    ("password_mismatch", "postgresql.password_rejected"), ("no_password", "postgresql.password_rejected"),
    ("role_missing", "postgresql.role_missing"), ("password_expired", "postgresql.password_expired"),
    ("unusable_secret", "postgresql.auth_method_unsupported"),
])
def test_the_reason_in_the_servers_log_decides(reason: str, expected: str) -> None:
    (cause,) = verdict("postgresql-wrong-password", facts("postgresql_server.refusal", reason=reason)).causes
    assert cause["code"] == expected and "decide_by" not in cause
    assert "unknown" not in cause["summary"]


@pytest.mark.parametrize("changed", [{"user": "somebody"}, {"reason": "other"}])
def test_what_the_log_says_of_others_or_does_not_explain_decides_nothing(changed: dict[str, str]) -> None:
    found = verdict("postgresql-wrong-password", facts("postgresql_server.refusal", **changed))
    assert codes(found) == ["postgresql.password_expired", "postgresql.password_rejected", "postgresql.role_missing"]
    assert all(cause["decide_by"] for cause in found.causes)


def test_where_the_limit_is_set_is_told_where_the_server_was_asked() -> None:
    (cause,) = verdict("postgresql-too-many-connections").causes
    assert cause["culprit"]["server_setting"] == "max_connections = 40" and cause["culprit"]["set_at"].endswith("lab.conf:2")
    (cause,) = verdict("postgresql-too-many-connections", facts("postgresql_server.instance", settings={})).causes
    assert cause["code"] == "postgresql.too_many_connections" and "set_at" not in cause["culprit"]


def test_a_line_that_is_in_the_file_and_not_loaded() -> None:
    def change(observations: list[dict[str, t.Any]]) -> None:
        for observation in observations:
            if observation["check"] == "postgresql_server.hba":
                observation["status"] = "ok"
                observation["data"].update(matched=True, line=9, text="hostssl all all all md5", missing_line="")

    (cause,) = verdict("postgresql-no-hba-entry", change).causes
    assert (cause["code"], cause["culprit"]["line_not_loaded"]) == ("postgresql.no_hba_entry", "9: hostssl all all all md5")
    assert "missing_line" not in cause["culprit"]


@pytest.mark.parametrize(("changed", "expected"), [
    ({"bottleneck": "server", "open_sqlstate": "53300"}, ["pool.exceeds_server"]), ({"bottleneck": "server", "open_sqlstate": ""}, []),
    ({"bottleneck": "pool"}, ["pool.exhausted"]), ({"bottleneck": ""}, []),
])
def test_what_is_short_decides(changed: dict[str, str], expected: list[str]) -> None:
    assert codes(verdict("pool-exhausted", facts("pool.wait", **changed))) == expected
