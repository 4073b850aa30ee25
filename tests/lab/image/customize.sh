#!/bin/sh
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs on the machine that builds the image, with the image's root as its argument.
# Leaves an image in which nothing runs until a role enables it, and nothing wakes up by itself.
set -eu
root=$1

chroot "$root" useradd --create-home --shell /bin/bash ops
printf 'ops ALL=(ALL) NOPASSWD: ALL\n' > "$root/etc/sudoers.d/ops"
chmod 0440 "$root/etc/sudoers.d/ops"

systemctl --root="$root" --quiet disable \
    chrony collectd fail2ban firewalld haproxy netdata NetworkManager NetworkManager-dispatcher \
    NetworkManager-wait-online nginx nscd nsd pgbouncer postgresql prometheus prometheus-node-exporter squid \
    systemd-resolved ufw unbound unbound-resolvconf zabbix-agent2 zabbix-server e2scrub_reap

# Programs that Debian installs only in place of those that are there, for a fault to put in their place.
mkdir "$root/opt/beside"
(
    cd "$root/opt/beside"
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download -qq openresolv resolvconf systemd-timesyncd
    for package in *.deb; do
        dpkg-deb --fsys-tarfile "$package" > "${package%%_*}.tar"
        rm "$package"
    done
)

# Timers and terminals would only cost the two cores that ten machines share.
systemctl --root="$root" --quiet mask \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer man-db.timer \
    systemd-tmpfiles-clean.timer console-getty.service getty@.service container-getty@.service systemd-logind.service \
    systemd-pstore.service

# A session of logind's for every ssh connection would take longer than what the connection is for.
chroot "$root" pam-auth-update --package --remove systemd

# The machines share one kernel and its clock: chronyd keeps its sources and its estimate, but never touches the clock.
mkdir -p "$root/etc/systemd/system/chrony.service.d"
printf '[Unit]\nConditionCapability=\n' > "$root/etc/systemd/system/chrony.service.d/container.conf"
printf 'DAEMON_OPTS="-x -F 0"\n' > "$root/etc/default/chrony"

# Every machine of a lab has host keys of its own.
rm -f "$root"/etc/ssh/ssh_host_*
rm -rf "$root"/var/log/*.log "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*
