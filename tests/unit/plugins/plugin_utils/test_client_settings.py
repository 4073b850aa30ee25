# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting of a client's own is a cause only where it was tried and fails, and is set to what is proved: recorded cases, changed."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _client_settings
from ansible_collections.connectivity.doctor.plugins.plugin_utils._closer_look import closer_plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_causes_agent import HEALTHY, Replay

CANARY = "c4n4ry-9f1e77"
SETTINGS = "agent_config.settings"


def setting(case: Replay, name: str) -> dict[str, t.Any]:
    (told,) = case.of(SETTINGS)
    return next(one for one in told["data"]["settings"] if one["name"] == name)


def planned(case: Replay) -> Change:
    """The change for the one cause of a case."""
    (cause,) = case.verdict().causes
    trouble = Trouble(case.host, {**case.endpoint, "observations": case.observations}, cause)
    return REMEDIES["fix_agent_config"].plan(trouble, "run-0")


def written(case: Replay) -> dict[str, str]:
    return {edit.get("parameter") or edit["key"]: edit["value"] for edit in planned(case).parameters["edits"]}


def why_not(case: Replay) -> str:
    with pytest.raises(NoRemedy) as refused:
        planned(case)
    return str(refused.value)


# --- what is a cause

def test_a_setting_that_only_differs_does_no_harm() -> None:
    case = Replay("healthy-client-settings-of-its-own")
    assert setting(case, "sslmode")["differs"]
    assert case.of("postgresql.login", "with sslmode"), "it was tried"
    assert case.told() == HEALTHY


def test_a_setting_that_was_not_tried_is_no_cause() -> None:
    case = Replay("client-sslmode-disabled").drop(
        "dns.resolve", "tcp.connect", "postgresql.ssl_request", "postgresql.startup", "postgresql.login", side="with sslmode")
    assert "agent.wrong_setting" not in case.told()[1]


@pytest.mark.parametrize("facts", [{"sqlstate": "53300"}, {"sqlstate": "57P03"}, {"result": "timeout", "sqlstate": ""}])
def test_what_comes_and_goes_is_not_the_settings(facts: dict[str, str]) -> None:
    case = Replay("client-sslmode-disabled").change("postgresql.startup", side="with sslmode", **facts)
    case.drop("postgresql.login", side="with sslmode")
    assert "agent.wrong_setting" not in case.told()[1]


def test_where_the_inventorys_own_fails_nothing_is_told_of_the_file() -> None:
    case = Replay("client-sslmode-disabled").change("postgresql.login", "fail", error_kind="server_error", sqlstate="28P01", routine="")
    assert "agent.wrong_setting" not in case.told()[1]


@pytest.mark.parametrize(("value", "elapsed_ms", "is_told"), [
    ("2", 3000.0, True), ("5", 3000.0, False), ("0", 3000.0, False), ("soon", 3000.0, False),
    # libpq waits two seconds at the least.
    ("1", 1900.0, False), ("1", 2100.0, True),
])
def test_a_client_gives_up_too_soon_where_every_login_takes_longer(value: str, elapsed_ms: float, is_told: bool) -> None:
    case = Replay("client-gives-up-too-soon").change("postgresql.login", elapsed_ms=elapsed_ms)
    setting(case, "connect_timeout")["value"] = value
    assert ("agent.wrong_setting" in case.told()[1]) is is_told


def test_one_quick_login_shows_that_a_client_need_not_wait_longer() -> None:
    case = Replay("client-gives-up-too-soon")
    case.of("postgresql.login")[0]["data"]["elapsed_ms"] = 100.0
    assert "agent.wrong_setting" not in case.told()[1]


def test_how_long_to_wait_is_for_the_inventory_to_say() -> None:
    case = Replay("client-gives-up-too-soon")
    assert written(case) == {"connect_timeout": "10"}
    setting(case, "connect_timeout").update(expected=None, differs=False)
    assert "the inventory does not say what connect_timeout should be" in why_not(case)


@pytest.mark.parametrize(("name", "code"), [
    ("client-sslmode-disabled", "agent.wrong_setting"), ("client-name-that-no-certificate-has", "agent.wrong_host"),
])
def test_who_tries_again_and_again_is_connected_for_a_moment_and_complains(name: str, code: str) -> None:
    case = Replay(name)
    (connect, *_others) = case.of("tcp.connect")
    peer = {"address": connect["data"]["address"], "port": 5432, "state": "ESTABLISHED", "count": 1}
    case.change("service.connections", peers=[peer])
    assert code in case.told()[1]
    case.drop("logs.family")
    assert code not in case.told()[1], "connected and content, with the very setting"


