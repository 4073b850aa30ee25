# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in TLS. Verify codes are those of OpenSSL (X509_STORE_CTX_get_error(3)), alerts those of RFC 8446, section 6.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import AT_WORK, COMPLAINS, ENCRYPTION_REFUSED
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Pattern,
    above,
    containing,
    described,
    empty,
    given,
    seen,
    server_saw,
    unseen,
)

_EXPIRED, _NOT_YET_VALID, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 18, 19, 20, 62, 64
_WEAK = (66, 67, 68)  # X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL, X509_V_ERR_CA_MD_TOO_WEAK
_UNTRUSTED = (_SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER)
# What every verification failure brings with it, above TLS.
_ABOVE = seen("postgresql.login", "fail", error_kind=("tls_verify", "tls_name")) | seen("http.response", error="tls_failed") | seen(
    "tls.certificate", "warn")
_CLIENT_CERTIFICATE = seen("tls.client_certificate", "fail")
_SPEAKS_PLAINLY = ("http", "postgresql")
_TLS = described(scheme=("https", "tls", "grpcs", "postgresql"))


def _not_verified(*codes: int) -> Pattern:
    return seen("tls.verify", "fail", verify_code=codes)


def _verified_otherwise(*codes: int) -> Pattern:
    """Verification came to another result than these."""
    return seen("tls.verify", ("ok", "fail"), verify_code=lambda code: code is not None and code not in codes)


def _issuer_missing(case: Case) -> Match | None:
    """The leaf came alone, and another endpoint's chain on this host shows that its issuer is an intermediate."""
    for number, observation in case.of("tls.certificate", "client"):
        data = observation["data"]
        if data.get("chain_length") != 1 or data.get("self_signed") or not data.get("issuer_is_intermediate"):
            continue
        for failed, verify in case.of("tls.verify", "client"):
            if verify["data"].get("verify_code") == _NO_ISSUER:
                return Match((failed, number), {**verify["data"], **data})
    return None


def _expired(case: Case) -> Match | None:
    """Which of the certificates it is: the server's own, an authority's that it sends, or the root that this host trusts."""
    numbers: list[int] = []
    facts: dict[str, t.Any] = {}
    for failed, verify in case.of("tls.verify", "client"):
        data = verify["data"]
        for number, certificate in case.of("tls.certificate", "client") if data.get("verify_code") == _EXPIRED else ():
            served = certificate["data"]
            if served.get("chain") and served.get("fingerprint_sha256") == data.get("fingerprint_sha256"):
                numbers += [failed, number]
                facts = facts or {**data, **served, **_ended(served, data.get("ca_file", ""))}
    return Match(tuple(dict.fromkeys(numbers)), facts) if numbers else None


def _ended(served: t.Mapping[str, t.Any], ca_file: str) -> dict[str, t.Any]:
    for depth, link in enumerate(served["chain"]):
        if (link.get("days_left") or 0) < 0:
            above = "the authority above it, %s," % link["subject"] if depth else "it"
            return {"subject": link["subject"], "not_after": link["not_after"], "fingerprint_sha256": link["fingerprint_sha256"],
                    "ca_file": "", "ended": "%s expired on %s" % (above, link["not_after"])}
    ended = "its root in %s, %s, has expired" % (ca_file, served.get("top_issuer"))
    return {"subject": served.get("top_issuer"), "not_after": "", "fingerprint_sha256": "", "ca_file": ca_file, "ended": ended,
            "place": "client"}


_UNUSABLE = {"ca_file_missing": "does not exist", "ca_file_unreadable": "has no certificate that can be read"}


def _nothing_to_trust(case: Case) -> Match | None:
    """A file of authorities is named, and it can't be used; what the server serves was seen without it."""
    failed = [(number, verify["data"]) for number, verify in case.of("tls.verify", "client") if verify["data"].get("error") in _UNUSABLE]
    if not failed:
        return None
    served = list(case.of("tls.certificate", "client"))
    issuer = served[0][1]["data"].get("top_issuer", "") if served else ""
    numbers = [number for number, _data in failed] + [number for number, _certificate in served]
    return Match(tuple(numbers), {**failed[0][1], "why": _UNUSABLE[failed[0][1]["error"]], "top_issuer": issuer})


def _untrusted_through_proxy(case: Case) -> Match | None:
    failed = [(number, answer["data"]) for number, answer in case.of("http.response", "client")
              if answer["data"].get("error") == "tls_failed" and answer["data"].get("verify_code") in _UNTRUSTED]
    if not failed or not case.endpoint.get("proxy"):
        return None
    issuer = failed[0][1].get("certificate_issuer", "")
    return Match(tuple(number for number, _data in failed), {**failed[0][1], "proxy_issuer": issuer, "top_issuer": issuer})


