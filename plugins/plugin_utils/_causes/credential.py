# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in what a client shows to be let in: what a host's agent holds, and what the server says to it.

The server's answer to a request of our own tells it of the inventory's credential. An agent's own is judged where it is kept, and what the
server thinks of it is in the agent's log.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import (
    AT_WORK,
    ENCRYPTION_REFUSED,
    NOT_LET_IN,
    NOT_RESTARTED,
    REFUSED,
    REFUSED_AGAIN,
    REFUSED_BY_SERVER,
    WORKS_WITH_IT,
    said_at_start,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Pattern, given, seen, unseen

_DENIED = (401, 403)
# What the proxy refused never reached the server.
_BY_SERVER = unseen(seen("proxy.connect", "fail"))
_DENIED_HERE = seen("http.response", "fail", status=_DENIED) & _BY_SERVER
_ELSEWHERE = seen("agent_config.endpoint", "fail")
_NO_CREDENTIAL = ("missing", "empty")
# The agent that runs now was refused, with the credential that is configured now, by the endpoint, and not by a proxy before it.
_REFUSED_WITH_IT = unseen(NOT_RESTARTED) & unseen(_ELSEWHERE) & _BY_SERVER
# It is refused, and what it shows can't be read: that may be nothing.
_REFUSED_UNSEEN = REFUSED_AGAIN & unseen(seen("agent_config.credential", state=given)) & _REFUSED_WITH_IT & unseen(AT_WORK)
_SAID_TO_BE_MISSING = Joined(lambda case: said_at_start(case, NOT_LET_IN))


def _held(*states: str) -> Pattern:
    """What the host's agent holds is judged so."""
    return seen("agent_config.credential", "fail", state=states)


def _of_another_region(case: Case) -> Match | None:
    for number, credential in case.of("agent_config.credential", "client"):
        data = credential["data"]
        if data.get("region") and data.get("endpoint_region") and data["region"] != data["endpoint_region"]:
            return Match((number,), data)
    return None


_OTHER_REGION = Joined(_of_another_region)

CAUSES = (
    Cause(
        code="credential.rejected",
        meaning="The server refuses the credential that it was shown.",
        summary="{name}:{port} refuses the credential",
        proof=(seen("http.response", "fail", status=_DENIED, credential_sent=True) & _BY_SERVER)
        | (_held("different") & (REFUSED | REFUSED_BY_SERVER) & _REFUSED_WITH_IT)
        # The right one, refused all the same: once may be over, and what the server accepts from us it does not refuse.
        | (REFUSED_AGAIN & seen("agent_config.credential", "ok") & _REFUSED_WITH_IT
           & unseen(seen("http.response", "ok", credential_sent=True)))
        | (REFUSED_BY_SERVER & _REFUSED_WITH_IT & unseen(_held(*_NO_CREDENTIAL, "placeholder", "malformed"))),
        suspicion=(_held("different") & unseen(AT_WORK)) | _REFUSED_UNSEEN,
        ruled_out=(seen("http.response", credential_sent=False) & unseen(REFUSED | _held("different"))) | seen("proxy.connect", "fail")
        | _held(*_NO_CREDENTIAL, "placeholder", "malformed"),
        look_alikes=("proxy.denied", "credential.missing"),
        decide_by="what the server says to the agent's own credential, in the agent's log or the server's",
        silences=REFUSED | REFUSED_BY_SERVER,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Deploy the credential from the vault; if that is the one that is refused, have it renewed first.",
        component="credential",
        culprit={"status": "{status}", "source": "{source}"},
    ),
    Cause(
        code="credential.missing",
        meaning="The server asks for a credential, and was shown none.",
        summary="{name}:{port} asks for a credential, and none is configured",
        proof=(seen("http.response", "fail", status=_DENIED, credential_sent=False) & _BY_SERVER)
        | seen("postgresql.login", "fail", error_kind="no_password")
        # An agent without one says so once, when it starts, and does not try.
        | (_held(*_NO_CREDENTIAL) & (REFUSED | _SAID_TO_BE_MISSING) & unseen(NOT_RESTARTED)),
        suspicion=seen("agent_config.credential", "fail", state=_NO_CREDENTIAL, compared=True) & unseen(AT_WORK)
        & unseen(ENCRYPTION_REFUSED)  # where nothing is encrypted, no key is asked for
        | _REFUSED_UNSEEN,
        ruled_out=(seen("http.response", credential_sent=True) & _BY_SERVER & unseen(_REFUSED_UNSEEN)) | _held("different"),
        look_alikes=("proxy.denied", "credential.rejected"),
        decide_by="what the server says to the agent, in the agent's log or the server's",
        silences=REFUSED | _SAID_TO_BE_MISSING,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Deploy the credential from the vault.",
        component="credential",
        culprit={"status": "{status}"},
    ),
    Cause(
        code="credential.placeholder",
        meaning="Where the agent's credential should be, there is still what a template or an example had there.",
        summary="{host}: the credential in {source} is still a placeholder",
        proof=_held("placeholder") & unseen(WORKS_WITH_IT),
        ruled_out=seen("agent_config.credential", state=lambda state: state != "placeholder"),
        look_alikes=("credential.rejected",),
        explains=_DENIED_HERE,
        silences=REFUSED,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Deploy the credential from the vault, and restart the agent.",
        component="credential",
        culprit={"source": "{source}"},
    ),
    Cause(
        code="credential.malformed",
        meaning="The agent's credential has not the form that such credentials have: it was cut, quoted, or is something else.",
        summary="{host}: the credential in {source} has not the form of one ({length} characters)",
        proof=_held("malformed") & unseen(WORKS_WITH_IT),
        ruled_out=seen("agent_config.credential", state=lambda state: state != "malformed"),
        look_alikes=("credential.rejected", "agent.config_stray_characters"),
        explains=_DENIED_HERE,
        silences=REFUSED,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Deploy the credential from the vault, and restart the agent.",
        component="credential",
        culprit={"source": "{source}"},
    ),
    Cause(
        code="credential.wrong_region",
        meaning="The agent's credential is for another region, or another tenant, than the endpoint.",
        summary="{host}: the credential in {source} is for {region}, and {name} is {endpoint_region}",
        proof=_OTHER_REGION & (_DENIED_HERE | REFUSED),
        suspicion=_OTHER_REGION & unseen(AT_WORK),
        ruled_out=unseen(_OTHER_REGION) & seen("agent_config.credential"),
        look_alikes=("credential.rejected",),
        decide_by="what the server says to the agent's own credential, in the agent's log or the server's",
        explains=_DENIED_HERE | _held("different"),
        silences=REFUSED | _DENIED_HERE,
        remediation=Remediation("escalate", ESCALATE),
        advice="Use the credential of the endpoint's region, or the endpoint of the credential's.",
        component="credential",
        culprit={"source": "{source}", "region": "{region}"},
    ),
)
