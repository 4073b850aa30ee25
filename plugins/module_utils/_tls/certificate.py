# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from an X.509 certificate what a probe must know on the managed node: its names, its dates, and how strong it is.

Not a verifier: OpenSSL verifies. Sources: RFC 5280 (certificate profile), X.690 (DER), RFC 8017 and RFC 5480 (keys and
signatures), NIST SP 800-131A (what is too weak: less than 112 bits, that is RSA below 2048 and curves below 224; MD5 and SHA-1).

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

_KEY_KINDS = {
    bytes.fromhex("2a864886f70d010101"): "RSA", bytes.fromhex("2a864886f70d01010a"): "RSA", bytes.fromhex("2a8648ce380401"): "DSA",
    bytes.fromhex("2a8648ce3d0201"): "EC", bytes.fromhex("2b6570"): "Ed25519", bytes.fromhex("2b6571"): "Ed448",
}
_FIXED_BITS = {"Ed25519": 256, "Ed448": 456}
_CURVE_BITS = {
    bytes.fromhex("2a8648ce3d030101"): 192, bytes.fromhex("2b81040021"): 224, bytes.fromhex("2a8648ce3d030107"): 256,
    bytes.fromhex("2b8104000a"): 256, bytes.fromhex("2b81040022"): 384, bytes.fromhex("2b81040023"): 521,
}
_SIGNATURE_HASHES = {
    bytes.fromhex("2a864886f70d0101" + last): name
    for last, name in (("02", "md2"), ("04", "md5"), ("05", "sha1"), ("0b", "sha256"), ("0c", "sha384"), ("0d", "sha512"), ("0e", "sha224"))
}
_SIGNATURE_HASHES.update({
    bytes.fromhex("2a8648ce3d0401"): "sha1", bytes.fromhex("2a8648ce380403"): "sha1", bytes.fromhex("2b0e03021d"): "sha1",
    bytes.fromhex("2a8648ce3d040301"): "sha224", bytes.fromhex("2a8648ce3d040302"): "sha256",
    bytes.fromhex("2a8648ce3d040303"): "sha384", bytes.fromhex("2a8648ce3d040304"): "sha512",
})
_LEAST_BITS = {"RSA": 2048, "DSA": 2048, "EC": 224}
_WEAK_HASHES = ("md2", "md5", "sha1")


class Certificate(t.NamedTuple):
    """``names`` are those that verification looks at: the subject's alternative names, else its common name.

    ``not_before`` and ``not_after`` are seconds since the epoch; ``subject`` and ``issuer`` are as ``CN=…, O=…``. ``key_kind``: ``RSA``,
    ``DSA``, ``EC``, ``Ed25519``, ``Ed448`` or "" for others, ``key_bits``: 0 if unknown. ``signature_hash``: "" where the algorithm
    has none of its own, or is unknown.
    """

    subject: str
    issuer: str
    names: list[str]
    not_before: int
    not_after: int
    key_kind: str = ""
    key_bits: int = 0
    signature_hash: str = ""

    @property
    def weak_key(self) -> bool:
        return is_weak_key(self.key_kind, self.key_bits)

    @property
    def weak_signature(self) -> bool:
        """A root's own signature is trusted by nobody: the root itself is."""
        return self.subject != self.issuer and is_weak_signature(self.signature_hash)


def is_weak_key(kind: str, bits: int) -> bool:
    """:param kind: as in :class:`Certificate`. An unknown size is not called weak."""
    return 0 < bits < _LEAST_BITS.get(kind, 0)


def is_weak_signature(hash_name: str) -> bool:
    """:param hash_name: in lower case, such as ``sha256``."""
    return hash_name in _WEAK_HASHES


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
    kind, bits = _key(fields[5][1]) if len(fields) > 5 else ("", 0)
    return Certificate(_joined(subject), _joined(issuer), names or common_names, dates[0], dates[1], kind, bits, _signature_hash(outer))


def _key(data: bytes) -> tuple[str, int]:
    """:param data: of a SubjectPublicKeyInfo. :returns: its kind and its size in bits; what can't be read is "" and 0."""
    try:
        (_tag, algorithm), (_bits_tag, bits) = list(_elements(data))[:2]
        parts = list(_elements(algorithm))
        kind = _KEY_KINDS.get(parts[0][1], "")
        if kind in _FIXED_BITS:
            return kind, _FIXED_BITS[kind]
        if kind == "EC":
            return kind, _CURVE_BITS.get(parts[1][1], 0)
        if kind == "RSA":  # the modulus, after the number of unused bits
            return kind, _bit_length(_element(_element(bits, 1)[1], 0)[1])
        if kind == "DSA":  # the prime, of the parameters
            return kind, _bit_length(_element(parts[1][1], 0)[1])
    except (ValueError, IndexError):
        pass
    return "", 0


def _bit_length(number: bytes) -> int:
    return int.from_bytes(number[:4096], "big").bit_length()


def _signature_hash(outer: list[tuple[int, bytes]]) -> str:
    try:
        return _SIGNATURE_HASHES.get(_element(outer[1][1], 0)[1], "")
    except (ValueError, IndexError):
        return ""


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
