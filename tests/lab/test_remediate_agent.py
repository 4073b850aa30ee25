# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent is told, corrected on a live fleet: another fault on each host, one command, and a host on which it does not help."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Ended, Playbook

_STREAM = "/etc/netdata/stream.conf"
_KEEP = f"cp -a {_STREAM} /root/stream.conf.kept; "
_RESTART = "; systemctl restart netdata"
_HEAL = f"cp -a /root/stream.conf.kept {_STREAM}; rm /root/stream.conf.kept; systemctl restart netdata"
_REBREAKS = "/run/systemd/system/netdata.service.d"
# Something else manages the file, and writes it again at each start.
_REBREAK = f"""
mkdir -p {_REBREAKS}
printf '[Service]\\nExecStartPre=+/bin/sed -i s/:19999/:19998/ {_STREAM}\\n' > {_REBREAKS}/fault.conf
systemctl daemon-reload"""
_DROP_IN = "/etc/systemd/system/courier.service.d/zz-connectivity-doctor-environment.conf"


class _Fault(NamedTuple):
    """``expected``: by endpoint, the remedy and what becomes of it."""

    inject: str
    heal: str
    expected: dict[str, tuple[str, str]]


_PROXY_PASSWORD = "proxy-8f2c1d60"
_FAULTS = {
    "web1": _Fault(_KEEP + rf"sed -i 's/\(api key = .*\)..../\1/' {_STREAM}" + _RESTART, _HEAL,
                   {"apm": ("fix_agent_config", "verified")}),
    "web2": _Fault(_KEEP + _REBREAK + _RESTART, f"rm -r {_REBREAKS}; systemctl daemon-reload; " + _HEAL,
                   {"apm": ("fix_agent_config", "rolled_back")}),
    "web3": _Fault(_KEEP + f"chown root:root {_STREAM}; chmod 0600 {_STREAM}" + _RESTART, _HEAL,
                   {"apm": ("restore_file_mode", "verified")}),
    "web4": _Fault("""
        cp -a /etc/ssl/lab/ca.pem /root/ca.pem.kept
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj '/CN=Another CA' \
            -out /etc/ssl/lab/ca.pem 2>/dev/null
        cat > /usr/local/bin/courier <<'END'
        while sleep 1; do
            url=${COURIER_URL:-$(sed -n s/^url=//p /etc/courier.conf)} token=$(sed -n s/^token=//p /etc/courier.conf)
            answer=$(curl -sS -o /dev/null -w 'HTTP %{http_code}' -H "Authorization: Bearer $token" -d '{}' "$url/intake" 2>&1)
            echo "$(date '+%F %T') $answer"
        done
END
        printf 'url=https://apm1.lab.example:8200\\ntoken=TOKEN\\n' > /etc/courier.conf
        printf '%s\\n' COURIER_URL=https://apm1.lab.example:8201 https_proxy=http://courier:PROXY_PASSWORD@proxy1.lab.example:3128 \
            no_proxy=.lab.example > /etc/default/courier
        printf '[Service]\\nEnvironmentFile=/etc/default/courier\\nExecStart=/bin/sh /usr/local/bin/courier\\n%s\\n' \
            StandardOutput=append:/run/courier.log > /etc/systemd/system/courier.service
        systemctl daemon-reload
        systemctl start courier""", """
        cp -a /root/ca.pem.kept /etc/ssl/lab/ca.pem; rm /root/ca.pem.kept
        systemctl stop courier
        rm -rf /usr/local/bin/courier /etc/courier.conf /etc/default/courier /etc/systemd/system/courier.service* /run/courier.log
        systemctl daemon-reload""",
                   {"warehouse": ("install_ca", "verified"), "intake": ("fix_agent_config", "verified")}),
}
_COURIER = {
    "unit": "courier",
    "config": [{"path": "/etc/courier.conf", "format": "env", "endpoint": "url", "credential": "token"}],
    "environment": {"endpoint": "COURIER_URL"},
    "logs": {"files": "/run/courier.log", "recovered": "HTTP 202"},
    "validate": {"path": "/intake", "header": "Authorization", "prefix": "Bearer "},
}
# Of every file that a remedy could touch: what is in it, who owns it and who may read it; and what units do.
_SNAPSHOT = """
find /etc /usr/local -xdev -type f ! -name '*.lock' -exec sha256sum {} + | sort -k2
find /etc /usr/local -xdev -type f ! -name '*.lock' -printf '%p %m %u:%g\\n' | sort
systemctl show netdata courier -p ActiveState,UnitFileState,NRestarts,DropInPaths
"""


def _on_all(action: Callable[[str], Any]) -> dict[str, Any]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(_FAULTS, pool.map(action, _FAULTS), strict=True))


def _endpoints() -> dict[str, list[dict[str, Any]]]:
    known = load_endpoints()
    apm = [known["apm"], known["gateway"]]
    return {"web1": apm, "web2": apm, "web3": apm, "web4": [known["warehouse"], {**known["intake"], "agent": _COURIER}]}


