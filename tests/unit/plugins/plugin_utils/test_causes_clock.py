# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clock is wrong: the one that the majority contradicts, and none where there is no majority."""
from __future__ import annotations

import email.utils
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord

HOST_NOW = 1_800_000_000.0


def observation(check: str, status: str, /, **data: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": status, "target": "x", "vantage": {"host": "web1", "address": "", "user": "root"}, "data": data,
            "message": check}


def told(observations: list[dict[str, t.Any]], **entry: t.Any) -> list[dict[str, t.Any]]:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([{"name": "apm", "url": "https://apm1.example.com", "server": "apm1", **entry}], "web1"))
    return list(infer(Case("web1", record.endpoints[0], observations)).causes)


def codes(observations: list[dict[str, t.Any]], **entry: t.Any) -> list[str]:
    return sorted(cause["code"] for cause in told(observations, **entry))


def response(status: int = 200, ahead_s: float = 0.0, **data: t.Any) -> dict[str, t.Any]:
    """From a server whose clock is so much ahead of this host's."""
    return observation("http.response", "ok" if status < 400 else "fail", **{
        "error": "", "status": status, "reason_phrase": "", "body_excerpt": "", "clock_offset_s": ahead_s, "credential_sent": True,
        "date": email.utils.formatdate(HOST_NOW + ahead_s, usegmt=True), "credential_from": None, "credential_until": None, **data})


CONNECTED = observation("tcp.connect", "ok", address="10.0.0.5", port=443, error="", answer="accepted", elapsed_ms=1.0)


def offset(reference: str, behind_s: float, limit_s: float = 5.0, uncertainty_s: float = 0.5, **data: t.Any) -> dict[str, t.Any]:
    """This host's clock is so much ahead of the reference's."""
    status = "warn" if abs(behind_s) - uncertainty_s > limit_s else "ok"
    source = "http.response" if reference == "server" else ""
    return observation("clock.offset", status, reference=reference, offset_s=behind_s, uncertainty_s=uncertainty_s, limit_s=limit_s,
                       source=source, **data)


def offsets(**ahead_s: float | None) -> list[dict[str, t.Any]]:
    """Each reference's clock is so much ahead of this host's."""
    return [offset(reference, -ahead) for reference, ahead in ahead_s.items() if ahead is not None]


def source(ahead_s: float, **data: t.Any) -> dict[str, t.Any]:
    return observation("clock.source", "ok", **{
        "server": "time1", "address": "10.0.0.123", "port": 123, "file": "/etc/chrony.conf", "line": 3, "error": "",
        "offset_ms": -1000 * ahead_s, "selected": True, **data})


# By how many seconds the clocks of controller, server and time server are ahead of this host's; whether this host follows the latter.
@pytest.mark.parametrize(("controller", "server", "ntp", "follows", "expected"), [
    (0, 0, 0, True, []),
    (-600, -600, None, False, ["clock.client_skew"]),
    (-600, -600, -600, True, ["clock.client_skew"]),  # it follows them, and has not got there
    (-600, None, -600, False, ["clock.client_skew"]),
    (0, 600, None, False, ["clock.server_skew"]),
    (0, 600, 0, True, ["clock.server_skew"]),
    (600, 0, 0, True, []),  # the controller's own clock concerns nobody here
    (600, 0, None, False, []),
    (600, None, None, False, []),
    (600, None, 0, True, []),  # a clock that follows another is no voice of its own
    (0, 0, 600, True, ["clock.wrong_source"]),
    (0, None, 600, True, ["clock.wrong_source"]),
    (0, 0, 600, False, []),  # a time server that nobody follows harms nobody
    (-600, -600, 0, True, ["clock.wrong_source"]),  # this host is wrong with its source
    (0, 600, 600, False, ["clock.client_skew", "clock.server_skew"]),  # two against two
    (300, 600, None, False, ["clock.client_skew", "clock.server_skew"]),  # three clocks, three times
    (0, 4, 0, True, []),
])
def test_the_majority_decides(
    controller: float | None, server: float | None, ntp: float | None, follows: bool, expected: list[str],
) -> None:
    seen = [CONNECTED, response(), *offsets(controller=controller, server=server, ntp=ntp)]
    seen += [source(ntp)] if follows and ntp is not None else []
    causes = told(seen)
    assert sorted(cause["code"] for cause in causes) == expected
    assert all(("decide_by" in cause) == (len(expected) > 1) for cause in causes)


