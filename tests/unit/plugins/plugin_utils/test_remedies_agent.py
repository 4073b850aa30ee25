# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for an agent: the one value that is proved to be wrong, where it stands, or nothing, with what is missing."""
from __future__ import annotations

import datetime
import typing as t

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation, concluded
from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_policy import EVERYTHING, report

_FILE = "/etc/a/agent.conf"
_PLACE = {"role": "endpoint", "path": _FILE, "format": "ini", "key": "stream.destination"}
_DROP_IN = "/etc/systemd/system/a.service.d/zz-connectivity-doctor-%s.conf"


def observation(check: str, status: str = "ok", /, **data: t.Any) -> Observation:
    return concluded(check, status, "", data, "")


_UNIT = observation("service.unit", unit="a", load_state="loaded", sandbox={})


def trouble(code: str, *cited: Observation, known: tuple[Observation, ...] = (_UNIT,), url: str = "http://right:1", ca: str = "",
            **culprit: str) -> Trouble:
    """The unit is not cited, but known."""
    cause = {"code": code, "evidence": list(range(len(cited))), "culprit": culprit, "locus": {"host": "web1"}}
    return Trouble("web1", {"name": "apm", "url": url, "observations": [*cited, *known]}, cause, approved_ca=ca)


def planned(action: str, one: Trouble) -> Change:
    change = REMEDIES[action].plan(one, "run-0")
    assert not change.units or ("a" in change.units and change.summary)
    return change


def why_not(action: str, one: Trouble) -> str:
    with pytest.raises(NoRemedy) as refused:
        REMEDIES[action].plan(one, "run-0")
    return str(refused.value)


def told(*differs: str, place: t.Mapping[str, t.Any] | None = None, **facts: t.Any) -> Observation:
    where = dict(place or _PLACE)
    return observation("agent_config.endpoint", "fail", **{
        "configured": {"host": "wrong", "port": 2, "scheme": "tls", "path": "/v2", "url": "https://wrong:2/v2"},
        "expected": {"host": "right", "port": 1, "scheme": "http"}, "differs": list(differs), "comparable": True, "others": [],
        "set_by": dict.fromkeys(("host", "port", "scheme", "path"), where), **facts})


def test_of_several_destinations_only_that_of_the_endpoints_own_host_is_set() -> None:
    (edit,) = planned("fix_agent_config", trouble("agent.wrong_port", told("port", others=["http://b:1"]))).parameters["edits"]
    assert edit["destination"] == {"port": 1, "now_host": "wrong", "now_port": 2}


@pytest.mark.parametrize(("code", "differs", "wanted"), [
    ("agent.wrong_port", ["port"], {"port": 1}),
    # Another name of the same host is not proved to be wrong.
    ("agent.wrong_port", ["host", "port"], {"port": 1}),
    # Of another host, the port says nothing.
    ("agent.wrong_host", ["host", "port"], {"host": "right", "port": 1}),
    ("agent.wrong_scheme", ["port", "scheme"], {"scheme": "http"}),
])
def test_only_what_is_proved_to_be_wrong_of_a_destination_is_set(code: str, differs: list[str], wanted: dict[str, t.Any]) -> None:
    change = planned("fix_agent_config", trouble(code, told(*differs)))
    (edit,) = change.parameters["edits"]
    assert {key: value for key, value in edit["destination"].items() if not key.startswith("now_")} == wanted
    assert (edit["path"], edit["format"], edit["key"]) == (_FILE, "ini", "stream.destination")
    assert (change.files, change.units, change.parameters["unit"]) == ((_FILE,), ("a",), "a")


def test_the_port_of_a_scheme_goes_with_it() -> None:
    ports = {"configured": {"host": "right", "port": 80, "scheme": "http", "path": "", "url": "http://right"},
             "expected": {"host": "right", "port": 443, "scheme": "https"}}
    (edit,) = planned("fix_agent_config", trouble("agent.wrong_scheme", told("port", "scheme", **ports))).parameters["edits"]
    assert (edit["destination"]["scheme"], edit["destination"]["port"]) == ("https", 443)


