# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time servers on loopback, right and wrong, honest and hostile; the daemons' reports and files as they are written."""
from __future__ import annotations

import random
import socket
import struct
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _clock_daemon, _clock_sources, _command, _ntp_wire
from ansible_collections.connectivity.doctor.plugins.module_utils._ntp_wire import NtpError
from ansible_collections.connectivity.doctor.tests.support.time_server import TimeServer, answer

NONCE = b"12345678"
QUESTION = _ntp_wire.encode_request(NONCE)


def error_of(replies, seconds=1.0):
    with TimeServer(replies) as server:
        with pytest.raises(NtpError) as caught:
            _ntp_wire.measure(server.address, seconds, server.port)
    return caught.value


@pytest.mark.parametrize("skew", [0.0, 3600.0, -86400.0 * 365 * 20, 0.25])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_offset_is_this_clock_minus_the_servers(address, skew):
    with TimeServer(lambda query: [answer(query, skew)], address) as server:
        measured = _ntp_wire.measure(address, 2.0, server.port)
    assert measured.offset_s == pytest.approx(-skew, abs=0.05)
    assert abs(measured.offset_s + skew) <= measured.uncertainty_s + 1e-4
    assert 0 <= measured.delay_s < 0.5
    assert (measured.reply.stratum, measured.reply.leap, measured.reply.refid) == (2, "none", "10.0.0.1")


def test_the_question_says_nothing_of_this_host():
    with TimeServer(lambda query: [answer(query)]) as server:
        for _again in range(2):
            _ntp_wire.measure(server.address, 2.0, server.port)
    first, second = server.asked
    assert first[:40] == second[:40] == b"\x23" + bytes(39)
    assert first[40:] != second[40:]


def test_a_slow_server_widens_the_uncertainty_and_not_the_offset():
    def slow(query):
        time.sleep(0.3)
        return [answer(query, 10.0)]

    with TimeServer(slow) as server:
        measured = _ntp_wire.measure(server.address, 2.0, server.port)
    assert measured.delay_s >= 0.29
    assert abs(measured.offset_s + 10) <= measured.uncertainty_s


def test_after_the_rollover_of_2036_time_goes_on():
    near = 2085978496.0 + 1000  # an NTP era later
    packet = bytearray(answer(QUESTION))
    packet[32:40] = packet[40:48] = struct.pack("!II", 1000, 1 << 31)
    assert _ntp_wire.decode_reply(bytes(packet), NONCE, near).sent == near + 0.5


@pytest.mark.parametrize("code", [b"RATE", b"DENY", b"RSTR"])
def test_a_kiss_of_death_is_told_with_its_code(code):
    problem = error_of(lambda query: [answer(query, stratum=0, leap=3, refid=code)])
    assert str(problem) == "KISS_OF_DEATH"
    assert problem.reply.kiss == code.decode()


@pytest.mark.parametrize("settings", [
    {"leap": 3}, {"stratum": 16}, {"leap": 3, "stratum": 0, "refid": bytes(4)}, {"leap": 3, "stratum": 0, "refid": b"INIT"},
])
def test_a_server_that_does_not_know_the_time_is_no_source(settings):
    problem = error_of(lambda query: [answer(query, **settings)])
    assert str(problem) == "UNSYNCHRONIZED"
    assert problem.reply.stratum == settings.get("stratum", 2)


def test_silence_is_a_timeout_in_its_time():
    began = time.monotonic()
    assert str(error_of(lambda query: [], 0.4)) == "TIMEOUT"
    assert 0.35 < time.monotonic() - began < 1.5


def test_a_closed_port_is_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(NtpError, match="^ECONNREFUSED$"):
        _ntp_wire.measure("127.0.0.1", 1.0, port)


def test_a_name_is_no_address():
    with pytest.raises(NtpError, match="^EINVAL$"):
        _ntp_wire.measure("ntp.example.com", 1.0)


def forged(query):
    return answer(query[:40] + bytes(8), 5000.0)


@pytest.mark.parametrize("replies", [
    lambda query: [forged(query)], lambda query: [b""], lambda query: [query], lambda query: [answer(query)[:47]],
    lambda query: [b"\x23" + answer(query)[1:]], lambda query: [answer(query)[:40] + bytes(8)],
])
def test_what_is_no_answer_to_our_question_is_malformed(replies):
    assert str(error_of(replies, 0.4)) == "MALFORMED"


def test_the_true_answer_is_taken_after_a_forged_one():
    with TimeServer(lambda query: [forged(query), b"x" * 2000, answer(query, 7.0)]) as server:
        assert _ntp_wire.measure(server.address, 2.0, server.port).offset_s == pytest.approx(-7, abs=0.1)


def test_a_flood_of_forged_answers_ends_with_its_time():
    began = time.monotonic()
    assert str(error_of(lambda query: [forged(query)] * 2000, 0.5)) == "MALFORMED"
    assert time.monotonic() - began < 3


