# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugins, driven by real ansible-playbook runs against this machine: what is said, written, kept secret and returned."""
from __future__ import annotations

import json
import pathlib
import socket
import subprocess
import sys
import threading
import time
import typing as t

import jsonschema
import pytest
import yaml

from ansible_collections.connectivity.doctor.tests.integration.cases import closed_port, listener
from ansible_collections.connectivity.doctor.tests.integration.playbooks import ROOT, environ
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole

CANARY = "s3cr3t-canary"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
_SERIAL_PLAY = [{
    "hosts": "all", "gather_facts": False, "serial": 1,
    "tasks": [{"ansible.builtin.import_role": {"name": "connectivity.doctor.diagnose"},
               "vars": {"diagnose_endpoints": "{{ connectivity_endpoints }}", "diagnose_fail_on": "never"}}],
}]


class Ended(t.NamedTuple):
    """``said`` is all output; ``report`` is empty where none was written."""

    status: int
    said: str
    report: dict[str, t.Any]

    def endpoint(self, host: str, name: str = "db") -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.report["hosts"][host]["endpoints"][name])

    def codes(self, host: str, name: str = "db") -> list[str]:
        return sorted(cause["code"] for cause in self.endpoint(host, name)["causes"])


def diagnose(
    folder: pathlib.Path, hosts: dict[str, dict[str, t.Any]], *options: str, play: t.Any = "connectivity.doctor.diagnose",
    watch: t.Callable[[int], None] | None = None,
) -> Ended:
    """Run ansible-playbook in ``folder``. :param hosts: inventory. :param watch: called again and again with the pid while it runs."""
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (folder / "ansible.cfg").touch()
    if not isinstance(play, str):
        (folder / "play.yml").write_text(yaml.safe_dump(play))
        play = "play.yml"
    with open(folder / "said", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", "inventory.yml", play, *options], cwd=folder,
            env=dict(environ(), ANSIBLE_CONFIG=str(folder / "ansible.cfg"), ANSIBLE_REMOTE_TMP=str(folder / "remote")),
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if watch:
                watch(process.pid)
            time.sleep(0.05)
        if process.poll() is None:
            process.kill()
        status = process.wait()
        said.seek(0)
        text = said.read()
    path = folder / "connectivity-report" / "report.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    if report:
        schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
        jsonschema.Draft202012Validator(schema).validate(report)
    return Ended(status, text, report)


def host(*endpoints: t.Any, **variables: t.Any) -> dict[str, t.Any]:
    return {**LOCAL, "connectivity_endpoints": list(endpoints), **variables}


def tcp(port: int, **more: t.Any) -> dict[str, t.Any]:
    return {"name": "db", "url": "tcp://127.0.0.1:%d" % port, **more}


def test_what_works_is_status_0_and_what_is_down_status_2_unless_never(tmp_path: pathlib.Path) -> None:
    with listener() as port, closed_port() as closed:
        hosts = {"web1": host(tcp(port)), "web2": host(tcp(closed))}
        down = diagnose(tmp_path, hosts)
        never = diagnose(tmp_path, hosts, "-e", "connectivity_fail_on=never")
        checked = diagnose(tmp_path, hosts, "--check")
    for ended, status in ((down, 2), (never, 0), (checked, 2)):
        assert ended.status == status, ended.said
        assert (ended.endpoint("web1")["state"], ended.endpoint("web2")["state"]) == ("healthy", "down")
        assert ended.codes("web2") == ["server.not_running"]
        assert "web2 → db is DOWN" in ended.said
    assert "2 endpoints on 2 hosts: 1 healthy, 1 down" in down.said
    assert (tmp_path / "connectivity-report" / "report.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("entry", "told"), [
    ({"url": "tcp://h:1", "pasword": CANARY}, "host web2: connectivity_endpoints[0].pasword: unknown key; did you mean 'password'?"),
    ("https://app:%s@h/" % CANARY, "host web2: connectivity_endpoints[0].url: holds a password; take it out"),
])
def test_a_bad_entry_of_one_host_is_its_own_error_and_the_others_go_on(tmp_path: pathlib.Path, entry: t.Any, told: str) -> None:
    with listener() as port:
        ended = diagnose(tmp_path, {"web1": host(tcp(port)), "web2": host(entry)}, "-vvv")
    assert ended.status == 2
    assert told in ended.said
    assert list(ended.report["hosts"]) == ["web1"] and ended.endpoint("web1")["state"] == "healthy"
    assert CANARY not in "".join(line for line in ended.said.splitlines() if "task path" not in line)


