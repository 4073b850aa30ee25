# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of gRPC: header fields by the examples of RFC 7541, answers as grpcio 1.85 sends them."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _grpc_call, _hpack
from ansible_collections.connectivity.doctor.tests.support import scripted_server
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.unit.plugins.module_utils.test_peer_bytes import FedChannel, mutations

# What grpcio sends before it has read the call: its settings, a window, the acknowledgement of ours, a ping.
_GREETING = bytes.fromhex(
    "000018040000000000000400400000000500400000000600004000fe0300000001000004080000000000003f0001000000040100000000"
    "000004080000000000000500000000080600000000008519c074a868bcac")
_LET_IN = _GREETING + bytes.fromhex(
    "00004f0104000000012088400c636f6e74656e742d74797065106170706c69636174696f6e2f677270634014677270632d6163636570742d656e636f64696e67176964"
    "656e746974792c206465666c6174652c20677a6970000005000000000001000000000000001e010500000001400b677270632d7374617475730130000c677270632d6d"
    "65737361676500")
_UNAVAILABLE = _GREETING + bytes.fromhex(
    "0000510105000000012088400c636f6e74656e742d74797065106170706c69636174696f6e2f67727063400b677270632d737461747573023134000c677270632d6d65"
    "7373616765117468652071756575652069732066756c6c")
_OUT_OF_THE_BLUE = bytes.fromhex("00000403000000000100000007")  # the stream is refused


def in_time() -> float:
    return 1.0


def answer(data: bytes) -> _grpc_call.Answer:
    return _grpc_call.read_answer(FedChannel(data), in_time)  # type: ignore[arg-type]


@pytest.mark.parametrize(("block", "fields"), [
    # RFC 7541, C.4.1 and C.6.1; their tables are not needed for the first blocks.
    ("828684418cf1e3c2e5f23a6ba0ab90f4ff", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]),
    ("488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
     [(":status", "302"), ("cache-control", "private"), ("date", "Mon, 21 Oct 2013 20:13:21 GMT"), ("location", "https://www.example.com")]),
    ("20", []),
])
def test_fields_are_read_as_the_standard_has_them(block, fields):
    assert _hpack.decoded(bytes.fromhex(block)) == fields


@pytest.mark.parametrize("block", ["be", "ff", "40", "4105", "80", "0085ffffffffff00", "7fffffffffffff"])
def test_what_needs_a_table_or_is_cut_is_no_field(block):
    with pytest.raises(_hpack.Malformed):
        _hpack.decoded(bytes.fromhex(block))


def test_what_is_written_is_read_again_and_a_secret_is_marked():
    fields = [(":path", "/x" * 300), ("x-api-key", "ö" * 70)]
    block = _hpack.encoded(fields, ["x-api-key"])
    assert _hpack.decoded(block) == fields
    assert b"\x10\x09x-api-key" in block and b"\x00\x05:path" in block


@pytest.mark.parametrize(("data", "error", "ended_by", "status", "reason", "body"), [
    (_LET_IN, "", "", 200, "OK", b""),
    (_UNAVAILABLE, "", "", 503, "UNAVAILABLE", b"the queue is full"),
    (_GREETING, "closed", "", None, "", b""),
    (_LET_IN[:-40], "incomplete", "closed", None, "", b""),
    (_GREETING + _OUT_OF_THE_BLUE, "reset", "", None, "", b""),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not_http", "", None, "", b""),
    (b"\x15\x03\x01\x00\x02\x02\x46", "not_http", "", None, "", b""),
    (_GREETING + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", "incomplete", "limit", None, "", b""),
    # A server of HTTP/2 that is none of gRPC: 404 by the static table.
    (_GREETING + bytes.fromhex("0000010105000000018d"), "", "", 404, "", b""),
    (b"", "closed", "", None, "", b""),
])
def test_answers_are_told_as_those_of_http_that_mean_the_same(data, error, ended_by, status, reason, body):
    told = answer(data)
    assert (told.error, told.ended_by, told.body) == (error, ended_by, body)
    assert (told.head.status, told.head.reason) == (status, reason) if told.head else status is None


def test_bytes_of_a_peer_make_an_answer_and_nothing_else():
    errors = {answer(data).error for data in mutations([_LET_IN, _UNAVAILABLE, _GREETING + _OUT_OF_THE_BLUE], 1000)}
    assert {"", "closed", "not_http", "incomplete"} <= errors


def test_a_server_is_called_and_its_words_are_told_without_the_credential():
    with scripted_server.ScriptedServer(scripted_server.says(_UNAVAILABLE)) as server:
        seen = run_probe("http", {
            "host": "apm.example.com", "address": server.address, "port": server.port, "scheme": "grpc", "path": "/package.Service/Export",
            "credential_header": "X-Api-Key", "credential": "t0ps3cret-t0ken", "timeout": 3.0}).one("http.response")
    data = seen["data"]
    assert (seen["status"], data["status"], data["grpc_status"], data["reason_phrase"], data["body_excerpt"], data["credential_sent"]) == (
        "fail", 503, 14, "UNAVAILABLE", "the queue is full", True)
    assert seen["reproduce"].startswith("printf '\\0\\0\\0\\0\\0' | curl") and "--http2-prior-knowledge" in seen["reproduce"]
    assert "t0ps3cret" not in str(seen)
