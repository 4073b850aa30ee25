# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller reads out of certificates, also of hostile ones, and out of clocks."""
from __future__ import annotations

import base64
import datetime
import json
import random
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ansible_collections.connectivity.doctor.plugins.plugin_utils._certificates import describe_chain
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._enrichment import enriched
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord
from ansible_collections.connectivity.doctor.tests.support.certificates import Identity, mint

ROOT = mint("Root", authority=True)
MIDDLE = mint("Middle", issuer=ROOT, authority=True)
LEAF = mint("db.example.com", ["db.example.com", "*.db.example.com", "10.0.0.5", "2001:db8::5"], MIDDLE, ends_in_days=10.5)


def encoded(*identities: Identity | bytes) -> list[str]:
    return [base64.b64encode(one if isinstance(one, bytes) else one.der).decode() for one in identities]


def test_the_facts_of_a_chain() -> None:
    facts = describe_chain(encoded(LEAF, MIDDLE))
    assert facts["subject"] == "CN=db.example.com" and facts["issuer"] == "CN=Middle" and facts["top_issuer"] == "CN=Root"
    assert facts["names"] == ["db.example.com", "*.db.example.com", "10.0.0.5", "2001:db8::5"]
    assert facts["days_left"] == 10 and facts["self_signed"] is False
    assert facts["key"].endswith(" 256") and facts["signature_hash"] == "sha256"
    assert facts["fingerprint_sha256"] == LEAF.certificate.fingerprint(hashes.SHA256()).hex()
    assert [certificate["subject"] for certificate in facts["chain"]] == ["CN=db.example.com", "CN=Middle"]


@pytest.mark.parametrize(("ends", "days"), [(1.5, 1), (0.5, 0), (-0.5, -1), (-30.5, -31)])
def test_days_left_round_towards_the_end(ends: float, days: int) -> None:
    assert describe_chain(encoded(mint("x", begins_in_days=-60, ends_in_days=ends)))["days_left"] == days


def test_a_certificate_without_alternative_names_is_for_its_common_name() -> None:
    facts = describe_chain(encoded(mint("old.example.com")))
    assert facts["names"] == ["old.example.com"] and facts["self_signed"] is True


@pytest.mark.parametrize("key", ["rsa", "ed25519"])
def test_other_kinds_of_keys(key: str) -> None:
    private = rsa.generate_private_key(65537, 2048) if key == "rsa" else ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=2))
        .sign(private, hashes.SHA256() if key == "rsa" else None))
    facts = describe_chain(encoded(certificate.public_bytes(serialization.Encoding.DER)))
    assert (facts["key"], facts["signature_hash"]) == (("RSA 2048", "sha256") if key == "rsa" else ("Ed25519", ""))


@pytest.mark.parametrize("chain", [["!!!"], [""], [encoded(LEAF)[0][:-40]], encoded(b"\x30\x82\xff\xff"), [None], [5], [["x"]]])
def test_bytes_that_are_no_certificate_are_told(chain: list[t.Any]) -> None:
    facts = describe_chain(chain)
    assert facts["unreadable"] and facts["subject"] == ""
    assert [set(certificate) for certificate in facts["chain"]] == [{"unreadable", "subject", "issuer"}]


def test_an_unreadable_authority_leaves_the_leaf_readable() -> None:
    facts = describe_chain(encoded(LEAF, b"rubbish"))
    assert facts["subject"] == "CN=db.example.com" and facts["top_issuer"] == "" and "unreadable" in facts["chain"][1]


def test_no_chain_at_all() -> None:
    assert describe_chain([]) == {"chain": []}


def test_mutated_certificates_never_break_the_report() -> None:
    """Every byte is the peer's: unknown curves, absurd dates, broken extensions, unknown algorithms."""
    source = random.Random(20260104)
    readable = 0
    for _round in range(4000):
        der = bytearray(source.choice((LEAF, MIDDLE, ROOT)).der)
        for _change in range(source.randint(1, 3)):
            der[source.randrange(len(der))] = source.randrange(256)
        facts = describe_chain(encoded(bytes(der), LEAF))
        json.dumps(facts, allow_nan=False)
        readable += "unreadable" not in facts
        assert facts["chain"][1]["subject"] == "CN=db.example.com"
    assert 500 < readable < 3990


def test_each_single_byte_of_a_certificate_may_be_any_other() -> None:
    der = LEAF.der
    for at in range(len(der)):
        for flip in (0x01, 0x80, 0xFF):
            describe_chain(encoded(der[:at] + bytes([der[at] ^ flip]) + der[at + 1:]))


def record(
    *observations: dict[str, t.Any], clock: t.Sequence[float] = (), facts: dict[str, float] | None = None, **thresholds: float
) -> HostRecord:
    made = HostRecord("web1", "client", observations=list(observations), controller_clock=list(clock), facts=facts or {})
    made.describe(parse_endpoints([{"name": "db", "url": "https://db.example.com", "thresholds": thresholds}], "web1"))
    return made


def observation(check: str, endpoint: str = "db", **data: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": "ok", "target": "t", "vantage": {"host": "web1", "address": "", "user": ""}, "data": data,
            "message": "", "reproduce": "", "started_at": "", "duration_ms": 0.0, "endpoint": endpoint}