def test_mutated_replies():
    source = random.Random(20260101)
    outcomes = set()
    for _round in range(6000):
        packet = bytearray(answer(QUESTION))
        for _change in range(source.randint(0, 3)):
            packet[source.choice((source.randrange(len(packet)), source.randrange(8)))] = source.choice((0, 16, source.getrandbits(8)))
        if source.random() < 0.1:
            packet = packet[:source.randrange(80)]
        try:
            reply = _ntp_wire.decode_reply(bytes(packet), NONCE, time.time())
        except NtpError as problem:
            outcomes.add(str(problem))
        else:
            outcomes.add("")
            assert 1 <= reply.stratum < 16
            assert abs(reply.sent - time.time()) <= 1 << 32
    assert outcomes == {"", "MALFORMED", "KISS_OF_DEATH", "UNSYNCHRONIZED"}


# --- what is configured

FILES = {
    "etc/chrony/chrony.conf": """\
# a comment
! another
pool 2.pool.example iburst maxsources 4
server  ntp1.example port 1123 iburst
peer ntp9.example # and a note
confdir /etc/chrony/conf.d
sourcedir /run/chrony-dhcp
sourcedir /etc/chrony/sources.d
include /etc/chrony/extra.*
include /etc/chrony/chrony.conf
refclock PPS /dev/pps0
server
server ntp2.example port 99999
""",
    "etc/chrony/conf.d/a.conf": "server 192.0.2.1\n",
    "etc/chrony/conf.d/a.sources": "server ignored.example\n",
    "run/chrony-dhcp/dhcp.sources": "server 192.0.2.2 iburst\n",
    "etc/chrony/sources.d/dhcp.sources": "server shadowed.example\n",
    "etc/chrony/sources.d/b.sources": "server 2001:db8::1\n",
    "etc/chrony/extra.conf": "pool extra.example\n",
    "etc/systemd/timesyncd.conf": "[Time]\nNTP=a.example\nFallbackNTP=f.example g.example\n",
    "run/systemd/timesyncd.conf.d/50-x.conf": "[Time]\nNTP=\nNTP = b.example c.example\n",
    "etc/ntp.conf": "driftfile /x\nserver 127.127.1.0\nserver ntp1.example\npool p.example iburst\nincludefile /etc/more.conf\n",
    "etc/more.conf": "server ntp3.example\n",
    "etc/openntpd/ntpd.conf": "servers pool.example\nserver ntp.example weight 5\n",
}


