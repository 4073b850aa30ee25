# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user describes, checked: from entries of ``connectivity_endpoints`` to :class:`Endpoint` records.

Every complaint names the host, the entry and the key, and says what would be right.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import difflib
import ipaddress
import math
import re
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import AgentError, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import DEFAULT_THRESHOLDS, Endpoint

# What a profile's own endpoint has for a part that each user has another of.
_TO_FILL_IN = re.compile(r"[A-Z]{2,}")

DEFAULT_PORTS = {"postgresql": 5432, "http": 80, "https": 443, "grpc": 4317, "grpcs": 443}
SCHEMES = ("postgresql", "http", "https", "tcp", "tls", "grpc", "grpcs")
_SCHEME_ALIASES = {"postgres": "postgresql"}

# PostgreSQL documentation, "Parameter Key Words" of libpq; what the URL itself carries (host, port, user, dbname) is left out.
LIBPQ_PARAMETERS = frozenset("""
    application_name channel_binding client_encoding connect_timeout fallback_application_name gssdelegation gssencmode
    gsslib keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts
    max_protocol_version min_protocol_version options passfile replication require_auth requirepeer service sslcert
    sslcertmode sslcompression sslcrl sslcrldir sslkey ssl_max_protocol_version ssl_min_protocol_version sslmode
    sslnegotiation sslrootcert sslsni target_session_attrs tcp_user_timeout
""".split())
_LIBPQ_SECRETS = frozenset(("password", "sslpassword"))
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# How the application's pool is set, and what it is asked for: parameters of the pool probe.
POOL_KEYS: dict[str, type] = {
    "size": int, "max_overflow": int, "pool_timeout": float, "workers": int, "hold_ms": float, "idle": float, "prepared_statements": bool,
}


class EndpointError(ValueError):
    """An entry that can't be used; the text names the host, the entry and the key."""


def parse_endpoints(entries: t.Any, host: str, agent_folders: t.Sequence[str] = ()) -> list[Endpoint]:
    """:param entries: the value of ``connectivity_endpoints``. :param host: inventory name, for the complaint.
    :param agent_folders: of the user's own profiles of agents.

    :raises EndpointError: at the first entry that is wrong.
    """
    if isinstance(entries, (str, dict)):
        entries = [entries]
    if not isinstance(entries, (list, tuple)):
        raise EndpointError("host %s: connectivity_endpoints is %s; it must be a list of urls or mappings" % (host, _kind(entries)))
    if not entries:
        raise EndpointError("host %s: connectivity_endpoints is empty; name at least one endpoint, or pass -e endpoint=URL" % host)
    endpoints = [_Entry(entry, host, index, agent_folders).endpoint() for index, entry in enumerate(entries)]
    names = [endpoint.name for endpoint in endpoints]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise EndpointError(
                "host %s: connectivity_endpoints[%d].name: %r is the name of entry %d already; names must differ"
                % (host, index, name, names.index(name)))
    return endpoints


def _kind(value: t.Any) -> str:
    return {"NoneType": "empty", "dict": "a mapping", "list": "a list", "str": "a string"}.get(
        type(value).__name__, "of type " + type(value).__name__)


