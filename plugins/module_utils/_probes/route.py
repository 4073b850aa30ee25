# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether packets get to an address, by which way, how large, how surely, and whether answers get in.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._kernel_counters import tcp_counters
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._route.lookup import observe_route
from ansible_collections.connectivity.doctor.plugins.module_utils._route.mtu import observe_mtu
from ansible_collections.connectivity.doctor.plugins.module_utils._route.neighbours import observe_neighbours
from ansible_collections.connectivity.doctor.plugins.module_utils._route.path import Path, observe_path, observe_tcp_path
from ansible_collections.connectivity.doctor.plugins.module_utils._route.ping import Pinging, observe_ping
from ansible_collections.connectivity.doctor.plugins.module_utils._route.reverse import observe_reverse_path

CHECKS = ("path", "lookup", "ping", "mtu", "reverse_path", "neighbours")
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int"},
    "local_address": {"type": "str"},
    "peer_mtu": {"type": "int"},
    "max_hops": {"type": "int", "default": 20},
    "detectable_loss": {"type": "float", "default": 0.1},
    "power": {"type": "float", "default": 0.95},
    "answer_timeout": {"type": "float", "default": 1.0},
    "checks": {"type": "list", "elements": "str", "choices": list(CHECKS), "default": list(CHECKS)},
}
_DROPPED = "IPReversePathFilter"
_MOST_HOPS = 64
# Seconds without which a check could take slowness for silence; to ``ping``, the time for the answers is added.
_LEAST_S = {"path": 1.5, "tcp_path": 2.5, "ping": 1.0, "mtu": 1.5, "neighbours": 0.7}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records, for one ``address``, in this order (times in ms, sizes in bytes of the whole IP packet):

    * ``route.path``, by ``method`` ``icmp`` (``udp`` where ICMP is not permitted) and, given a ``port``, a second by ``tcp``. ``hops``:
      list of ``ttl``, ``address``, ``answer`` (``ttl_exceeded``, ``reply``, ``accepted``, ``rst``, ``icmp``, ``local``, ``none``), ``icmp``
      (its name), ``rtt_ms``; ``reached``, ``distance``, ``last_hop``, ``last_ttl``; ``refused_by``, ``refused_with``, ``refused_from``
      (``self``, ``path``, ``target``); ``local_error`` (an errno name).
    * ``route.lookup``: see :func:`observe_route`.
    * ``route.ping``: ``method`` (``icmp``, ``tcp``, ``udp``), ``silent_methods``, ``sent``, ``received``, ``loss`` with its interval of
      95 % (``loss_low``, ``loss_high``; null by UDP, which shows no rate), ``power`` to see ``detectable_loss`` with so many,
      ``tcp_sent`` and ``tcp_lost`` (SYNs to the ``port``, where echoes were lost or TCP is the method; 0 where none were sent),
      ``rtt_ms`` (``min``, ``median``, ``p95``, ``max``, ``jitter``), ``icmp_errors``, ``local_errors``, and where packets were lost
      ``by_hop``: ``ttl``, ``address``, ``sent``, ``received``.
    * ``route.mtu``: ``path_mtu`` (null if it was not found to the byte), ``interface_mtu``, ``cached_mtu`` (the kernel's, before),
      ``largest_through``, ``smallest_lost``, ``smallest_silent`` (from where on nobody tells), ``icmp_seen``, ``icmp_senders``,
      ``icmp_mtu``, ``black_hole`` (true, false, null with ``reason`` ``no_answer``, ``inconsistent``, ``deadline``), ``udp_agrees``; for a
      black hole ``by_hop``, ``lost_after_hop`` (empty: this host's own link) and ``lost_before_hop``; ``peer_mtu``, ``peer_mtu_from``
      (``given``, ``mss``), ``mtu_mismatch``, ``on_link``; ``tcp_path_mtu``, ``tcp_segment_mtu``, ``tcp_advertised_mss``,
      ``configured``.
    * ``route.reverse_path``: ``interfaces`` (``name``, ``addresses``, ``rp_filter``, ``rp_filter_own`` (without that of all),
      ``accepts_peer``), ``return_device``,
      ``arrival_device``, ``arrival_accepted`` (true, false, null), ``dropped_during_probe``, ``dropped_since_boot``.
    * ``route.neighbours``: see :func:`observe_neighbours`.

    ``checks`` names which of them, by the second part of their names; the default is all.
    What there is no time left for is ``cannot_tell`` with ``reason`` ``deadline``. Passes if the address answered anything.

    :raises ValueError: ``detectable_loss`` or ``power`` is not between 0 and 1, or ``max_hops`` not from 1 to 64.
    """
    address, port = parameters["address"], parameters.get("port")
    rate, power, max_hops = parameters["detectable_loss"], parameters["power"], parameters["max_hops"]
    if not (0 < rate < 1 and 0 < power < 1 and 1 <= max_hops <= _MOST_HOPS):
        raise ValueError("detectable_loss and power must be between 0 and 1, and max_hops from 1 to %d" % _MOST_HOPS)
    checks = parameters.get("checks") or CHECKS

    def wanted(check: str, target: str, least_s: float) -> bool:
        """Whether there is time for a check to wait for its answers: what was not waited for is no silence."""
        if check not in checks:
            return False
        if context.deadline.remaining() >= least_s:
            return True
        context.observe("route." + check, "cannot_tell", target, "too little of the deadline was left for it", data={"reason": "deadline"})
        return False

    dropped = tcp_counters((_DROPPED,))[_DROPPED]
    pinging = None
    if wanted("ping", address, parameters["answer_timeout"] + _LEAST_S["ping"]):
        pinging = Pinging(context, address, port, rate, power, parameters["answer_timeout"])
        pinging.start()
    path = Path([], None)
    if wanted("path", address, _LEAST_S["path"]):
        path = observe_path(context, address, max_hops)
    answers_port = False
    if port and wanted("path", _flow.host_port(address, port), _LEAST_S["tcp_path"]):
        answers_port = observe_tcp_path(context, address, port, max_hops, path.distance).distance is not None
    # After packets were sent, the neighbour table says whether the next hop lives.
    lookup = observe_route(context, address) if "lookup" in checks else None
    answered, loss, slowest_ms = False, 0.0, 0.0
    if pinging:
        burst = observe_ping(context, address, pinging, parameters["answer_timeout"], path.hops)
        answered, slowest_ms = burst.received > 0, max(burst.times_ms, default=0.0)
        loss = 1 - burst.received / burst.sent if burst.certain and burst.sent else 0.0
    if wanted("mtu", address, _LEAST_S["mtu"]):
        observe_mtu(context, address, port if answers_port else None, lookup, parameters.get("peer_mtu"), loss, slowest_ms, path.hops)
    if "reverse_path" in checks:
        observe_reverse_path(context, address, lookup, parameters.get("local_address") or "", tcp_counters((_DROPPED,))[_DROPPED], dropped)
    if wanted("neighbours", address, _LEAST_S["neighbours"]):
        observe_neighbours(context, address, lookup)
    return Outcome(path.distance is not None or answers_port or answered)
