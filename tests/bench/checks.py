# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of checks.yml, one for one, as pyinfra's shell operations. pyinfra itself loads this file."""
from __future__ import annotations

from pyinfra import host
from pyinfra.operations import server

ADDRESSES = host.data.addresses
CA_FILE = host.data.lab_ca_file
DATABASE = f"host=db1.lab.example user=reporting dbname=production sslmode=verify-full sslrootcert={CA_FILE} hostaddr"
LOGIN = f"PGPASSWORD='{host.data.lab_database_password}' psql --no-align --tuples-only --command 'SELECT 1'"
VERIFY = "openssl s_client </dev/null -verify_return_error"
CURL = "curl -sS -f -m 30"
BEARER = f"-H 'Authorization: Bearer {host.data.lab_apm_token}'"


def each(server_name: str, command: str) -> list[str]:
    """The command for each address of a server."""
    return [command.format(address) for address in ADDRESSES[server_name]]


CHECKS = {
    "The name db1 resolves": ["getent ahosts db1.lab.example"],
    "The name apm1 resolves": ["getent ahosts apm1.lab.example"],
    "The name proxy1 resolves": ["getent ahosts proxy1.lab.example"],
    "The name lb1 resolves": ["getent ahosts lb1.lab.example"],
    "The database's port is open": each("db1", "nc -z -w 5 {} 5432"),
    "The gateway's port is open": each("apm1", "nc -z -w 5 {} 8200"),
    "The APM server's port is open": each("apm1", "nc -z -w 5 {} 19999"),
    "The proxy's port is open": each("proxy1", "nc -z -w 5 {} 3128"),
    "The balancer's port is open": each("lb1", "nc -z -w 5 {} 8080"),
    "The database's certificate verifies": [
        f"{VERIFY} {family} -connect db1.lab.example:5432 -starttls postgres -servername db1.lab.example"
        f" -verify_hostname db1.lab.example -CAfile {CA_FILE}" for family in ("-4", "-6")],
    "The gateway's certificate verifies": [
        f"{VERIFY} {family} -connect apm1.lab.example:8200 -servername apm1.lab.example"
        " -verify_hostname apm1.lab.example" for family in ("-4", "-6")],
    "The database answers a query": each("db1", f"{LOGIN} '{DATABASE}={{}}'"),
    "The gateway is healthy": each("apm1", f"{CURL} --resolve apm1.lab.example:8200:{{}} https://apm1.lab.example:8200/health"),
    "The APM server answers": each("apm1", f"{CURL} --resolve apm1.lab.example:19999:{{}} http://apm1.lab.example:19999/api/v1/info"),
    "The proxied server answers": each(
        "proxy1", f"{CURL} -x proxy1.lab.example:3128 --resolve proxy1.lab.example:3128:{{}} http://apm1.lab.example:8081/"),
    "The balanced server answers": each("lb1", f"{CURL} --resolve lb1.lab.example:8080:{{}} http://lb1.lab.example:8080/"),
    "The intake takes the token": each(
        "apm1", f"{CURL} --resolve apm1.lab.example:8200:{{}} {BEARER} https://apm1.lab.example:8200/intake"),
    "The agent's unit is active": ["systemctl is-active chrony"],
    "The agent's process runs": ["pgrep -x chronyd"],
    "The agent's configuration is there": ["test -e /etc/chrony/chrony.conf"],
}

for name, commands in CHECKS.items():
    server.shell(name=name, commands=commands)
