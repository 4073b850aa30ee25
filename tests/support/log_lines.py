# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that real programs wrote about faults whose cause is known, by the family in which they belong.

Captured from netdata 1.37, Zabbix 6.0, OpenTelemetry collector 0.135 and its SDK for Python, Prometheus, elastic-apm, newrelic, sentry-sdk,
collectd, gRPC, Node.js and munin; a few are as their sources print them.
"""
from __future__ import annotations

_SENDER = "2026-11-20 06:39:52: netdata ERROR : STREAM_SENDER[child] : "
_PARENT = "2026-11-20 06:39:52: netdata ERROR : WEB_SERVER[static2] : "
_AGENT2 = "2026/11/20 06:33:53.817670 [111] "
_AGENTD = "  3637:20261120:063632.028 "
_SERVER = " 15522:20261120:063506.112 "
_OTELCOL = ('2026-11-20T06:29:22.121Z\tinfo\tinternal/retry_sender.go:133\tExporting failed. Will retry the request after interval.\t'
            '{"otelcol.component.id": "otlphttp", "error": "failed to make an HTTP request: %s", "interval": "1.026s"}')
_OTELCOL_DROPPED = ('2026-11-20T06:29:22.121Z\terror\tinternal/queue_sender.go:42\tExporting failed. Dropping data.\t'
                    '{"error": "not retryable error: Permanent error: rpc error: code = %s"}')
_POST = 'Post \\"http://srv.test:8999/v1/logs\\": '
_URLLIB3 = ("2026-11-20 06:52:43,671 WARNING opentelemetry.exporter.otlp.proto.http.trace_exporter Transient error "
            "HTTPSConnectionPool(host='srv.test', port=8999): Max retries exceeded with url: /v1/traces (Caused by %s)")
_GRPC = "StatusCode.UNAVAILABLE failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:8999: %s"

LINES: dict[str, tuple[str, ...]] = {
    "encryption_refused": (
        _AGENT2 + "failed to process an incoming connection from 127.0.0.1: cannot accept unencrypted connection",
    ),
    "gave_up": (
        "Disconnection of the agent has been requested by the data collector for the application where the agent run was None.",
    ),
    "proxy_auth": (
        _OTELCOL % 'Post \\"https://srv.test/v1/logs\\": Proxy Authentication Required',
        "curl: (56) CONNECT tunnel failed, response 407",
        _URLLIB3 % "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))",
        "Received a proxy authentication required response from the data collector. This occurs when the agent has a misconfigured proxy.",
        _OTELCOL_DROPPED % "Unknown desc = error exporting items, responded with HTTP Status Code 407",
    ),
    "auth_method": (
        "org.postgresql.util.PSQLException: The authentication type 10 is not supported. Check that you have configured the pg_hba.conf",
        "psycopg2.OperationalError: SCRAM authentication requires libpq version 10 or above",
        "FATAL: could not connect: authentication method 10 not supported",
        "pg8000.core.InterfaceError: Authentication method 10 not recognized by pg8000.",
        "pq: unknown authentication response: 10",
    ),
    "prepared_statement": (
        'org.postgresql.util.PSQLException: ERROR: prepared statement "S_1" does not exist',
        'asyncpg.exceptions.DuplicatePreparedStatementError: prepared statement "__asyncpg_stmt_1__" already exists',
    ),
    "proxy_refused": (
        "curl: (56) CONNECT tunnel failed, response 403",
        "curl: (56) Received HTTP code 403 from proxy after CONNECT",
        _URLLIB3 % "ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: 403 Forbidden'))",
    ),
    "proxy_unreachable": (
        _OTELCOL % (_POST + "proxyconnect tcp: dial tcp 127.0.0.1:3199: connect: connection refused"),
        _OTELCOL % (_POST + "proxyconnect tcp: dial tcp: lookup nx.test on 127.0.0.1:53: no such host"),
        _URLLIB3 % "ProxyError('Unable to connect to proxy', NewConnectionError('...'))",
    ),
    "tls_server_key": (
        ('nginx: [emerg] SSL_CTX_use_PrivateKey("/etc/ssl/server.key") failed (SSL: error:05800074:x509 certificate routines::key values '
         "mismatch)"),
        ('nginx: [emerg] cannot load certificate key "/etc/ssl/server.key": BIO_new_file() failed (SSL: error:8000000D:system '
         "library::Permission denied:calling fopen(/etc/ssl/server.key, r))"),
        "AH02565: Certificate and private key www.example.com:443:0 from /etc/ssl/a.pem and /etc/ssl/b.key do not match",
        ("[ALERT] (8) : config : parsing [/etc/haproxy/haproxy.cfg:20] : 'bind :443' : inconsistencies between private key and certificate "
         "loaded from PEM file '/etc/ssl/both.pem'."),
        'FATAL:  could not load private key file "/etc/ssl/server.key": key values mismatch',
        'FATAL:  private key file "/etc/ssl/server.key" has group or world access',
        "tls: private key does not match public key",
    ),
    "tls_clock_or_expiry": (
        _OTELCOL % (_POST + "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time "
                    "2026-11-20T06:31:10Z is after 2020-01-31T00:00:00Z"),
        _OTELCOL % (_POST + "x509: certificate has expired or is not yet valid: current time 2026-11-20T06:31:19Z is before 2034"),
        _URLLIB3 % "SSLError('[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired')",
        _URLLIB3 % "SSLError('[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid')",
        _AGENT2 + "cannot connect to [srv.test:9443]: certificate has expired: error:0A000086:SSL routines::certificate verify failed",
        "java.security.cert.CertificateNotYetValidException: NotBefore: Sun Jan 01 00:00:00 UTC 2034",
    ),
    "tls_name": (
        _OTELCOL % (_POST + "tls: failed to verify certificate: x509: certificate is valid for other.example, not srv.test"),
        _OTELCOL % (_POST + "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs"),
        _URLLIB3 % "SSLError('certificate verify failed: Hostname mismatch, certificate is not valid for srv.test')",
    ),
    "tls_untrusted": (
        _OTELCOL % (_POST + "tls: failed to verify certificate: x509: certificate signed by unknown authority"),
        _URLLIB3 % "SSLError('[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate')",
        _GRPC % "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"
        "CERTIFICATE_VERIFY_FAILED: self signed certificate",
        "APM Server transport error (DEPTH_ZERO_SELF_SIGNED_CERT): self-signed certificate",
        "write_http plugin: curl_easy_perform failed with status 60: server certificate verification failed. CAfile: none CRLfile: none",
        "Failed to connect to collector:443: javax.net.ssl.SSLHandshakeException: PKIX path building failed: unable to find valid path",
        _AGENT2 + "cannot connect to [srv.test:9441]: self-signed certificate: error:0A000086:SSL routines::certificate verify failed",
        _AGENTD + "cannot establish TLS to [[srv.test]:9441]: invalid peer certificate: The certificate is NOT trusted.",
        _SENDER + "Closing the stream connection, because the server SSL certificate is not valid.",
        _SENDER + "SSL RFC4158 check:  We have a invalid certificate, the tests result with 18",
    ),
    "tls_version_or_cipher": (
        _SERVER + "failed to accept an incoming connection: from 127.0.0.1: zbx_tls_accept(): gnutls_handshake() failed: -87 "
        "No supported cipher suites have been found.",
    ),
    "tls_to_plain_port": (
        _OTELCOL % (_POST + "tls: first record does not look like a TLS handshake"),
        _URLLIB3 % "SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)'))",
        "write EPROTO 140:error:1408F10B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/ssl/record/ssl3_record.c:332:",
        _SENDER + "SSL cannot connect with the server:  error:00000000:lib(0)::reason(0)",
    ),
    "wrong_protocol": (
        _GRPC % "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame, got frame type 79)",
        _SENDER + "STREAM child [send to 127.0.0.1:8401]: remote node response is not understood, is it Netdata?.",
        _SERVER + "Message from 127.0.0.1 is missing header. Message ignored.",
    ),
    "credential_missing": (
        _SENDER + "STREAM [send]: cannot enable sending thread - information is missing.",
        "error details: missing or empty authorization metadata",
        "no license key, please add it to agent's config file or NRIA_LICENSE_KEY environment variable",
        "No valid api key found, reporting the forwarder as unhealthy.",
    ),
    "version": (
        ("Error: fail to enroll: fail to execute request to fleet-server: status code: 400, fleet-server returned an error: "
         "UnsupportedVersion, message: version is not supported"),
        "wazuh-agentd: ERROR: Agent version must be lower or equal to manager version (from manager)",
        "curl: (22) The requested URL returned error: HTTP 426",
    ),
    "caller_refused": (
        _AGENT2 + 'failed to accept an incoming connection: connection from "127.0.0.1" rejected, allowed hosts: "10.9.9.9"',
    ),
    "auth": (
        _SENDER + "STREAM child [send to 127.0.0.1:19999]: remote server denied access, probably we don't have the right API key?.",
        _PARENT + "STREAM [receive from [::1]:36132]: API key '99999999-2222-3333-4444-555555555555' is not allowed. Forbidding access.",
        _PARENT + "STREAM [receive from [localhost]:41582]: API key 'bad-key' is not valid GUID (use the command uuidgen to generate one). "
        "Forbidding access.",
        _SERVER + 'cannot find requested PSK identity "wrongid"',
        _SERVER + "zbx_tls_accept(): gnutls_handshake() failed: -31 Error in password/key file.",
        _OTELCOL_DROPPED % "Unauthenticated desc = error exporting items, responded with HTTP Status Code 401",
        _OTELCOL_DROPPED % "PermissionDenied desc = error exporting items, responded with HTTP Status Code 403",
        "2026-11-20 06:52:58,786 ERROR opentelemetry.exporter.otlp Failed to export spans batch code: 401, reason: Unauthorized",
        "Failed to submit message: 'HTTP 401: {\"error\":\"unauthorized: invalid token\"}'",
        "APM Server transport error (401): Unexpected APM Server response",
        "APM Server transport error: unexpected status from APM Server information endpoint: 401",
        "Data collector is indicating that an incorrect license key has been supplied by the agent.",
        "Your license key appears to be invalid. Reattempting connection to New Relic. (status code 401)",
        "API Key invalid (403 response), dropping transaction for https://app.example",
        "org.apache.skywalking.apm.dependencies.io.grpc.StatusRuntimeException: PERMISSION_DENIED",
        "network plugin: Decrypting AES256 part failed with status -1.",
        "network plugin: Failed to get cypher. Username: u",
        "write_http plugin: HTTP Error code: 401",
        "Unexpected status code: 401 (body: ...)",
        "2026/11/20-06:00:00 Denying connection from: 127.0.0.1",
        'FATAL:  password authentication failed for user "reporting"',
        "[output:http:http.0] srv.test:443, HTTP status=401",
    ),
    "too_large": (
        "2026-11-20 06:52:58,786 ERROR Failed to export spans batch code: 413, reason: Request Entity Too Large",
        "Failed to submit message: 'HTTP 413: {}'",
        "HTTP 413: Event dropped due to exceeded envelope size limit",
        "Failed to write metrics with size 1 bytes to b, request was too large (413)",
    ),
    "rate_limited": (
        "Transient error Too Many Requests encountered while exporting spans batch, retrying in 1.00s.",
        _OTELCOL % "Throttle (1s), error: rpc error: code = ResourceExhausted desc = responded with HTTP Status Code 429",
        "'Temporarily rate limited: {}'",
        "The agent received a 429 response: status code: 429",
        "Rate-limited via 429",
    ),
    "server_unavailable": (
        "Transient error Service Unavailable encountered while exporting spans batch, retrying in 1.00s.",
        _OTELCOL % "code = Unavailable desc = responded with HTTP Status Code 503",
        "Received a non 200 or 202 HTTP response from the data collector where params={} status_code=503",
        "Received error status code from New Relic backend: 503.",
        _SERVER + "database is down: reconnecting in 10 seconds",
        "FATAL:  the database system is starting up",
    ),
    "wrong_path": (_OTELCOL_DROPPED % "Unimplemented desc = error exporting items, responded with HTTP Status Code 404",),
    "dns_no_such_name": (
        _OTELCOL % (_POST + "dial tcp: lookup nx.test on 127.0.0.1:53: no such host"),
        _SENDER + "Cannot resolve host 'nx.test', port '19999': Name or service not known",
        _AGENT2 + "cannot connect to [nx.test:10051]: dial tcp: lookup nx.test on 127.0.0.1:53: no such host",
        _AGENTD + "Unable to connect to [nx.test]:10051 [cannot resolve [nx.test]]",
        _URLLIB3 % "NameResolutionError(\"Failed to resolve 'nx.test' ([Errno -2] Name or service not known)\")",
        _GRPC % "errors resolving nx.test:8200: [field:hostname lookup error:address lookup failed for nx.test:8200: Domain name not found",
        "APM Server transport error: error fetching APM Server version: getaddrinfo ENOTFOUND nx.test",
        "write_http plugin: curl_easy_perform failed with status 6: Could not resolve host: nx.test",
        "network plugin: getaddrinfo (nx.test, 25826) failed: Name or service not known",
    ),
    "dns_unavailable": (
        _OTELCOL % (_POST + "dial tcp: lookup slow.test on 127.0.0.1:53: read udp 127.0.0.1:36743->127.0.0.1:53: i/o timeout"),
        _OTELCOL % (_POST + "dial tcp: lookup servfail.test on 127.0.0.1:53: server misbehaving"),
        _SENDER + "Cannot resolve host 'slow.test', port '19999': Temporary failure in name resolution (errno 11, Resource temporarily "
        "unavailable)",
        _URLLIB3 % "NameResolutionError(\"Failed to resolve 'slow.test' ([Errno -3] Temporary failure in name resolution)\")",
        _GRPC % "address lookup failed for slow.test:8200: Timeout while contacting DNS servers]",
    ),
    "refused": (
        _OTELCOL % (_POST + "dial tcp 127.0.0.1:8999: connect: connection refused"),
        _SENDER + "Failed to connect to '127.0.0.1', port '19555' (errno 111, Connection refused)",
        _AGENT2 + "cannot connect to [srv.test:10999]: dial tcp :0->127.0.0.1:10999: connect: connection refused",
        _AGENTD + "Unable to connect to [srv.test]:10999 [cannot connect to [[srv.test]:10999]: [111] Connection refused]",
        _URLLIB3 % 'NewConnectionError("Failed to establish a new connection: [Errno 111] Connection refused")',
        _GRPC % "Failed to connect to remote host: Connection refused",
        "APM Server transport error (ECONNREFUSED): connect ECONNREFUSED 127.0.0.1:8999",
        "write_http plugin: curl_easy_perform failed with status 7: Failed to connect to srv.test port 8999: Couldn't connect to server",
        "write_graphite plugin: Connecting to 127.0.0.1:2999 via tcp failed. The last error was: Connection refused",
    ),
    "unreachable": (
        _OTELCOL % (_POST + "dial tcp 203.0.113.1:4318: connect: no route to host"),
        _SENDER + "Failed to connect to '203.0.113.5', port '19999' (errno 113, No route to host)",
        _AGENT2 + "cannot connect to [203.0.113.5:10051]: dial tcp :0->203.0.113.5:10051: connect: no route to host",
        _GRPC % "connect failed: addr: ipv4:203.0.113.1:8200 error: No route to host",
    ),
    "reset": (
        _OTELCOL % (_POST + "read tcp 127.0.0.1:47214->127.0.0.1:8601: read: connection reset by peer"),
        "Unable to reach APM Server: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
        "failed to send, dropping 1 traces to intake at http://srv.test:8601/v0.5/traces: Network error: client error (SendRequest)",
        _AGENTD + "zbx_tls_connect(): gnutls_handshake() failed: -110 The TLS connection was non-properly terminated.",
    ),
    "timeout": (
        _OTELCOL % (_POST + "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
        _SENDER + "Timed out while connecting to '192.0.2.9', port '19999'. select() returned 1 (errno 115, Operation now in progress)",
        _AGENT2 + "cannot connect to [192.0.2.9:10051]: dial tcp :0->192.0.2.9:10051: i/o timeout",
        _AGENTD + "Unable to connect to [192.0.2.9]:10051 [cannot connect to [[192.0.2.9]:10051]: [4] Interrupted system call]",
        _AGENTD + "Unable to receive from [127.0.0.1]:8601 [ZBX_TCP_READ() timed out]",
        "2026-11-20 06:53:18,072 ERROR Failed to export spans batch due to timeout, max retries or shutdown.",
        "'Connection to APM Server timed out (url: http://srv.test:8999/intake/v2/events, timeout: 3.0 seconds)'",
        "StatusCode.DEADLINE_EXCEEDED, error details: Deadline Exceeded",
        "write_http plugin: curl_easy_perform failed with status 28: Operation timed out after 2000 milliseconds with 0 bytes received",
    ),
    "file_unreadable": (
        _AGENT2 + "cannot configure encryption: error:8000000D:system library:file_ctrl:Permission denied:calling fopen(<KEYFILE>, r)",
    ),
    "unknown_host_on_server": (
        _AGENT2 + "no active checks on server [srv.test:10051]: host [nohost.example] not found",
        _SERVER + 'cannot send list of active checks to "127.0.0.1": host [nohost.example] not found',
    ),
    "config_invalid": (
        "zabbix_agent2 [1131]: ERROR: Cannot assign configuration: invalid parameter LogFil at line 10: unknown parameter",
        "Error: failed to get config: cannot unmarshal the configuration: decoding failed due to the following error(s):",
        "'' has invalid keys: nosuch",
        _SENDER + "CONFIG: ignoring line 5 ('timeout seconds = 10') of file '/etc/netdata/stream.conf', it is outside all sections.",
    ),
    "backlog": (
        _OTELCOL % "sending queue is full",
        "could not queue event: queue is full",
        "2026-11-20 06:53:18,072 dropping flushed data due to transport failure back-off",
    ),
    "not_reporting": (
        _AGENT2 + "active check configuration update from host [h] started to fail",
        _AGENT2 + "cannot connect to [127.0.0.1:10051]: EOF",
        _SENDER + "STREAM child [send]: not ready - collected metrics are not sent to parent.",
        "Registration of the application 't' with the data collector failed after multiple attempts.",
        "Instana Host Agent couldn't be found. Will retry periodically...",
        "failed to send, dropping 1 traces to intake at http://srv.test:8999/v0.5/traces: Network error: client error (Connect)",
        _SERVER + 'Zabbix agent item "system.cpu.util" on host "h" failed: first network error, wait for 15 seconds',
        "STREAM child [receive from [localhost]:46084]: disconnected (completed 2301 updates).",
    ),
    "recovered": (
        _SENDER + "STREAM child [send to 127.0.0.1:19999]: established link with negotiated capabilities: VCAPS HLABELS",
        "2026/11/20 07:27:34.335303 [101] active check configuration update from [srv.test:10999] is working again",
        'Successfully posted payload to "https://app.example" (202 Accepted), the agent will only log transaction success every 500',
        "| INFO  | Backend | 55 - com.instana.agent - 1.1.718 | Connected using HTTP/2 to ingress.example:443",
        _SERVER + 'enabling Zabbix agent checks on host "h": interface became available',
    ),
    # What is well, or nothing that a family is for.
    "": (
        "2026-11-20 10:21:02: netdata INFO  : REPLICATION : REPLICATION SUMMARY: finished, executed 16 replication requests",
        "2026-11-20T06:29:22.401Z\tinfo\tservice@v0.135.0/service.go:245\tEverything is ready. Begin running and processing data.",
        "2026/11/20 06:33:41.413403 [407] Starting Zabbix Agent 2 (6.0.14)",
        "2026-11-20 06:40:13.503 GET /api/v1/info 200 413 bytes in 401 ms",
        "127.0.0.1 - - [20/Nov/2026:06:33:41 +0000] \"GET / HTTP/1.1\" 200 429",
        "request 503 took 429 ms, 401 items",
    ),
}
