# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a TLS server is, under which name, and how one gets to speak TLS with it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import functools
import ipaddress
import os
import re
import shlex
import socket
import ssl
import threading
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import starttls as _tls_starttls
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import Remaining


class Place(t.NamedTuple):
    """``name`` is what SNI carries and what a certificate is verified for; an address is never sent as SNI (RFC 6066, 3)."""

    address: str
    port: int
    name: str
    starttls: str

    @property
    def target(self) -> str:
        return _flow.host_port(self.address, self.port)

    def server_name(self) -> str | None:
        """What Python's ssl takes as ``server_hostname``: an address is verified, and not sent."""
        return self.name.split("%")[0] or None

    def sni(self) -> str:
        """What is sent as SNI, or "". :raises UnicodeError: the name can't be one of the DNS."""
        return "" if is_address(self.name) else ascii_name(self.name)

    def s_client(self, *options: str, name: str | None = None) -> str:
        """The ``openssl s_client`` command with which a person sees the same."""
        sni = self.sni() if name is None else name
        words = ["openssl", "s_client", "-connect", self.target, *(["-servername", sni] if sni else ["-noservername"])]
        if self.starttls:
            words += ["-starttls", _tls_starttls.S_CLIENT_NAMES[self.starttls]]
        return " ".join(shlex.quote(word) for word in (*words, *options)) + " </dev/null"


def place(parameters: dict[str, t.Any], starttls: str = "") -> Place:
    name = parameters.get("server_name") or parameters.get("host") or parameters["address"]
    return Place(parameters["address"], parameters["port"], name if is_address(name) else name.rstrip("."), starttls)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return True


def ascii_name(name: str) -> str:
    """:raises UnicodeError: the name can't be one of the DNS."""
    ascii_form = name.encode("idna").decode("ascii")
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", ascii_form):
        raise UnicodeError("not a name of the DNS")
    return ascii_form


class Opened(t.NamedTuple):
    """A connection that is ready for a ClientHello, or why there is none.

    ``error``: empty, ``connect_failed`` (``connect_error`` is then the errno name or ``TIMEOUT``), ``starttls_refused`` (the
    server said that it has no TLS), ``starttls_unexpected`` (it said something else: ``first_bytes``), ``closed``, ``reset``,
    ``timeout``.
    """

    sock: socket.socket | None
    error: str
    connect_error: str
    source: str
    first_bytes: bytes


def open_for_tls(where: Place, remaining: Remaining) -> Opened:
    """Connect, and ask for TLS where the protocol wants to be asked."""
    attempt = _flow.connect(where.address, where.port, max(0.001, remaining()))
    if attempt.sock is None:
        return Opened(None, "connect_failed", attempt.error, attempt.source, b"")
    error, heard = _tls_starttls.ask(where.starttls, attempt.sock, remaining) if where.starttls else ("", b"")
    if error:
        attempt.sock.close()
    return Opened(None if error else attempt.sock, error, "", attempt.source, heard)


class UnusableFile(Exception):
    """A file that the user named can't be used. ``error`` says why, as it stands in ``data.error``."""

    def __init__(self, error: str, path: str) -> None:
        super().__init__("%s: %s" % (error, path))
        self.error = error
        self.path = path


def _require_readable(path: str, kind: str) -> None:
    try:
        if not os.path.isfile(path):  # a FIFO would be waited for
            raise UnusableFile(kind + ("_unreadable" if os.path.exists(path) else "_missing"), path)
        with open(path, "rb"):
            pass
    except OSError as problem:
        raise UnusableFile(kind + "_unreadable", path) from problem


def new_context(
    verify: str = "none", ca_file: str = "", client_certificate: str = "", client_key: str = "", alpn: t.Sequence[str] = (),
) -> ssl.SSLContext:
    """A client context as OpenSSL has it on this host: its policy for versions and ciphers is part of what is probed.

    :param verify: ``full``, ``ca`` or ``none``. :param ca_file: trust only these; else the system's store. A leading ``~`` is
        the home directory, as in libpq's defaults; with a ``/`` at its end it is a directory of hashed names (openssl-rehash(1)).
        :param alpn: the protocols to offer (RFC 7301).
    :returns: one that may be another connection's too, so that nothing of it may be changed.
    :raises UnusableFile: ``ca_file_…``, ``client_certificate_…`` or ``client_key_…`` and ``missing``, ``unreadable``,
        ``invalid``, or ``client_key_mismatch``.
    """
    if verify != "none" and not (ca_file or client_certificate or alpn):
        with _system_store_lock:
            return _system_store_context(verify)
    ca_file, client_certificate, client_key = (os.path.expanduser(path) for path in (ca_file, client_certificate, client_key))
    context = _plain_context(verify)
    if verify != "none" and ca_file:
        _trust(context, ca_file)
    elif verify != "none":
        context.set_default_verify_paths()
    if client_certificate:
        _load_identity(context, client_certificate, client_key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _plain_context(verify: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = verify == "full"
    context.verify_mode = ssl.CERT_NONE if verify == "none" else ssl.CERT_REQUIRED
    return context


@functools.lru_cache(maxsize=None)
def _system_store_context(verify: str) -> ssl.SSLContext:
    """Shared by all connections: to read the system's store costs OpenSSL 20 ms, more than anything else in a healthy diagnosis."""
    context = _plain_context(verify)
    context.set_default_verify_paths()
    return context


def _trust(context: ssl.SSLContext, ca_file: str) -> None:
    if ca_file.endswith("/"):
        if not os.path.isdir(ca_file):
            raise UnusableFile("ca_file_missing", ca_file)
        context.load_verify_locations(capath=ca_file)
        return
    _require_readable(ca_file, "ca_file")
    try:
        context.load_verify_locations(cafile=ca_file)
    except (ssl.SSLError, OSError) as problem:
        raise UnusableFile("ca_file_unreadable", ca_file) from problem


# So that of the threads that want it first only one reads the store.
_system_store_lock = threading.Lock()


def _load_identity(context: ssl.SSLContext, certificate: str, key: str) -> None:
    _require_readable(certificate, "client_certificate")
    if key:
        _require_readable(key, "client_key")
    try:
        context.load_cert_chain(certificate, key or None, password="")  # never ask a terminal for a passphrase
    except (ssl.SSLError, OSError, ValueError) as problem:
        mismatch = getattr(problem, "reason", "") == "KEY_VALUES_MISMATCH"
        raise UnusableFile("client_key_mismatch" if mismatch else "client_certificate_invalid", certificate) from problem


def trust_store(ca_file: str) -> str:
    """Where trusted certificates are looked for: a file, or the directory of the system's store."""
    paths = ssl.get_default_verify_paths()
    return os.path.expanduser(ca_file) or paths.cafile or paths.capath or ""
