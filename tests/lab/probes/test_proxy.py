# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy probe over ssh beside curl and /proc: a squid that works, denies and stops, and a unit with other settings than a login."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, filtered, observe

CLIENT, PROXY, HOST, PORT = "web2", "http://proxy1.lab.example:3128", "apm1.lab.example", 8200
CA = "/etc/ssl/lab/ca.pem"


def look(lab: Lab, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, CLIENT, "probe_proxy", **{"host": HOST, "port": PORT, "path": "/health", "ca_file": CA, **parameters})


def curl(lab: Lab, *arguments: str, **environment: str) -> tuple[int, str]:
    """:returns: curl's exit status, and the status codes of the proxy's CONNECT and of the server."""
    words = [f"{name}={value}" for name, value in environment.items()]
    ran = lab.run(CLIENT, ["env", *words, "curl", "-s", "-o", "/dev/null", "--max-time", "5", "--cacert", CA,
                           "-w", "%{http_connect} %{http_code}", *arguments, f"https://{HOST}:{PORT}/health"], check=False)
    return ran.returncode, ran.stdout


def test_both_ways(lab: Lab) -> None:
    observations = look(lab, proxy=PROXY)
    comparison = data_of(observations, "proxy.comparison")
    assert (comparison["direct_works"], comparison["proxy_works"], comparison["same_certificate"]) == (True, True, True)
    assert (curl(lab), curl(lab, "-x", PROXY)) == ((0, "000 200"), (0, "200 200"))
    assert data_of(observations, "proxy.connect")["status"] == "ok"


def test_the_proxy_is_required(lab: Lab) -> None:
    with filtered(lab, CLIENT, "output", f"ip daddr {lab.hosts['apm1'].address4} drop", f"ip6 daddr {lab.hosts['apm1'].address6} drop"):
        comparison = data_of(look(lab, proxy=PROXY, timeout=2.0), "proxy.comparison")
        by_hand = curl(lab, "--connect-timeout", "2")[0], curl(lab, "-x", PROXY)[0]
    assert (comparison["direct_works"], comparison["direct_connect_error"], comparison["proxy_works"]) == (False, "TIMEOUT", True)
    assert by_hand == (28, 0)


def test_the_proxy_denies(lab: Lab) -> None:
    with broken(lab, "proxy1", "sed -i.fault '1i http_access deny all' /etc/squid/squid.conf && squid -k reconfigure && sleep 2",
                "mv /etc/squid/squid.conf.fault /etc/squid/squid.conf && squid -k reconfigure && sleep 2"):
        observations = look(lab, proxy=PROXY)
        by_hand = curl(lab, "-x", PROXY)
    comparison = data_of(observations, "proxy.comparison")
    assert (comparison["direct_works"], comparison["proxy_works"], comparison["proxy_status"]) == (True, False, 403)
    assert by_hand == (56, "403 000")
    assert data_of(observations, "proxy.connect")["answered_by"] == "proxy"


def test_the_proxy_is_down(lab: Lab) -> None:
    with broken(lab, "proxy1", "systemctl stop squid", "systemctl start squid"):
        observations = look(lab, proxy=PROXY)
        by_hand = curl(lab, "-x", PROXY)[0]
    assert data_of(observations, "proxy.comparison")["proxy_error"] == "ECONNREFUSED"
    assert by_hand == 7
    assert data_of(observations, "proxy.bypass", library="curl")["works"] is False


def test_tls_to_a_proxy_that_has_none(lab: Lab) -> None:
    """With a real squid, which answers a ClientHello in plain text."""
    wrong = PROXY.replace("http:", "https:")
    observations = look(lab, proxy=wrong)
    assert data_of(observations, "proxy.url")["speaks_tls"] is False
    assert data_of(observations, "proxy.comparison", scheme_tried="http")["proxy_works"] is True
    assert curl(lab, "-x", wrong)[0] == 35, "SSL connect error"


@contextmanager
def unit_with(lab: Lab, *settings: str) -> Iterator[None]:
    lines = "\\n".join(f'Environment="{setting}"' for setting in settings)
    folder = "/run/systemd/system/netdata.service.d"
    with broken(lab, CLIENT, f"mkdir -p {folder}; printf '[Service]\\n{lines}\\n' > {folder}/proxy.conf; systemctl daemon-reload; "
                "systemctl restart netdata", f"rm -r {folder}; systemctl daemon-reload; systemctl restart netdata"):
        yield


def test_a_unit_with_other_settings_than_a_login(lab: Lab) -> None:
    with unit_with(lab, f"https_proxy={PROXY}", "no_proxy=.lab.example"):
        observations = look(lab, unit="netdata")
        pid = lab.run(CLIENT, "systemctl show -P MainPID netdata").stdout.strip()
        lines = lab.run(CLIENT, f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout.splitlines()
        environment = dict(line.partition("=")[::2] for line in lines)
        login = lab.run(CLIENT, "bash -lc env").stdout
    seen = data_of(observations, "proxy.environment")
    assert (seen["status"], seen["pid"], seen["only_in_process"]) == ("warn", int(pid), ["https_proxy", "no_proxy"])
    assert seen["process"] == {name: environment[name] for name in ("https_proxy", "no_proxy")}
    assert "https_proxy" not in login
    assert data_of(observations, "proxy.bypass", library="curl")["token"] == ".lab.example"


@pytest.mark.parametrize("entry", [".lab.example", "*.lab.example", "apm1.lab.example:8200", "ab.example"])
def test_exceptions_as_the_clients_own_curl_has_them(lab: Lab, entry: str) -> None:
    with unit_with(lab, f"https_proxy={PROXY}", f"no_proxy={entry}"):
        decision = data_of(look(lab, unit="netdata"), "proxy.bypass", library="curl")
    connect = curl(lab, https_proxy=PROXY, no_proxy=entry)[1].split()[0]
    assert decision["decision"] == ("direct" if connect == "000" else "proxy")
