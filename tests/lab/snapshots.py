# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a machine a remediation could touch, as text by kind; what changes by itself is left out."""
from __future__ import annotations

from .lab import Lab

# By kind, the script that prints it. Tables of nft by family: the kernel tells them in the order in which they were made.
_KINDS = {
    "files": """
        set -- /etc /usr/local /run/systemd/system /var/lib/postgresql/*/*/postgresql.auto.conf /run/*.conf
        find "$@" -xdev -type f ! -name '*.lock' ! -path /etc/network/interface-order -exec sha256sum {} + | sort -k2
        find "$@" -xdev ! -type d ! -name '*.lock' ! -path /etc/network/interface-order -printf '%M %u:%g %p %l\\n' | sort -k3
    """,
    "rules": """
        for family in inet ip ip6 bridge; do nft --stateless list ruleset $family; done
        for save in iptables-save ip6tables-save iptables-legacy-save ip6tables-legacy-save; do
            $save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'
        done
        ipset save
        ! systemctl -q is-active firewalld || firewall-cmd --list-all-zones
    """,
    "network": """
        ip -4 route show table all | grep -v '^local\\|^broadcast'
        ip -6 route show table all | grep -v '^local\\|^anycast\\|^multicast' | sed 's/ expires [^ ]*//' | sort
        ip -o link | sed 's/.*: \\([a-z0-9]*\\)[:@].* mtu \\([0-9]*\\).* state \\([A-Z]*\\).*/\\1 \\2 \\3/'
        sysctl -a | grep 'rp_filter\\|ip_local_port_range\\|nf_conntrack_max'
    """,
    # An invocation is another one after a restart; systemd forgets units that do not run.
    "units": """
        systemctl show '*.service' -p Id,ActiveState,InvocationID | awk -v RS= '!/=inactive/ {gsub("\\n", " "); print}' |
            grep -v 'Id=\\(run-\\|user@\\|user-runtime-dir@\\|connectivity-doctor\\|apt-\\|dpkg-\\|logrotate\\|man-db\\)' |
            grep -v 'Id=\\(e2scrub\\|fstrim\\|polkit\\|systemd-\\(hostnamed\\|timedated\\|localed\\|tmpfiles-clean\\)\\)' | sort
        systemctl list-unit-files --type=service --no-legend | awk '{print $1, $2}' | grep -v '^run-\\|^connectivity-doctor'
    """,
}


def snapshot(lab: Lab, host: str) -> dict[str, str]:
    """By kind: ``files``, ``rules`` of packet filters, ``network`` (routes, links, the kernel's settings), ``units``."""
    printed = lab.run(host, "\n".join(f"printf '\\0'\n({script})" for script in _KINDS.values()) + "\ntrue").stdout
    return dict(zip(_KINDS, printed.split("\0")[1:], strict=True))


def differences(before: dict[str, str], after: dict[str, str], *kinds: str) -> list[str]:
    """Lines that only one of the two has, or where they stand otherwise. :param kinds: only of these; of all without any."""
    told = []
    for kind in kinds or before:
        old, new = before[kind].splitlines(), after[kind].splitlines()
        gone, come = sorted(set(old) - set(new)), sorted(set(new) - set(old))
        told += [f"{kind} - {line.strip()}" for line in gone] + [f"{kind} + {line.strip()}" for line in come]
        if old != new and not gone and not come:
            told.append(f"{kind}: the same lines in another order, or more or less often")
    return told
