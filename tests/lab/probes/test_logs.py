# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs over ssh: what a real netdata child wrote about real faults, beside grep and journalctl on the same log."""
from __future__ import annotations

import json
import time
import uuid
from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT = "web2"
LOG = "/var/log/netdata/error.log"
FILE = "/etc/netdata/stream.conf"


def look(lab: Lab, **parameters: Any) -> list[dict[str, Any]]:
    observations = observe(lab, CLIENT, "probe_logs", **{"files": [LOG], "minutes": 60, **parameters})
    assert lab.vars["lab_stream_api_key"] not in json.dumps(observations)
    return observations


def families(observations: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["data"]["family"]: one["data"] for one in observations if one["check"] == "logs.family"}


def emptied(lab: Lab) -> None:
    """Other tests' faults are in the log too."""
    lab.run(CLIENT, f"truncate -s 0 {LOG}")


def test_a_server_that_stops_and_comes_back(lab: Lab) -> None:
    emptied(lab)
    with broken(lab, "apm1", "systemctl stop netdata", "systemctl start netdata"):
        end = time.monotonic() + 40
        while "refused" not in lab.run(CLIENT, f"cat {LOG}").stdout and time.monotonic() < end:
            time.sleep(1)
        lab.run(CLIENT, f"cp {LOG} /root/frozen.log")
        down = look(lab, files=["/root/frozen.log"])
        counted = int(lab.run(CLIENT, "grep -c 'Connection refused' /root/frozen.log").stdout)
        lines = int(lab.run(CLIENT, "grep -c . /root/frozen.log").stdout)
    lab.wait_until_healthy("apm1", CLIENT)
    refused = families(down)["refused"]
    assert refused["count"] == counted > 0
    assert refused["recovered"] is False
    assert "19999" in refused["samples"][0]
    source = data_of(down, "logs.source")
    assert (source["lines"], source["truncated"], source["silent"]) == (lines, False, False)
    lab.run(CLIENT, "rm /root/frozen.log")
    end = time.monotonic() + 20
    while time.monotonic() < end and not families(look(lab))["refused"]["recovered"]:
        time.sleep(1)
    up = look(lab)
    assert families(up)["refused"]["recovered"] is True
    assert families(up)["refused"]["recovered_at"] > families(up)["refused"]["last_at"]
    assert {name: family["recovered"] for name, family in families(up).items() if not family["recovered"]} == {}


def test_a_mark_in_the_configuration_is_what_netdata_calls_outside_all_sections(lab: Lab) -> None:
    emptied(lab)
    change = f"cp -a {FILE} /root/kept; sed -i '1s/^/\\xef\\xbb\\xbf/' {FILE}; systemctl restart netdata; sleep 3"
    with broken(lab, CLIENT, change, f"cp -a /root/kept {FILE}; rm /root/kept; systemctl restart netdata"):
        found = families(look(lab))
        written = lab.run(CLIENT, f"grep 'outside all sections' {LOG}").stdout
    lab.wait_until_healthy(CLIENT)
    assert found["config_invalid"]["count"] == len(written.splitlines())
    assert lab.vars["lab_stream_api_key"] in written  # netdata writes its key to its log, and the samples don't
    emptied(lab)


def test_silence(lab: Lab) -> None:
    source = data_of(look(lab, files=["/var/log/netdata/health.log"]), "logs.source")
    assert lab.run(CLIENT, "stat -c %s /var/log/netdata/health.log").stdout.strip() == "0"
    assert (source["silent"], source["status"], source["error"]) == (True, "warn", "")


def test_a_journal(lab: Lab) -> None:
    unit = f"doctor-test-{uuid.uuid4()}"
    script = "for n in 1 2 3; do echo dial tcp 127.0.0.1:8999: connect: connection refused; done; echo active check is working again"
    lab.run(CLIENT, f"systemd-run --quiet --wait --description=test --unit={unit} sh -c '{script}'")
    observations = look(lab, files=[], unit=unit)
    lines = lab.run(CLIENT, f"journalctl --no-pager -u {unit} -o cat --since=-60min").stdout.splitlines()
    refused = families(observations)["refused"]
    assert refused["count"] == sum("connection refused" in line for line in lines) == 3
    assert refused["recovered"] is True
    assert data_of(observations, "logs.source")["lines"] == len(lines)
    silent = data_of(look(lab, files=[], unit="doctor-test-nothing"), "logs.source")
    assert (silent["kind"], silent["silent"]) == ("journal", True)


def test_rotated_files_of_every_kind(lab: Lab) -> None:
    line = "$(date +'%Y-%m-%d %H:%M:%S'): netdata ERROR : Failed to connect (errno 111, Connection refused)"
    squeeze = ("import bz2, lzma; text = open('a.log', 'rb').read(); "
               "lzma.open('a.log.3.xz', 'w').write(text); bz2.open('a.log.4.bz2', 'w').write(text)")
    script = (f"mkdir -p /root/rotated; cd /root/rotated; echo \"{line}\" > a.log; gzip -c a.log > a.log.2.gz; python3 -c \"{squeeze}\"; "
              "cp a.log a.log.1; : > a.log")
    with broken(lab, CLIENT, script, "rm -r /root/rotated"):
        observations = look(lab, files=["/root/rotated/a.log"])
        names = lab.run(CLIENT, "ls /root/rotated").stdout.split()
    assert families(observations)["refused"]["count"] == 4
    assert sorted(data_of(observations, "logs.source")["files"]) == sorted(f"/root/rotated/{name}" for name in names)


def test_an_ordinary_user_may_not_read_it(lab: Lab) -> None:
    source = data_of(look(lab, become=False), "logs.source")
    assert (source["status"], source["error"]) == ("cannot_tell", "not_permitted")