@pytest.mark.parametrize(("seen", "code", "error"), [
    (offsets(controller=-600, server=-600), "clock.client_skew", 600),
    (offsets(controller=0, server=-90), "clock.server_skew", -90),
    ([*offsets(controller=0, server=0, ntp=700), source(700)], "clock.wrong_source", 700),
    ([*offsets(controller=-600, server=-600, ntp=0), source(0)], "clock.wrong_source", 600),
])
def test_by_how_much_a_clock_is_ahead(seen: list[dict[str, t.Any]], code: str, error: float) -> None:
    (cause,) = told([CONNECTED, response(), *seen])
    assert (cause["code"], float(cause["culprit"]["offset_s"])) == (code, error)


def test_the_limit_is_the_endpoints() -> None:
    seen = [CONNECTED, response(), offset("controller", 20, 60), offset("server", 20, 60)]
    assert codes(seen, thresholds={"clock_offset_s": 60}) == []
    assert codes([CONNECTED, response(), offset("controller", 20), offset("server", 20)]) == ["clock.client_skew"]


def test_one_source_against_the_others_is_wrong_where_it_is_followed() -> None:
    outlier = offset("ntp", 0.0, outliers=["10.0.0.123"])
    assert codes([CONNECTED, response(), outlier, source(600)]) == ["clock.wrong_source"]
    assert codes([CONNECTED, response(), outlier, source(600, selected=False), source(0, address="10.0.0.124")]) == []


@pytest.mark.parametrize("verify_code", [9, 10])
def test_a_certificate_that_only_this_host_finds_out_of_time(verify_code: int) -> None:
    refused = observation("tls.verify", "fail", error="verify", verify_code=verify_code)
    certificate = observation("tls.certificate", "ok", days_left=80, not_after="2027-01-01", not_before="2026-01-01", subject="CN=x")
    seen = [CONNECTED, refused, certificate]
    assert codes([*seen, *offsets(controller=700)]) == ["clock.client_skew"]
    assert codes([*seen, *offsets(controller=700, ntp=700)]) == ["clock.client_skew"]
    assert "clock.client_skew" not in codes([*seen, *offsets(controller=700, ntp=0), source(0)])  # it is the controller's that is wrong


def test_a_certificate_that_is_expired_by_both_clocks_is_a_fault_of_its_own() -> None:
    refused = observation("tls.verify", "fail", error="verify", verify_code=10, fingerprint_sha256="aa")
    leaf = {"days_left": -3, "not_after": "2026-01-01", "not_before": "2025-01-01", "subject": "CN=x", "fingerprint_sha256": "aa"}
    certificate = observation("tls.certificate", "ok", **leaf, chain=[leaf])
    assert codes([CONNECTED, refused, certificate, *offsets(controller=-600, ntp=-600)]) == [
        "clock.client_skew", "tls.certificate_expired"]


def synchronization(status: str = "fail", **data: t.Any) -> dict[str, t.Any]:
    return observation("clock.synchronization", status, **{
        "daemon": "chrony", "unit": "chrony.service", "unit_state": "active", "running": True, "enabled": True, "skipped": False,
        "synchronized": False, "selected": "", "sources": 1, "reachable": 0, "kernel_synchronized": False,
        "configured": [{"name": "time1", "kind": "server", "file": "/etc/chrony.conf", "line": 1}], **data})


STOPPED = {"running": False, "unit_state": "inactive", "sources": 0}
SILENT = observation("clock.source", "fail", server="time1", address="10.0.0.123", error="TIMEOUT", selected=False)


