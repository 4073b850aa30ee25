# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a support bundle has of every host, as data. To collect more is to add a line here.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.bundle import FACT, LOG, PUBLIC

# Member of the bundle, how it is read, and a command that only looks. What a host does not have is told in the manifest.
COMMANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("network/addresses.txt", FACT, ("ip", "-details", "address")),
    ("network/links.txt", FACT, ("ip", "-statistics", "link")),
    ("network/routes.txt", FACT, ("ip", "route", "show", "table", "all")),
    ("network/routes_ipv6.txt", FACT, ("ip", "-6", "route", "show", "table", "all")),
    ("network/rules.txt", FACT, ("ip", "rule")),
    ("network/rules_ipv6.txt", FACT, ("ip", "-6", "rule")),
    ("network/neighbours.txt", FACT, ("ip", "neighbour")),
    ("network/listeners.txt", LOG, ("ss", "--tcp", "--udp", "--listening", "--numeric", "--processes", "--extended")),
    ("network/connections.txt", LOG, ("ss", "--tcp", "--all", "--numeric", "--info")),
    ("network/sockets.txt", FACT, ("ss", "--summary")),
    ("network/counters.txt", FACT, ("nstat", "--zeros", "--ignore", "--noupdate")),
    ("network/sysctl.txt", FACT, ("sysctl", "net.ipv4", "net.ipv6.conf.all", "net.ipv6.conf.default", "net.core")),
    ("network/resolver.txt", FACT, ("resolvectl", "--no-pager", "status")),
    ("firewall/nftables.txt", FACT, ("nft", "--handle", "list", "ruleset")),
    ("firewall/iptables.txt", FACT, ("iptables-save", "--counters")),
    ("firewall/ip6tables.txt", FACT, ("ip6tables-save", "--counters")),
    ("firewall/ufw.txt", FACT, ("ufw", "status", "verbose")),
    ("firewall/firewalld.txt", FACT, ("firewall-cmd", "--list-all-zones")),
    ("clock/tracking.txt", FACT, ("chronyc", "-n", "tracking")),
    ("clock/sources.txt", FACT, ("chronyc", "-n", "sources")),
    ("clock/timedatectl.txt", FACT, ("timedatectl", "--no-pager", "status")),
    ("host/processes.txt", LOG, ("ps", "-eo", "user,pid,ppid,stat,lstart,rss,args", "--cols", "1000")),
    ("host/file_systems.txt", FACT, ("df", "--portability", "--print-type", "--local")),
    ("host/memory.txt", FACT, ("cat", "/proc/meminfo")),
    ("host/load.txt", FACT, ("uptime",)),
    ("host/failed_units.txt", LOG, ("systemctl", "--no-pager", "--plain", "--failed")),
    ("versions/system.txt", PUBLIC, ("cat", "/etc/os-release")),
    ("versions/kernel.txt", FACT, ("uname", "--all")),
    ("versions/openssl.txt", PUBLIC, ("openssl", "version", "-a")),
    ("versions/packages_dpkg.txt", PUBLIC, ("dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Abbrev}\\n")),
    ("versions/packages_rpm.txt", PUBLIC, ("rpm", "--query", "--all")),
    ("versions/packages_apk.txt", PUBLIC, ("apk", "list", "--installed")),
)

# Of a unit, by its name.
UNIT_COMMANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("services/%s.status.txt", LOG, ("systemctl", "--no-pager", "--full", "--lines=0", "status")),
    ("services/%s.properties.txt", LOG, ("systemctl", "--no-pager", "show")),
)
UNIT_FILES = ("systemctl", "--no-pager", "cat")

# Patterns of configurations that say how a host connects, or serves.
CONFIGURATIONS = (
    "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/environment",
    "/etc/systemd/resolved.conf", "/etc/systemd/resolved.conf.d/*.conf", "/etc/systemd/timesyncd.conf",
    "/etc/chrony.conf", "/etc/chrony/chrony.conf", "/etc/chrony/conf.d/*.conf", "/etc/chrony/sources.d/*.sources",
    "/etc/NetworkManager/NetworkManager.conf", "/etc/NetworkManager/conf.d/*.conf", "/etc/netplan/*.yaml", "/etc/network/interfaces",
    "/etc/postgresql/*/*/*.conf", "/etc/postgresql/*/*/conf.d/*.conf", "/var/lib/pgsql/data/*.conf", "/var/lib/pgsql/*/data/*.conf",
    "/var/lib/postgres/data/*.conf", "/etc/pgbouncer/*.ini", "/etc/pgbouncer/userlist.txt",
)
# The same for what they write; and the units whose journal belongs to it.
LOGS = ("/var/log/postgresql/*.log", "/var/lib/pgsql/data/log/*.log", "/var/lib/pgsql/*/data/log/*.log")
UNITS = ("postgresql*", "pgbouncer*", "chrony*", "systemd-timesyncd", "systemd-resolved", "systemd-networkd", "NetworkManager", "nftables",
         "firewalld", "ufw", "haproxy", "nginx", "squid")

# Nothing but secrets, or no file at all.
NEVER = ("/etc/shadow*", "/etc/gshadow*", "/etc/ssh/ssh_host_*_key", "*/.ssh/id_*", "*.keytab", "*.p12", "*.pfx", "*.jks", "/proc/*",
         "/sys/*", "/dev/*")