@pytest.mark.parametrize(("part", "value", "written"), [("port", "2", "1"), ("scheme", "On", "off"), ("scheme", "https", "http")])
def test_a_part_with_a_setting_of_its_own_is_set_there(part: str, value: str, written: str) -> None:
    own = {"role": part, "path": _FILE, "format": "yaml", "key": "out.0." + part, "value": value}
    set_by = {**dict.fromkeys(("host", "path", "port", "scheme"), _PLACE), part: own}
    (edit,) = planned("fix_agent_config", trouble("agent.wrong_" + part, told(part, set_by=set_by))).parameters["edits"]
    assert edit == {"path": _FILE, "format": "yaml", "key": "out.0." + part, "value": written}


@pytest.mark.parametrize(("code", "seen", "reason"), [
    ("agent.wrong_port", told("port", others=["http://b:1", "http://wrong:3"]), "several destinations"),
    ("agent.wrong_host", told("host", others=["http://b:1"]), "several destinations"),
    ("agent.wrong_port", told("port", place={**_PLACE, "put_together": True}), "put together of variables"),
    ("agent.wrong_host", told("host", place={**_PLACE, "role": "site"}), "a site"),
    ("agent.wrong_port", told("port", place={**_PLACE, "format": "hocon"}), "is hocon"),
    ("agent.wrong_port", told("port", place={"role": "endpoint", "variable": "URL"}), "where URL is set is not known"),
    ("agent.wrong_port", observation("tcp.connect", "fail"), "it is the inventory"),
    ("agent.wrong_path", told(), "whether the agent's is the same is not known"),
    ("agent.config_syntax", observation("agent_config.file", "fail"), "is not known, only that it can't be read"),
    ("tls.hostname_mismatch", observation("tls.verify", "fail"), "no file of the client is known"),
])
def test_what_is_not_said_exactly_enough_is_not_written(code: str, seen: Observation, reason: str) -> None:
    assert reason in why_not("fix_agent_config", trouble(code, seen, url="http://right:1/health"))


def test_without_a_unit_nothing_would_take_it_up() -> None:
    assert "no systemd unit" in why_not("fix_agent_config", trouble("agent.wrong_port", told("port"), known=()))


def test_a_path_is_taken_away_where_the_endpoint_has_none() -> None:
    (edit,) = planned("fix_agent_config", trouble("agent.wrong_path", told())).parameters["edits"]
    assert edit["destination"]["path"] == ""


def test_a_variable_of_an_environment_file_is_written_there() -> None:
    place = {"role": "endpoint", "variable": "URL", "path": "/etc/default/a", "format": "env", "key": "URL"}
    change = planned("fix_agent_config", trouble("agent.wrong_port", told("port", place=place)))
    assert change.files == ("/etc/default/a",) and change.parameters["edits"][0]["key"] == "URL"


def test_a_variable_of_the_unit_is_set_again_by_a_drop_in() -> None:
    place = {"role": "endpoint", "variable": "URL", "unit_file": "/etc/systemd/system/a.service"}
    change = planned("fix_agent_config", trouble("agent.wrong_port", told("port", place=place)))
    written = change.parameters["drop_in"]
    assert written["path"] == _DROP_IN % "environment" and change.files == (written["path"],)
    assert written["content"].splitlines()[1:] == ["[Service]", 'Environment="URL=https://wrong:1/v2"']


def held(state: str, compared: bool = True, **place: t.Any) -> Observation:
    where = {"role": "credential", "path": _FILE, "format": "ini", "key": "stream.api key", **place}
    return observation("agent_config.credential", "fail", state=state, compared=compared, set_by=where)


@pytest.mark.parametrize(("code", "state"), [
    ("credential.missing", "missing"), ("credential.placeholder", "placeholder"), ("credential.malformed", "malformed"),
    ("credential.rejected", "different"),
])
def test_a_credential_is_deployed_and_is_not_in_the_plan(code: str, state: str) -> None:
    (edit,) = planned("fix_agent_config", trouble(code, held(state))).parameters["edits"]
    assert edit == {"path": _FILE, "format": "ini", "key": "stream.api key", "credential": True}


