# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of many kinds in the dress in which configurations and logs wear them.

In a text, ``CANARY`` stands for a secret. ``KINDS`` are what no archive may show; a kind whose text is one line is one in a log, too.
"""
from __future__ import annotations

import base64
import typing as t
import urllib.parse

CANARY = "CANARY"


class Kind(t.NamedTuple):
    """``known``: only who knows the secret can find it. ``settings``: nobody would know it in a log for a secret."""

    text: str
    settings: bool = False
    known: bool = False
    dress: t.Callable[[str], str] = str


def _base64(secret: str) -> str:
    return base64.b64encode(b"reporting:" + secret.encode()).decode()


KINDS: dict[str, Kind] = {
    "YAML": Kind("database:\n  password: CANARY\n  port: 5432"),
    "YAML, quoted": Kind("api_key: \"CANARY\"  # ours\nlog: 'x'"),
    "YAML, with spaces": Kind("password: CANARY and CANARY\nport: 1", settings=True),
    "YAML, literal block": Kind("outputs:\n  token: |\n    CANARY\n  port: 1", settings=True),
    "YAML, folded block": Kind("secret: >-\n  CANARY\n\n  CANARY\nport: 1", settings=True),
    "YAML, below": Kind("password:\n  CANARY\nport: 1", settings=True),
    "YAML, list": Kind("api_keys:\n- CANARY\n- \"CANARY\"\nport: 1", settings=True),
    "YAML, flow": Kind("output: {user: reporting, password: CANARY, port: 1}"),
    "YAML, nested": Kind("credentials:\n  first: CANARY\n  more:\n    second: CANARY\nport: 1", settings=True),
    "YAML, headers": Kind("headers:\n  x-team: CANARY\nport: 1", settings=True),
    "YAML, name and value": Kind("env:\n  - name: DB_PASSWORD\n    value: CANARY\n  - name: PORT\n    value: 1", settings=True),
    "JSON": Kind('{"user": "reporting", "password": "CANARY", "port": 1}'),
    "JSON, quotes in it": Kind('{"password": "x\\"CANARY", "port": 1}'),
    "JSON, list": Kind('{\n "secrets": [\n  "CANARY",\n  "CANARY"\n ],\n "port": 1\n}', settings=True),
    "JSON, deep": Kind('{\n "tokens": {\n  "a": {\n   "x": "CANARY"\n  },\n  "b": "CANARY"\n },\n "port": 1\n}', settings=True),
    "JSON in a log": Kind('2026-01-01 sent {\\"licenseKey\\":\\"CANARY\\",\\"port\\":1}'),
    "JSON, one long line": Kind('{"filler": "' + "x y " * 2000 + '", "db": {"password": "CANARY"}}', settings=True),
    "TOML": Kind('[outputs]\ntoken = "CANARY"\nport = 1'),
    "TOML, three quotes": Kind('token = """\nCANARY\n"""\nport = 1', settings=True),
    "TOML, array": Kind('keys = [\n"CANARY",\n"CANARY",\n]\nport = 1', settings=True),
    "INI": Kind("[stream]\n    api key = CANARY\n    port = 1"),
    "INI, odd characters": Kind("password = aB3,CANARY;&}x\nport = 1", settings=True),
    "properties": Kind("spring.datasource.password=CANARY\nport=1"),
    "properties, continued": Kind("db.password=first\\\n  CANARY\\\n  CANARY\nport=1", settings=True),
    "XML element": Kind("<db><password>CANARY</password><port>1</port></db>"),
    "XML attribute": Kind('<connection user="reporting" password="CANARY" port="1"/>'),
    "XML, name and value": Kind('<add key="DbPassword" value="CANARY"/><add key="Port" value="1"/>'),
    "XML property": Kind('<property name="javax.password">CANARY</property>'),
    "environment": Kind("DD_API_KEY=CANARY\nPORT=1"),
    "environment, exported": Kind("export PGPASSWORD='CANARY' PORT=1"),
    "environment, headers": Kind("OTEL_EXPORTER_OTLP_HEADERS=x-team=CANARY,b=CANARY"),
    "argument": Kind("31 root /usr/bin/agent --password CANARY --port 1"),
    "argument, with an equals sign": Kind("31 root /usr/bin/agent --api-token=CANARY --port 1"),
    "argument of curl": Kind("31 root curl -u reporting:CANARY http://h/"),
    "argument of mysql": Kind("31 root mysql -u reporting -pCANARY production"),
    "argument, a header": Kind("31 root curl -H 'X-Api-Key: CANARY' http://h/"),
    "URL": Kind("proxy http://reporting:CANARY@proxy.example:3128/x is down"),
    "URL, at signs in it": Kind("postgresql://reporting:a@b/CANARY@db.example:5432/production"),
    "URL, a key for a user": Kind("dialing https://CANARY@o1.ingest.example/1"),
    "URL, query": Kind("GET /api/v1/validate?api_key=CANARY&port=1 403"),
    "URL, signature": Kind("GET https://h.example/blob?sv=1&sig=CANARY"),
    "DSN": Kind("could not connect: host=db.example user=reporting password=CANARY dbname=production"),
    "DSN, quoted": Kind("dsn: host=db.example password='CANARY it CANARY' dbname=production"),
    "JDBC": Kind("jdbc:postgresql://db.example/production?user=reporting&password=CANARY"),
    "pg_hba.conf, LDAP": Kind('host all all 0.0.0.0/0 ldap ldapserver=l.example ldapbinddn="cn=x" ldapbindpasswd="CANARY"'),
    "pg_hba.conf, RADIUS": Kind('host all all 0.0.0.0/0 radius radiusservers="r.example" radiussecrets="CANARY,CANARY"'),
    ".pgpass": Kind("db.example:5432:production:reporting:CANARY\\:CANARY", settings=True),
    "pgbouncer's userlist": Kind('"reporting" "CANARY"', settings=True),
    ".netrc": Kind("machine h.example login reporting password CANARY", settings=True),
    "redis": Kind("requirepass CANARY\nmasterauth CANARY", settings=True),
    "haproxy": Kind("    stats auth admin:CANARY"),
    "squid": Kind("cache_peer p.example parent 3128 0 login=reporting:CANARY"),
    "SNMP": Kind("rocommunity CANARY\nsyslocation 1", settings=True),
    "header, bearer": Kind("> Authorization: Bearer CANARY"),
    "header, basic": Kind("> authorization: Basic CANARY==", dress=_base64),
    "header, digest": Kind('Proxy-Authorization: Digest username="u", response="CANARY"'),
    "header, cookie": Kind("Set-Cookie: id=CANARY; Path=/"),
    "PEM": Kind("-----BEGIN PRIVATE KEY-----\nMIICANARY\nCANARY\n-----END PRIVATE KEY-----\nport 1"),
    "PEM, of OpenSSH": Kind("-----BEGIN OPENSSH PRIVATE KEY-----\nCANARY\n-----END OPENSSH PRIVATE KEY-----"),
    "PEM, not closed": Kind("x\n-----BEGIN RSA PRIVATE KEY-----\nCANARY\nCANARY"),
    "PEM, in JSON": Kind('{"pem": "-----BEGIN EC PRIVATE KEY-----\\nCANARY\\n-----END EC PRIVATE KEY-----\\n", "port": 1}'),
    "systemd": Kind('[Service]\nEnvironment="API_TOKEN=CANARY CANARY" "PORT=1"'),
    "systemd, credential": Kind("SetCredential=agent:CANARY"),
    "collectd": Kind('<Plugin postgresql>\n  Password "CANARY"\n</Plugin>'),
    "zabbix": Kind("TLSPSKIdentity=CANARY\nServerActive=127.0.0.1"),
    "netdata": Kind("[CANARY]\n    enabled = yes", dress=lambda secret: "6f1b24c8-93d5-4c02-9a4e-" + secret.encode().hex()[:12]),
    "chrony": Kind("1 SHA256 HEX:CANARY", settings=True),
    "WireGuard": Kind("PrivateKey = CANARY\nListenPort = 1"),
    "SQL": Kind("LOG:  statement: ALTER ROLE reporting WITH PASSWORD 'CANARY' VALID UNTIL 'x'"),
    "PHP": Kind("define('DB_PASSWORD', 'CANARY');\n$db['password'] = 'CANARY';"),
    "Ruby": Kind(":password => \"CANARY\", :port => 1"),
    "JSON Web Token": Kind("x eyJhbGciOi.CANARY.sig"),
    "key of a vendor": Kind("denied for ghp_CANARY00000000 today"),
    "hash of a password": Kind("reporting:$6$salt$CANARY:19000:0"),
    "SCRAM verifier": Kind("SCRAM-SHA-256$4096:CANARY$x:CANARY"),
    "known": Kind("nothing tells that CANARY is one", known=True),
    "known, in a word": Kind("xCANARYx", known=True),
    "known, base64": Kind("sent CANARY", known=True, dress=_base64),
    "known, in a URL": Kind("GET /x/CANARY", known=True, dress=lambda secret: urllib.parse.quote(secret, safe="")),
    "known, hexadecimal": Kind("sent CANARY", known=True, dress=lambda secret: secret.encode().hex()),
}


def planted(kind: Kind, secret: str) -> str:
    return kind.text.replace(CANARY, kind.dress(secret))


def shown(secret: str, text: str) -> list[str]:
    """In which forms a text shows a secret, if it does."""
    encodings = [base64.b64encode(b"x" * before + secret.encode()).decode()[4 * bool(before):-4] for before in range(3)]
    forms = [secret, urllib.parse.quote(secret, safe=""), secret.encode().hex(), *encodings]
    return [form for form in forms if form in text]