def test_a_users_own_agents_are_known_where_their_folder_is_given(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    with listener() as port:
        (folder / "shop-agent.yml").write_text("{process: shop-agent-of-a-test, port: %d}" % port)
        hosts = {"web1": host({"name": "db", "url": "tcp://127.0.0.1", "agent": "shop-agent"})}
        without = diagnose(tmp_path, hosts)
        known = diagnose(tmp_path, hosts, "-e", "connectivity_agents_path=%s" % folder, "-e", "connectivity_fail_on=never")
        nowhere = diagnose(tmp_path, hosts, "-e", "connectivity_agents_path=%s/nowhere" % folder)
    assert "host web1: connectivity_endpoints[0] (db).agent: unknown agent 'shop-agent'; known are appdynamics, " in without.said
    assert "connectivity_agents_path: %s/nowhere is no folder" % folder in nowhere.said
    assert known.status == 0, known.said
    assert {"service.unit", "tcp.connect"} <= {seen["check"] for seen in known.endpoint("web1")["observations"]}


def test_the_agent_that_is_found_is_looked_at_as_if_it_had_been_named(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "shop.yml").write_text("{process: shop-agent-test}")
    (folder / "netdata.yml").write_text("{inherits: netdata, auto: false}")  # which may run here
    program = "open('/proc/self/comm', 'w').write('shop-agent-test'); print(flush=True); input()"
    agent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert agent.stdout and agent.stdout.readline()
        with listener() as port:
            ended = diagnose(tmp_path, {"web1": host(tcp(port, agent="auto"))}, "-e", "connectivity_agents_path=%s" % folder,
                             "-e", "connectivity_fail_on=never")
    finally:
        agent.communicate(b"\n")
    seen = {one["check"]: one["data"] for one in ended.endpoint("web1")["observations"]}
    assert [found["agent"] for found in seen["agents.present"]["found"] if found["pids"]] == ["shop"], ended.said
    assert seen["service.process"]["pid"] == agent.pid


def test_an_empty_list_is_one_error(tmp_path: pathlib.Path) -> None:
    ended = diagnose(tmp_path, {"web1": host()})
    assert ended.status == 2
    assert "host web1: connectivity_endpoints is empty; name at least one endpoint, or pass -e endpoint=URL" in ended.said


def test_a_host_that_ansible_cannot_reach_is_a_row(tmp_path: pathlib.Path) -> None:
    with listener() as port, closed_port() as closed:
        ended = diagnose(tmp_path, {
            "web1": host(tcp(port)),
            "gone": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed,
                     "connectivity_endpoints": [tcp(port)]},
        })
    assert ended.codes("gone") == ["host.unreachable"]
    assert "Connection refused" in json.dumps(ended.endpoint("gone"))
    assert ended.endpoint("web1")["state"] == "healthy"
    assert ended.report["summary"]["unreachable"] == 1
    assert ended.status != 0
    assert "gone → db is UNKNOWN" in ended.said


