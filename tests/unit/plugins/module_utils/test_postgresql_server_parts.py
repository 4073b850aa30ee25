# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server's files, its log and the titles of its processes are read: what administrators write, and what nobody should."""
from __future__ import annotations

import random
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import hba
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import server_log as log
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.backends import session_of
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.configuration import parse_line, read_settings

NOW = 1795180834.0  # 2026-11-20 13:20:34 UTC


@pytest.mark.parametrize(("line", "found"), [
    ("max_connections = 40  # many", ("max_connections", "40")), ("Port 5433", ("port", "5433")), ("ssl=on", ("ssl", "on")),
    ("log_line_prefix = '%m [%p] #%u '''", ("log_line_prefix", "%m [%p] #%u '")), (r"x = 'a\'b'", ("x", "a'b")),
    ("# port = 1", None), ("", None), ("port", None), ("port = ", None), ("= 5", None), ("port = '5", None), ("a = 1 2", None),
    ("my.setting = 'x'", ("my.setting", "x")),
])
def test_a_line_of_postgresql_conf(line: str, found: tuple[str, str] | None) -> None:
    assert parse_line(line) == found


def test_included_files_and_what_alter_system_wrote(tmp_path: t.Any) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("port = 2\nssl = on\n")
    (tmp_path / "conf.d" / "ignored").write_text("port = 9\n")
    (tmp_path / "postgresql.conf").write_text(
        "port = 1\ninclude 'postgresql.conf'\ninclude_dir 'conf.d'\ninclude_if_exists = 'missing'\nmax_connections = 7\n")
    (tmp_path / "postgresql.auto.conf").write_text("max_connections = '8'\n")
    settings = read_settings(str(tmp_path / "postgresql.conf"), str(tmp_path))
    assert {name: setting.value for name, setting in settings.items()} == {"port": "2", "ssl": "on", "max_connections": "8"}
    assert settings["ssl"][1:] == (str(tmp_path / "conf.d" / "a.conf"), 2)


def decided(text: str, user: str = "app", database: str = "db", address: str = "10.0.0.7", tls: bool = True) -> tuple[t.Any, int | None]:
    rules = [rule for number, line in hba._logical_lines(text) if (rule := hba.rule_of(hba.tokens_of(line), "f", number, line))]
    decision = hba.decide(rules, hba.Login(user, database, address, tls))
    return decision.matched, decision.rule.line if decision.rule else None


@pytest.mark.parametrize(("text", "found"), [
    ("host all all 10.0.0.0/8 md5", (True, 1)), ("hostnossl all all 0.0.0.0/0 md5\nhostssl all all all md5", (True, 2)),
    ("local all all peer\nhostgssenc all all all gss\nhostnogssenc all all all md5", (True, 3)),
    ("host all all 10.0.0.0 255.255.255.0 md5", (True, 1)), ("host all all 10.0.1.0 255.255.255.0 md5", (False, None)),
    ("host other,db x,app all md5", (True, 1)), ('host "db" "app" all md5', (True, 1)), ('host "all" all all md5', (False, None)),
    ("host sameuser all all md5", (False, None)), ("host replication all all md5", (False, None)),
    ("host all +staff all md5\nhost all all all reject", (None, 1)), ("host all +app all md5", (True, 1)),
    ("host samerole all all md5", (None, 1)), ("host all all db.example.com md5", (None, 1)), ("host all all samenet md5", (None, 1)),
    ("host other all db.example.com md5\nhost all all all md5", (True, 2)), ("host all all ::/0 md5", (False, None)),
    ("host all \\\n all \\\n all md5", (True, 3)), ("# host all all all md5", (False, None)), ("host all all", (False, None)),
    ("host all all all md5 # host", (True, 1)), ("host  db,other  app  10.0.0.7/32  ldap ldapserver=x", (True, 1)), ("", (False, None)),
    ("host /^d all all md5", (None, 1)), ("host @dbs all all md5", (None, 1)),
])
def test_the_first_line_that_matches_decides(text: str, found: tuple[t.Any, int | None]) -> None:
    assert decided(text) == found


def test_without_tls_and_from_a_v6_link() -> None:
    text = "hostssl all all all md5\nhostnossl all all fe80::/10 md5"
    assert decided(text, tls=False, address="fe80::1%eth0") == (True, 2)
    assert decided(text, tls=False, address="10.0.0.7") == (False, None)
    assert decided(text, tls=False, address="") == (None, 2)


def test_the_line_that_is_missing() -> None:
    assert hba.line_for(hba.Login("app", "my db", "fd00::7", True)) == 'hostssl "my db" app fd00::7/128 scram-sha-256'
    assert hba.line_for(hba.Login("app", "db", "10.0.0.7", False)) == "host db app 10.0.0.7/32 scram-sha-256"


def test_files_that_a_pg_hba_conf_includes(tmp_path: t.Any) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.conf").write_text("host all all all md5\n")
    (tmp_path / "pg_hba.conf").write_text("include_dir more\ninclude_if_exists none\ninclude pg_hba.conf\nlocal all all peer\n")
    rules = hba.read_rules(str(tmp_path / "pg_hba.conf"))
    assert (rules[0].file, rules[0].method, rules[-1].type) == (str(tmp_path / "more" / "one.conf"), "md5", "local")


REFUSED_15 = """\
2026-11-20 13:20:30.289 UTC [1739] 28P01 reporting@production 10.77.1.13 FATAL:  password authentication failed for user "reporting"
2026-11-20 13:20:30.289 UTC [1739] 28P01 reporting@production 10.77.1.13 DETAIL:  Role "reporting" does not exist.
\tConnection matched pg_hba.conf line 6: "hostssl all         all         10.77.1.0/24    scram-sha-256"
"""
REFUSED_16 = """\
2026-11-20 13:20:31 UTC [12] FATAL:  password authentication failed for user "reporting"
2026-11-20 13:20:31 UTC [12] DETAIL:  Connection matched file "/etc/pg/pg_hba.conf" line 9: "host all all all ldap ldapserver=x"
"""