# --- what is written

def test_the_parameter_of_the_url_is_written_as_the_inventory_has_it() -> None:
    assert written(Replay("client-sslmode-disabled")) == {"sslmode": "require"}


def test_where_the_inventory_is_silent_what_worked_over_tls_is_proof_enough() -> None:
    case = Replay("client-sslmode-disabled")
    setting(case, "sslmode").update(expected=None, differs=False)
    assert written(case) == {"sslmode": "require"}
    case.change("postgresql.login", tls=False)
    assert "nothing proves it" in why_not(case)


@pytest.mark.parametrize(("now", "wanted"), [("verify-full", "require"), ("verify-ca", "prefer"), ("require", "disable")])
def test_nothing_is_made_weaker(now: str, wanted: str) -> None:
    case = Replay("client-sslmode-disabled")
    setting(case, "sslmode").update(value=now, expected=wanted)
    assert "never made weaker" in why_not(case)


def test_a_key_of_its_own_is_written_in_the_file_that_has_it() -> None:
    case = Replay("client-service-file-with-a-former-authority")
    (edit,) = planned(case).parameters["edits"]
    assert edit == {"path": "/etc/postgresql-common/pg_service.conf", "format": "ini", "key": "warehouse.sslrootcert",
                    "value": "/etc/ssl/lab/ca.pem"}


def test_a_pool_is_made_as_small_as_the_server_can_bear() -> None:
    case = Replay("client-pool-too-large")
    (capacity, *_others) = [one["data"] for one in case.of("pool.capacity")]
    others = capacity["limit"] - capacity["free"] - max(0, capacity["used_by_user"] - 1)
    wanted = written(case)
    assert set(wanted) == {"pool.size", "pool.overflow"}
    assert sum(map(int, wanted.values())) == int(0.9 * capacity["limit"]) - others


def test_a_pool_that_the_inventory_describes_is_set_to_that_where_it_fits() -> None:
    case = Replay("client-pool-too-large")
    setting(case, "pool.size")["expected"], setting(case, "pool.max_overflow")["expected"] = "5", "2"
    assert written(case) == {"pool.size": "5", "pool.overflow": "2"}


def test_no_pool_is_right_for_a_server_without_room() -> None:
    case = Replay("client-pool-too-large").change("pool.capacity", free=0, used_by_user=0)
    assert "allows no connection more" in why_not(case)


def test_keepalives_come_as_often_as_was_seen_to_help() -> None:
    case = Replay("client-keepalives-too-rare")
    assert written(case) == {"database.keepalives_idle": "1", "database.keepalives_interval": "1"}
    setting(case, "keepalives_interval").update(value="1")
    assert written(case) == {"database.keepalives_idle": "1"}
    case.change("pool.idle", idle_s=600.0)
    assert written(case) == {"database.keepalives_idle": "200"}
    setting(case, "keepalives_idle")["expected"] = "60"
    assert written(case) == {"database.keepalives_idle": "60"}, "what the inventory says, where that is as good"


def test_keepalives_without_their_interval_are_no_help_where_they_must_come_often() -> None:
    case = Replay("client-keepalives-too-rare")
    setting(case, "keepalives_interval")["name"] = "pool.recycle"
    assert set(written(case).values()) == {"1"}
    setting(case, "pool.recycle")["name"] = "pool.size"
    assert "with their interval" in why_not(case)


def test_a_pool_replaces_its_connections_before_they_are_ended() -> None:
    case = Replay("client-pool-recycled-too-late")
    died = min(one["data"]["died_after_s"] for one in case.of("pool.idle") if one["status"] == "fail")
    assert 0 < int(written(case)["POOL_RECYCLE"]) < died


@pytest.mark.parametrize("name", ["pool-exceeds-server", "pool-exhausted", "firewall-idle-timeout", "balancer-idle-timeout"])
def test_without_a_file_of_the_client_nothing_is_written(name: str) -> None:
    assert why_not(Replay(name)) == "no file of the client is known that says so"


# --- what is tried