def test_a_host_without_python_is_told_and_the_others_go_on(tmp_path: pathlib.Path) -> None:
    with listener() as port:
        ended = diagnose(tmp_path, {"web1": host(tcp(port)), "bare": host(tcp(port), ansible_python_interpreter="/nonexistent/python3")})
    endpoint = ended.endpoint("bare")
    assert (endpoint["state"], endpoint["causes"]) == ("unknown", [])
    assert "ansible_python_interpreter" in endpoint["reason"]
    assert "bare → db is UNKNOWN: " + endpoint["reason"] in ended.said
    assert ended.endpoint("web1")["state"] == "healthy"
    assert ended.status == 2


def test_batches_of_one_play_make_one_report(tmp_path: pathlib.Path) -> None:
    with listener() as port, closed_port() as closed:
        hosts = {"web1": host(tcp(port)), "web2": host(tcp(closed)), "web3": host(tcp(port))}
        ended = diagnose(tmp_path, hosts, play=_SERIAL_PLAY)
    assert ended.status == 0, ended.said
    assert {name: ended.endpoint(name)["state"] for name in ended.report["hosts"]} == {"web1": "healthy", "web2": "down", "web3": "healthy"}
    assert ended.said.count("3 endpoints on 3 hosts") == 1


def _other_ports_view(folder: pathlib.Path, port: int) -> Ended:
    """``web1`` is refused at an address of this machine; ``db1``, which is this machine too, is asked who listens there."""
    hosts = {"web1": host({"name": "db", "url": "tcp://127.0.0.1:%d" % port, "server": "db1"}), "db1": dict(LOCAL)}
    return diagnose(folder, hosts, "--limit", "web1,db1", "-e", "connectivity_hosts=web1", "-e", "connectivity_fail_on=never")


def test_the_server_in_the_inventory_is_asked(tmp_path: pathlib.Path) -> None:
    with closed_port() as closed:
        ended = _other_ports_view(tmp_path, closed)
    observations = ended.endpoint("web1")["observations"]
    sides = [(one["vantage"]["host"], one.get("side")) for one in observations if one["check"] == "sockets.listener"]
    assert ("db1", "server") in sides
    assert ended.codes("web1") == ["server.not_running"]


def test_nothing_of_an_earlier_run_is_taken_for_this_one(tmp_path: pathlib.Path) -> None:
    """What the server saw an hour ago proves nothing now; nor does what a host saw that is wrongly described today."""
    with closed_port() as closed:
        _other_ports_view(tmp_path, closed)
    spool = tmp_path / "connectivity-report" / "spool"
    old = json.loads((spool / "db1.server.json").read_text())
    old["observations"][0]["data"]["old"] = True
    (spool / "db1.server.json").write_text(json.dumps(old))
    ended = _other_ports_view(tmp_path, closed)
    listeners = [one for one in ended.endpoint("web1")["observations"] if one["vantage"]["host"] == "db1"]
    assert listeners and not any("old" in one["data"] for one in listeners)
    with listener() as port:
        bad = diagnose(tmp_path, {"web1": host("gopher://h"), "web2": host(tcp(port))})
    assert list(bad.report["hosts"]) == ["web2"]


