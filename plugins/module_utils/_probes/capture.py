# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of one flow as they are on the wire, and what they show: tcpdump(1), bounded, read by the collection itself.

Payload is looked at in memory for TLS alerts, and cut off before anything is kept: no secret is captured unless it is asked for.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import re
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow, _pcap, _tcpdump
from ansible_collections.connectivity.doctor.plugins.module_utils._capture_summary import summary
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "interface": {"type": "str", "default": "any"},
    "seconds": {"type": "float", "default": 10.0},
    "packets": {"type": "int", "default": 1000},
    "capture_bytes": {"type": "int", "default": 262144},
    "payload_bytes": {"type": "int", "default": 0},
    "connect": {"type": "bool", "default": False},
}
_MOST_PACKETS, _MOST_BYTES, _MOST_SECONDS = 100000, 8 * 1024 * 1024, 600.0
# Link, IP and TCP headers with all their options, and the first bytes of a payload, which show a TLS alert.
_HEADERS_BYTES = 192
_LINGER_S = 0.7
# What cannot be an interface's name (dev_valid_name in the kernel) is not given to tcpdump.
_INTERFACE = re.compile(r"[A-Za-z0-9_.@:-]{1,15}\Z")
_DROPPED = re.compile(r"(\d+) packets? dropped by kernel")


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Capture the flow with ``address`` and ``port``; with ``connect``, make one connection meanwhile, and end soon after it.

    Records ``capture.summary``: ``address``, ``port``, ``interface``, ``stopped_by`` (``seconds``, ``packets``, ``bytes``, ``connection``),
    ``dropped_by_kernel``, ``captured`` (packets that could be read), ``connect_error`` (errno name, empty if it stood; null without
    ``connect``), ``payload_bytes``, and the facts of :func:`summary`. ``reason`` where it could not be: ``not_found``, ``not_permitted``,
    ``no_start``, ``bad_interface``. ``outputs["pcap"]`` is the file, base64.
    """
    started = time.time()
    address, port, interface = parameters["address"], parameters["port"], parameters["interface"]
    where = _flow.host_port(address, port)
    limits = _tcpdump.Limits(
        seconds=context.deadline.allow(min(parameters["seconds"], _MOST_SECONDS)),
        packets=max(1, min(parameters["packets"], _MOST_PACKETS)),
        capture_bytes=max(1024, min(parameters["capture_bytes"], _MOST_BYTES)),
        snap_bytes=_HEADERS_BYTES + max(0, min(parameters["payload_bytes"], 65000)),
        linger_s=_LINGER_S,
    )
    errors: list[str] = []

    def connect() -> None:
        attempt = _flow.connect(address, port, context.deadline.allow(limits.seconds))
        errors.append(attempt.error)
        if attempt.sock:
            attempt.sock.close()

    expression = _tcpdump.filter_expression(address, port)
    reproduce = "tcpdump -n -i %s -s %d -c %d '%s'" % (interface, limits.snap_bytes, limits.packets, expression)
    if _INTERFACE.match(interface) and not interface.startswith("-"):
        taken = _tcpdump.capture(interface, expression, limits, connect if parameters["connect"] else None)
    else:
        taken = _tcpdump.Captured(b"", "bad_interface", "", "")
    try:
        capture = _pcap.read(taken.data, limits.packets) if not taken.problem else None
    except _pcap.CaptureError:
        capture = None
    if capture is None:
        context.observe("capture.summary", "cannot_tell", where, "tcpdump can't capture here: %s" % (taken.problem or "no_capture"),
                        data={"reason": taken.problem or "no_capture", "detail": context.text(taken.messages, 300)}, started=started,
                        reproduce=reproduce)
        return Outcome(False)
    packets = [packet for packet in (_pcap.parse(capture.link, record) for record in capture.records) if packet]
    dropped = _DROPPED.search(taken.messages)
    data: dict[str, t.Any] = {
        "address": address,
        "port": port,
        "interface": interface,
        "stopped_by": taken.stopped_by,
        "dropped_by_kernel": int(dropped.group(1)) if dropped else None,
        "captured": len(packets),
        "connect_error": errors[0] if errors else None,
        "payload_bytes": max(0, parameters["payload_bytes"]),
    }
    data.update(summary(packets, address.partition("%")[0], port))
    trouble = any(data[key] for key in ("syn_without_answer", "resets", "retransmissions", "zero_windows", "tls_alerts", "icmp_errors",
                                        "syns_sent_again"))
    context.observe("capture.summary", "warn" if trouble else "ok", where, _sentence(where, data), data=data, started=started,
                    reproduce=reproduce)
    kept = _pcap.without_payload(capture, taken.data, data["payload_bytes"])
    return Outcome(True, {"pcap": base64.b64encode(kept).decode("ascii")})


def _sentence(where: str, data: dict[str, t.Any]) -> str:
    if not data["packets"] and not data["icmp_errors"]:
        return "no packet of a flow with %s was seen in the time" % where
    parts = ["%d packets with %s" % (sum(data["packets"].values()), where)]
    if data["syn_without_answer"]:
        parts.append("%d connections of which no SYN was answered" % len(data["syn_without_answer"]))
    parts += ["%(sender)s reset %(count)d times" % one for one in data["resets"]]
    parts += ["%s sent %d segments again" % one for one in sorted(data["retransmissions"].items())]
    parts += ["%s closed its window %d times" % one for one in sorted(data["zero_windows"].items())]
    parts += ["%(sender)s sent the TLS alert %(description)s" % one for one in data["tls_alerts"]]
    parts += ["%(sender)s sent ICMP %(name)s" % one for one in data["icmp_errors"]]
    return "; ".join(parts[:12])