_UNTRUSTED_THROUGH_PROXY = Joined(_untrusted_through_proxy)
# Around the proxy, the server shows another certificate, which this host trusts.
_INTERCEPTED = seen(
    "proxy.comparison", source=("given", "process", "unit"), direct_works=True, proxy_error="tls_failed", same_certificate=False)
_DAEMONS_OF_DATABASES = ("postgres", "pgbouncer", "pgpool", "patroni")


def _key_refused(case: Case) -> Match | None:
    """A service that should speak this protocol did not start, and says that its key is not the certificate's, or not readable."""
    for number, family in case.of("logs.family", "server"):
        data = family["data"]
        units = [unit for unit in data["sources"] if any(word in unit for word in _DAEMONS_OF_DATABASES)
                 == (case.endpoint["scheme"] == "postgresql")]
        if data["family"] == "tls_server_key" and not data["recovered"] and units:
            return Match((number,), {**data, "unit": units[0], "line": data["samples"][0] if data["samples"] else ""})
    return None


CAUSES = (
    Cause(
        code="tls.certificate_expired",
        meaning="The server's certificate, or one above it, has expired.",
        summary="the certificate of {name}:{port} is not valid: {ended}",
        proof=Joined(_expired) & unseen(seen("clock.offset", "fail", reference="controller")),
        ruled_out=_verified_otherwise(_EXPIRED),
        look_alikes=("clock.client_skew",),
        decide_by="the offset of this host's clock against a trusted one",
        remediation=Remediation("escalate", ESCALATE),
        advice="Have it renewed where it is: on the server, or, for a root, in the file of trusted certificates.",
        component="certificate",
        place="server",
        explains=_ABOVE,
        culprit={"subject": "{subject}", "not_after": "{not_after}", "fingerprint_sha256": "{fingerprint_sha256}", "ca_file": "{ca_file}"},
    ),
    Cause(
        code="tls.certificate_not_yet_valid",
        meaning="The server's certificate is not valid yet.",
        summary="the certificate of {name}:{port} is valid only from {not_before}",
        proof=_not_verified(_NOT_YET_VALID) & seen("tls.certificate") & unseen(seen("clock.offset", "fail", reference="controller")),
        ruled_out=_verified_otherwise(_NOT_YET_VALID),
        look_alikes=("clock.client_skew",),
        decide_by="the offset of this host's clock against a trusted one",
        remediation=Remediation("escalate", ESCALATE),
        advice="Wait until the certificate is valid, or have it issued again with the right date.",
        component="certificate",
        place="server",
        explains=_ABOVE,
        culprit={"subject": "{subject}", "not_before": "{not_before}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="tls.hostname_mismatch",
        meaning="The certificate is for other names than the one that the endpoint is called by.",
        summary="the certificate of {name}:{port} is for {names}, not for {server_name}",
        proof=seen("tls.certificate") & _not_verified(_WRONG_NAME, _WRONG_ADDRESS),
        ruled_out=_verified_otherwise(_WRONG_NAME, _WRONG_ADDRESS),
        look_alikes=("dns.hosts_file_stale", "tls.sni_unrecognized"),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Use a name that the certificate has, or have a certificate issued for this name.",
        component="certificate",
        place="server",
        explains=_ABOVE,
        culprit={"subject": "{subject}", "names": "{names}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="tls.self_signed",
        meaning="The server's certificate is signed by itself, and by no authority.",
        summary="the certificate of {name}:{port} is self-signed",
        proof=seen("tls.certificate") & _not_verified(_SELF_SIGNED),
        ruled_out=_verified_otherwise(_SELF_SIGNED),
        look_alikes=("tls.unknown_ca",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the certificate issued by an authority that this host trusts, or distribute it by policy.",
        component="certificate",
        place="server",
        explains=_ABOVE,
        culprit={"subject": "{subject}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="tls.missing_intermediate",
        meaning="The server sends its certificate without the intermediate one that links it to a trusted root.",
        summary="{name}:{port} sends its certificate without the intermediate {issuer}",
        proof=Joined(_issuer_missing),
        suspicion=_not_verified(_NO_ISSUER) & seen("tls.certificate", chain_length=1),
        ruled_out=seen("tls.certificate", chain_length=above(1)) | _verified_otherwise(_NO_ISSUER),
        look_alikes=("tls.unknown_ca",),
        decide_by="whether the certificate verifies once its issuer's certificate is given beside the trusted roots",
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the server send the full chain.",
        component="certificate",
        place="server",
        explains=_ABOVE,
        culprit={"issuer": "{issuer}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="tls.unknown_ca",
        meaning="The server's chain is complete, but its root is not one that this host trusts.",
        summary="{host} does not trust the authority behind {name}:{port} ({top_issuer})",
        proof=(_not_verified(_SELF_SIGNED_IN_CHAIN) & seen("tls.certificate"))
        | (_not_verified(_NO_ISSUER) & seen("tls.certificate", chain_length=above(1))),
        suspicion=(_not_verified(_NO_ISSUER) & seen("tls.certificate", chain_length=1) & unseen(Joined(_issuer_missing)))
        | (_UNTRUSTED_THROUGH_PROXY & unseen(_INTERCEPTED)),
        ruled_out=_verified_otherwise(_SELF_SIGNED_IN_CHAIN, _NO_ISSUER) | _INTERCEPTED,
        look_alikes=("tls.missing_intermediate", "tls.self_signed"),
        decide_by="whether the certificate verifies once its issuer's certificate is given beside the trusted roots",
        remediation=Remediation("install_ca", GUARDED),
        advice="Install the authority's certificate on this host, if it is an approved one.",
        component="trust store",
        explains=_ABOVE,
        culprit={"ca_file": "{ca_file}", "issuer": "{top_issuer}"},
    ),
    Cause(
        code="tls.ca_file_unusable",
        meaning="The file of the authorities that are to be trusted does not exist, or has no certificate that can be read.",
        summary="{host} can't verify {name}:{port}: {ca_file}, which it is told to trust, {why}",
        proof=Joined(_nothing_to_trust),
        ruled_out=seen("tls.verify", ("ok", "fail"), error=("", "verify")),
        remediation=Remediation("install_ca", GUARDED),
        advice="Put the authority's certificate there, if it is an approved one, or name the file that has it.",
        component="trust store",
        explains=_ABOVE | seen("postgresql.login", "fail", error_kind="root_certificate_missing"),
        culprit={"ca_file": "{ca_file}", "issuer": "{top_issuer}"},
    ),
    Cause(
        code="tls.intercepted",
        meaning="A proxy on the way ends TLS itself and shows a certificate of its own authority, which this host does not trust.",
        summary="the proxy {proxy} ends TLS to {name}:{port} itself, with a certificate of {proxy_issuer}, which {host} does not trust",
        proof=(_INTERCEPTED & _UNTRUSTED_THROUGH_PROXY)
        | (_INTERCEPTED & described(proxy="") & unseen(seen("proxy.bypass", because="excluded")) & unseen(AT_WORK)),
        suspicion=_UNTRUSTED_THROUGH_PROXY & unseen(_INTERCEPTED),
        ruled_out=seen("proxy.comparison", same_certificate=True),
        look_alikes=("tls.unknown_ca", "proxy.bypass_missing"),
        decide_by="the certificate that the server shows to a connection around the proxy",
        silences=COMPLAINS,
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the proxy: trust its authority on this host by policy, or have the endpoint left out of inspection.",
        component="proxy",
        place="path",
        explains=seen("http.response", "fail", error="tls_failed"),
        culprit={"proxy": "{proxy}", "issuer": "{proxy_issuer}", "issuer_around_it": "{direct_issuer}"},
    ),
    Cause(
        code="tls.weak_certificate",
        meaning="A key or a signature in the server's chain is weaker than this host's TLS policy allows.",
        summary="{host} refuses the certificate of {name}:{port} as too weak: {verify_message} ({weak_links})",
        proof=_not_verified(*_WEAK) & seen("tls.certificate"),
        ruled_out=_verified_otherwise(*_WEAK),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the certificate issued again with a key of today: EC P-256, or RSA of 2048 bits and more, signed with SHA-256.",
        component="certificate",
        place="server",
        explains=_ABOVE,
        culprit={"subject": "{weak_links}", "key": "{key}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="tls.server_key_mismatch",
        meaning="The service did not start, as its private key does not belong to its certificate, or can't be read.",
        summary="{unit} on {name} does not start, its key does not fit its certificate or can't be read: {line}",
        proof=_TLS & Joined(_key_refused) & server_saw("sockets.listener", scope="none") & seen("tcp.connect", "fail", answer="rst"),
        ruled_out=server_saw("sockets.listener", scope=("loopback", "reachable")),
        look_alikes=("server.not_running",),
        remediation=Remediation("restore_key", GUARDED),
        advice="Restore the certificate and the key that belong together, readable by the service, and start it.",
        component="certificate",
        place="server",
        explains=seen("tcp.connect", "fail") | server_saw("sockets.listener"),
        culprit={"unit": "{unit}", "line": "{line}"},
    ),
    Cause(
        code="tls.certificate_expiring",
        meaning="The server's certificate works today, and expires soon.",
        summary="the certificate of {name}:{port} expires in {days_left} days, on {not_after}",
        proof=seen("tls.certificate", expiring=True) & seen("tls.verify", "ok"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the certificate renewed in time.",
        component="certificate",
        place="server",
        culprit={"subject": "{subject}", "not_after": "{not_after}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="tls.version_mismatch",
        meaning="The client and the server have no TLS version in common.",
        summary="{name}:{port} speaks only {accepted}, this host offers {client_minimum} to {client_maximum}",
        proof=seen("tls.versions", "fail", in_common=empty, accepted=given) & seen("tls.handshake", "fail"),
        ruled_out=seen("tls.handshake", "ok") | seen("tls.versions", in_common=given),
        look_alikes=("tls.cipher_mismatch",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Align the TLS versions; prefer the newest that both have.",
        component="TLS",
        place="server",
        explains=_ABOVE | seen("tls.verify", "fail"),
        culprit={"server_versions": "{accepted}"},
    ),
    Cause(
        code="tls.cipher_mismatch",
        meaning="The client and the server have a TLS version in common, but no cipher suite, curve or signature.",
        summary="{name}:{port} and this host have no TLS cipher suite in common",
        proof=seen("tls.handshake", "fail")
        & (seen("tls.versions", in_common=given, cipher_in_common=False) | seen("tls.versions", in_common=given, group_in_common=False)),
        ruled_out=seen("tls.handshake", "ok") | _CLIENT_CERTIFICATE,
        look_alikes=("tls.client_certificate_required", "tls.version_mismatch"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Align the cipher suites.",
        component="TLS",
        place="server",
        explains=_ABOVE,
        culprit={"ciphers": "{ciphers_accepted_by_server}"},
    ),
    Cause(
        code="tls.sni_unrecognized",
        meaning="The server does not know the name that the client asks for in the handshake.",
        summary="{name}:{port} does not serve the name {server_name}",
        proof=seen("tls.handshake", "fail", error="alert", alert="unrecognized_name")
        | (seen("tls.handshake", "fail") & seen("tls.sni", "fail", with_sni="failed", without_sni="ok")),
        ruled_out=seen("tls.handshake", "ok"),
        look_alikes=("tls.hostname_mismatch", "tls.cipher_mismatch"),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Use a name that the server serves.",
        component="TLS",
        place="server",
        explains=_ABOVE,
        culprit={"server_name": "{server_name}"},
    ),
    Cause(
        code="tls.client_certificate_required",
        meaning="The server demands a certificate of the client, and gets none, or not the right one.",
        summary="{name}:{port} demands a client certificate",
        proof=_CLIENT_CERTIFICATE
        | seen("http.response", "fail", status=400, client_certificate_requested=True, body_excerpt=containing("ssl certificate")),
        ruled_out=seen("tls.client_certificate", "ok"),
        look_alikes=("tls.cipher_mismatch",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Deploy the client's certificate and key.",
        component="TLS",
        explains=_ABOVE | seen("tls.handshake", "fail") | seen("postgresql.startup", "fail") | seen("postgresql.login", "fail")
        | seen("http.response", "fail"),
        culprit={"phase": "{phase}"},
    ),
    Cause(
        code="tls.plaintext_mismatch",
        meaning="One side speaks TLS and the other one does not.",
        summary="{name}:{port}: {url} does not match what the server speaks there",
        proof=seen("tls.handshake", "fail", error="not_tls", looks_like=_SPEAKS_PLAINLY)
        | seen("http.response", "fail", error="not_http", looks_like="tls")
        | seen("http.response", "fail", scheme="http", status=400,
               body_excerpt=containing("https port", "https server", "plain http request"))
        | ENCRYPTION_REFUSED,
        silences=ENCRYPTION_REFUSED,
        ruled_out=seen("tls.handshake", "ok") | seen("tls.handshake", looks_like=("ssh", "smtp", "ftp", "mysql"))
        | seen("postgresql.ssl_request", answer=("S", "N")),
        look_alikes=("server.foreign_service",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Correct the scheme or the port of the endpoint.",
        component="TLS",
        explains=seen("http.response", "fail") | seen("tls.verify", "fail"),
        culprit={"url": "{url}"},
    ),
)
