# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines of logs say, by family: the texts of the runtimes that agents are written in, and of some agents themselves.

A family is what the writer believes. It may be wrong about the layer (a library that calls a refused connection a timeout), so it is a
pointer for a person and a hint for inference, and a probe from the same host decides.

Texts: Go's net and crypto/tls, CPython's ssl and urllib3, gRPC, Node.js, libcurl, the JVM, GnuTLS and OpenSSL, netdata 1.37, Zabbix 6.0,
OpenTelemetry collector 0.135, Elastic, New Relic and Datadog agents, PostgreSQL 15, libpq 18 and pgbouncer 1.18.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t


def _http(codes: str) -> str:
    """An HTTP status as programs write it. The bare number will not do: it is in timestamps and counters too."""
    return (
        r"(?:HTTP(?:/1\.[01])?(?: [Ss]tatus(?: [Cc]ode)?)?[ =]|HTTP [Ee]rror code: |[Ss]tatus(?:[_ ][Cc]ode)?[ =:\"]+"
        r"|[Ee]rror [Cc]ode:? [\"]?|[\"\s]code[:= ]+|response code is |received: |backend: |information endpoint: |error \"|\()"
        r"(?:%s)\b" % codes
    )


# First match wins: what names a cause stands before what names a symptom.
FAMILIES: t.Mapping[str, t.Sequence[str]] = {
    "proxy_auth": (r"[Pp]roxy [Aa]uthentication [Rr]equired", r"CONNECT tunnel failed, response 407", _http("407")),
    "proxy_refused": (r"CONNECT tunnel failed, response", r"from proxy after CONNECT", r"Tunnel connection failed: "),
    "proxy_unreachable": (r"proxyconnect tcp:", r"Unable to connect to proxy"),
    # What servers say that don't start: nginx, Apache, haproxy, PostgreSQL, Go.
    "tls_server_key": (
        r"key (?:values|type) mismatch", r"[Cc]ertificate and private key .* do not match", r"private key does not match",
        r"inconsistencies between private key and certificate", r"unable to load (?:SSL )?private key", r"cannot load certificate key",
        r"could not load private key file", r"private key file .* (?:has group or world access|must be owned)"),
    "tls_clock_or_expiry": (
        r"certificate has expired", r"certificate is not yet valid", r"CERT_(?:HAS_EXPIRED|NOT_YET_VALID)",
        r"Certificate(?:Expired|NotYetValid)Exception", r"alert certificate expired"),
    "tls_name": (
        r"certificate is valid for .+, not ", r"Hostname mismatch", r"does not match host ?name", r"ERR_TLS_CERT_ALTNAME_INVALID",
        r"Hostname Verification Check failed",  # gRPC calls that UNAUTHENTICATED
        r"doesn't contain any IP SANs", r"does not match certificate's altnames", r"No subject alternative (?:DNS name|names) "),
    "tls_untrusted": (
        r"unknown authority", r"self[- ]signed certificate", r"unable to get local issuer", r"UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        r"unable to verify the first certificate",
        r"NOT trusted", r"issuer is unknown", r"[Cc]ertificate verif(?:y|ication) failed", r"CERTIFICATE_VERIFY_FAILED",
        r"PKIX path building failed", r"SSL certificate is not valid", r"invalid certificate", r"INVALID CERTIFICATE",
        r"TLS Handshake failure", r"alert (?:bad certificate|unknown ca)"),
    "tls_version_or_cipher": (
        r"No supported cipher suites", r"no shared cipher", r"handshake failure", r"unsupported protocol",
        r"(?<!communication )protocol version"),
    "tls_to_plain_port": (
        r"does not look like a TLS handshake", r"[Ww]rong[ _][Vv]ersion[ _][Nn]umber", r"WRONG_VERSION_NUMBER",
        r"SSL cannot connect with the server", r"server gave HTTP response to HTTPS client",
        r"does not support SSL, but SSL was required"),
    "wrong_protocol": (
        r"Failed parsing HTTP/2", r"is it Netdata\?", r"missing header\. Message ignored", r"invalid response to SSL negotiation",
        r"plain HTTP request was sent to HTTPS port", r"sent an HTTP request to an HTTPS server",
        r"expected authentication request from server", r"is not a valid start token",
        r"unsupported frontend protocol"),
    # By an agent that was asked by one who may not: whether the agent itself gets through is another matter.
    "caller_refused": (r"rejected, allowed hosts",),
    # By a server that wants its clients to encrypt, or not to.
    "encryption_refused": (r"cannot accept unencrypted connection", r"connection of type \"[^\"]{1,40}\" is not allowed for host"),
    "credential_missing": (
        r"cannot enable sending thread - information is missing", r"no license key, please add", r"No valid api key found",
        r"request without an API key", r"missing or empty authorization metadata", r"no password supplied"),
    "auth_method": (
        r"[Tt]he authentication type \d+ is not supported", r"SCRAM authentication requires libpq version",
        r"authentication method \d+ not supported",
        r"Authentication method \d+ not recognized by pg8000", r"unknown authentication response: \d+",
        r"Authentication method not supported \(Received: \d+\)", r"channel binding required", r"authentication method requirement"),
    "prepared_statement": (r"prepared statement \\?\"[^\"]{1,80}\" (?:does not exist|already exists)",),
    "version": (
        _http("426"), r"Upgrade Required", r"UnsupportedVersion", r"[Vv]ersion is not supported",
        r"[Uu]nsupported (?:agent|client) version", r"[Aa]gent version must be lower or equal"),
    # The agent was told to stop, and does not try again.
    "gave_up": (
        r"Disconnection of the agent has been requested", r"requested that the agent stop attempting to connect", r"rejected this agent",
        r"ForceDisconnectException"),
    "auth": (
        _http("40[13]"), r"Unauthenticated", r"UNAUTHENTICATED", r"PERMISSION_DENIED", r"PermissionDenied", r"incorrect license key",
        r"license key appears to be invalid", r"[Ii]nvalid license", r"API Key invalid", r"invalid API key", r"api_key .* is invalid",
        r"denied access, probably", r"[Ff]orbidding access", r"PSK identity", r"gnutls_handshake\(\) failed: -(?:24|31)\b",
        r"Decrypting AES256", r"Failed to get cypher", r"password authentication failed", r"no pg_hba\.conf entry",
        r"pg_hba\.conf rejects", r"has an expired password", r"not have a valid SCRAM secret",
        r"[Rr]ole \\?\"[^\"]{1,80}\" (?:does not exist|is not permitted to log in)",
        r"(?:Ident|Peer|GSSAPI|LDAP|PAM|RADIUS|certificate) authentication failed", r"requires a valid client certificate",
        r"permission denied for database", r"Denying connection from",
        r"not permitted to access", r"streaming connection; API key", r"API Key not permitted"),
    "too_large": (
        _http("413"), r"request was too large", r"exceeded envelope size", r"body too large", r"metric data post was too large",
        r"span that was too large", r"Event is larger than"),
    "rate_limited": (
        _http("429"), r"ResourceExhausted", r"RESOURCE_EXHAUSTED", r"[Tt]oo [Mm]any [Rr]equests", r"[Rr]ate[- ]limited",
        r"rate limit exceeded", r"rate limit, will accept"),
    "server_unavailable": (
        _http("50[0234]"), r"Service Unavailable", r"remote server is (?:currently busy|initializing)", r"database is down",
        r"database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting)",
        r"is not currently accepting connections", r"closing because: connect failed"),
    "connections_exhausted": (
        r"too many clients already", r"too many connections for", r"remaining connection slots", r"no more connections allowed",
        r"query_wait_timeout"),
    "database_missing": (r"database \\?\"[^\"]{1,80}\" does not exist", r"no such database: "),
    "read_only": (r"in a read-only transaction", r"session is read-only", r"not in hot standby mode"),
    "statement_cancelled": (r"canceling statement due to",),
    "connection_ended": (r"terminating connection due to", r"\bthe connection is closed"),
    "wrong_path": (_http("404"), r"code = Unimplemented"),
    "dns_no_such_name": (
        r"no such host", r"Name or service not known", r"ENOTFOUND", r"Domain name not found", r"cannot resolve \[",
        r"Could not resolve host", r"UnknownHostException", r"CANT RESOLVE HOSTNAME", r"Failed to resolve \S+ of backend service",
        r"[Ss]erver DNS lookup failed|\bDNS lookup failed: \S+ result=0"),
    "dns_unavailable": (
        r"server misbehaving", r"Temporary failure in name resolution", r"Timeout while contacting DNS", r"EAI_AGAIN",
        r"lookup \S+ on \S+: read udp .*i/o timeout", r"DNS Lookup failure"),
    "refused": (
        r"[Cc]onnection refused", r"ECONNREFUSED", r"CONNECTION REFUSED", r"Couldn't connect to server",
        r"accepting connections on that socket\?"),
    "unreachable": (
        r"[Nn]o route to host", r"EHOSTUNREACH", r"[Nn]etwork is unreachable", r"ENETUNREACH", r"port \d+ failed: Permission denied"),
    "reset": (
        r"connection reset by peer", r"[Cc]onnection reset", r"ECONNRESET", r"closed the connection unexpectedly", r"unexpected eof",
        r"client error \(SendRequest\)", r"non-properly terminated"),
    "timeout": (
        r"deadline exceeded", r"DEADLINE_EXCEEDED", r"Deadline Exceeded", r"i/o timeout", r"[Tt]imed out", r"timeout expired",
        r"response timeout", r"CONNECT TIMEOUT", r"Interrupted system call", r"due to timeout", r"does not respond",
        r"connection #\S+ timeout after"),
    "disk_full": (r"[Nn]o space left on device", r"ENOSPC", r"Disk quota exceeded"),
    "file_unreadable": (
        r"[Pp]ermission denied", r"EACCES", r"certificate file .{1,300} does not exist", r"has group or world access",
        r"certificate present, but not private key file"),
    "address_in_use": (r"[Aa]ddress already in use", r"EADDRINUSE"),
    "descriptors_exhausted": (r"[Tt]oo many open files", r"EMFILE"),
    "memory_exhausted": (r"[Cc]annot allocate memory", r"OutOfMemoryError", r"[Oo]ut of memory"),
    "unknown_host_on_server": (r"host \[.*\] not found",),
    "config_invalid": (
        r"has invalid keys", r"unknown parameter", r"cannot unmarshal the configuration", r"it is outside all sections",
        r"error converting YAML", r"yaml: line \d+", r"did not find expected",
        r"unrecognized configuration parameter", r"invalid value for parameter", r"invalid connection option", r"invalid integer value",
        r"invalid sslmode value", r"invalid connection type", r"\.conf was not reloaded"),
    "backlog": (
        r"queue is full", r"[Bb]uffer overflow", r"[Dd]ropping (?:flushed )?data", r"retry goroutine is too busy", r"because of full queue",
        r"failed to flush chunk", r"chunk .* cannot be retried"),
    "not_reporting": (
        r"couldn't be found\. Will retry", r"no longer reporting information", r"failed after multiple attempts",
        r"cannot connect to \[.*: EOF", r"could not connect to parent node", r"not ready - collected metrics are not sent",
        r"[Ee]rror encountered during registration|Encountered error during registration", r"endpoint not reachable, retrying",
        r"client error \(Connect\)", r"started to fail", r"first network error", r"interface unavailable", r"disconnected \(completed"),
}

