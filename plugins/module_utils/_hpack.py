# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Header fields of HTTP/2, as far as one request needs them: written plainly, read without a table that grows.

Source: RFC 7541 (5.1 integers, 5.2 strings, 6 representations, appendix A the static table, appendix B the Huffman code).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

Fields = t.List[t.Tuple[str, str]]

# Appendix A: entries 1 to 14 have values, the others are names only.
_WITH_VALUE = (
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"),
    (":scheme", "https"), *((":status", status) for status in ("200", "204", "206", "304", "400", "404", "500")),
)
_NAMES = (
    "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
    "content-disposition content-encoding content-language content-length content-location content-range content-type cookie date etag "
    "expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified link location "
    "max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security "
    "transfer-encoding user-agent vary via www-authenticate"
)
_STATIC = (*_WITH_VALUE, *((name, "gzip, deflate" if name == "accept-encoding" else "") for name in _NAMES.split()))
# Appendix B: the code is canonical, so the lengths of the symbols 0 to 256 are all of it; a is 10 bits, b 11, and so on.
_LENGTHS = (
    "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6f56565666577666567655677777fbeds"
    "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmnlmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq"
    "u"
)
_END_OF_STRING = 256
_LITERAL, _LITERAL_NEVER_INDEXED = b"\x00", b"\x10"


class Malformed(ValueError):
    """This is no block of header fields, or one of a table that was never agreed on."""


def _canonical(lengths: t.Sequence[int]) -> dict[tuple[int, int], int]:
    """By length and code, the symbol."""
    codes: dict[tuple[int, int], int] = {}
    code, before = 0, 0
    for symbol in sorted(range(len(lengths)), key=lambda one: (lengths[one], one)):
        code <<= lengths[symbol] - before
        before = lengths[symbol]
        codes[(before, code)] = symbol
        code += 1
    return codes


_SYMBOLS = _canonical([int(length, 36) for length in _LENGTHS])
_LONGEST = max(length for length, _code in _SYMBOLS)


def encoded(fields: t.Iterable[tuple[str, str]], secret: t.Container[str] = ()) -> bytes:
    """:param secret: names of fields that no one on the way may keep in a table (RFC 7541, 7.1.3)."""
    block = b""
    for name, value in fields:
        block += (_LITERAL_NEVER_INDEXED if name in secret else _LITERAL) + _string(name) + _string(value)
    return block


def _string(text: str) -> bytes:
    data = text.encode("utf-8")
    return _integer(len(data), 7) + data


def _integer(value: int, bits: int) -> bytes:
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    value -= most
    rest = bytearray([most])
    while value >= 0x80:
        rest.append(value & 0x7F | 0x80)
        value >>= 7
    rest.append(value)
    return bytes(rest)


def decoded(block: bytes) -> Fields:
    """:raises Malformed: it can't be read by a client that allows no table (SETTINGS_HEADER_TABLE_SIZE is 0)."""
    reader = _Reader(block)
    fields = []
    while reader.left:
        first = reader.peek()
        if first & 0x80:
            fields.append(_entry(reader.integer(7)))
        elif first & 0xE0 == 0x20:
            reader.integer(5)  # the size of the table that there is not
        else:
            index = reader.integer(6 if first & 0x40 else 4)
            name = _entry(index)[0] if index else reader.string()
            fields.append((name, reader.string()))
    return fields


def _entry(index: int) -> tuple[str, str]:
    if not 1 <= index <= len(_STATIC):
        raise Malformed("index %d" % index)
    return _STATIC[index - 1]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def peek(self) -> int:
        return self._take(1, moves=False)[0]

    def _take(self, size: int, moves: bool = True) -> bytes:
        if size > self.left:
            raise Malformed("too short")
        data = self._data[self._at:self._at + size]
        self._at += size if moves else 0
        return data

    def integer(self, bits: int) -> int:
        most = (1 << bits) - 1
        value = self._take(1)[0] & most
        for shift in range(0, 28, 7) if value == most else ():
            more = self._take(1)[0]
            value += (more & 0x7F) << shift
            if not more & 0x80:
                return value
        if value >= most:
            raise Malformed("integer")
        return value

    def string(self) -> str:
        is_huffman = self.peek() & 0x80
        data = self._take(self.integer(7))
        return (_from_huffman(data) if is_huffman else data).decode("utf-8", "backslashreplace")


def _from_huffman(data: bytes) -> bytes:
    text = bytearray()
    code, length = 0, 0
    for byte in data:
        for place in range(7, -1, -1):
            code, length = code << 1 | byte >> place & 1, length + 1
            symbol = _SYMBOLS.get((length, code))
            if symbol == _END_OF_STRING or length > _LONGEST:
                raise Malformed("huffman")
            if symbol is not None:
                text.append(symbol)
                code, length = 0, 0
    return bytes(text)
