# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a token is valid, as it says itself; whatever else a credential may be."""
from __future__ import annotations

import base64
import json
import random

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._http.token import validity


def token(claims):
    parts = (json.dumps({"alg": "HS256"}), claims if isinstance(claims, str) else json.dumps(claims))
    return ".".join([*(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])


# RFC 7519, section 3.1
PUBLISHED = ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
             ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
             ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")


@pytest.mark.parametrize(("credential", "expected"), [
    (PUBLISHED, (None, 1300819380)),
    ("Bearer " + token({"iat": 100, "exp": 400}), (100, 400)),
    ("Bearer " + token({"iat": 100, "nbf": 50.5, "exp": 400}), (50.5, 400)),
    (token({"sub": "x"}), (None, None)),
    (token({"iat": "100", "exp": True, "nbf": -1}), (None, None)),
    (token({"exp": 1e300}), (None, None)),
    (token("[1]"), (None, None)),
    (token('{"exp": Infinity}'), (None, None)),
    (token("[" * 20000), (None, None)),
    ("Bearer 5cb057312aa74409c8381ae164b58ea179b0442a", (None, None)),
    ("Basic dXNlcjpwYXNz", (None, None)),
    ("a.b.c", (None, None)),
    ("", (None, None)),
])
def test_what_a_credential_says(credential, expected):
    assert validity(credential) == expected


def test_any_credential_is_read_without_harm():
    source = random.Random(20261120)
    for _round in range(3000):
        text = list("Bearer " + token({"iat": 100, "exp": 400}))
        for _change in range(source.randint(1, 6)):
            text[source.randrange(len(text))] = chr(source.choice((0, 46, 61, source.randrange(33, 127), source.randrange(0x2fff))))
        for seconds in validity("".join(text)):
            assert seconds is None or 0 <= seconds < 1 << 40
