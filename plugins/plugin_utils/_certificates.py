# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the certificates that a server sent. The bytes are the peer's, so nothing of them is trusted to be well formed.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import datetime
import hashlib
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
except ImportError:  # ansible-core can't do without it; a managed node, on which the monitor runs, can
    x509 = hashes = serialization = UnsupportedAlgorithm = None

from ansible_collections.connectivity.doctor.plugins.module_utils._tls.certificate import is_weak_key, is_weak_signature, parse
from ansible_collections.connectivity.doctor.plugins.plugin_utils._moments import rfc3339

_MOST_NAMES = 20


def describe_chain(chain: t.Sequence[str], now: datetime.datetime | None = None) -> dict[str, t.Any]:
    """:param chain: DER, base64, leaf first.
    :returns: facts of the leaf, ``chain`` with those of all (with ``weak_key`` and ``weak_signature``), ``top_issuer``,
        ``chain_days_left`` (of the one that ends first), ``expired_links`` and ``weak_links`` (subjects); or ``unreadable``.
    """
    certificates = []
    for encoded in chain:
        try:
            certificates.append(_read(base64.b64decode(encoded, validate=True), now or datetime.datetime.now(datetime.timezone.utc)))
        except Exception as problem:  # cryptography has an exception of its own for each way to be malformed
            certificates.append({"unreadable": type(problem).__name__, "subject": "", "issuer": ""})
    if not certificates:
        return {"chain": []}
    readable = [certificate for certificate in certificates if "days_left" in certificate]
    return {
        **certificates[0],
        "chain": certificates,
        "top_issuer": certificates[-1]["issuer"],
        "chain_days_left": min((certificate["days_left"] for certificate in readable), default=None),
        "expired_links": [certificate["subject"] for certificate in readable if certificate["days_left"] < 0],
        "weak_links": [certificate["subject"] for certificate in readable if certificate["weak_key"] or certificate["weak_signature"]],
    }


def _read(der: bytes, now: datetime.datetime) -> dict[str, t.Any]:
    """A managed node has no cryptography, or one that is too old to tell a certificate's dates with their zone."""
    if hasattr(getattr(x509, "Certificate", None), "not_valid_after_utc"):
        return _describe(x509.load_der_x509_certificate(der), now)
    return _describe_plainly(der, now)


def _describe_plainly(der: bytes, now: datetime.datetime) -> dict[str, t.Any]:
    """The same facts, as far as the probes themselves read a certificate: of a subject only its common name and organization."""
    certificate = parse(der)
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names[:_MOST_NAMES],
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "days_left": int((certificate.not_after - now.timestamp()) // 86400),
        "self_signed": certificate.subject == certificate.issuer,
        "key": ("%s %s" % (certificate.key_kind, certificate.key_bits or "")).strip(),
        "weak_key": certificate.weak_key,
        "signature_hash": certificate.signature_hash,
        "weak_signature": certificate.weak_signature,
        "fingerprint_sha256": hashlib.sha256(der).hexdigest(),
    }


def _describe(certificate: x509.Certificate, now: datetime.datetime) -> dict[str, t.Any]:
    key, signature_hash = _key(certificate), _signature_hash(certificate)
    after, before = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": _names(certificate),
        "not_before": before.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days_left": int((after - now).total_seconds() // 86400),
        "self_signed": certificate.subject == certificate.issuer,
        "key": key,
        "weak_key": _is_weak(key),
        "signature_hash": signature_hash,
        # A root's own signature is trusted by nobody: the root itself is.
        "weak_signature": certificate.subject != certificate.issuer and is_weak_signature(signature_hash),
        "fingerprint_sha256": certificate.fingerprint(hashes.SHA256()).hex(),
    }


def _key(certificate: x509.Certificate) -> str:
    """Kind and size; empty for a kind that cryptography does not know."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return ("%s %s" % (type(key).__name__.lstrip("_").replace("PublicKey", ""), getattr(key, "key_size", ""))).strip()


def _is_weak(key: str) -> bool:
    """:param key: as :func:`_key` writes it."""
    kind, _space, bits = key.partition(" ")
    return is_weak_key({"EllipticCurve": "EC"}.get(kind, kind), int(bits or 0))


def _signature_hash(certificate: x509.Certificate) -> str:
    """Empty where there is none (Ed25519), or one that cryptography does not know."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm else ""


def _names(certificate: x509.Certificate) -> list[str]:
    """Subject alternative names (RFC 6125): the subject's common name is what libpq falls back to only without them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return [str(name.value) for name in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    found = [str(name) for name in names.get_values_for_type(x509.DNSName)]
    found += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return found[:_MOST_NAMES]


class Authority(t.NamedTuple):
    """``is_valid``: it may sign certificates (RFC 5280, 4.2.1.9), and has not expired."""

    subject: str
    fingerprint_sha256: str
    pem: str
    is_valid: bool


def authorities(pem: str, now: datetime.datetime | None = None) -> list[Authority]:
    """:param pem: one certificate or several, as a person has approved of them. :returns: nothing where it can't be read."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        return []
    moment = now or datetime.datetime.now(datetime.timezone.utc)
    return [Authority(
        certificate.subject.rfc4514_string(), certificate.fingerprint(hashes.SHA256()).hex(),
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        _is_authority(certificate) and certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc,
    ) for certificate in certificates]


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False