@pytest.mark.parametrize(("seen", "reason"), [
    (held("placeholder", compared=False), "no credential in the inventory"),
    (held("ok"), "it must be renewed"),
    (held("missing", path="", variable="KEY", unit_file="/x.service"), "everybody may read"),
    (held("missing", path=""), "where it is set is not known"),
    (observation("http.response", "fail"), "the inventory's credential that was not taken"),
])
def test_a_credential_that_can_not_be_deployed(seen: Observation, reason: str) -> None:
    assert reason in why_not("fix_agent_config", trouble("credential.rejected", seen))


@pytest.mark.parametrize(("kind", "line"), [("byte order mark", 0), ("carriage return", 0), ("smart quote", 4)])
def test_stray_characters_are_taken_out_of_their_line_or_of_the_file(kind: str, line: int) -> None:
    file = observation("agent_config.file", "warn", path=_FILE, format="ini")
    (edit,) = planned("fix_agent_config", trouble("agent.config_stray_characters", file, place=_FILE + ":4", kind=kind)).parameters["edits"]
    assert edit == {"path": _FILE, "format": "ini", "key": "", "stray_line": line}


def test_behind_a_link_it_is_the_file_itself_that_is_kept_and_changed() -> None:
    file = observation("agent_config.file", "warn", path="/etc/link", real_path=_FILE, format="ini")
    change = planned("fix_agent_config", trouble("agent.config_stray_characters", file, place="/etc/link:4", kind="smart quote"))
    assert change.files == (_FILE,) and change.parameters["edits"][0]["path"] == _FILE
    unreadable = file_of("root", "0600", path="/etc/link", real_path=_FILE)
    assert planned("restore_file_mode", trouble("agent.file_unreadable", unreadable)).files == (_FILE,)


def test_a_character_in_a_variable_is_left_alone() -> None:
    seen = held("malformed", variable="KEY")
    assert "is a variable" in why_not("fix_agent_config", trouble("agent.config_stray_characters", seen, place="KEY", kind="quote"))


@pytest.mark.parametrize(("value", "written"), [("no", "yes"), ("True", "false"), ("0", "1"), ("disabled", "enabled")])
def test_a_switch_is_turned_as_it_is_spelled(value: str, written: str) -> None:
    seen = observation("agent_config.reporting", "fail", value=value, set_by={**_PLACE, "key": "stream.enabled"})
    assert planned("fix_agent_config", trouble("agent.reporting_disabled", seen)).parameters["edits"][0]["value"] == written


def test_a_variable_that_overrides_a_right_file_is_taken_away() -> None:
    seen = observation("agent_config.environment", "warn", environment_from="process", unit="a")
    change = planned("fix_agent_config", trouble("agent.env_override", seen, variable="URL", over_file=_FILE + ":1"))
    assert change.parameters["drop_in"]["content"].splitlines()[-1] == "UnsetEnvironment=URL" and change.parameters["edits"] == []
    other = observation("agent_config.environment", "warn", environment_from="process", unit="")
    assert "no unit's" in why_not("fix_agent_config", trouble("agent.env_override", other, variable="URL", over_file=_FILE + ":1"))


def file_of(owner: str, mode: str, **facts: t.Any) -> Observation:
    return observation("agent_config.file", "fail", **{
        "path": _FILE, "readable": False, "blocked_by": _FILE, "blocked_why": "mode", "owner": owner, "group": "root", "mode": mode,
        "user": "a", "user_group": "a", **facts})


