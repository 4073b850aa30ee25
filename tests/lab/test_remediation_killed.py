# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``remediate`` killed at any moment, while it changes six hosts at once: each ends in its old state or in its new one, to the byte.

A round kills the controller once, which hits all hosts, and then one thing on each host: its connection, or a module.
``DOCTOR_KILL_ROUNDS`` (1) says how many rounds there are, ``DOCTOR_KILL_SEED`` (1) when it is killed.
"""
from __future__ import annotations

import contextlib
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.killing import ON_HOST, Background, kill_on_host
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Ended, Playbook
from ansible_collections.connectivity.doctor.tests.lab.snapshots import snapshot

_ROUNDS = int(os.environ.get("DOCTOR_KILL_ROUNDS", "1"))
_CHANCE = random.Random(int(os.environ.get("DOCTOR_KILL_SEED", "1")))
_TASK = "TASK [connectivity.doctor.remediate : "
_BEGINS, _ENDS = _TASK + "Choose what may be changed now]", _TASK + "Tell what is wrong now"

_HBA = "/etc/postgresql/15/main/pg_hba.conf"
_HBA_READ_AT = "su postgres -c \"psql -XAtqc 'SELECT ceil(extract(epoch FROM pg_conf_load_time()))::int'\""
_STREAM = "/etc/netdata/stream.conf"
_RULES = """
cp -a /etc/nftables.conf /root/nftables.kept
cat > /etc/nftables.conf <<'END'
#!/usr/sbin/nft -f
flush ruleset

