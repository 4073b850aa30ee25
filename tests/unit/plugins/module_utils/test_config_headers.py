# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential among header fields: found in each of the two ways to write them, and changed there with nothing else."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._config.headers import Shown, credential_in, with_credential

LIST = "tenant=t%20u,x-api-key=k%2Cl,Authorization=Bearer%20z"


@pytest.mark.parametrize(("value", "name", "shown"), [
    ("Authorization: Bearer a,b", "", Shown("Authorization", "Bearer ", "a,b")),
    ("authorization:  ApiKey k=", "Authorization", Shown("authorization", "ApiKey ", "k=")),
    ("Authorization: Basic dXNlcjpwOnc=", "", Shown("Authorization", "Basic ", "p:w")),
    ("Authorization: Basic no base", "", Shown("Authorization", "Basic ", "no base")),
    ("X-Tenant: t", "", None),
    ("X-Tenant: t", "X-Api-Key", None),
    (LIST, "", Shown("x-api-key", "", "k,l")),
    (LIST, "authorization", Shown("Authorization", "Bearer ", "z")),
    (LIST, "x-other", None),
    ("", "", None), ("=", "", None), ("no field", "", None),
])
def test_the_credential_is_found_where_it_is(value: str, name: str, shown: Shown | None) -> None:
    assert credential_in(value, name) == shown


@pytest.mark.parametrize(("value", "name", "changed"), [
    ("Authorization: Bearer a,b", "Authorization", "Authorization: Bearer n,w"),
    (LIST, "x-api-key", "tenant=t%20u,x-api-key=n%2Cw,Authorization=Bearer%20z"),
    ("Authorization: Basic dXNlcjpwOnc=", "Authorization", None),
    ("X-Tenant: t", "Authorization", None),
    (LIST, "", None),
])
def test_another_one_takes_its_place(value: str, name: str, changed: str | None) -> None:
    assert with_credential(value, name, "n,w") == changed
    if changed:
        assert credential_in(changed, name)._replace(scheme="", field="") == Shown("", "", "n,w")
