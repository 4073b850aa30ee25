# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strength and the end of every link of a chain, as the controller reads them."""
from __future__ import annotations

import base64
import datetime
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _certificates
from ansible_collections.connectivity.doctor.plugins.plugin_utils._certificates import describe_chain
from ansible_collections.connectivity.doctor.tests.support.certificates import mint


def test_the_link_that_ends_first_is_named() -> None:
    root = mint("Root", authority=True)
    middle = mint("Middle", issuer=root, authority=True, ends_in_days=-0.5)
    leaf = mint("leaf.example.com", issuer=middle)
    facts = describe_chain([base64.b64encode(one.der).decode() for one in (leaf, middle)])
    assert (facts["chain_days_left"], facts["expired_links"], facts["weak_links"]) == (-1, ["CN=Middle"], [])
    assert [link["days_left"] >= 0 for link in facts["chain"]] == [True, False]


@pytest.mark.parametrize(("key", "weak"), [("rsa:1024", True), ("rsa:2048", False)])
def test_a_key_that_is_too_short_is_weak(tmp_path: Path, key: str, weak: bool) -> None:
    if not shutil.which("openssl"):
        pytest.skip("this machine has no openssl")
    made = tmp_path / "made.pem"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-subj", "/CN=weak", "-newkey", key, "-sha1", "-out", str(made), "-keyout",
                    str(tmp_path / "made.key")], check=True, capture_output=True)
    facts = describe_chain([base64.b64encode(ssl.PEM_cert_to_DER_cert(made.read_text())).decode()],
                           datetime.datetime.now(datetime.UTC))
    assert (facts["weak_key"], facts["weak_links"]) == (weak, ["CN=weak"] if weak else [])
    assert (facts["signature_hash"], facts["weak_signature"]) == ("sha1", False), "a root's own signature does not matter"


def test_what_is_unreadable_has_no_strength() -> None:
    facts = describe_chain([base64.b64encode(b"no certificate").decode()])
    assert (facts["chain_days_left"], facts["expired_links"], facts["weak_links"]) == (None, [], [])


def test_a_host_without_cryptography_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    root = mint("Root", authority=True)
    leaf = mint("leaf.example.com", names=["leaf.example.com", "192.0.2.1"], issuer=root, ends_in_days=12.5)
    chain = [base64.b64encode(one.der).decode() for one in (leaf, root)]
    moment = datetime.datetime.now(datetime.UTC)
    read = describe_chain(chain, moment)
    monkeypatch.setattr(_certificates, "x509", None)
    plainly = describe_chain(chain, moment)
    for facts in (read, plainly, *read["chain"], *plainly["chain"]):
        facts.pop("key")  # the libraries have different words for the kind
    assert plainly == read
    assert (plainly["days_left"], plainly["names"], plainly["top_issuer"]) == (12, ["leaf.example.com", "192.0.2.1"], "CN=Root")
