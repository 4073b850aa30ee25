# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``support_bundle`` over ssh on a live fault, with secrets planted wherever a host may have them: none leaves, and the
archive tells the same verdict again."""
from __future__ import annotations

import base64
import contextlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle import verdicts
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.running import injected
from ansible_collections.connectivity.doctor.tests.lab import Lab, controller
from ansible_collections.connectivity.doctor.tests.support import canaries

_FAULT = next(fault for fault in load_faults() if fault.name == "firewall-client-reject")
_HOST = _FAULT.host
_ENDPOINTS = load_endpoints()
_FOLDER, _LOG, _UNIT = "/etc/doctor-canary", "/var/log/doctor-canary.log", "chrony-canary"
_UNPLANT = """
rm -rf %(folder)s %(log)s /etc/systemd/system/netdata.service.d/canary.conf
rmdir /etc/systemd/system/netdata.service.d 2>/dev/null
nft delete table inet canary 2>/dev/null
systemctl stop %(unit)s 2>/dev/null
systemctl daemon-reload
""" % {"folder": _FOLDER, "log": _LOG, "unit": _UNIT}
_WRITE = """
import json, os, sys
for path, text in json.load(sys.stdin).items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").write(text)
"""
_SNAPSHOT = """
find /etc /root /home /opt -xdev -type f -exec sha256sum {} + | sort -k2
find /tmp /var/tmp -xdev -maxdepth 1 ! -name 'systemd-private-*' | sort
nft --stateless list ruleset
"""


class Made(NamedTuple):
    """What a run wrote. ``files``: by path, unpacked, those of the hosts' archives too."""

    output: str
    folder: Path
    files: dict[str, bytes]

    def of(self, host: str, name: str) -> Any:
        return json.loads(self.files["app/hosts/%s.zip/app-%s/%s" % (host, host, name)])


def _unpacked(content: bytes, where: str = "") -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            inner = archive.read(name)
            yield where + name, inner
            if name.endswith(".zip"):
                yield from _unpacked(inner, where + name + "/")


def _secret(number: int) -> str:
    return "Canary%02dq%dz" % (number, 7919 * number)


def _plant(lab: Lab) -> list[str]:
    """Every kind as a configuration and, where a line shows it, in a log; some where only a running host has them. Returns the secrets."""
    planted: list[str] = []

    def secret() -> str:
        planted.append(_secret(len(planted) + 11))
        return planted[-1]

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    log, files = [], {}
    for number, kind in enumerate(kind for kind in canaries.KINDS.values() if not kind.known):
        files["%s/%02d.conf" % (_FOLDER, number)] = canaries.planted(kind, secret()) + "\n"
        if not kind.settings and "\n" not in kind.text:
            log.append("%s %s" % (now, canaries.planted(kind, secret())))
    known = [lab.vars["lab_database_password"], lab.vars["lab_stream_api_key"]]
    log += ["%s nobody tells that %s is one, nor %s" % (now, one, base64.b64encode(("u:" + one).encode()).decode()) for one in known]
    files[_LOG] = "\n".join(log) + "\n"
    files["/etc/systemd/system/netdata.service.d/canary.conf"] = '[Service]\nEnvironment="API_TOKEN=%s"\n' % secret()
    lab.run(_HOST, ["python3", "-c", _WRITE], input=json.dumps(files))
    lab.run(_HOST, "set -e\nsystemctl daemon-reload\n"
                   "nft add table inet canary; nft add chain inet canary x; nft 'add rule inet canary x accept comment \"token=%s\"'\n"
                   "systemd-run --quiet --unit=%s sh -c 'echo \"login with password=%s\"; sleep 300' x --api-key %s\n"
            % (secret(), _UNIT, secret(), secret()))
    return planted + known