def _done(ended: Ended) -> dict[str, dict[str, tuple[str, str]]]:
    done: dict[str, dict[str, tuple[str, str]]] = {host: {} for host in _FAULTS}
    for entry in ended.report["remediations"]:
        done[entry["host"]][entry["endpoint"]] = (entry["action"], entry["result"])
    return done


@pytest.fixture
def faulty(lab: Lab) -> Iterator[Lab]:
    secrets = {"TOKEN": lab.vars["lab_apm_token"], "PROXY_PASSWORD": _PROXY_PASSWORD}
    try:
        _on_all(lambda host: lab.run(host, re.sub("|".join(secrets), lambda name: secrets[name[0]], _FAULTS[host].inject) + "\nsleep 7"))
        yield lab
    finally:
        _on_all(lambda host: lab.run(host, _FAULTS[host].heal + "\nrm -rf /var/lib/connectivity-doctor", check=False))
        _on_all(lab.wait_until_healthy)


def test_another_fault_on_each_host_is_corrected_by_one_command(faulty: Lab, tmp_path: Path) -> None:
    lab = faulty
    playbook = Playbook(lab, tmp_path)
    authority = tmp_path / "approved.pem"
    authority.write_text(lab.run("web1", "cat /etc/ssl/lab/ca.pem").stdout)
    variables = {"by_host": _endpoints(), "connectivity_approved_ca": str(authority)}

    def run(*arguments: str, pipelining: bool = True) -> Ended:
        return playbook.run("web1,web2,web3,web4", "{{ by_host[inventory_hostname] }}", *arguments,  # type: ignore[arg-type]
                            ansible_pipelining=pipelining, **variables)

    def snapshots() -> dict[str, str]:
        return _on_all(lambda host: lab.run(host, _SNAPSHOT).stdout)

    expected = {host: fault.expected for host, fault in _FAULTS.items()}
    before = snapshots()
    predicted = run("--check", "--diff")
    assert _done(predicted) == {host: {endpoint: (action, "would_change") for endpoint, (action, _result) in fault.expected.items()}
                                for host, fault in _FAULTS.items()}, predicted.output
    assert snapshots() == before

    # Without pipelining, modules and what they are given are files on the host for a moment.
    repaired = run("--diff", "-vvv", pipelining=False)
    assert _done(repaired) == expected, repaired.output
    assert {(row["host"], row["summary"]) for row in repaired.report["remediations"]} == {
        (row["host"], row["summary"]) for row in predicted.report["remediations"]}
    after = snapshots()
    assert after["web2"] == before["web2"].replace("NRestarts=1", "NRestarts=0"), "what did not help is put back to the byte"
    assert lab.run("web1", f"cmp {_STREAM} /root/stream.conf.kept", check=False).returncode == 0, "only the key was written"
    assert lab.run("web3", f"stat -c '%a %U:%G' {_STREAM}").stdout.strip() == "640 root:netdata"
    assert lab.run("web4", f"cat {_DROP_IN}").stdout.splitlines()[-1] == "UnsetEnvironment=COURIER_URL"
    assert "+ destination" in repaired.output.replace("+    ", "+ ") and ":19999" in repaired.output, "a diff shows what is no secret"

    again = run()
    assert _done(again) == {**{host: {} for host in expected}, "web2": {"apm": ("fix_agent_config", "refused")}}, again.output
    assert snapshots() == after
    _no_secret(lab, tmp_path, [predicted, repaired, again])

    (row,) = (row for row in repaired.report["remediations"] if row["host"] == "web4" and row["endpoint"] == "warehouse")
    assert run_module(lab, "web4", "transaction", state="rolled_back", name=row["name"])["problems"] == []
    assert "Another CA" in lab.run("web4", "openssl x509 -noout -subject -in /etc/ssl/lab/ca.pem").stdout
    assert lab.run("web4", "grep -c BEGIN /etc/ssl/lab/ca.pem").stdout.strip() == "1", "what was confirmed can be undone"


def _no_secret(lab: Lab, folder: Path, runs: list[Ended]) -> None:
    secrets = [_PROXY_PASSWORD, lab.vars["lab_stream_api_key"], lab.vars["lab_apm_token"], lab.vars["lab_database_password"]]
    written = [ended.output for ended in runs]
    written += [file.read_text(errors="replace") for file in (folder / "report").rglob("*") if file.is_file()]
    written += [lab.run(host, "journalctl -q --no-pager --since -5min; "
                              "grep -rs . /var/lib/connectivity-doctor --include='*.json' --include='*.py'", check=False).stdout
                for host in _FAULTS]
    assert any("agent_setting" in text for text in written), "the module has left its trace in the journal"
    for secret in secrets:
        assert not any(secret in text for text in written)