def test_certificates_become_facts_and_their_bytes_go() -> None:
    (seen,) = enriched(record(observation("tls.certificate", chain_der=encoded(LEAF, MIDDLE), chain_length=2)))
    assert "chain_der" not in seen["data"] and seen["data"]["chain_length"] == 2
    assert seen["data"]["expiring"] is True and seen["data"]["subject"] == "CN=db.example.com"


@pytest.mark.parametrize(("days", "expiring"), [(5, False), (10, False), (11, True), (30, True)])
def test_expiring_is_what_the_endpoints_threshold_says(days: int, expiring: bool) -> None:
    (seen,) = enriched(record(observation("tls.certificate", chain_der=encoded(LEAF)), certificate_days=days))
    assert seen["data"]["expiring"] is expiring


def test_an_expired_or_unreadable_certificate_is_not_expiring() -> None:
    for chain in (encoded(mint("x", begins_in_days=-9, ends_in_days=-2)), ["rubbish"]):
        (seen,) = enriched(record(observation("tls.certificate", chain_der=chain)))
        assert seen["data"]["expiring"] is False


def test_an_issuer_is_an_intermediate_where_another_chain_shows_it() -> None:
    both = record(observation("tls.certificate", chain_der=encoded(LEAF)),
                  observation("tls.certificate", "other", chain_der=encoded(LEAF, MIDDLE, ROOT)))
    alone, _whole = enriched(both)
    assert alone["data"]["issuer_is_intermediate"] is True
    (only,) = enriched(record(observation("tls.certificate", chain_der=encoded(LEAF))))
    assert only["data"]["issuer_is_intermediate"] is False
    rooted = enriched(record(observation("tls.certificate", chain_der=encoded(MIDDLE)),
                             observation("tls.certificate", "other", chain_der=encoded(MIDDLE, ROOT))))
    assert rooted[0]["data"]["issuer_is_intermediate"] is False  # a root is none


@pytest.mark.parametrize(("start", "end", "offset", "uncertainty", "status"), [
    (100.5, 101.5, 0.0, 0.5, "ok"),
    (400.5, 401.5, 300.0, 0.5, "warn"),
    (-199.5, -198.5, -300.0, 0.5, "warn"),
    (106.0, 107.0, 5.5, 0.5, "ok"),  # the bounds reach into what is allowed
    (106.2, 107.2, 5.7, 0.5, "warn"),
])
def test_the_hosts_clock_against_the_controllers(start: float, end: float, offset: float, uncertainty: float, status: str) -> None:
    """Asked at 100, answered at 102, by the controller's clock."""
    (seen,) = enriched(record(clock=(100.0, 102.0), facts={"clock_at_start": start, "clock_at_end": end}))
    assert (seen["check"], seen["status"]) == ("clock.offset", status)
    assert (seen["data"]["reference"], seen["data"]["offset_s"], seen["data"]["uncertainty_s"]) == ("controller", offset, uncertainty)


def test_a_slow_way_to_the_host_makes_the_clock_uncertain_and_not_wrong() -> None:
    (seen,) = enriched(record(clock=(100.0, 160.0), facts={"clock_at_start": 155.0, "clock_at_end": 156.0}))
    assert seen["status"] == "ok" and seen["data"]["uncertainty_s"] > 25


def test_without_an_answer_there_is_no_clock() -> None:
    assert enriched(record(clock=(100.0,))) == []
    assert enriched(record(clock=(100.0, 101.0))) == []


@pytest.mark.parametrize(("check", "key"), [("http.response", "clock_offset_s"), ("postgresql.session", "server_now_offset_s")])
@pytest.mark.parametrize(("server_minus_host", "status"), [(0.4, "ok"), (5.9, "ok"), (600.0, "warn"), (-600.0, "warn"), (None, None)])
def test_the_hosts_clock_against_the_servers(check: str, key: str, server_minus_host: float | None, status: str | None) -> None:
    found = [one for one in enriched(record(observation(check, **{key: server_minus_host}))) if one["check"] == "clock.offset"]
    assert [one["status"] for one in found] == ([status] if status else [])
    for one in found:
        assert one["endpoint"] == "db" and one["data"]["reference"] == "server" and one["data"]["source"] == check
        assert one["data"]["offset_s"] == -(server_minus_host or 0)


def test_the_endpoints_own_limit_counts() -> None:
    seen = enriched(record(observation("http.response", clock_offset_s=20.0), clock_offset_s=60))
    assert seen[-1]["status"] == "ok" and seen[-1]["data"]["limit_s"] == 60


def test_what_was_recorded_is_left_as_it_is() -> None:
    made = record(observation("tls.certificate", chain_der=encoded(LEAF)), observation("http.response", clock_offset_s=1.0))
    before = repr(made)
    assert enriched(made) == enriched(made)
    assert repr(made) == before


def test_the_clock_of_another_server_is_not_the_endpoints() -> None:
    made = record({**observation("http.response", clock_offset_s=60.0), "side": "agent"})
    (offset,) = [one for one in enriched(made) if one["check"] == "clock.offset"]
    assert (offset["side"], offset["data"]["reference"]) == ("agent", "server")