table inet site {
        chain out {
                type filter hook output priority filter; policy accept;
                oifname "mgmt0" accept
                tcp dport { 8200, 8300 } reject
        }
}
END
systemctl enable --quiet --now nftables
"""
_NO_RULES = "systemctl disable --quiet --now nftables; nft flush ruleset; mv /root/nftables.kept /etc/nftables.conf"


class _Fault(NamedTuple):
    """What breaks a host and heals it, which host looks at which endpoint for it, and the remedy.

    ``in_force`` is a command that tells whether what runs has read what is in the files.
    """

    inject: str
    heal: str
    observer: str
    endpoint: str
    action: str
    in_force: str = "true"


_FAULTS = {
    "web1": _Fault("cp -a /etc/hosts /root/hosts.kept; echo '10.77.2.99 apm1.lab.example' >> /etc/hosts", "mv /root/hosts.kept /etc/hosts",
                   "web1", "gateway", "fix_hosts"),
    "web2": _Fault(f"cp -a {_STREAM} /root/stream.kept; sed -i s/:19999/:19998/ {_STREAM}; systemctl restart netdata; sleep 7",
                   f"mv /root/stream.kept {_STREAM}; systemctl restart netdata", "web2", "apm", "fix_agent_config",
                   f"test $(date -d \"$(systemctl show -p ActiveEnterTimestamp --value netdata)\" +%s) -ge $(stat -c %Y {_STREAM})"),
    "web3": _Fault(_RULES, _NO_RULES, "web3", "gateway", "open_firewall"),
    "web4": _Fault("systemctl disable --quiet --now netdata", "systemctl enable --quiet --now netdata", "web4", "apm", "restart_agent"),
    "lb1": _Fault("cp -a /etc/resolv.conf /root/resolv.kept; sed -i '1i nameserver 10.77.2.199' /etc/resolv.conf",
                  "cat /root/resolv.kept > /etc/resolv.conf; rm /root/resolv.kept", "lb1", "gateway", "fix_resolver"),
    "db1": _Fault(f"cp -a {_HBA} /root/hba.kept; sed -i '/^hostssl/d' {_HBA}; systemctl reload postgresql@15-main",
                  f"mv /root/hba.kept {_HBA}; systemctl reload postgresql@15-main", "proxy1", "warehouse", "add_hba_line",
                  f"sleep 0.5; test $({_HBA_READ_AT}) -ge $(stat -c %Y {_HBA})"),
}
_FLEET = sorted({*_FAULTS, *(fault.observer for fault in _FAULTS.values())})


def on_all(action: Callable[[str], Any]) -> dict[str, Any]:
    with ThreadPoolExecutor(len(_FAULTS)) as pool:
        return dict(zip(_FAULTS, pool.map(action, _FAULTS), strict=True))


class _Fleet:
    """Six ill hosts: what state each of them is in, and what its transactions are."""

    def __init__(self, lab: Lab, playbook: Playbook, folder: Path) -> None:
        self.lab, self._playbook, self._folder = lab, playbook, folder
        known = load_endpoints()
        self._variables: dict[str, Any] = {
            "by_host": {host: [known[fault.endpoint] for fault in _FAULTS.values() if fault.observer == host] or [known["gateway"]]
                        for host in _FLEET}}

    def heal(self, **variables: Any) -> Ended:
        return self._playbook.run(",".join(_FLEET), "{{ by_host[inventory_hostname] }}", **self._variables, **variables)  # type: ignore[arg-type]

    def begin(self, revert_s: float, **variables: Any) -> Background:
        command = self._playbook.command(",".join(_FLEET), "{{ by_host[inventory_hostname] }}",  # type: ignore[arg-type]
                                         remediate_revert_s=int(revert_s), **self._variables, **variables)
        return Background(self.lab, command, self._playbook.environment, self._folder / "output")

    def states(self) -> dict[str, str]:
        """To the byte, but for the name of the run that a rule has in its comment."""

        def state(host: str) -> str:
            seen = snapshot(self.lab, host)
            files = re.sub(r"(?m)^\w+  /etc/nftables.conf$", self.lab.run(host, "cat /etc/nftables.conf").stdout, seen["files"])
            units = re.sub(r" InvocationID=\w+", "", seen["units"])
            return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}-\d+", "RUN", files + seen["rules"] + units)

        return on_all(state)

    def last_ended(self, seconds: float) -> dict[str, str]:
        """How the last transaction of each host ended, once none is open any more; empty where none was begun."""

        def last(host: str) -> str:
            end = time.monotonic() + seconds
            while True:
                told = [one["state"] for one in self._transactions(host)]
                if "open" not in told:
                    return told[-1] if told else ""
                assert time.monotonic() < end, (host, told)
                time.sleep(0.5)

        return on_all(last)

    def _transactions(self, host: str) -> list[dict[str, Any]]:
        folders = self.lab.run(host, "cd /var/lib/connectivity-doctor/transactions && tail -n +1 */manifest.json */state.json", check=False)
        said: dict[str, dict[str, Any]] = {}
        for path, content in re.findall(r"==> (\S+) <==\n(\{.*\})", folders.stdout):
            said.setdefault(path.partition("/")[0], {"name": path.partition("/")[0]}).update(json.loads(content))
        return sorted((one for one in said.values() if "state" in one), key=lambda one: float(one["began_at"]))

    def unended(self) -> list[str]:
        """Hosts whose remediation the last run did not live to conclude, by its own record."""
        return [row["host"] for row in self.recorded() if _remediation_record.is_open(row)]

    def recorded(self) -> list[dict[str, Any]]:
        spool = str(self._folder / "report" / "spool")
        return [row for host in _FLEET for row in _remediation_record.read(spool, host)]

    def reported(self) -> list[dict[str, Any]]:
        rows = json.loads((self._folder / "report" / "report.json").read_text())["remediations"]
        return sorted(rows, key=lambda row: [row["name"] for row in self.recorded()].index(row["name"]))

    def undo(self) -> None:
        """What is confirmed, as a person does."""
        names = on_all(lambda host: [one["name"] for one in self._transactions(host) if one["state"] == "committed"][-1])
        undone = on_all(lambda host: run_module(self.lab, host, "transaction", state="rolled_back", name=names[host]))
        assert [one["problems"] for one in undone.values()] == [[]] * len(_FAULTS)


class _Killing:
    """Kills runs on the fleet, and holds each host to one of its two states after each kill."""

    def __init__(self, fleet: _Fleet) -> None:
        self._fleet = fleet
        self.old = fleet.states()
        began = time.monotonic()
        run = fleet.begin(120)
        begins = run.wait_until_it_says(_BEGINS)
        self._takes_s = run.wait_until_it_says(_ENDS) - begins
        run.wait()
        self.new = fleet.states()
        assert [host for host in _FAULTS if self.new[host] == self.old[host]] == [], run.output
        self._revert_s = max(9.0, 1.5 * self._takes_s)
        self.seen: Counter[tuple[str, str, str]] = Counter()
        print("a whole run takes %.1f s, its changes %.1f s" % (time.monotonic() - began, self._takes_s))

    def controller(self) -> None:
        self._fleet.undo()
        assert self._fleet.states() == self.old
        run = self._begun()
        if run.wait_until_it_says(_BEGINS):
            time.sleep(_CHANCE.uniform(0.0, self._takes_s))
        run.kill()
        self._judge(run, dict.fromkeys(_FAULTS, "controller"))

    def hosts(self) -> None:
        """One thing of each, each at a moment of its own."""
        plan = {host: (_CHANCE.choice(sorted(ON_HOST)), _CHANCE.uniform(0.0, self._takes_s)) for host in _FAULTS}
        run = self._begun()
        if run.wait_until_it_says(_BEGINS):
            on_all(lambda host: (time.sleep(plan[host][1]), kill_on_host(self._fleet.lab, host, plan[host][0])))
        run.wait()
        assert self._fleet.recorded() == self._fleet.reported(), "also what became of a host that could not be reached any more"
        self._judge(run, {host: kind for host, (kind, _moment) in plan.items()})

    def heal(self) -> None:
        left = self._fleet.unended()
        healed = self._fleet.heal(remediate_cooldown_s=0)
        _tells(healed.output, left)
        assert all(row["result"] == "verified" for row in healed.report["remediations"]), healed.output
        assert self._fleet.states() == self.new

    def _begun(self) -> Background:
        """After a kill, it is the next run, which says what that left."""
        self._left = self._fleet.unended()
        return self._fleet.begin(self._revert_s, remediate_cooldown_s=0)

    def _judge(self, run: Background, kinds: dict[str, str]) -> None:
        _tells(run.output, self._left)
        ended = self._fleet.last_ended(self._revert_s + 10)
        now = self._fleet.states()
        for host, kind in kinds.items():
            which = "new" if ended[host] == "committed" else "old"
            assert now[host] == {"old": self.old, "new": self.new}[which][host], (host, kind, ended[host], run.output)
            self._fleet.lab.run(host, _FAULTS[host].in_force)
            self.seen[kind, which, ended[host]] += 1


def _tells(output: str, hosts: list[str]) -> None:
    """How what an earlier run did not end has ended."""
    for host in hosts:
        assert re.search(rf"^{host} → .*\(an earlier run .*(confirmed it|as before|put it back)", output, re.M), (host, output)


@pytest.fixture(scope="module")
def killing(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Killing]:
    folder = tmp_path_factory.mktemp("killing")
    with contextlib.ExitStack() as healing:
        healing.callback(lab.wait_until_healthy, *_FLEET)
        for host in _FLEET:
            healing.callback(lab.run, host, "rm -rf /var/lib/connectivity-doctor")
        for host, fault in _FAULTS.items():
            healing.enter_context(broken(lab, host, fault.inject, fault.heal))
        killing = _Killing(_Fleet(lab, Playbook(lab, folder), folder))
        yield killing
        print(*("killed by %-10s in the %s state (%s): %d" % (*how, count) for how, count in sorted(killing.seen.items())), sep="\n")


@pytest.mark.parametrize("step", ["controller", "hosts", "heal"] * _ROUNDS)
def test_killed_at_any_moment_each_host_is_as_before_or_healed_and_the_next_run_says_which(killing: _Killing, step: str) -> None:
    """Each step is the next run of the one before it."""
    getattr(killing, step)()
