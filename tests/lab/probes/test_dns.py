# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dns probe over ssh beside dig and getent: DNSSEC, disagreement, search domains, TCP that is blocked, caches and authorities."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, filtered, observe

CLIENT, SERVER = "web3", "ns1"
RESOLVER, AUTHORITY = "10.77.2.53", "10.77.2.54"
NAME, ADDRESS = "only4.lab.example", "10.77.2.20"
# systemd starts a unit so often within ten seconds, and no more, unless it forgets.
_RESTART = "systemctl reset-failed unbound nsd; systemctl restart unbound nsd"
_BOGUS = """
printf 'server:\\n  module-config: "validator iterator"\\n  trust-anchor: "lab.example. DS 12345 13 2 %s"\\n' \
    e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d > /etc/unbound/unbound.conf.d/test.conf
echo 'include: "/etc/unbound/unbound.conf.d/test.conf"' >> /etc/unbound/unbound.conf
""" + _RESTART
_NOT_BOGUS = "sed -i '/test.conf/d' /etc/unbound/unbound.conf; rm /etc/unbound/unbound.conf.d/test.conf; " + _RESTART


def resolve(lab: Lab, host: str = NAME, /, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, CLIENT, "probe_dns", host=host, **parameters)


def dig(lab: Lab, *arguments: str, seconds: int = 2) -> str:
    return lab.run(CLIENT, ["dig", f"+time={seconds}", "+tries=1", *arguments], check=False).stdout


def answer_of(seen: list[dict[str, Any]], check: str = "dns.answer", name: str = NAME) -> dict[str, Any]:
    """The resolver's answer for the IPv4 addresses of the very name, not of a search domain's."""
    return data_of(seen, check, server=RESOLVER, type="A", name=name + ".")


@contextmanager
def records(lab: Lab, *lines: str, zone: str = "") -> Iterator[None]:
    """Data that the resolver has and the zone has not, until it is restarted."""
    commands = [f"unbound-control -q local_zone {zone} redirect"] if zone else []
    commands += [f"unbound-control -q local_data {line}" for line in lines]
    with broken(lab, SERVER, "\n".join(commands), _RESTART):
        yield


@contextmanager
def resolv_conf(lab: Lab, text: str) -> Iterator[None]:
    with broken(lab, CLIENT, f"cp /etc/resolv.conf /root/resolv.conf; printf '{text}' > /etc/resolv.conf",
                "cat /root/resolv.conf > /etc/resolv.conf"):
        yield


def test_signatures_that_are_wrong(lab: Lab) -> None:
    with broken(lab, SERVER, _BOGUS, _NOT_BOGUS):
        seen = resolve(lab)
        assert "status: SERVFAIL" in dig(lab, f"@{RESOLVER}", NAME)
        assert dig(lab, f"@{RESOLVER}", NAME, "+cd", "+short").strip() == ADDRESS
    lab.wait_until_healthy(SERVER)
    assert answer_of(seen)["rcode"] == "SERVFAIL"
    unchecked = answer_of(seen, "dns.answer_unchecked")
    assert (unchecked["rcode"], unchecked["addresses"], unchecked["checking_disabled"]) == ("NOERROR", [ADDRESS], True)
    assert data_of(seen, "dns.resolve")["error"] == "EAI_AGAIN"


def test_a_resolver_whose_own_source_fails_is_no_dnssec(lab: Lab) -> None:
    """The same SERVFAIL, with checking disabled too: the authority no longer serves the zone."""
    with broken(lab, SERVER, "sed -i.test 's/name: lab.example/name: other.example/' /etc/nsd/nsd.conf; " + _RESTART,
                "mv /etc/nsd/nsd.conf.test /etc/nsd/nsd.conf; " + _RESTART):
        said = dig(lab, f"@{RESOLVER}", NAME, "+cd", seconds=8)
        seen = resolve(lab)
    lab.wait_until_healthy(SERVER)
    assert "status: SERVFAIL" in said
    for check in ("dns.answer", "dns.answer_unchecked"):
        assert answer_of(seen, check)["rcode"] == "SERVFAIL"


def test_servers_that_disagree(lab: Lab) -> None:
    with resolv_conf(lab, f"nameserver {RESOLVER}\nnameserver {AUTHORITY}\n"):
        assert data_of(resolve(lab), "dns.agreement")["agree"] is True
        with records(lab, f"{NAME}. 30 IN A 10.77.2.40"):
            seen = resolve(lab)
            said = {server: dig(lab, f"@{server}", NAME, "+short").split() for server in (RESOLVER, AUTHORITY)}
    agreement = data_of(seen, "dns.agreement")
    assert (agreement["status"], agreement["agree"], agreement["silent"]) == ("warn", False, [])
    assert {group["servers"][0]: group["addresses"] for group in agreement["groups"]} == said == {
        RESOLVER: ["10.77.2.40"], AUTHORITY: [ADDRESS]}


