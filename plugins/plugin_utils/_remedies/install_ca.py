# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a host trust the authority behind a server, if somebody has approved of it: where the endpoint says, else in the system's store.

What the server itself sent is never trusted for it, and verification is never turned off.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._certificates import Authority, authorities
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import SETTLES_S, unit_if_known
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble


class _Store(t.NamedTuple):
    """Of a family of systems: where its trust store is seen, where an authority is put, the bundle, and what makes it, also without one
    that is there no more.
    """

    seen_below: tuple[str, ...]
    folder: str
    suffix: str
    bundle: str
    command: tuple[str, ...]
    afresh: tuple[str, ...]


# update-ca-certificates(8), update-ca-trust(8)
_STORES = (
    _Store(("/usr/lib/ssl/", "/etc/ssl/certs", "/etc/ssl/cert.pem"), "/usr/local/share/ca-certificates", ".crt",
           "/etc/ssl/certs/ca-certificates.crt", ("update-ca-certificates",), ("update-ca-certificates", "--fresh")),
    _Store(("/etc/pki/",), "/etc/pki/ca-trust/source/anchors", ".pem",
           "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", ("update-ca-trust", "extract"), ("update-ca-trust", "extract")),
)
# libpq, "SSL Client File Usage".
_OF_WHO_CONNECTS = "/.postgresql/root.crt"


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    served = trouble.proofs("tls.certificate")[0]["data"]
    trusted = str(trouble.proofs("tls.verify")[0]["data"].get("ca_file") or "")
    authority = _approved(trouble.approved_ca, served.get("top_issuer", ""))
    unit = unit_if_known(trouble)
    common = {"certificate": authority.pem, "fingerprint": authority.fingerprint_sha256[:12], "unit": unit, "enabled": False}
    summary = "trust the approved authority %s (SHA-256 %s…) in " % (authority.subject, authority.fingerprint_sha256[:12])
    store = next((one for one in _STORES if trusted.startswith(one.seen_below)), None)
    if store:
        file = "%s/connectivity-doctor-%s%s" % (store.folder, authority.fingerprint_sha256[:12], store.suffix)
        return Change(
            summary=summary + "the system's store", parameters={**common, "file": file, "command": list(store.command), "bundle": ""},
            files=(file, store.bundle), units=(unit,) if unit else (), commands=(("rm", "-f", file), store.afresh), settles_s=SETTLES_S)
    if not trusted:
        raise NoRemedy("where the trusted authorities are kept is not known")
    if trusted.endswith(_OF_WHO_CONNECTS):
        raise NoRemedy("libpq looks for %s in the home of whoever connects; name the file as sslrootcert" % _OF_WHO_CONNECTS)
    if trusted.endswith("/"):
        raise NoRemedy("the trusted authorities are in a directory with hashed names, %s; put it there, and run openssl rehash" % trusted)
    return Change(summary=summary + trusted, parameters={**common, "bundle": trusted, "file": "", "command": []}, files=(trusted,),
                  units=(unit,) if unit else (), settles_s=SETTLES_S)


def _approved(pem: str, issuer: str) -> Authority:
    """:raises NoRemedy: nobody has approved of this authority."""
    if not pem:
        raise NoRemedy("connectivity_approved_ca names no authority that may be trusted")
    approved = authorities(pem)
    fitting = [one for one in approved if one.subject == issuer]
    if not fitting:
        raise NoRemedy("the server's authority is %s, and of connectivity_approved_ca it is %s" % (
            issuer or "not known", ", ".join(one.subject for one in approved) or "none that can be read"))
    if not fitting[0].is_valid:
        raise NoRemedy("the approved certificate of %s has expired, or is none of an authority" % issuer)
    return fitting[0]


REMEDY = Remedy("install_ca", _plan)
