# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does TLS work with one address and port, what does the server serve, does it verify; if not, what exactly said no.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import hashlib
import os
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _agent_trust, _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    attempt as _tls_attempt,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    certificate as _tls_certificate,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    channel as _tls_channel,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    place as _tls_place,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    plaintext as _tls_plaintext,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    sweep as _tls_sweep,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    wire as _tls_wire,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.attempt import Attempt, ClientCertificate

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "server_name": {"type": "str"},
    "starttls": {"type": "str", "choices": ["", "postgresql", "mysql", "smtp", "imap", "ldap"], "default": ""},
    "alpn": {"type": "list", "elements": "str", "default": []},
    "verify": {"type": "str", "choices": ["full", "ca", "none", "libpq_require"], "default": "full"},
    "ca_file": {"type": "path"},
    "agent_trust": _agent_trust.ARGUMENT,
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path"},
    "certificate_days": {"type": "int", "default": 30},
    "timeout": {"type": "float", "default": 5.0},
}

_LIBPQ_ROOT = "~/.postgresql/root.crt"
_MAXIMUM_CHAIN, _MAXIMUM_CERTIFICATE = 6, 8192
_IDENTIFY_S = 3.0
_UNRECOGNIZED_NAME = 112
# Alerts after which the name may be what the server does not like. Others say exactly what they mean.
_NAME_ALERTS = (40, 80, _UNRECOGNIZED_NAME)
_NAME_VERIFY_CODES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
# OpenSSL may offer TLS 1.0 and 1.1 and then refuse the SHA-1 signatures that they can't do without (its security level).
_OLD_SIGNATURE_REASONS = ("legacy_sigalg_disallowed_or_unsupported", "no_suitable_signature_algorithm")
_TLS12 = 0x0303
_VERB = {"ok": "works", "failed": "fails"}
_SILENT = ("closed", "reset", "timeout")


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Speak TLS with ``address``; the handshake decides nothing by verification, so that what is served is always seen.

    ``data`` always has ``address``, ``port``, ``server_name`` (what was sent as SNI, "" for an address) and ``starttls``.

    ``tls.handshake`` (ok, fail): ``version``, ``cipher``, ``elapsed_ms``, ``client_certificate_requested`` (None: unknown),
    ``error``: "", ``alert`` (``alert``: its name, ``alert_number``), ``closed``, ``reset``, ``timeout``, ``not_tls``,
    ``starttls_refused``, ``starttls_unexpected``, ``connect_failed`` (``connect_error``), ``refused_by_client`` (this host's
    OpenSSL forbids what the server chose), ``protocol_error``; ``alpn_offered`` (list), ``alpn_selected`` ("": none, which is a
    warning where some were offered: libpq's direct TLS goes no further without ``postgresql``). For the last two errors ``reason``
    is OpenSSL's. On failure also
    ``first_bytes`` (hex), ``looks_like`` (see :func:`_tls.plaintext.looks_like`), ``looks_like_by`` (``answer``, ``greeting``,
    ``http_request``, ``ssl_request`` or "") and ``answer``, what came back on the ClientHello itself: ``bytes``, ``closed`` ….

    ``tls.certificate`` (ok, warn, cannot_tell): ``chain_der`` (base64), ``chain_length`` (None: unknown),
    ``fingerprint_sha256`` (hex, of the leaf), ``subject``, ``issuer``, ``names``, ``not_before``, ``not_after`` (epoch seconds),
    ``days_left``, ``checked_at``; of all that was served ``links`` (``subject``, ``issuer``, ``days_left``, ``key_kind``, ``key_bits``,
    ``signature_hash``, ``weak_key``, ``weak_signature``; leaf first), ``chain_days_left`` (of the one that ends first),
    ``expired_links``, ``weak_links`` (subjects). Warns where one of them has ended, ends soon, or is weak.

    ``tls.verify`` (ok, fail, skipped): ``mode`` (what was verified), ``asked_mode`` (the parameter; ``libpq_require`` is libpq's rule for
    ``sslmode=require``: ``ca`` where the file of trusted certificates exists, by default ~/.postgresql/root.crt, else ``none``),
    ``name``, ``ca_file``, ``verify_code`` (0 if ok; X509_V_ERR_… of
    openssl-verification-options(1)), ``verify_message``, ``checked_at`` (epoch seconds of this host), ``fingerprint_sha256``,
    ``error``: "", ``verify``, ``ca_file_missing``, ``ca_file_unreadable``.

    ``tls.client_certificate`` (ok, fail), where one is demanded, or given and taken: ``requested``, ``configured``, ``alert``,
    ``alert_number``, ``tls_version``, ``phase``: when the server objected, ``handshake``, ``after_handshake`` or "" (it did not),
    or ``configuration`` with ``error`` (``client_certificate_missing``, ``client_key_mismatch`` …) for files of this host.

    ``tls.versions`` (ok, fail) when no handshake worked: see :func:`_tls.sweep.versions`, :func:`_tls.sweep.ciphers`.

    ``tls.sni`` (ok, fail) when the name may be the trouble: ``with_sni``, ``without_sni`` (``ok``, ``failed``),
    ``names_with_sni``, ``names_without_sni``, ``same_certificate`` (None where one is missing).
    """
    try:
        where = _tls_place.place(parameters, parameters.get("starttls") or "")
        where.sni()
    except UnicodeError:
        context.observe(
            "tls.handshake", "cannot_tell", _flow.host_port(parameters["address"], parameters["port"]),
            "the server name can't be a name of the DNS", data={"reason": "invalid_server_name"})
        return Outcome(False, {"verified": False})
    return _Run(where, parameters, context).run()


def _mode_and_store(asked: str, ca_file: str) -> tuple[str, str]:
    """What to verify, and by which file. libpq lets a file of trusted certificates that is there turn ``require`` into ``verify-ca``."""
    if asked != "libpq_require":
        return asked, ca_file
    store = ca_file or _LIBPQ_ROOT
    return ("ca", store) if os.path.exists(os.path.expanduser(store)) else ("none", "")


class _Run:
    def __init__(self, where: _tls_place.Place, parameters: dict[str, t.Any], context: Context) -> None:
        self._where = where
        self._context = context
        self._timeout = float(parameters.get("timeout") or 5.0)
        self._alpn = list(parameters.get("alpn") or [])
        self._asked_mode = parameters.get("verify") or "full"
        self._mode, self._ca_file = _mode_and_store(self._asked_mode, _agent_trust.trusted_file(parameters, context))
        self._identity = (parameters.get("client_certificate") or "", parameters.get("client_key") or "")
        self._certificate_days = parameters.get("certificate_days", 30)
        self._identity_error = ""

    def run(self) -> Outcome:
        self._identity_error = self._unusable("none", "", *self._identity)
        if self._identity_error:
            self._identity = ("", "")
        store_error = self._unusable(self._mode, self._ca_file) if self._ca_file else ""
        began = time.time()
        first = self._connect("none" if store_error else self._mode)
        seen = first
        if first.error == "verify":  # what the server serves is seen by a second connection, that does not judge
            first.close()
            began = time.time()
            seen = self._connect("none")
        try:
            asked = self._client_certificate(seen)
            error = self._record_handshake(seen, asked, began)
        finally:
            seen.close()
        chain = seen.chain or first.chain
        if chain:
            self._record_certificate(chain, seen)
        verified = self._record_verify(first, store_error)
        missing = self._record_client_certificate(asked, seen)
        if error and not asked.phase:
            self._explain_failure(error, seen)
        elif first.shaken and first.shaken.verify_code in _NAME_VERIFY_CODES:
            self._record_sni("ok", seen)
        return Outcome(not seen.error and not missing and (verified or self._mode == "none"), {"verified": verified})

    def _remaining(self) -> _tls_channel.Remaining:
        return _flow.monotonic_budget(self._context.deadline.allow(self._timeout))

    @staticmethod
    def _unusable(*files: str) -> str:
        try:
            _tls_place.new_context(*files)
        except _tls_place.UnusableFile as problem:
            return problem.error
        return ""

    def _connect(self, verify: str, with_sni: bool = True) -> Attempt:
        context = _tls_place.new_context(verify, self._ca_file, *self._identity, alpn=self._alpn)
        return _tls_attempt.attempt(self._where, context, self._where.server_name() if with_sni else None, self._remaining())

    def _client_certificate(self, seen: Attempt) -> ClientCertificate:
        elapsed = seen.shaken.elapsed_ms / 1000 if seen.shaken else 0.0
        wait = min(self._timeout, _tls_attempt.OBJECTION_S + 2 * elapsed)
        return _tls_attempt.client_certificate(seen, self._context.deadline.allow(wait))

    def _data(self, **facts: t.Any) -> dict[str, t.Any]:
        where = self._where
        return dict({"address": where.address, "port": where.port, "server_name": where.sni(), "starttls": where.starttls}, **facts)

    # -- client certificate ------------------------------------------------------------------------------------------

    def _record_client_certificate(self, asked: ClientCertificate, seen: Attempt) -> bool:
        """:returns: whether a client certificate is what is missing."""
        where, configured = self._where.target, bool(self._identity[0])
        facts: dict[str, t.Any] = self._data(
            requested=asked.requested,
            configured=configured,
            phase=asked.phase,
            alert=_tls_wire.alert_name(asked.alert),
            alert_number=asked.alert,
            tls_version=seen.shaken.version or _tls_wire.version_name(seen.shaken.witness.version) if seen.shaken else "",
            error="",
        )
        if self._identity_error:
            message = "the client certificate of this host can't be used: %s" % self._identity_error.replace("_", " ")
            self._context.observe(
                "tls.client_certificate", "fail", where, message, data=dict(facts, phase="configuration", error=self._identity_error))
        if asked.phase:
            message = "%s %s" % (where, "does not take the client certificate it got" if configured else "demands a client certificate")
            self._context.observe("tls.client_certificate", "fail", where, message, data=facts, reproduce=self._where.s_client())
        elif asked.requested and configured and not seen.error:
            message = "%s asks for a client certificate, and goes on with the one it got" % where
            self._context.observe("tls.client_certificate", "ok", where, message, data=facts, reproduce=self._where.s_client())
        return bool(asked.phase or self._identity_error)

    # -- handshake ---------------------------------------------------------------------------------------------------

    def _record_handshake(self, seen: Attempt, asked: ClientCertificate, began: float) -> str:
        """:returns: what the error is called in the end."""
        shaken, error = seen.shaken, seen.error
        data = self._data(
            error=error,
            version=shaken.version if shaken else "",
            cipher=shaken.cipher if shaken else "",
            elapsed_ms=shaken.elapsed_ms if shaken else None,
            client_certificate_requested=asked.requested,
            alpn_offered=self._alpn,
            alpn_selected=(shaken.channel.tls.selected_alpn_protocol() or "") if shaken and shaken.channel else "",
        )
        if error:
            data.update(
                alert=_tls_wire.alert_name(seen.alert) if error == "alert" else "",
                alert_number=seen.alert if error == "alert" else None,
                connect_error=seen.opened.connect_error,
                reason=shaken.reason if shaken else "",
                **self._what_answered(seen),
            )
        self._context.observe(
            "tls.handshake", "fail" if data["error"] else "warn" if self._alpn and not data["alpn_selected"] else "ok", self._where.target,
            self._sentence(data), data=data, started=began, address=seen.opened.source,
            reproduce=self._where.s_client(*(["-alpn", ",".join(self._alpn)] if self._alpn else [])))
        return str(data["error"])

    def _what_answered(self, seen: Attempt) -> dict[str, t.Any]:
        """Which protocol it is, where it is not TLS. The only place that changes what the error is called."""
        error, heard = seen.error, seen.first_bytes
        answer = error if error in _SILENT else "bytes" if heard else ""
        facts = {"answer": answer, "first_bytes": heard.hex(), "looks_like": "", "looks_like_by": ""}
        if error in ("not_tls", "starttls_unexpected"):
            facts.update(looks_like=_tls_plaintext.looks_like(heard), looks_like_by="answer")
        elif error in _SILENT and not heard and not self._where.starttls:
            seconds = self._context.deadline.allow(_IDENTIFY_S)
            spoken = _tls_plaintext.identify(self._where.address, self._where.port, self._where.name, seconds)
            facts.update(looks_like=spoken.protocol, looks_like_by=spoken.by)
            if spoken.protocol not in (_tls_plaintext.UNKNOWN, "tls"):
                facts.update(error="not_tls", first_bytes=spoken.first_bytes[:_tls_channel.FIRST_BYTES].hex())
        return facts

    def _sentence(self, data: dict[str, t.Any]) -> str:
        where = self._where.target
        return {
            "": "%s speaks %s with %s" % (where, data["version"], data["cipher"]),
            "alert": "%s ended the handshake with the alert %s" % (where, data.get("alert", "").replace("_", " ")),
            "closed": "%s closed the connection in the handshake" % where,
            "reset": "%s reset the connection in the handshake" % where,
            "timeout": "%s did not finish the handshake in time" % where,
            "not_tls": "%s does not speak TLS, it looks like %s" % (where, data.get("looks_like")),
            "starttls_refused": "%s speaks the protocol, but has no TLS" % where,
            "starttls_unexpected": "%s gave no answer to the request for TLS that the protocol knows" % where,
            "connect_failed": "%s: no connection: %s" % (where, data.get("connect_error")),
            "refused_by_client": "this host's TLS policy refuses what %s chose: %s" % (where, data.get("reason", "").replace("_", " ")),
        }.get(data["error"], "%s: the handshake failed: %s" % (where, data.get("reason") or data["error"]))

    # -- certificate and verification --------------------------------------------------------------------------------

    def _record_certificate(self, chain: list[bytes], seen: Attempt) -> None:
        served = [der for der in chain if len(der) <= _MAXIMUM_CERTIFICATE][:_MAXIMUM_CHAIN]
        now = time.time()
        data = self._data(
            chain_der=[base64.b64encode(der).decode("ascii") for der in served],
            chain_length=len(chain) if seen.shaken is None or seen.shaken.witness.available else None,
            fingerprint_sha256=hashlib.sha256(chain[0]).hexdigest(),
            checked_at=int(now),
        )
        try:
            leaf = _tls_certificate.parse(chain[0])
        except ValueError as problem:
            status, message = "cannot_tell", "%s serves what can't be read as a certificate" % self._where.target
            data.update(reason="unreadable_certificate", detail=self._context.text(problem, 200))
        else:
            data.update(
                subject=self._context.text(leaf.subject),
                issuer=self._context.text(leaf.issuer),
                names=self._texts(leaf.names),
                not_before=leaf.not_before,
                not_after=leaf.not_after,
                days_left=int((leaf.not_after - now) // 86400),
            )
            data.update(self._links(served, now))
            sound = leaf.not_before <= now and data["chain_days_left"] >= self._certificate_days and not data["weak_links"]
            status = "ok" if sound else "warn"
            ends = "ends in %d days" % data["days_left"] if data["days_left"] >= 0 else "ended %d days ago" % -data["days_left"]
            message = "%s serves a certificate of %s, which %s" % (self._where.target, data["subject"], ends)
            if data["weak_links"]:
                message += "; too weak: %s" % ", ".join(data["weak_links"])
        self._context.observe(
            "tls.certificate", status, self._where.target, message, data=data, reproduce=self._where.s_client("-showcerts"))

    def _links(self, served: list[bytes], now: float) -> dict[str, t.Any]:
        """Facts of every certificate of the chain; one that can't be read is left out."""
        links = []
        for der in served:
            try:
                one = _tls_certificate.parse(der)
            except ValueError:
                continue
            links.append({
                "subject": self._context.text(one.subject), "issuer": self._context.text(one.issuer),
                "days_left": int((one.not_after - now) // 86400), "key_kind": one.key_kind, "key_bits": one.key_bits,
                "signature_hash": one.signature_hash, "weak_key": one.weak_key, "weak_signature": one.weak_signature,
            })
        return {
            "links": links,
            "chain_days_left": min(link["days_left"] for link in links),
            "expired_links": [link["subject"] for link in links if link["days_left"] < 0],
            "weak_links": [link["subject"] for link in links if link["weak_key"] or link["weak_signature"]],
        }

    def _texts(self, names: list[str]) -> list[str]:
        return [self._context.text(name, 256) for name in names]

    def _record_verify(self, first: Attempt, store_error: str) -> bool:
        name = self._where.name if self._mode == "full" else ""
        data = self._data(
            mode=self._mode,
            asked_mode=self._asked_mode,
            name=name,
            ca_file=_tls_place.trust_store(self._ca_file),
            checked_at=int(time.time()),
            error=store_error,
            verify_code=None,
            verify_message="",
            fingerprint_sha256=hashlib.sha256(first.chain[0]).hexdigest() if first.chain else "",
        )
        status, message = "skipped", ""
        if self._mode == "none":
            data["reason"], message = "verify_none", "the certificate of %s was not verified, as asked" % self._where.target
        elif store_error:
            status, message = "fail", "the trusted certificates can't be read: %s %s" % (self._ca_file, store_error.replace("_", " "))
        elif first.error == "verify" and first.shaken:
            status = "fail"
            said = self._context.text(first.shaken.verify_message, 200)
            data.update(error="verify", verify_code=first.shaken.verify_code, verify_message=said)
            message = "the certificate of %s does not verify: %s" % (self._where.target, said)
        elif first.shaken is None or not first.shaken.witness.server_accepted:
            data["waited_for"], message = "tls.handshake", "not verified, as the handshake failed"
        else:
            status, message = "ok", "the certificate of %s verifies" % self._where.target
            data["verify_code"] = 0
        self._context.observe("tls.verify", status, self._where.target, message, data=data, reproduce=self._verify_command(name))
        return status == "ok"

    def _verify_command(self, name: str) -> str:
        options = ["-verify_return_error"]
        if self._ca_file:
            options += ["-CApath" if self._ca_file.endswith("/") else "-CAfile", self._ca_file]
        if name:
            options += ["-verify_ip" if _tls_place.is_address(name) else "-verify_hostname", name]
        return self._where.s_client(*options)

    # -- why it failed -----------------------------------------------------------------------------------------------

    def _explain_failure(self, error: str, seen: Attempt) -> None:
        if seen.shaken is None:
            return
        if error in ("alert", "closed", "reset", "refused_by_client") and seen.alert != _UNRECOGNIZED_NAME:
            self._record_versions(seen.shaken)
        if error in ("closed", "reset") or (error == "alert" and seen.alert in _NAME_ALERTS):
            self._record_sni("failed", seen)

    def _record_versions(self, shaken: _tls_channel.Handshake) -> None:
        offered = shaken.witness.offered
        if offered is None:
            return
        began = time.time()
        usable = offered.versions
        if shaken.reason in _OLD_SIGNATURE_REASONS:
            usable = [version for version in usable if version >= _TLS12]
        facts, replies = _tls_sweep.versions(self._where, usable, self._remaining)
        common = [version for version in usable if _tls_wire.version_name(version) in facts["in_common"]]
        if common:
            facts.update(_tls_sweep.ciphers(self._where, max(common), replies[max(common)], offered, self._remaining))
        accepted = ", ".join(facts["accepted"]) or "none of TLS 1.0 to 1.3"
        self._context.observe(
            "tls.versions", "ok" if common else "fail", self._where.target,
            "%s accepts %s; this host offers %s to %s" % (self._where.target, accepted, facts["client_minimum"], facts["client_maximum"]),
            data=self._data(**facts), started=began, reproduce=self._where.s_client("-tls1_2", "-cipher", "ALL:@SECLEVEL=0"))

    def _record_sni(self, with_sni: str, seen: Attempt) -> None:
        if not self._where.sni():
            return
        began = time.time()
        without = self._connect("none", with_sni=False)
        without.close()
        works = "failed" if without.error else "ok"
        self._context.observe(
            "tls.sni", "fail" if with_sni == "failed" and works == "ok" else "ok", self._where.target,
            "%s: the handshake %s with the server name %s, and %s without any" % (
                self._where.target, _VERB[with_sni], self._where.sni(), _VERB[works]),
            data=self._data(
                with_sni=with_sni,
                without_sni=works,
                names_with_sni=self._names(seen.chain),
                names_without_sni=self._names(without.chain),
                same_certificate=seen.chain[0] == without.chain[0] if seen.chain and without.chain else None,
            ),
            started=began, reproduce=self._where.s_client(name=""), address=without.opened.source)

    def _names(self, chain: list[bytes]) -> list[str]:
        try:
            return self._texts(_tls_certificate.parse(chain[0]).names) if chain else []
        except ValueError:
            return []