# What programs say when it works again.
RECOVERIES = (
    r"established link with negotiated", r"sending metrics to parent", r"is working again", r"interface became available",
    r"Successfully posted payload", r"Connected using", r"relay successfully registered", r"Healthcheck passed",
    r"[Cc]onnection (?:was )?(?:re-?established|restored|recovered)", r"[Rr]econnected (?:to|successfully)", r"[Rr]eporting to: https?://",
)

# They say that something is lost, and not why: an agent's own patterns of these stand behind those that name a cause.
_SYMPTOMS = ("backlog", "not_reporting")

_STATUS = re.compile(_http(r"[1-5]\d\d"))
_VARYING = re.compile(r"\d{4,}|0x[0-9a-f]+")
_MOST_SHAPES = 5000

RECOVERED = "recovered"


def statuses(line: str) -> t.Iterator[int]:
    """The HTTP statuses that a line names, and numbers that stand as such do."""
    return (int(match.group()[-3:]) for match in _STATUS.finditer(line))


class BadPattern(ValueError):
    """A pattern of an agent's own that is no regular expression."""


def _listed(patterns: t.Any) -> t.Sequence[str]:
    return (patterns,) if isinstance(patterns, str) else patterns


class Classifier:
    """Tells the family of a line. Logs repeat themselves, so what was found for a line's shape is kept.

    :param signatures: an agent's own patterns by family; they come before the general ones, except where a family is a mere symptom.
    :param recovered: its own recovery lines.
    """

    def __init__(self, signatures: t.Mapping[str, t.Any], recovered: t.Iterable[str]) -> None:
        self._patterns = []
        symptoms = {family: signatures.get(family) or () for family in _SYMPTOMS}
        causes = ((family, patterns) for family, patterns in signatures.items() if family not in symptoms and patterns)
        for family, patterns in ((RECOVERED, (*recovered, *RECOVERIES)), *causes, *FAMILIES.items()):
            try:
                patterns = (*_listed(symptoms.get(family, ())), *_listed(patterns))
                self._patterns.append((family, re.compile("|".join(patterns))))
            except (re.error, TypeError) as problem:
                raise BadPattern("the pattern of %s is no regular expression: %s" % (family, problem)) from None
        self._shapes: dict[str, str] = {}

    def family(self, line: str) -> str:
        """Empty for a line that says nothing about a connection; :data:`RECOVERED` for one that says that it works."""
        shape = _VARYING.sub("0", line)
        family = self._shapes.get(shape)
        if family is None:
            family = next((family for family, pattern in self._patterns if pattern.search(line)), "")
            if len(self._shapes) < _MOST_SHAPES:
                self._shapes[shape] = family
        return family
