# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS probe over ssh beside openssl and psql: a weak certificate, a chain with an ended link, and libpq's rule for sslmode=require."""
from __future__ import annotations

from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT, SERVER = "web3", "db1"
WEAK_PORT = 8443


def look(lab: Lab, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, CLIENT, "probe_tls", **{"host": lab.hosts[SERVER].address4, "port": 5432, "starttls": "postgresql", **parameters})


def test_a_weak_key(lab: Lab) -> None:
    make = ("openssl req -x509 -nodes -newkey rsa:1024 -sha256 -subj /CN=weak -keyout /root/weak.key -out /root/weak.pem 2>/dev/null; "
            "systemd-run --quiet --unit=weak-tls openssl s_server -accept 8443 -cert /root/weak.pem -key /root/weak.key "
            "-cipher ALL:@SECLEVEL=0 -quiet; sleep 1")
    address = lab.hosts["apm1"].address4
    with broken(lab, "apm1", make, "systemctl stop weak-tls; rm /root/weak.key /root/weak.pem"):
        certificate = data_of(look(lab, host=address, port=WEAK_PORT, starttls="", verify="none"), "tls.certificate")
        text = lab.run(CLIENT, f"openssl s_client -connect {address}:{WEAK_PORT} </dev/null 2>/dev/null | openssl x509 -noout -text").stdout
    assert (certificate["status"], certificate["weak_links"]) == ("warn", ["CN=weak"])
    link = certificate["links"][0]
    assert f"Public-Key: ({link['key_bits']} bit)" in text
    assert link["signature_hash"] in text


def test_the_ends_of_every_link(lab: Lab) -> None:
    certificate = data_of(look(lab, verify="none"), "tls.certificate")
    address = lab.hosts[SERVER].address4
    shown = lab.run(CLIENT, f"openssl s_client -starttls postgres -showcerts -connect {address}:5432 </dev/null 2>/dev/null")
    assert len(certificate["links"]) == shown.stdout.count("BEGIN CERTIFICATE") == certificate["chain_length"]
    assert (certificate["expired_links"], certificate["weak_links"]) == ([], [])
    assert certificate["chain_days_left"] == min(link["days_left"] for link in certificate["links"])


def test_sslmode_require_as_libpq_has_it(lab: Lab) -> None:
    """With a file of trusted certificates, require verifies; psql says the same."""

    def psql() -> str:
        conninfo = f"host={lab.hosts[SERVER].address4} user=reporting dbname=production sslmode=require"
        password = f"PGPASSWORD={lab.vars['lab_database_password']}"
        ran = lab.run(CLIENT, ["env", "HOME=/root", password, "psql", "-XAtc", "SELECT 1", conninfo], check=False)
        return ran.stdout.strip() + ran.stderr

    def mode() -> tuple[str, str]:
        verify = data_of(look(lab, verify="libpq_require"), "tls.verify")
        return verify["mode"], verify["status"]

    assert (mode(), psql()) == (("none", "skipped"), "1")
    with broken(lab, CLIENT, "mkdir -p /root/.postgresql; cp /etc/ssl/lab/ca.pem /root/.postgresql/root.crt", "rm -r /root/.postgresql"):
        assert (mode(), psql()) == (("ca", "ok"), "1")
        lab.run(CLIENT, "openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=other -keyout /dev/null "
                "-out /root/.postgresql/root.crt 2>/dev/null")
        assert mode() == ("ca", "fail")
        assert "certificate verify failed" in psql()
