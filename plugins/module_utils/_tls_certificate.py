# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from an X.509 certificate what a probe must know on the managed node: its names and its dates.

Not a verifier: OpenSSL verifies. Sources: RFC 5280 (certificate profile), X.690 (DER).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import calendar
import ipaddress
import time
import typing as t

_INTEGER, _OCTETS, _OID, _UTC_TIME, _GENERALIZED_TIME, _SEQUENCE, _SET = 0x02, 0x04, 0x06, 0x17, 0x18, 0x30, 0x31
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_OID_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_NAME_PARTS = {bytes.fromhex("550403"): "CN", bytes.fromhex("55040a"): "O", bytes.fromhex("55040b"): "OU"}
_MAXIMUM_NAMES = 100


class Certificate(t.NamedTuple):
    """``names`` are those that verification looks at: the subject's alternative names, else its common name.

    ``not_before`` and ``not_after`` are seconds since the epoch; ``subject`` and ``issuer`` are as ``CN=…, O=…``.
    """

    subject: str
    issuer: str
    names: list[str]
    not_before: int
    not_after: int


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, value and where the next element starts."""
    if at + 2 > len(data):
        raise ValueError("a DER element is cut")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or start + size > len(data):
            raise ValueError("a DER length is not one")
        length, start = int.from_bytes(data[start:start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("a DER element is cut")
    return tag, data[start:start + length], start + length


def _elements(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, value, at = _element(data, at)
        yield tag, value


def parse(der: bytes) -> Certificate:
    """:param der: one certificate. :raises ValueError: it is not one."""
    outer = list(_elements(_element(der, 0)[1]))
    if not outer or outer[0][0] != _SEQUENCE:
        raise ValueError("no certificate body")
    fields = [field for field in _elements(outer[0][1]) if field[0] != _VERSION]
    # serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, extensions …
    if [tag for tag, _value in fields[:5]] != [_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE]:
        raise ValueError("the certificate body has another shape")
    dates = [_seconds(tag, value) for tag, value in _elements(fields[3][1])]
    if len(dates) != 2:
        raise ValueError("a certificate has two dates")
    subject, issuer = _name(fields[4][1]), _name(fields[2][1])
    extensions = next((value for tag, value in fields[5:] if tag == _EXTENSIONS), b"")
    names = _alternative_names(extensions) if extensions else []
    common_names = [text for part, text in subject if part == "CN"]
    return Certificate(_joined(subject), _joined(issuer), names or common_names, dates[0], dates[1])


def _seconds(tag: int, value: bytes) -> int:
    layouts = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
    if tag not in layouts:
        raise ValueError("a date has tag %d" % tag)
    moment = time.strptime(value[:20].decode("ascii"), layouts[tag])
    year = moment.tm_year
    if tag == _UTC_TIME:  # RFC 5280, 4.1.2.5.1: 50 to 99 are 19xx (strptime has the border at 69)
        year = 1900 + year % 100 if year % 100 >= 50 else 2000 + year % 100
    return calendar.timegm((year,) + tuple(moment)[1:])


def _name(data: bytes) -> list[tuple[str, str]]:
    parts = []
    for tag, attributes in _elements(data):
        if tag != _SET:
            raise ValueError("a name has another shape")
        for _tag, attribute in _elements(attributes):
            pair = list(_elements(attribute))
            if len(pair) == 2 and pair[0][0] == _OID and pair[0][1] in _NAME_PARTS:
                parts.append((_NAME_PARTS[pair[0][1]], pair[1][1][:256].decode("utf-8", "backslashreplace")))
    return parts


def _joined(parts: list[tuple[str, str]]) -> str:
    return ", ".join("%s=%s" % part for part in parts)


def _alternative_names(extensions: bytes) -> list[str]:
    names: list[str] = []
    for _tag, extension in _elements(_element(extensions, 0)[1]):
        fields = list(_elements(extension))
        if len(fields) < 2 or fields[0] != (_OID, _OID_SUBJECT_ALT_NAME) or fields[-1][0] != _OCTETS:
            continue
        for tag, value in _elements(_element(fields[-1][1], 0)[1]):
            if tag == _DNS_NAME:
                names.append(value[:256].decode("ascii", "backslashreplace"))
            elif tag == _IP_ADDRESS and len(value) in (4, 16):
                names.append(str(ipaddress.ip_address(value)))
    return names[:_MAXIMUM_NAMES]
