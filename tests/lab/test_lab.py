# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the lab a healthy fleet? Each test uses the real programs, on the machines, as a person would."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.lab import CommandError, Lab

ANSIBLE = str(Path(sys.executable).with_name("ansible"))


def every_client(lab: Lab, command: str) -> dict[str, str]:
    """What the command says on each client; fails when it fails on one."""
    return {client: lab.run(client, command).stdout for client in lab.clients}


def within(seconds: float, check) -> None:
    """Repeat a check that raises ``AssertionError`` until it passes, at most for so long."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def test_every_host_answers_ansible_over_ssh(lab: Lab) -> None:
    result = lab.on_controller([ANSIBLE, "--inventory", str(lab.inventory), "--become", "--one-line", "--module-name", "ping", "all"])
    answered = {line.split(" ")[0] for line in result.stdout.splitlines() if "SUCCESS" in line and '"pong"' in line}
    assert answered == set(lab.hosts)
    assert len(lab.hosts) >= 10


def psql(lab: Lab, connection: str, query: str) -> str:
    """A psql command line for the application's role; ``connection`` is in libpq's ``key=value`` form."""
    common = "user=reporting dbname=production sslrootcert=/etc/ssl/lab/ca.pem connect_timeout=5"
    return f"PGPASSWORD={lab.vars['lab_database_password']} psql -AtX '{connection} {common}' -c '{query}'"


def test_every_client_logs_in_to_postgresql_and_verifies_it(lab: Lab) -> None:
    query = "select count(*), ssl from measurement, pg_stat_ssl where pid = pg_backend_pid() group by ssl"
    command = psql(lab, "host=db1.lab.example sslmode=verify-full", query)
    assert set(every_client(lab, command).values()) == {"100|t\n"}


def test_postgresql_refuses_a_client_without_tls(lab: Lab) -> None:
    result = lab.run("web1", psql(lab, "host=db1.lab.example sslmode=disable", "select 1"), check=False)
    assert "no pg_hba.conf entry" in result.stderr


@pytest.mark.parametrize(("server", "port"), [("db1", 6432), ("lb1", 5432)])
def test_postgresql_behind_pooler_and_balancer(lab: Lab, server: str, port: int) -> None:
    # The balancer passes db1's own certificate on, which does not have the balancer's name.
    connection = f"host={server}.lab.example port={port} sslmode=verify-ca"
    assert lab.run("web1", psql(lab, connection, "select count(*) from measurement")).stdout == "100\n"


def test_the_database_superuser_is_there_for_faults(lab: Lab) -> None:
    assert lab.run("db1", "sudo -u postgres psql -AtXc 'show ssl'").stdout == "on\n"
    assert lab.vars["lab_database_password"] not in lab.run("db1", "cat /var/log/postgresql/*.log").stdout


def test_netdata_streams_from_every_client(lab: Lab) -> None:
    def established() -> None:
        info = json.loads(lab.run("web1", "curl -sf http://apm1.lab.example:19999/api/v1/info").stdout)
        reachable = {child["guid"] for child in info["mirrored_hosts_status"] if child["reachable"]}
        assert set(lab.clients) <= set(info["mirrored_hosts"])
        assert {str(lab.hosts[client].uuid) for client in lab.clients} <= reachable

    within(30, established)


def test_the_gateway_wants_its_token(lab: Lab) -> None:
    url = "https://apm1.lab.example:8200"
    status = "curl -s -o /dev/null -w '%{http_code}' "
    assert set(every_client(lab, f"{status} {url}/health").values()) == {"200"}
    assert lab.run("web1", f"{status} {url}/intake").stdout == "401"
    token = lab.vars["lab_apm_token"]
    assert lab.run("web1", f"{status} -H 'Authorization: Bearer {token}' {url}/intake").stdout == "202"


def test_https_through_the_proxy(lab: Lab) -> None:
    command = "curl -sv -x http://proxy1.lab.example:3128 https://apm1.lab.example:8200/health"
    for client in lab.clients:
        result = lab.run(client, command)
        assert json.loads(result.stdout)["status"] == "ok"
        assert "CONNECT apm1.lab.example:8200" in result.stderr


def test_the_balancer_uses_both_members(lab: Lab) -> None:
    answers = lab.run("web1", "for n in 1 2 3 4; do curl -sf http://lb1.lab.example:8080/; done").stdout.split("\n")
    assert {json.loads(answer)["member"] for answer in answers if answer} == {"first", "second"}


def test_time_comes_from_the_lab(lab: Lab) -> None:
    def selected() -> None:
        for client in lab.clients:
            sources = lab.run(client, "chronyc -c sources").stdout.split(",")
            assert sources[1] == "*", f"{client} has not selected its source: {sources}"

    within(30, selected)
    assert lab.run("web1", "chronyc -n -c sources").stdout.split(",")[2] in ("10.77.2.53", "fd77:2::53")


def test_ipv6(lab: Lab) -> None:
    every_client(lab, "ping -6 -c 1 -W 2 db1.lab.example")
    assert lab.run("web1", "curl -6 -sf http://lb1.lab.example:8080/").stdout
    assert "fd77:2::20" in lab.run("web1", "getent ahostsv6 only6").stdout


def test_names(lab: Lab) -> None:
    assert set(every_client(lab, "dig +short db1.lab.example A").values()) == {"10.77.2.20\n"}
    assert lab.run("web1", "getent hosts web2.lab.example").stdout.split()[0] == "fd77:1::12"
    assert lab.run("web1", "dig +short database.lab.example A").stdout == "db1.lab.example.\n10.77.2.20\n"
    assert lab.run("web1", "dig +short only4.lab.example AAAA").stdout == ""
    assert lab.run("web1", "dig +noall +comments nowhere.lab.example").stdout.count("NXDOMAIN") == 1
    assert "ANSWER: 1" in lab.run("web1", "dig @10.77.2.54 +noall +comments db1.lab.example").stdout


def test_every_hop_is_the_router(lab: Lab) -> None:
    assert "via 10.77.1.1 dev net0" in lab.run("web1", "ip route get 10.77.2.20").stdout
    assert "via fd77:1::1 dev net0" in lab.run("web1", "ip -6 route get fd77:2::20").stdout


def test_management_survives_the_loss_of_the_data_network(lab: Lab) -> None:
    lab.run("web1", "ip link set net0 down")
    try:
        result = lab.on_controller([ANSIBLE, "-i", str(lab.inventory), "-m", "ping", "web1"])
        assert '"pong"' in result.stdout
    finally:
        lab.run("web1", "ifdown --force net0; ifup net0")
    assert lab.run("web1", "curl -sf https://apm1.lab.example:8200/health").stdout


def test_a_machine_reboots_and_serves_again(lab: Lab) -> None:
    lab.run("proxy1", "echo kept > /root/kept; touch /run/lost")
    lab.restart("proxy1")
    assert lab.run("proxy1", "cat /root/kept; ls /run/lost", check=False).stdout == "kept\n"
    assert lab.run("web1", "curl -sf -x http://proxy1.lab.example:3128 https://apm1.lab.example:8200/health").stdout


def test_a_reset_undoes_everything(lab: Lab) -> None:
    client = lab.clients[-1]
    lab.run(client, "rm -rf /etc/netdata; nft 'add table inet filter'; ip route del default; systemctl mask chrony; touch /root/left")
    lab.reset(client)
    assert lab.run(client, "ls /root; nft list ruleset; systemctl is-enabled chrony netdata").stdout == "enabled\nenabled\n"
    assert lab.run(client, "curl -sf https://apm1.lab.example:8200/health").stdout
    pinged = lab.on_controller([ANSIBLE, "-i", str(lab.inventory), "-m", "ping", client])
    assert '"pong"' in pinged.stdout


def test_certificates_of_every_kind(lab: Lab) -> None:
    name = "db1.lab.example"
    kinds = {
        "good": lab.mint(name),
        "expired": lab.mint(name, not_before_days=30, not_after_days=-1),
        "future": lab.mint(name, not_before_days=-10),
        "self": lab.mint(name, issuer="self"),
        "stranger": lab.mint(name, issuer="stranger"),
        "leaf": lab.mint(name, send_intermediate=False),
    }
    # openssl's verify codes: X509_STORE_CTX_get_error(3).
    expected = {"good": 0, "expired": 10, "future": 9, "self": 18, "stranger": 20, "leaf": 20}
    found = {}
    for kind, made in kinds.items():
        lab.put("web1", f"/root/{kind}.pem", made.chain)
        check = f"openssl verify -CAfile /etc/ssl/lab/ca.pem -untrusted /root/{kind}.pem /root/{kind}.pem"
        said = lab.run("web1", check, check=False)
        found[kind] = 0 if said.returncode == 0 else int(said.stderr.split("error ")[1].split(" ")[0])
    assert found == expected


def test_a_command_can_not_set_the_machine_s_clock(lab: Lab) -> None:
    with pytest.raises(CommandError, match="Operation not permitted"):
        lab.run("web1", "date --set=@0")


def test_a_command_that_hangs_is_ended(lab: Lab) -> None:
    with pytest.raises(CommandError, match="no end after 1 s"):
        lab.run("web1", "sleep 77", timeout=1)
    assert lab.run("web1", "pgrep -f 'sleep 7[7]'", check=False).stdout == ""