def test_a_split_horizon(lab: Lab) -> None:
    with records(lab, f"{NAME}. 30 IN A 192.0.2.7"):
        seen = resolve(lab, compare_with=[AUTHORITY])
    compared = data_of(seen, "dns.compared")
    assert (compared["differs"], compared["addresses"], compared["here_addresses"]) == (True, [ADDRESS], ["192.0.2.7"])
    assert (compared["private"], compared["here_private"]) == (True, False)
    assert data_of(resolve(lab, compare_with=[AUTHORITY]), "dns.compared")["differs"] is False


def test_a_search_domain_with_a_wildcard_takes_every_name(lab: Lab) -> None:
    with resolv_conf(lab, f"nameserver {RESOLVER}\nsearch wild.lab.example\noptions ndots:5\n"):
        with records(lab, "wild.lab.example. 30 IN A 10.77.2.40", zone="wild.lab.example."):
            seen = resolve(lab)
            searched = dig(lab, "+search", "+short", NAME).strip()
            absolute = dig(lab, "+short", NAME + ".").strip()
            used = lab.run(CLIENT, ["getent", "ahostsv4", NAME]).stdout.split()[0]
    search = data_of(seen, "dns.search")
    assert (search["status"], search["differs"], search["used"]) == ("warn", True, f"{NAME}.wild.lab.example.")
    assert search["used_addresses"] == [searched] == [used] == ["10.77.2.40"]
    assert search["absolute_addresses"] == [absolute] == [ADDRESS]


def test_a_long_answer_whose_tcp_is_blocked(lab: Lab) -> None:
    name = "big.lab.example"
    with records(lab, *(f"{name}. 30 IN A 10.77.3.{number}" for number in range(1, 120))):
        well = resolve(lab, name)
        with filtered(lab, SERVER, "input", "tcp dport 53 drop"):
            seen = resolve(lab, name, deadline=8)
            assert " tc" in next(line for line in dig(lab, f"@{RESOLVER}", name, "+ignore").splitlines() if "flags:" in line)
            assert "timed out" in dig(lab, f"@{RESOLVER}", name, "+tcp")
    answer = answer_of(well, name=name)
    assert (answer["truncated"], answer["tcp_error"], len(answer["addresses"])) == (True, "", 32)
    blocked = answer_of(seen, name=name)
    assert (blocked["truncated"], blocked["tcp_error"], blocked["status"]) == (True, "TIMEOUT", "warn")
    assert data_of(seen, "dns.resolve")["status"] == "fail"


def test_a_cache_that_outlives_a_failover(lab: Lab) -> None:
    with ExitStack() as stack:
        stack.enter_context(broken(lab, CLIENT, "systemctl start nscd", "systemctl stop nscd"))
        assert lab.run(CLIENT, ["getent", "ahosts", NAME]).stdout.split()[0] == ADDRESS
        same = data_of(resolve(lab), "dns.cache")
        stack.enter_context(records(lab, f"{NAME}. 30 IN A 10.77.2.40"))
        seen = resolve(lab)
        kept = lab.run(CLIENT, ["getent", "ahosts", NAME]).stdout.split()[0]
        right = dig(lab, f"@{RESOLVER}", NAME, "+short").strip()
    assert (same["cache"], same["differs_from_servers"], same["status"]) == ("nscd", False, "ok")
    cache = data_of(seen, "dns.cache")
    assert (cache["status"], cache["differs_from_servers"], cache["keeps_s"]) == ("warn", True, 3600)
    assert (cache["addresses"], cache["server_addresses"]) == ([kept], [right]) == ([ADDRESS], ["10.77.2.40"])
    assert not [one for one in resolve(lab) if one["check"] == "dns.cache"]


def test_a_name_server_that_does_not_serve_its_zone(lab: Lab) -> None:
    """The lab's zone names its resolver, which serves nothing without recursion."""
    authority = data_of(resolve(lab, authority=True), "dns.authority")
    assert (authority["zone"], authority["server"], authority["error"]) == ("lab.example.", "ns1.lab.example.", "REFUSED")
    assert "status: REFUSED" in dig(lab, f"@{RESOLVER}", "+norecurse", NAME)


@pytest.mark.parametrize("host", ["ns1", "nsq"])
def test_candidates_as_dig_shows_them(lab: Lab, host: str) -> None:
    seen = resolve(lab, host)
    shown = [line.split()[0][1:] for line in dig(lab, f"@{RESOLVER}", "+search", "+showsearch", host, "A").splitlines()
             if line[:1] == ";" and line[1:2].isalpha() and line.endswith("A")]
    assert [one["name"] for one in data_of(seen, "dns.search")["candidates"]] == shown