@pytest.mark.parametrize(("seen", "expected"), [
    ([synchronization(**STOPPED)], ["clock.not_synchronized"]),
    ([synchronization(**{**STOPPED, "unit_state": "failed"}), source(0)], ["clock.not_synchronized"]),
    ([synchronization(**STOPPED, enabled=False)], []),  # nobody wants it to run
    ([synchronization(**STOPPED, skipped=True)], []),  # a container's clock is its host's
    ([synchronization(**{**STOPPED, "unit_state": "activating"})], []),
    ([synchronization(daemon="", unit="", running=False, enabled=None, unit_state="", sources=0, configured=[])], []),
    ([synchronization(), SILENT], ["clock.not_synchronized"]),
    ([synchronization(), SILENT, source(0)], []),  # it was started a moment ago: one of its sources answers
    ([synchronization(reachable=1), SILENT], []),
    ([synchronization(kernel_synchronized=True), SILENT], []),  # another program keeps it right
    ([synchronization("cannot_tell", synchronized=None, reason="not_permitted"), SILENT], ["clock.not_synchronized"]),
    ([synchronization("cannot_tell", synchronized=None, reason="not_permitted", kernel_synchronized=True), SILENT], []),
    ([synchronization("ok", synchronized=True, selected="10.0.0.123", reachable=1)], []),
    ([synchronization(sources=0, configured=[])], ["clock.not_synchronized"]),
])
def test_a_clock_that_should_be_kept_right_and_is_not(seen: list[dict[str, t.Any]], expected: list[str]) -> None:
    assert codes([CONNECTED, response(), *seen], agent="netdata") == expected


def test_a_clock_that_nobody_keeps_concerns_what_has_to_do_with_time() -> None:
    stopped = synchronization(**STOPPED)
    refused = observation("tcp.connect", "fail", address="10.0.0.5", port=443, error="ECONNREFUSED", answer="rst", elapsed_ms=1.0)
    assert "clock.not_synchronized" not in codes([refused, stopped])
    assert "clock.not_synchronized" in codes([refused, stopped], agent="netdata")


def test_without_a_way_to_anybody_a_silent_time_server_is_no_fault_of_its_own() -> None:
    unreached = observation("tcp.connect", "fail", address="10.0.0.5", port=443, error="ENETUNREACH", answer="local", elapsed_ms=0.1)
    route = observation("route.lookup", "fail", type="none", links_down=[], gateway="")
    assert codes([unreached, route, synchronization(), SILENT], agent="netdata") == ["network.no_route"]


def denied(ahead_s: float, **data: t.Any) -> list[dict[str, t.Any]]:
    return [CONNECTED, response(401, ahead_s, **data), *offsets(server=ahead_s)]


@pytest.mark.parametrize(("seen", "expected"), [
    (denied(0), ["credential.rejected"]),
    (denied(600), ["clock.token_window"]),
    # Too little for any token, unless the server says so.
    (denied(10), ["clock.client_skew", "clock.server_skew", "credential.rejected"]),
    (denied(10, body_excerpt='{"error": "Token used before issued"}'), ["clock.token_window"]),
    # The token's own words: by this host's clock it is valid, by the server's it is over, or has not begun.
    (denied(600, credential_from=HOST_NOW - 10, credential_until=HOST_NOW + 290), ["clock.token_window"]),
    (denied(-600, credential_from=HOST_NOW - 10, credential_until=HOST_NOW + 290), ["clock.token_window"]),
    # It is valid by both clocks, or by none: the time is not why.
    (denied(600, credential_until=HOST_NOW + 90000), ["clock.client_skew", "clock.server_skew", "credential.rejected"]),
    (denied(600, credential_until=HOST_NOW - 90000), ["clock.client_skew", "clock.server_skew", "credential.rejected"]),
])
def test_a_credential_outside_of_its_time(seen: list[dict[str, t.Any]], expected: list[str]) -> None:
    assert codes(seen) == expected


@pytest.mark.parametrize(("controller", "ntp", "culprit"), [(0, 0, "apm1"), (600, 600, "web1")])
def test_whose_clock_it_is(controller: float, ntp: float, culprit: str) -> None:
    (cause,) = told([*denied(600), *offsets(controller=controller, ntp=ntp), source(ntp)])
    assert cause["code"] == "clock.token_window"
    assert cause["locus"]["host"] == culprit and "the clock of %s is off by" % culprit in cause["summary"]