def _make(lab: Lab, folder: Path, *arguments: str, **variables: Any) -> Made:
    folder.mkdir()
    endpoints = [_ENDPOINTS[_FAULT.endpoint], *(_ENDPOINTS[name] for name in ("apm", "warehouse") if name != _FAULT.endpoint)]
    ran = controller.play(lab, "support_bundle", _HOST, folder, {
        "connectivity_endpoints": endpoints, "connectivity_report_dir": str(folder / "report"), "connectivity_bundle_name": "app",
        "connectivity_bundle_output": str(folder / "support.zip"), **variables}, *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return Made(ran.stdout + ran.stderr, folder, dict(_unpacked((folder / "support.zip").read_bytes())))


def _told_again(lab: Lab, made: Made) -> dict[str, Any]:
    """By the archive alone: no host is asked."""
    again = made.folder / "again"
    ran = lab.on_controller(
        [controller.program("ansible"), "localhost", "-m", "connectivity.doctor.report",
         "-a", "saved=%s report_dir=%s" % (made.folder / "support.zip", again)], check=False,
        env=controller.environment(made.folder))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return verdicts(json.loads((again / "report.json").read_text(encoding="utf-8")))


def test_no_secret_of_a_host_leaves_it_and_the_bundle_tells_the_same_verdict(lab: Lab, tmp_path: Path) -> None:
    with contextlib.ExitStack() as healing:
        healing.callback(lab.run, _HOST, _UNPLANT, check=False)
        planted = _plant(lab)
        healing.enter_context(injected(lab, _FAULT))
        before = lab.run(_HOST, _SNAPSHOT).stdout
        made = _make(lab, tmp_path / "whole", "-vvv", connectivity_bundle_files=[_FOLDER + "/*", _LOG])
        mapped = _make(lab, tmp_path / "mapped", "--check", connectivity_bundle_map=True, connectivity_include_logs=False)
        assert lab.run(_HOST, _SNAPSHOT).stdout == before
    _check_secrets(made, planted)
    _check_contents(made)
    diagnosed = verdicts(json.loads((made.folder / "report" / "report.json").read_text(encoding="utf-8")))
    assert [cause[0] for cause in diagnosed[_HOST][_FAULT.endpoint][1]] == ["firewall.client_egress"]
    assert _told_again(lab, made) == made.of(_HOST, "manifest.json")["verdict"] == diagnosed
    _check_mapping(lab, mapped)
    assert list(_told_again(lab, mapped).values()) == list(diagnosed.values())


def _check_secrets(made: Made, planted: list[str]) -> None:
    assert len(planted) > 100
    texts = {name: content.decode("utf-8", "replace") for name, content in made.files.items() if not name.endswith(".zip")}
    texts["what ansible-playbook -vvv printed"] = made.output
    texts.update((str(path), path.read_text(encoding="utf-8")) for path in (made.folder / "report").rglob("*") if path.is_file())
    found = [(secret, name) for secret in planted for name, text in texts.items() if canaries.shown(secret, text)]
    assert found == []
    log = texts["app/hosts/%s.zip/app-%s/logs%s" % (_HOST, _HOST, _LOG)]
    assert log.count("REDACTED_") > 40 and "nobody tells that REDACTED_" in log
    assert not (made.folder / "report" / "spool" / "bundle.key").exists()


def _check_contents(made: Made) -> None:
    """What was planted is there, masked; and so is what a bundle is for, of the host and of the servers of its endpoints."""
    manifest, redaction = (made.of(_HOST, name) for name in ("manifest.json", "redaction.json"))
    assert {"network/routes.txt", "network/listeners.txt", "firewall/nftables.txt", "config/etc/hosts", "config/etc/nsswitch.conf",
            "config/etc/chrony/chrony.conf", "config/etc/netdata/stream.conf", "config/systemd/netdata.txt", "logs/journal/chrony.log",
            "versions/packages_dpkg.txt", "endpoints.json", "statistics.json", "report.json", "logs" + _LOG} <= manifest["files"].keys()
    planted = [name for name in manifest["files"] if name.startswith("config" + _FOLDER)]
    assert len(planted) > 40 and all(sum(redaction["files"][name].values()) for name in planted)
    assert redaction["files"]["firewall/nftables.txt"] and redaction["files"]["host/processes.txt"]
    assert manifest["verdict_kept"] and manifest["problem"] == ""
    server = made.of("db1", "manifest.json")["files"]
    assert {"config/etc/postgresql/15/main/pg_hba.conf", "config/etc/postgresql/15/main/postgresql.conf"} <= server.keys()
    whole = json.loads(made.files["app/manifest.json"])
    assert {_HOST, "db1", "apm1"} <= whole["hosts"].keys()


def _check_mapping(lab: Lab, made: Made) -> None:
    """Neither in a text nor in a name of a file is a real address or name of the lab; who made the bundle can look them up."""
    domain = lab.vars["lab_domain"]
    real = [domain, *(address for host in lab.hosts.values() for address in (host.address4, host.address6))]
    for name, content in made.files.items():
        if not name.endswith(".zip"):
            assert [one for one in real if one.encode() in content or one in name] == [], name
        assert "/logs/" not in name
    told = json.loads((made.folder / "support.mapping.json").read_text(encoding="utf-8"))
    assert {_HOST, "db1", lab.hosts["db1"].address4} <= told.keys()
    assert "app/hosts/%s.zip" % told[_HOST] in made.files