@pytest.fixture
def tree(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize("daemon,expected", [
    ("chrony", [("2.pool.example", 123, "pool", 3), ("ntp1.example", 1123, "server", 4), ("ntp9.example", 123, "peer", 5),
                ("192.0.2.1", 123, "server", 1), ("extra.example", 123, "pool", 1), ("ntp2.example", 123, "server", 13),
                ("2001:db8::1", 123, "server", 1), ("192.0.2.2", 123, "server", 1)]),
    ("timesyncd", [("b.example", 123, "server", 3), ("c.example", 123, "server", 3)]),
    ("ntpd", [("ntp1.example", 123, "server", 3), ("p.example", 123, "pool", 4), ("ntp3.example", 123, "server", 1)]),
    ("openntpd", [("pool.example", 123, "server", 1), ("ntp.example", 123, "server", 2)]),
    ("", []),
])
def test_sources_are_found_in_every_file_with_their_line(tree, daemon, expected):
    found = _clock_sources.read_sources(daemon, tree)
    assert [(one.name, one.port, one.kind, one.line) for one in found] == expected
    assert {one.daemon for one in found} <= {daemon}


def test_fallbacks_count_where_nothing_else_is_given(tmp_path):
    (tmp_path / "etc/systemd").mkdir(parents=True)
    (tmp_path / "etc/systemd/timesyncd.conf").write_text("[Time]\n#NTP=x\nFallbackNTP=f.example\n")
    assert [(one.name, one.kind) for one in _clock_sources.read_sources("timesyncd", str(tmp_path))] == [("f.example", "fallback")]


def test_mutated_configuration(tree, tmp_path):
    source = random.Random(20260101)
    path = tmp_path / "etc/chrony/chrony.conf"
    text = FILES["etc/chrony/chrony.conf"].encode()
    for _round in range(400):
        data = bytearray(text)
        for _change in range(source.randint(1, 8)):
            data[source.randrange(len(data))] = source.choice((0, 10, 32, 42, 91, 255, source.getrandbits(8)))
        path.write_bytes(bytes(data))
        assert all(0 < one.port < 65536 for one in _clock_sources.read_sources("chrony", tree))


# --- what daemons say

TRACKING = ("35611F7D,192.0.2.1,4,1795170382.686959079,0.250003710,-0.000000523,0.000001583,-0.001,-0.000,0.006,"
            "0.000029945,0.000121264,128.1,%s\n")
SOURCES = "^,*,192.0.2.1,3,7,377,117,0.000008617,0.000008094,0.000025267\n^,?,192.0.2.9,0,7,0,4294967295,0.0,0.0,0.0\n"
NTPQ = """\
     remote                                   refid      st t when poll reach   delay   offset   jitter
=======================================================================================================
*192.0.2.1                               10.0.0.1         2 u   33   64  377   0.1234   1.5000   0.0100
 192.0.2.9                               .INIT.          16 u    -   64    0   0.0000   0.0000   0.0001
x192.0.2.7                               10.0.0.3         2 u    3   64   17   0.5000 900.0000   0.2000
"""
TIMESYNC = """\
LinkNTPServers=
SystemNTPServers=192.0.2.1
FallbackNTPServers=
ServerName=ntp1.example
ServerAddress=192.0.2.1
RootDistanceMaxUSec=5s
NTPMessage={ Leap=0, Version=4, Mode=4, Stratum=2, Precision=-26, RootDelay=0, RootDispersion=0, Reference=7F7F0101, \
OriginateTimestamp=Fri 2026-11-20 11:14:56 UTC, ReceiveTimestamp=Fri 2026-11-20 11:14:56 UTC, Ignored=no, PacketCount=7, Jitter=0 }
Frequency=-1234
"""


@pytest.mark.parametrize(("result", "looked_at", "skipped"), [("no", 7, True), ("no", 0, False), ("yes", 7, False)])
def test_a_daemon_that_systemd_did_not_want_to_start(monkeypatch, result, looked_at, skipped):
    class Answers:
        """What systemctl show says of a unit that is enabled and not running."""

        @staticmethod
        def command(_argv, _seconds):
            said = ("Id=systemd-timesyncd.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n"
                    "ConditionResult=%s\nConditionTimestampMonotonic=%d\n" % (result, looked_at))
            return _command.CommandResult(0, said, "", "")

    monkeypatch.setattr(_clock_daemon, "process_ids", list)
    daemon = _clock_daemon.find_daemon(Answers)
    assert daemon == ("timesyncd", "systemd-timesyncd.service", False, True, "inactive", skipped)


def test_chrony_says_what_it_follows():
    state = _clock_daemon.parse_chrony(TRACKING % "Normal", SOURCES)
    assert (state.synchronized, state.selected, state.stratum, state.leap, state.reason) == (True, "192.0.2.1", 4, "none", "")
    assert state.offset_ms == pytest.approx(-250.004, abs=0.001)  # slow by that much
    assert [(one["address"], one["selected"], one["reach"], one["state"]) for one in state.sources] == [
        ("192.0.2.1", True, 255, "selected"), ("192.0.2.9", False, 0, "unusable")]


def test_chrony_that_lost_its_sources_is_not_synchronized():
    state = _clock_daemon.parse_chrony("00000000,,0,0.0,0,0,0,0,0,0,1,1,0,Not synchronised", "^,?,192.0.2.9,0,7,0,4294967295,0,0,0\n")
    assert (state.synchronized, state.selected, state.leap) == (False, "", "unsynchronized")


def test_ntpd_says_what_it_follows():
    state = _clock_daemon.parse_ntpd(NTPQ, "leap=00, stratum=3,\noffset=1.5\n")
    assert (state.synchronized, state.selected, state.stratum, state.offset_ms) == (True, "192.0.2.1", 3, -1.5)
    assert [(one["state"], one["reach"]) for one in state.sources] == [("selected", 255), ("unusable", 0), ("falseticker", 15)]
    assert _clock_daemon.parse_ntpd(NTPQ, "leap=11, stratum=16").synchronized is False
    assert _clock_daemon.parse_ntpd("ntpq: read: Connection refused\n", "").reason == "unreadable"


@pytest.mark.parametrize("has,text,expected", [
    (True, TIMESYNC, True), (False, TIMESYNC, False), (True, TIMESYNC.replace("PacketCount=7", "PacketCount=0"), False),
    (True, TIMESYNC.replace("Leap=0", "Leap=3"), False), (True, TIMESYNC.replace("Ignored=no", "Ignored=yes"), False), (True, "", None),
])
def test_timesyncd_is_synchronized_when_a_server_told_it(has, text, expected):
    state = _clock_daemon.parse_timesyncd(text, has)
    assert state.synchronized is expected
    assert expected is None or (state.sources[0]["address"], state.stratum) == ("192.0.2.1", 2)


@pytest.mark.parametrize("parse", [
    lambda text: _clock_daemon.parse_chrony(text, text), lambda text: _clock_daemon.parse_ntpd(text, text),
    lambda text: _clock_daemon.parse_timesyncd(text, True),
])
def test_mutated_reports(parse):
    source = random.Random(20260101)
    samples = [TRACKING % "Normal" + SOURCES, SOURCES, NTPQ + "leap=00, stratum=3, offset=1\n", TIMESYNC]
    for _round in range(2000):
        characters = list(source.choice(samples))
        for _change in range(source.randint(1, 8)):
            characters[source.randrange(len(characters))] = source.choice(",\n=9e²٣nainf-\0 *?")
        state = parse("".join(characters[:source.randint(1, len(characters))]))
        assert state.synchronized in (True, False, None)
        assert state.offset_ms is None or abs(state.offset_ms) < 1e16