@pytest.mark.parametrize(("owner", "mode", "wanted"), [
    ("root", "0600", ("a", "0640")), ("a", "0040", ("root", "0440")), ("root", "0000", ("a", "0040")), ("root", "0604", ("a", "0644")),
])
def test_a_file_gets_the_least_that_lets_the_agent_read_it(owner: str, mode: str, wanted: tuple[str, str]) -> None:
    change = planned("restore_file_mode", trouble("agent.file_unreadable", file_of(owner, mode)))
    assert (change.parameters["group"], change.parameters["mode"]) == wanted
    assert change.files == (_FILE,)


@pytest.mark.parametrize(("facts", "reason"), [
    ({"blocked_by": "/etc/a"}, "it is /etc/a that"), ({"blocked_why": "acl"}, "access list"), ({"user_group": ""}, "group of a"),
])
def test_a_folder_or_an_access_list_is_left_alone(facts: dict[str, str], reason: str) -> None:
    assert reason in why_not("restore_file_mode", trouble("agent.file_unreadable", file_of("root", "0600", **facts)))


@pytest.mark.parametrize(("action", "code", "culprit", "line"), [
    ("restart_agent", "agent.fd_limit", {"unit": "a", "limit": "1024"}, "LimitNOFILE=2048"),
    ("raise_process_limit", "host.process_limit", {"setting": "TasksMax", "limit": "10"}, "TasksMax=20"),
])
def test_a_limit_is_doubled_by_a_drop_in(action: str, code: str, culprit: dict[str, str], line: str) -> None:
    change = planned(action, trouble(code, **culprit))
    assert change.parameters["drop_in"]["content"].splitlines()[-1] == line
    assert change.files == (_DROP_IN % ("limit-" + line.partition("=")[0]),)


@pytest.mark.parametrize(("allowed", "again"), [(None, "LimitNOFILE=infinity"), (4096, "LimitNOFILE=4096"), (1024, "")])
def test_a_limit_that_only_the_process_has_lost_counts_again_with_a_restart(allowed: int | None, again: str) -> None:
    unit = observation("service.unit", unit="a", load_state="loaded", limits={"LimitNOFILE": allowed, "LimitNPROC": 7})
    change = planned("restart_agent", trouble("agent.fd_limit", known=(unit,), unit="a", limit="1024"))
    assert (again in change.summary and not change.files) if again else change.files


def test_a_limit_of_the_whole_host_is_left_alone() -> None:
    seen = trouble("host.process_limit", setting="kernel.pid_max or kernel.threads-max", limit="10")
    assert "limit of the whole host" in why_not("raise_process_limit", seen)


def test_only_the_setting_that_takes_the_network_is_taken_back() -> None:
    unit = observation("service.unit", unit="a", load_state="loaded", sandbox={"IPAddressDeny": "any", "IPAddressAllow": "localhost"})
    change = planned("adjust_unit", trouble("agent.unit_sandboxed", unit))
    assert change.parameters["drop_in"]["content"].splitlines()[-1] == "IPAddressDeny="
    assert "which setting" in why_not("adjust_unit", trouble("agent.unit_sandboxed", _UNIT))


def authority(name: str = "Company CA", days: int = 30, is_ca: bool = True) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, end - datetime.timedelta(days=60), end)
    signed = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def untrusted(ca_file: str) -> tuple[Observation, Observation]:
    return observation("tls.certificate", top_issuer="CN=Company CA"), observation("tls.verify", "fail", ca_file=ca_file)


def test_an_approved_authority_goes_where_the_endpoint_looks() -> None:
    pem = authority()
    change = planned("install_ca", trouble("tls.unknown_ca", *untrusted("/etc/ssl/lab/ca.pem"), ca=authority("Other") + pem))
    assert (change.parameters["bundle"], change.parameters["certificate"], change.files) == (
        "/etc/ssl/lab/ca.pem", pem, ("/etc/ssl/lab/ca.pem",))