class _Entry:
    def __init__(self, entry: t.Any, host: str, index: int, agent_folders: t.Sequence[str]) -> None:
        self._host, self._where, self._agent_folders = host, "connectivity_endpoints[%d]" % index, agent_folders
        if isinstance(entry, str):
            entry = {"url": entry}
        if not isinstance(entry, dict):
            raise self._wrong("", "is %s; it must be a url or a mapping" % _kind(entry))
        self._entry = {str(key): value for key, value in entry.items()}
        unknown = sorted(set(self._entry) - set(_READERS) - {"url", "agent", "region"})
        if unknown:
            raise self._wrong(unknown[0], "unknown key%s" % _suggest(unknown[0], [*_READERS, "url", "agent", "region"]))
        if self._entry.get("name") and isinstance(self._entry["name"], str):
            self._where += " (%s)" % self._entry["name"]

    def _wrong(self, key: str, problem: str) -> EndpointError:
        return EndpointError("host %s: %s%s: %s" % (self._host, self._where, "." + key if key else "", problem))

    def endpoint(self) -> Endpoint:
        agent = self._agent()
        fields = self._url(agent)
        for key, reader in _READERS.items():
            if self._entry.get(key) is not None:
                try:
                    fields[key] = reader(self._entry[key])
                except ValueError as problem:
                    raise self._wrong(key, str(problem)) from None
        called = fields["scheme"] in ("grpc", "grpcs") and agent is not None and agent.validate.get("call")
        if "proxy" in fields and fields["scheme"] not in ("http", "https") and not called:
            raise self._wrong("proxy", "only http and https endpoints, and grpc ones of an agent whose call is known, can go through a "
                              "proxy; this one is %s" % fields["scheme"])
        if fields.get("thresholds", {}).get("bits_per_second") and (fields["scheme"] != "http" or fields.get("proxy")):
            raise self._wrong("thresholds", "bits_per_second can be measured for http endpoints without a proxy only")
        if "ca_file" in fields and fields["scheme"] not in ("https", "tls", "grpcs"):
            raise self._wrong("ca_file", "is for https, tls and grpcs; a postgresql url has sslrootcert=FILE")
        if "addresses" in fields and fields.get("proxy"):
            raise self._wrong("addresses", "are for endpoints without a proxy: the proxy looks the name up, not this host")
        fields["name"] = fields.get("name") or "%s:%d" % (fields["host"], fields["port"])
        return Endpoint(agent=agent, **fields)

    def _agent(self) -> AgentProfile | None:
        if self._entry.get("agent") is None:
            return None
        try:
            return load_profile(self._entry["agent"], self._agent_folders)
        except AgentError as problem:
            raise self._wrong("agent", str(problem)) from None

    def _url(self, agent: AgentProfile | None) -> dict[str, t.Any]:
        url = self._own_url(agent)
        if not isinstance(url, str) or not url.strip():
            raise self._wrong("url", "missing; write for example postgresql://user@db.example.com:5432/name")
        try:
            parts = _split(url)
        except ValueError as problem:
            raise self._wrong("url", str(problem)) from None
        if parts.password is not None:
            raise self._wrong("url", "holds a password; take it out and give it as the key 'password' (from a vault)")
        scheme = _SCHEME_ALIASES.get(parts.scheme, parts.scheme)
        if scheme not in SCHEMES:
            raise self._wrong("url", "unknown scheme %r%s" % (parts.scheme, _suggest(parts.scheme, SCHEMES)))
        if not parts.hostname:
            raise self._wrong("url", "names no host")
        port = parts.port or (agent.port if agent else 0) or DEFAULT_PORTS.get(scheme, 0)
        if not port:
            raise self._wrong("url", "names no port, and %s has no default one" % scheme)
        fields = {"scheme": scheme, "host": parts.hostname, "port": port, "user": urllib.parse.unquote(parts.username or "")}
        if scheme == "postgresql":
            fields["database"] = urllib.parse.unquote(parts.path.lstrip("/")) or fields["user"]
            fields["parameters"] = self._libpq(parts.query)
        else:
            fields["path"] = parts.path + ("?" + parts.query if parts.query else "")
        return fields

    def _own_url(self, agent: AgentProfile | None) -> t.Any:
        """The url; without one, where the agent sends by itself, as its profile knows it."""
        url, region = self._entry.get("url"), self._entry.get("region")
        places = {name: urls[0] for name, urls in agent.endpoints.items() if not _TO_FILL_IN.search(urls[0])} if agent else {}
        if region is None:
            if url is None and len(places) > 1:
                raise self._wrong("url", "missing; write it, or say as region where the agent sends: %s" % ", ".join(places))
            return next(iter(places.values()), None) if url is None else url
        if url is not None:
            raise self._wrong("region", "says what the url says already; leave one of them out")
        if str(region) not in places:
            raise self._wrong("region", "%r is none of %s" % (region, ", ".join(places)) if places else "is for an agent that has regions")
        return places[str(region)]

    def _libpq(self, query: str) -> dict[str, str]:
        parameters = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        for key, value in parameters.items():
            if key in _LIBPQ_SECRETS:
                raise self._wrong("url", "holds a password (%s); take it out and give it as the key 'password' (from a vault)" % key)
            if key not in LIBPQ_PARAMETERS:
                raise self._wrong("url", "%r is no parameter of libpq%s" % (key, _suggest(key, LIBPQ_PARAMETERS)))
            if key == "sslmode" and value not in SSL_MODES:
                raise self._wrong("url", "sslmode=%s is none of %s" % (value, ", ".join(SSL_MODES)))
            if key == "connect_timeout" and not value.isdigit():
                raise self._wrong("url", "connect_timeout=%s is no whole number of seconds" % value)
        return parameters


