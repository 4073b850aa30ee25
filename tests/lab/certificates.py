# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's certificate authority: a root, an intermediate, and certificates of every kind, good and bad.

The keys stay in the lab's folder, so that a fault can mint what it needs at any time.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from .topology import DOMAIN

Issuer = Literal["intermediate", "expired intermediate", "root", "self", "stranger"]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# Where a client can fetch the intermediate that a server forgot to send (RFC 5280, 4.2.2.1).
INTERMEDIATE_URL = f"http://apm1.{DOMAIN}/ca/intermediate.der"


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key as PEM text; ``chain`` is what a server sends, leaf first."""

    leaf: str
    key: str
    chain: str


@dataclass(frozen=True)
class _Signer:
    certificate: x509.Certificate
    key: Key


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _name(common_name: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "connectivity.doctor lab")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _sign(
    subject: str,
    issuer: _Signer | None,
    validity: tuple[datetime.datetime, datetime.datetime],
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    key: Key | None = None,
) -> _Signer:
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.certificate.subject if issuer else _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return _Signer(builder.sign(signer_key, hashes.SHA256()), key)


def _authority_extensions(path_length: int | None) -> list[tuple[x509.ExtensionType, bool]]:
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return [(x509.BasicConstraints(ca=True, path_length=path_length), True), (usage, True)]


def _days(before: float, after: float) -> tuple[datetime.datetime, datetime.datetime]:
    now = datetime.datetime.now(datetime.UTC)
    return now - datetime.timedelta(days=before), now + datetime.timedelta(days=after)


class Authority:
    """A root and an intermediate, loaded from a folder or made there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "intermediate.pem").exists():
            self._create()
        self._root = self._load("root")
        self._intermediate = self._load("intermediate")

    def _create(self) -> None:
        root = _sign("Lab Root CA", None, _days(1, 3650), _authority_extensions(None))
        intermediate = _sign("Lab Intermediate CA", root, _days(1, 1825), _authority_extensions(0))
        for name, signer in (("root", root), ("intermediate", intermediate)):
            key_file = self.folder / f"{name}.key"
            key_file.touch(mode=0o600)
            key_file.write_text(_key_pem(signer.key))
            (self.folder / f"{name}.pem").write_text(_pem(signer.certificate))

    def _load(self, name: str) -> _Signer:
        certificate = x509.load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes())
        key = serialization.load_pem_private_key((self.folder / f"{name}.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{name}.key in {self.folder} is not an elliptic-curve key")
        return _Signer(certificate, key)

    @property
    def root(self) -> str:
        """The root's certificate as PEM: what clients trust."""
        return _pem(self._root.certificate)

    def root_dated(self, not_before_days: float, not_after_days: float) -> str:
        """The root once more, of the same name and key, with other dates: what verifies the same chains, while it is valid."""
        dates = _days(not_before_days, not_after_days)
        return _pem(_sign("Lab Root CA", None, dates, _authority_extensions(None), self._root.key).certificate)

    @property
    def intermediate(self) -> str:
        """The intermediate's certificate as PEM."""
        return _pem(self._intermediate.certificate)

    @property
    def intermediate_der(self) -> bytes:
        """The intermediate's certificate as DER: what the URL in each certificate serves."""
        return self._intermediate.certificate.public_bytes(serialization.Encoding.DER)

    def mint(
        self,
        *names: str,
        issuer: Issuer = "intermediate",
        not_before_days: float = 1,
        not_after_days: float = 365,
        send_intermediate: bool = True,
        for_client: bool = False,
        rsa_bits: int = 0,
    ) -> Certificate:
        """Make a certificate.

        :param names: DNS names and addresses; the first is also the common name.
        :param issuer: ``self`` signs with its own key, ``stranger`` with a root that nobody knows.
        :param not_before_days: days ago that it became valid; negative for one that is not valid yet.
        :param not_after_days: days from now that it expires; negative for one that has expired.
        :param send_intermediate: whether ``chain`` has the intermediate; without it a client sees the leaf only.
        :param for_client: for a client to identify itself with (a PostgreSQL role is the common name), not a server.
        :param rsa_bits: of an RSA key; with 0, the key is one on a curve.
        """
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if for_client else ExtendedKeyUsageOID.SERVER_AUTH
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage([usage]), False),
            (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        ]
        if issuer == "intermediate":
            access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(INTERMEDIATE_URL))
            extensions.append((x509.AuthorityInformationAccess([access]), False))
        signer = self._signer(issuer)
        key = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else None
        made = _sign(names[0], signer, _days(not_before_days, not_after_days), extensions, key)
        leaf = _pem(made.certificate)
        chain = leaf + _pem(signer.certificate) if signer and issuer.endswith("intermediate") and send_intermediate else leaf
        return Certificate(leaf, _key_pem(made.key), chain)

    def _signer(self, issuer: Issuer) -> _Signer | None:
        if issuer == "stranger":
            return _sign("Unknown Root CA", None, _days(1, 3650), _authority_extensions(None))
        if issuer == "expired intermediate":
            return _sign("Lab Former Intermediate CA", self._root, _days(30, -1), _authority_extensions(0))
        return {"intermediate": self._intermediate, "root": self._root}.get(issuer)