ENTRY = {"name": "e", "url": "postgresql://u@h/d?sslmode=verify-full&sslrootcert=/ca", "password": CANARY,
         "agent": {"unit": "a", "config": [{"path": "/f", "format": "yaml", "endpoint": "url", "settings": {"pool.size": "pool"}}]}}


def closer(*settings: dict[str, t.Any], entry: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    seen = {"check": SETTINGS, "status": "ok", "target": "a", "vantage": {}, "endpoint": "e", "data": {"settings": list(settings)}}
    return closer_plan(parse_endpoints([entry or ENTRY], "web1"), [seen], "web1", 5.0)


def one(name: str, value: str | None, expected: str | None = None, **place: t.Any) -> dict[str, t.Any]:
    return {"name": name, "value": value, "expected": expected, "differs": expected is not None, "source": "/f:1", "set_by": place}


def test_each_setting_that_may_fail_is_tried_alone_and_the_password_stays_apart() -> None:
    plan = closer(one("sslmode", "disable", "verify-full"), one("sslrootcert", "/other", "/ca"), one("application_name", "x"),
                  one("keepalives_idle", "600"), one("pool.size", "9"), one("user", "u", "u"), one("target_session_attrs", None),
                  one("channel_binding", "a", put_together=True))
    assert [step["side"] for step in plan["steps"]] == ["with sslmode", "with sslrootcert"]
    assert plan["secrets"] == {"e.password": CANARY}
    assert CANARY not in str(plan["steps"])
    assert "'sslrootcert': '/other'" in str(plan["steps"][1]), "with the inventory's mode"
    assert "verify-full" in str(plan["steps"][1])


def test_of_another_user_nothing_is_tried() -> None:
    assert not closer(one("sslmode", "disable", "verify-full"), one("user", "other", "u"))["steps"]


def test_of_another_database_only_that_there_is_none_is_its_own_fault() -> None:
    (step,) = closer(one("database", "x", "d"))["steps"]
    assert step["side"] == "with database"
    case = Replay("client-sslmode-disabled")
    setting(case, "sslmode")["name"] = "database"
    for observation in case.observations:
        if observation.get("side") == "with sslmode":
            observation["side"] = "with database"
    assert "agent.wrong_setting" not in case.told()[1], "there it is not let in, and the client may be"
    case.change("postgresql.startup", side="with database", sqlstate="3D000")
    assert case.told()[1] == ["agent.wrong_setting"]
    setting(case, "database")["set_by"] = {}
    assert "where it is set is not known" in why_not(case), "as of a part of a url"


def test_a_client_as_the_inventory_has_it_is_not_tried_again() -> None:
    same = dict(one("sslmode", "verify-full", "verify-full"), differs=False)
    assert closer(same) == {"host": "web1", "deadline_s": 5.0, "secrets": {}, "steps": []}


def test_what_the_inventory_says_goes_along_and_the_pool_is_read_from_the_file() -> None:
    plan = client_plan(parse_endpoints([{**ENTRY, "pool": {"idle": 6}}], "web1"), "web1", 20.0)
    (config,) = [step["parameters"] for step in plan["steps"] if step["probe"] == "agent_config"]
    assert config["expected_settings"] == {"sslmode": "verify-full", "sslrootcert": "/ca", "user": "u", "database": "d", "pool.idle": "6.0"}
    found = _client_settings.pool_parameters(parse_endpoints([ENTRY], "web1")[0])
    assert (found["max_overflow"], found["client"]["is_all_that_is_known"]) == (0, True)
    assert CANARY not in str(found)


# --- proxies

PROXIED = {"name": "e", "url": "http://h.example/", "proxy": "http://p:3128",
           "agent": {"unit": "a", "config": [{"path": "/f", "format": "json", "settings": {"proxy": "p", "no_proxy": "n"}}]}}


@pytest.mark.parametrize(("proxy", "no_proxy", "inventorys", "tried"), [
    ("http://p:3128", "other", "http://p:3128", {}),
    ("http://q:1", "other", "http://p:3128", {"with proxy": "q"}),
    ("http://q:1", "", "", {"with proxy": "q"}),
    ("", "", "http://p:3128", {"with proxy": "h.example"}),
    ("", "", "", {}),
    # Excluded by all libraries, the proxy does not count; by some, nothing is sure.
    ("http://q:1", "h.example", "", {}),
    ("http://p:3128", "h.example", "http://p:3128", {"with no_proxy": "h.example"}),
    ("http://p:3128", ".example", "http://p:3128", {"with no_proxy": "h.example"}),
    ("http://p:3128", "*.example", "http://p:3128", {}),
    ("http://q:1", "*.example", "http://p:3128", {}),
    ("http://u:********@q:1", "", "http://p:3128", {}),
])
def test_the_way_that_the_clients_proxy_settings_mean_is_tried(proxy: str, no_proxy: str, inventorys: str, tried: dict[str, str]) -> None:
    expected = inventorys or None
    way = dict(one("proxy", proxy or None, expected), differs=bool(proxy) and expected is not None and proxy != expected)
    entry = {key: value for key, value in {**PROXIED, "proxy": inventorys}.items() if value}
    plan = closer(way, one("no_proxy", no_proxy or None), entry=entry)
    assert {step["side"]: step["parameters"]["host"] for step in plan["steps"]} == tried


def test_the_clients_proxy_is_set_to_the_inventorys() -> None:
    assert written(Replay("client-proxy-of-last-year")) == {"http.proxy": "http://proxy1.lab.example:3128"}


def test_the_endpoint_alone_is_excepted_from_a_proxy_that_may_be_right_for_others() -> None:
    case = Replay("client-proxy-of-last-year")
    setting(case, "proxy").update(expected=None, differs=False)
    assert written(case) == {"http.no_proxy": "localhost,127.0.0.1,apm1.lab.example"}
    setting(case, "no_proxy")["name"] = "pool.size"
    assert "no file of the client is known that says which" in why_not(case)


def test_only_an_exclusion_of_the_endpoint_itself_is_taken_out() -> None:
    case = Replay("client-exclusion-of-its-own")
    assert written(case) == {"http.no_proxy": "localhost"}
    setting(case, "no_proxy")["value"] = "localhost,.lab.example"
    assert "others may need it" in why_not(case)


@pytest.mark.parametrize(("name", "lines"), [
    ("proxy-bypass-missing", ['Environment="NO_PROXY=localhost,127.0.0.1,apm1.lab.example"']),
    ("proxy-environment-has-it-alone", ['Environment="NO_PROXY=apm1.lab.example"', 'Environment="no_proxy=apm1.lab.example"']),
    ("proxy-url-placeholder", ["UnsetEnvironment=HTTPS_PROXY"]),
])
def test_a_unit_is_led_around_a_proxy_that_does_not_lead_to_the_endpoint(name: str, lines: list[str]) -> None:
    drop_in = planned(Replay(name)).parameters["drop_in"]
    assert drop_in["path"].endswith(".service.d/zz-connectivity-doctor-proxy.conf")
    assert drop_in["content"].splitlines()[2:] == lines


def test_a_proxy_that_nobody_proves_to_be_right_is_not_written() -> None:
    assert "the inventory does not name" in why_not(Replay("proxy-environment-lacks-it"))
    case = Replay("proxy-url-placeholder").change("proxy.comparison", direct_works=False)
    assert "is not known" in why_not(case)
    assert "no unit's environment" in why_not(Replay("proxy-speaks-no-tls"))


# --- what else of a client of a database

def test_a_name_that_the_certificate_does_not_have_is_a_wrong_host_only_for_who_verifies_it() -> None:
    case = Replay("client-name-that-no-certificate-has")
    (edit,) = planned(case).parameters["edits"]
    assert edit["destination"]["host"] == "db1.lab.example"
    case.change("tls.verify", "ok", side="agent", verify_code=0)
    assert "agent.wrong_host" not in case.told()[1]


def test_a_database_in_the_path_of_a_url_is_no_other_place() -> None:
    assert not Replay("healthy-client-settings-of-its-own").of("dns.resolve", "agent")


def test_a_client_of_a_database_holds_the_password() -> None:
    plan = client_plan(parse_endpoints([ENTRY], "web1"), "web1", 20.0)
    (config,) = [step["parameters"] for step in plan["steps"] if step["probe"] == "agent_config"]
    assert config["credential_fingerprint"]["sha256"]
    assert CANARY not in str(config)
    (edit,) = planned(Replay("client-password-of-last-year")).parameters["edits"]
    assert edit == {"path": "/etc/postgresql-common/pg_service.conf", "format": "ini", "key": "warehouse.password", "credential": True}
