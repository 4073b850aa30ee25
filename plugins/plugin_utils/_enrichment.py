# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller adds to the observations of a host: certificates read, and clocks compared. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _certificates
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation, concluded
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord

_SERVER_CLOCKS = {"http.response": "clock_offset_s", "postgresql.session": "server_now_offset_s"}
_DEFAULT_OFFSET_S = 5.0


def enriched(record: HostRecord) -> list[Observation]:
    """The observations of a record, with certificates as facts instead of bytes, and with ``clock.offset`` observations added."""
    limits = _limits(record)
    observations = [_with_certificate(observation, limits) for observation in record.observations]
    issuers = _intermediates(observations)
    for observation in observations:
        if observation["check"] == "tls.certificate":
            observation["data"]["issuer_is_intermediate"] = observation["data"].get("issuer") in issuers
    return observations + clock_offsets(record)


def clock_offsets(record: HostRecord) -> list[Observation]:
    """The host's clock against the controller's, and against those of the servers that told theirs."""
    limits = _limits(record)
    return _controller_clock(record) + [
        offset for observation in record.observations if (offset := _server_clock(observation, limits))
    ]


def _limits(record: HostRecord) -> dict[str, t.Mapping[str, float]]:
    return {endpoint["name"]: endpoint["thresholds"] for endpoint in record.endpoints}


def _with_certificate(observation: Observation, limits: t.Mapping[str, t.Mapping[str, float]]) -> Observation:
    chain = observation["data"].get("chain_der")
    if observation["check"] != "tls.certificate" or not isinstance(chain, list):
        return observation
    data = {key: value for key, value in observation["data"].items() if key != "chain_der"}
    data.update(_certificates.describe_chain(chain))
    days = limits.get(observation.get("endpoint", ""), {}).get("certificate_days", 30.0)
    data["expiring"] = data.get("days_left") is not None and 0 <= data["days_left"] < days
    return {**observation, "data": data}


def _intermediates(observations: t.Iterable[Observation]) -> set[str]:
    """Subjects of the authorities between leaf and root that some endpoint of this host sent."""
    return {
        certificate["subject"]
        for observation in observations if observation["check"] == "tls.certificate"
        for certificate in observation["data"].get("chain", ())[1:]
        if certificate["subject"] != certificate["issuer"]
    }


def _controller_clock(record: HostRecord) -> list[Observation]:
    """The host's offset lies between two bounds: its clock when it had surely been asked, and when it had surely not yet answered."""
    if len(record.controller_clock) != 2 or "clock_at_start" not in record.facts:
        return []
    before, after = record.controller_clock
    lowest, highest = record.facts["clock_at_end"] - after, record.facts["clock_at_start"] - before
    offset, uncertainty = (lowest + highest) / 2, abs(highest - lowest) / 2
    limit = min((endpoint["thresholds"]["clock_offset_s"] for endpoint in record.endpoints), default=_DEFAULT_OFFSET_S)
    return [_offset("controller", record.host, {"host": record.host, "address": "", "user": ""}, offset, uncertainty, limit, "")]


def _server_clock(observation: Observation, limits: t.Mapping[str, t.Mapping[str, float]]) -> Observation | None:
    key = _SERVER_CLOCKS.get(observation["check"])
    offset = observation["data"].get(key) if key else None
    if offset is None:
        return None
    endpoint = observation.get("endpoint", "")
    limit = limits.get(endpoint, {}).get("clock_offset_s", _DEFAULT_OFFSET_S)
    # An HTTP Date has whole seconds (RFC 9110, section 5.6.7).
    told = _offset("server", observation["target"], observation["vantage"], -offset, 1.0, limit, observation["check"])
    return {**told, **{key: observation[key] for key in ("endpoint", "side") if observation.get(key)}}


def _offset(
    reference: str, target: str, vantage: dict[str, str], offset: float, uncertainty: float, limit: float, source: str,
) -> Observation:
    off = abs(offset) - uncertainty > limit
    data = {
        "reference": reference, "offset_s": round(offset, 1), "uncertainty_s": round(uncertainty, 1), "limit_s": limit, "source": source,
    }
    message = "this host's clock is %+.1f s (± %.1f s) against the %s's" % (offset, uncertainty, reference)
    return concluded("clock.offset", "warn" if off else "ok", target, data, message, "date -u", vantage)