class _Watch:
    """Looks at every process of this machine for a text, again and again."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self.processes: set[bytes] = set()
        self.found: list[str] = []

    def __call__(self, _pid: int) -> None:
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    arguments, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
                except OSError:
                    continue
                self.processes.add(arguments)
                if self._text in arguments or self._text in environment:
                    self.found.append(entry.name)


def _blocks_streaming(folder: pathlib.Path) -> str:
    """An interpreter that runs modules, and not the streamed program: so the door must take its other way."""
    path = folder / "python-without-c"
    path.write_text('#!/bin/sh\n[ "$1" = -c ] && { echo not here >&2; exit 1; }\nexec %s "$@"\n' % sys.executable)
    path.chmod(0o755)
    return str(path)


def _loses_answers(folder: pathlib.Path, answers: int) -> str:
    """An interpreter without streaming, the first modules of which end well and print nothing that is a result."""
    path = folder / "forgetful-python"
    path.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 1\necho x >> %s/lost\n' % folder
                    + 'if [ $(wc -l < %s/lost) -le %d ]; then echo garbled; exit 0; fi\n' % (folder, answers)
                    + 'exec %s "$@"\n' % sys.executable)
    path.chmod(0o755)
    return str(path)


def test_a_module_that_never_answers_is_told_with_what_came_instead(tmp_path: pathlib.Path) -> None:
    with listener() as port:
        ended = diagnose(tmp_path, {"web1": host(tcp(port), ansible_python_interpreter=_loses_answers(tmp_path, 9))})
    endpoint = ended.endpoint("web1")
    assert endpoint["state"] == "unknown"
    assert endpoint["reason"].endswith("(exit code 0) garbled")


@pytest.mark.parametrize("way", ["streamed", "module"])
def test_no_secret_in_any_output_file_argument_or_environment(tmp_path: pathlib.Path, way: str) -> None:
    interpreter = sys.executable if way == "streamed" else _blocks_streaming(tmp_path)
    watch = _Watch(CANARY)
    with BlackHole() as hole:
        entries = [
            {"name": "db", "url": "postgresql://app@127.0.0.1:%d/shop?sslmode=disable" % hole.port, "password": CANARY},
            {"name": "apm", "url": "http://127.0.0.1:%d" % hole.port, "credential": CANARY,
             "agent": {"unit": "nowhere.service", "validate": {"header": "X-Key", "path": "/"}}},
        ]
        ended = diagnose(tmp_path, {"web1": host(*entries, ansible_python_interpreter=interpreter)}, "-vvv",
                         "-e", "connectivity_deadline_s=3", watch=watch)
    assert ended.status == 2, ended.said
    assert {name: ended.endpoint("web1", name)["state"] for name in ("db", "apm")} == {"db": "down", "apm": "down"}
    assert ("running as a module" in ended.said) == (way == "module")
    assert CANARY not in ended.said
    assert watch.found == []
    assert any(b"ansible-playbook" in arguments for arguments in watch.processes)  # it did look
    written = [path for path in (tmp_path / "connectivity-report").rglob("*") if path.is_file()]
    assert len(written) >= 2
    assert [path for path in written if CANARY in path.read_text()] == []


def test_the_module_way_observes_the_same(tmp_path: pathlib.Path) -> None:
    with listener() as port, closed_port() as closed:
        entries = [{"name": "up", "url": "tcp://127.0.0.1:%d" % port}, {"name": "down", "url": "tcp://127.0.0.1:%d" % closed}]
        ended = diagnose(tmp_path, {
            "streamed": host(*entries), "module": host(*entries, ansible_python_interpreter=_blocks_streaming(tmp_path)),
        }, "-e", "connectivity_fail_on=never")
    for name in ("up", "down"):
        ways = [[(one["check"], one["status"]) for one in ended.endpoint(way, name)["observations"]] for way in ("streamed", "module")]
        assert sorted(ways[0]) == sorted(ways[1]) != []
        assert ended.codes("streamed", name) == ended.codes("module", name)


def test_a_closer_look_that_is_cut_off_loses_nothing_of_the_first(tmp_path: pathlib.Path) -> None:
    """The second program ends without an answer, as on a host that goes away meanwhile."""
    path = tmp_path / "python-once"
    path.write_text('#!/bin/sh\ncd %s\necho x >> runs\n[ $(wc -l < runs) -gt 1 ] && exit 0\nexec %s "$@"\n' % (tmp_path, sys.executable))
    path.chmod(0o755)
    with closed_port() as closed:
        ended = diagnose(tmp_path, {"web1": host(tcp(closed), ansible_python_interpreter=str(path))})
    assert ended.status == 2
    assert ended.codes("web1") == ["server.not_running"]
    seen = {one["check"]: one for one in ended.endpoint("web1")["observations"]}
    assert "tcp.connect" in seen
    assert (seen["host.closer_look"]["status"], seen["host.closer_look"]["data"]["reason"]) == ("cannot_tell", "not_run")


def test_the_action_alone_returns_its_observations_and_needs_no_spool(tmp_path: pathlib.Path) -> None:
    with listener() as port:
        play = [{"hosts": "web1", "gather_facts": False, "tasks": [
            {"connectivity.doctor.diagnose": {"endpoints": ["tcp://127.0.0.1:%d" % port]}, "register": "seen"},
            {"ansible.builtin.copy": {"content": "{{ seen | to_json }}", "dest": str(tmp_path / "seen.json"), "mode": "0600"}}]}]
        ended = diagnose(tmp_path, {"web1": dict(LOCAL)}, play=play)
    assert ended.status == 0, ended.said
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert [one["check"] for one in seen["observations"]] == ["dns.resolve", "tcp.connect", "clock.offset"]
    assert seen["changed"] is False
    assert not (tmp_path / "connectivity-report").exists()


def test_a_saved_report_is_explained_again_without_any_host(tmp_path: pathlib.Path) -> None:
    with closed_port() as closed:
        first = diagnose(tmp_path, {"web1": host(tcp(closed))}).report
    (tmp_path / "connectivity-report" / "report.json").rename(tmp_path / "old.json")
    play = [{"hosts": "web1", "gather_facts": False, "tasks": [
        {"connectivity.doctor.report": {"saved": "old.json", "report_dir": "connectivity-report"}}]}]
    again = diagnose(tmp_path, {"web1": {"ansible_connection": "ssh", "ansible_host": "192.0.2.1"}}, play=play)
    assert again.status == 0, again.said
    assert "web1 → db is DOWN" in again.said
    assert again.report["hosts"] == first["hosts"]
    (tmp_path / "old.json").write_text("{}")
    refused = diagnose(tmp_path, {"web1": dict(LOCAL)}, play=play)
    assert refused.status == 2 and "old.json: is no report of schema connectivity.doctor/report/v1" in refused.said


@pytest.mark.parametrize(("arguments", "told"), [
    ({}, "one of the following is required: endpoints, serves"),
    ({"endpoints": ["tcp://h:1"], "serves": [5]}, "parameters are mutually exclusive: endpoints|serves"),
    ({"endpoint": ["tcp://h:1"]}, "endpoint"),
])
def test_wrong_arguments_are_refused(tmp_path: pathlib.Path, arguments: dict[str, t.Any], told: str) -> None:
    play = [{"hosts": "web1", "gather_facts": False, "tasks": [{"connectivity.doctor.diagnose": arguments}]}]
    ended = diagnose(tmp_path, {"web1": dict(LOCAL)}, play=play)
    assert ended.status == 2 and told in ended.said


def test_many_silent_endpoints_of_a_host_end_with_its_deadline(tmp_path: pathlib.Path) -> None:
    with BlackHole() as hole:
        entries = [{"name": "hole %d" % number, "url": "postgresql://app@127.0.0.1:%d/x" % hole.port} for number in range(10)]
        ended = diagnose(tmp_path, {"web1": host(*entries)}, "-e", "connectivity_deadline_s=3", "-e", "connectivity_fail_on=never")
    assert ended.report["summary"]["down"] == 10
    assert ended.report["hosts"]["web1"]["facts"]["elapsed_ms"] < 4500


def test_a_peer_that_accepts_and_hangs_is_no_hang_of_ours(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        threading.Thread(target=lambda: [held.append(server.accept()[0]) for _one in range(20)], daemon=True).start()
        port = server.getsockname()[1]
        ended = diagnose(tmp_path, {"web1": host({"name": "db", "url": "postgresql://app@127.0.0.1:%d/x?sslmode=disable" % port})},
                         "-e", "connectivity_deadline_s=4")
    assert ended.status == 2
    assert ended.codes("web1") == ["server.hung"]
    for connection in held:
        connection.close()