def entries(text: str) -> list[log.Entry]:
    return log.entries_of(text.splitlines(), NOW - 900, NOW)


def test_the_detail_of_a_refused_password() -> None:
    found = log.refusal(entries(REFUSED_15), "reporting", "10.77.1.13")
    assert found is not None
    assert (found.reason, found.method, found.hba_line, found.hba_file, found.of_address) == (
        "role_missing", "scram-sha-256", 6, "", True)
    assert found.hba_text.startswith("hostssl all")


def test_what_a_newer_server_writes_and_a_method_that_has_its_own_reasons() -> None:
    found = log.refusal(entries(REFUSED_16), "reporting", "10.77.1.13")
    assert found is not None
    assert (found.reason, found.method, found.hba_line, found.hba_file, found.of_address) == (
        "other", "ldap", 9, "/etc/pg/pg_hba.conf", False)


def test_the_client_of_the_entry_counts_before_its_time() -> None:
    found = log.refusal(entries(REFUSED_15 + REFUSED_16), "reporting", "10.77.1.13")
    assert found is not None and found.reason == "role_missing"
    found = log.refusal(entries(REFUSED_15 + REFUSED_16), "reporting", "10.77.1.1")
    assert found is not None and found.reason == "other", "an address that begins alike is another one"
    assert log.refusal(entries(REFUSED_15), "report", "10.77.1.13") is None


def test_a_record_by_columns_that_was_cut_at_its_beginning() -> None:
    whole = '2026-11-20 13:20:31 UTC,"app","db",12,"10.0.0.7:5000",x,1,"",now,3/1,0,FATAL,28P01,"%s","Role ""app"" does not exist.\nx",,,'
    text = 'the end of a text",,,\n' + whole % 'password authentication failed for user ""app""'
    found = log.refusal(log.records_of(text.splitlines(), "csv", NOW - 900, NOW), "app", "10.0.0.7")
    assert found is not None and (found.reason, found.of_address) == ("role_missing", True)


def test_old_entries_do_not_count() -> None:
    assert log.entries_of(REFUSED_15.splitlines(), NOW, NOW) == []


@pytest.mark.parametrize(("text", "state"), [
    ("LOG:  database system is ready to accept connections", "ready"),
    ("LOG:  database system is ready to accept connections\nLOG:  received fast shutdown request", "stopped"),
    ('PANIC:  could not write to file "pg_wal/xlogtemp.9": No space left on device\nLOG:  terminating any other active server processes',
     "crashed"),
    ("LOG:  database system was interrupted; last known up at 2026-11-20 13:20:30 UTC", "recovering"), ("LOG:  hello", ""),
    ("ERROR:  received fast shutdown request", ""),
])
def test_the_state_that_the_log_ends_with(text: str, state: str) -> None:
    assert log.last_state(entries(text)) == state


def test_what_could_not_be_written_and_who_waits() -> None:
    found = entries(
        'ERROR:  could not extend file "base/5/16398": No space left on device\nHINT:  Check free disk space.\n'
        "LOG:  process 11 still waiting for AccessShareLock on relation 1260 of database 0 after 1000.069 ms\n"
        "DETAIL:  Process holding the lock: 9. Wait queue: 11, 12.\nLOG:  process 13 acquired ShareLock on transaction 7 after 3 ms\n")
    assert [entry.text.startswith("could not extend") for entry in log.no_space(found)] == [True]
    assert [(wait.pid, wait.mode, wait.holders) for wait in log.lock_waits(found)] == [(11, "AccessShareLock", [9])]


@pytest.mark.parametrize(("title", "found"), [
    ("postgres: 15/main: reporting production 10.77.1.13(35406) startup waiting", ("reporting", "10.77.1.13", "startup", True)),
    ("postgres: app db fd00::7(5) idle in transaction", ("app", "fd00::7", "idle in transaction", False)),
    ("postgres: app db [local] UPDATE waiting", ("app", "", "UPDATE", True)),
    ("postgres: checkpointer ", None), ("postgres: 15/main: logical replication launcher", None), ("bash", None), ("", None),
    ("/usr/lib/postgresql/15/bin/postgres -D /var/lib", None),
])
def test_the_title_of_a_process(title: str, found: tuple[str, str, str, bool] | None) -> None:
    session = session_of(2 ** 30, title)
    assert (session and (session.user, session.address, session.activity, session.waiting)) == found


def test_no_bytes_break_a_reader() -> None:
    chance = random.Random(2026)
    words = [
        "host", "hostssl", "all", "10.0.0.0/8", '"', ",", "\\", "#", "\t", "\n", "FATAL:  ", "DETAIL:  ", "'", "=", "\0", "é", "(", ")",
        "@", '{"message":', '"x"}', "[" * 2000, ",,,,,,,,,,,,,,,", 'password authentication failed for user "a"', "Connection matched",
        "postgres: ", "255.0.0.0", "::1", " ", "%", "1e999",
    ]
    for _round in range(3000):
        text = "".join(chance.choice(words) + chance.choice(("", " ")) for _word in range(chance.randrange(25)))
        decided(text)
        found = entries(text)
        log.refusal(found, "a", "10.0.0.7")
        log.records_of(text.splitlines(), chance.choice(("csv", "json")), NOW - 900, NOW)
        log.lock_waits(found)
        for line in text.splitlines():
            parse_line(line)
            session_of(2 ** 30, line)