def _suggest(word: str, known: t.Iterable[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), 1)
    return "; did you mean %r?" % near[0] if near else "; known are %s" % ", ".join(sorted(known))


def _split(url: str) -> urllib.parse.SplitResult:
    """:raises ValueError: it can't be read. The text repeats nothing of it: a url that breaks is often one with a password in it."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        port = parts.port
        _host = parts.hostname
    except ValueError:
        raise ValueError("not a url; is its port a number up to 65535? A password does not belong in it, and / ? # @ : [ ] in a user's "
                         "name are written as %2F %3F %23 %40 %3A %5B %5D") from None
    if port == 0:
        raise ValueError("names port 0, which nobody can connect to")
    if port and "@" not in parts.netloc and "@" in parts.path + parts.query + parts.fragment:
        # user:12/3@host reads as host "user", port 12: what follows may be the rest of a password.
        raise ValueError("has an @ behind the port; if it is not the end of a password, which does not belong in it, write it as %40")
    return parts


def _text(value: t.Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise ValueError("is %s; it must be a string" % _kind(value))
    return str(value)


def _members(value: t.Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("is %s; it must be a list of address:port" % _kind(value))
    members = []
    for item in value:
        try:
            parts = urllib.parse.urlsplit("//" + str(item))
            if not parts.hostname or not parts.port:
                raise ValueError
        except ValueError:
            raise ValueError("%r is no address:port, such as 10.0.0.5:5432" % item) from None
        members.append((parts.hostname, parts.port))
    return tuple(members)


def _addresses(value: t.Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("is %s; it must be a list of addresses" % _kind(value))
    try:
        return tuple(str(ipaddress.ip_address(str(item))) for item in value)
    except ValueError as problem:
        raise ValueError("%s; it must be one such as 10.0.0.5" % problem) from None


def _number(key: t.Any, item: t.Any, number: type) -> t.Any:
    """:param number: int or float. :raises ValueError: it is no such number, or negative."""
    try:
        read = math.nan if isinstance(item, bool) else float(item)
    except (TypeError, ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read) or read < 0 or number(read) != read:
        raise ValueError("%s is %r; it must be a %snumber, 0 or more" % (key, item, "whole " if number is int else ""))
    return number(read)


def _flag(key: t.Any, item: t.Any) -> bool:
    if not isinstance(item, bool):
        raise ValueError("%s is %r; it must be true or false" % (key, item))
    return item


def _mapping(kinds: t.Mapping[str, type], defaults: t.Mapping[str, t.Any] | None = None) -> t.Callable[[t.Any], dict[str, t.Any]]:
    """A reader of a mapping with known keys, whose values are numbers (int, float) that are not negative, or bool."""

    def read(value: t.Any) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            raise ValueError("is %s; it must be a mapping of %s" % (_kind(value), ", ".join(kinds)))
        read_values = dict(defaults or {})
        for key, item in value.items():
            if key not in kinds:
                raise ValueError("unknown key %r%s" % (key, _suggest(str(key), kinds)))
            read_values[key] = _flag(key, item) if kinds[key] is bool else _number(key, item, kinds[key])
        return read_values

    return read


def _proxy(value: t.Any) -> str:
    parts = _split(_text(value))
    if parts.password is not None:
        raise ValueError("holds a password; a proxy url must not")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("%r is no proxy url, such as http://proxy.example.com:3128" % _text(value).rpartition("@")[2])
    if not parts.port:
        raise ValueError("%r names no port; a proxy url does, such as http://proxy.example.com:3128" % _text(value))
    return _text(value)


_READERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "name": _text,
    "password": _text,
    "server": _text,
    "members": _members,
    "pool": _mapping(POOL_KEYS),
    "proxy": _proxy,
    "thresholds": _mapping(dict.fromkeys(DEFAULT_THRESHOLDS, float), DEFAULT_THRESHOLDS),
    "credential": _text,
    "ca_file": _text,
    "addresses": _addresses,
}