@pytest.mark.parametrize(("seen", "file", "command"), [
    ("/usr/lib/ssl/certs", "/usr/local/share/ca-certificates/", "update-ca-certificates"),
    ("/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/source/anchors/", "update-ca-trust"),
])
def test_without_a_file_of_its_own_it_goes_into_the_systems_store_and_out_again(seen: str, file: str, command: str) -> None:
    change = planned("install_ca", trouble("tls.unknown_ca", *untrusted(seen), known=(), ca=authority()))
    assert change.parameters["file"].startswith(file) and change.parameters["command"][0] == command
    assert change.commands[0][-1] == change.parameters["file"] and change.commands[1][0] == command and change.units == ()


@pytest.mark.parametrize(("ca", "reason"), [
    ("", "names no authority"), (authority("Other"), "it is CN=Other"), ("nonsense", "none that can be read"),
    (authority(days=-1), "has expired"), (authority(is_ca=False), "is none of an authority"),
])
def test_what_nobody_has_approved_of_is_not_trusted(ca: str, reason: str) -> None:
    assert reason in why_not("install_ca", trouble("tls.unknown_ca", *untrusted("/etc/ssl/lab/ca.pem"), ca=ca))


@pytest.mark.parametrize(("store", "reason"), [
    ("/root/.postgresql/root.crt", "name the file as sslrootcert"), ("/etc/shop/authorities/", "run openssl rehash"),
])
def test_what_is_no_file_of_its_own_is_not_written(store: str, reason: str) -> None:
    assert reason in why_not("install_ca", trouble("tls.ca_file_unusable", *untrusted(store), ca=authority()))


_STREAM = "/etc/netdata/stream.conf"


@pytest.mark.parametrize(("name", "planned_or_why_not"), [
    ("agent-config-byte-order-mark", "take out what nobody sees (byte order mark) in %s" % _STREAM),
    ("agent-config-smart-quotes", "take out what nobody sees (smart quote) in %s, line 4" % _STREAM),
    ("agent-config-syntax", "what should stand at %s:1:8 is not known" % _STREAM),
    ("agent-env-override", "take the variable COURIER_URL away from the unit, so that /run/courier.conf:1 counts"),
    ("agent-file-unreadable", "let netdata read %s (root:netdata 0640)" % _STREAM),
    ("agent-reporting-disabled", "set stream.enabled in %s to yes" % _STREAM),
    ("agent-unit-sandboxed", "set IPAddressDeny= of netdata"),
    ("agent-wrong-host", "set the host that the agent sends to (apm1.lab.example) by stream.destination in %s" % _STREAM),
    ("agent-wrong-host-that-does-not-exist", "set the host that the agent sends to (apm1.lab.example) by stream.destination"),
    ("agent-wrong-path", "set the path that the agent sends to (none) by url in /run/courier.conf"),
    ("agent-wrong-path-of-the-endpoint", "it is the inventory that says so"),
    ("agent-wrong-port", "set the port that the agent sends to (19999) by stream.destination in %s" % _STREAM),
    ("agent-wrong-port-of-the-database", "it is the inventory that says so"),
    ("agent-wrong-scheme", "set the scheme that the agent sends to (http) by stream.destination in %s" % _STREAM),
    ("credential-rejected", "it is the inventory's credential that was not taken: it must be renewed"),
    ("credential-malformed", "write the inventory's credential into stream.api key in %s" % _STREAM),
    ("credential-missing-on-the-host", "write the inventory's credential into stream.api key in %s" % _STREAM),
    ("credential-placeholder", "write the inventory's credential into stream.api key in %s" % _STREAM),
])
def test_what_each_fault_that_was_recorded_leads_to(name: str, planned_or_why_not: str) -> None:
    (step,) = plan(report(name), EVERYTHING, "run")
    assert (step.refused or step.summary).startswith(planned_or_why_not)


def test_a_mask_is_only_taken_off_where_that_very_cause_is_named() -> None:
    (step,) = plan(report("agent-masked"), EVERYTHING, "run")
    assert step.refused == "it may be meant so, and connectivity_allow does not name 'agent.masked' itself"
    (step,) = plan(report("agent-masked"), Policy(("agent.masked",)), "run")
    assert step.change and step.change.files == ("/etc/systemd/system/netdata.service", "/run/systemd/system/netdata.service")
