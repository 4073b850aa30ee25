# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else would take a port of a database's host, from configurations as people write them."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.port_users import configured_for


@pytest.mark.parametrize(("name", "text", "port", "found"), [
    ("pgbouncer/pgbouncer.ini", "[pgbouncer]\nlisten_port = 6433\n", 6433, True),
    ("pgbouncer/pgbouncer.ini", "[pgbouncer]\n", 6432, True),
    ("pgbouncer/pgbouncer.ini", "[databases]\np = host=127.0.0.1 port=15433\n", 5433, False),
    ("haproxy/haproxy.cfg", "listen replicas\n  bind *:5433\n", 5433, True),
    ("haproxy/haproxy.cfg", "listen replicas\n  bind 10.5433.0.1:80\n", 5433, False),
])
def test_who_else_would_take_a_port(tmp_path, name, text, port, found):
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(text)
    assert configured_for(port, [str(tmp_path / "*/*")]) == (str(path) if found else "")


def test_what_may_not_be_read_may_name_any_port(tmp_path):
    (tmp_path / "haproxy.cfg").symlink_to(tmp_path)  # a directory: it opens for nobody
    assert configured_for(5433, [str(tmp_path / "haproxy.cfg")]) is None
    assert configured_for(5433, [str(tmp_path / "none*")]) == ""
