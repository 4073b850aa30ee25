# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from an Ansible module to one probe, the same for every probe.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import platform
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.connectivity.doctor.plugins.module_utils._engine import run_plan

_COMMON_ARGUMENTS: dict[str, t.Any] = {"deadline": {"type": "float", "default": 20.0}}


def run_probe(name: str, arguments: dict[str, t.Any], for_each_address: bool = False, **constraints: t.Any) -> None:
    """Run one probe as a module of its own and exit with its observations.

    :param name: the probe's file name in ``_probes``. :param arguments: its ``ARGUMENTS``.
    :param for_each_address: resolve ``host`` first, and run the probe once for every address of it.
    :param constraints: between the arguments, as AnsibleModule has them, for example ``required_one_of``.
    """
    module = AnsibleModule(argument_spec=dict(arguments, **_COMMON_ARGUMENTS), supports_check_mode=True, **constraints)
    parameters = {key: value for key, value in module.params.items() if value is not None and key not in _COMMON_ARGUMENTS}
    secrets = {key: str(module.params[key]) for key, spec in arguments.items() if spec.get("no_log") and module.params[key]}
    parameters.update({key: {"secret": key} for key in secrets})
    step: dict[str, t.Any] = {"probe": name, "parameters": parameters}
    if for_each_address and not parameters.get("proxy"):  # the name behind a proxy is the proxy's to resolve
        step = {"probe": "dns", "parameters": {"host": parameters["host"]}, "then": [dict(step, each="addresses")]}
    result = run_plan({
        "deadline_s": module.params["deadline"],
        "host": platform.node(),
        "secrets": secrets,
        "steps": [step],
    })
    module.exit_json(changed=False, observations=result["observations"])
