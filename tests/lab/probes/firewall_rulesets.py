# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random rulesets, over what the evaluator understands, and random connections that meet them. Seeded: the same again each time."""
from __future__ import annotations

import random

from ansible_collections.connectivity.doctor.tests.support.firewall_world import HOST, INTERFACE, PEER, PORTS, Attempt

_UIDS = (0, 1000, 1001)
_MARKS = (1, 2, 3, 17)

# The first rules of every base chain. Not what is tried: errors that rejections send to this host itself, and what comes after a
# connection's first two packets.
_NFT_PRELUDE = (
    "meta l4proto { icmp, ipv6-icmp } accept",
    "{device} \"lo\" accept",
    "tcp flags & rst == rst accept",
    "tcp flags & syn != syn accept",
)
PRELUDE = len(_NFT_PRELUDE)
_HOOKS = {
    "output": ("output", "filter", (-300, -150, 0, 0, 50)),
    "input": ("input", "filter", (-150, 0, 0, 50)),
    "prerouting": ("prerouting", "filter", (-300, -150, 0)),
    "postrouting": ("postrouting", "filter", (-150, 0, 300)),
}


def attempts(rng: random.Random, count: int, first_port: int) -> list[Attempt]:
    found = []
    for number in range(count):
        version = rng.choice((4, 4, 6))
        outbound = rng.random() < 0.65
        source, destination = (HOST, PEER) if outbound else (PEER, HOST)
        found.append(Attempt("outbound" if outbound else "inbound", rng.choice(("tcp", "tcp", "udp")), rng.choice(source[version]),
                             first_port + number, rng.choice(destination[version]), rng.choice(PORTS), rng.choice(_UIDS)))
    return found


# --- nftables

class NftRuleset:
    """One random ruleset as text for ``nft -f``."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        tables = "\n".join(self._table(number) for number in range(rng.choice((1, 1, 1, 2))))
        if " nat_" in tables:
            # What is not tracked is not translated back: it passes every rule, and nobody waits for it under that address.
            tables = tables.replace("notrack", "continue")
        self.text = "flush ruleset\n" + tables

    def _table(self, number: int) -> str:
        rng = self._rng
        family = rng.choice(("inet", "inet", "ip", "ip6"))
        users = ["u%d" % index for index in range(rng.choice((0, 1, 2, 3)))]
        lines = ["table %s t%d {" % (family, number), *self._named(family)]
        for index, name in enumerate(users):
            # A chain jumps only to later ones, as the kernel refuses loops.
            lines += self._chain(family, name, "", users[index + 1:], rng.randint(1, 4))
        for hook in rng.sample(sorted(_HOOKS), rng.choice((1, 2, 2, 3))):
            name, kind, priorities = _HOOKS[hook]
            priority, policy = rng.choice(priorities), rng.choice(("accept", "accept", "accept", "drop"))
            header = "type %s hook %s priority %d; policy %s;" % (kind, hook, priority, policy)
            lines += self._chain(family, name, header, users, rng.randint(1, 7), hook, priority)
        if rng.random() < 0.25 and family != "ip6":
            lines += self._nat(family)
        return "\n".join([*lines, "}"])

    def _nat(self, family: str) -> list[str]:
        rng = self._rng
        hook = rng.choice(("output", "prerouting"))
        how = {"output": "dnat %sto %s:%d" % ("ip " if family == "inet" else "", rng.choice(PEER[4]), rng.choice(PORTS)),
               "prerouting": "redirect to :%d" % rng.choice(PORTS)}[hook]
        v4 = "ip daddr 192.0.2.0/24 " if hook == "output" else ""
        device = "oifname" if hook == "output" else "iifname"
        return [" chain nat_%s { type nat hook %s priority %d;" % (hook, hook, rng.choice((-100, -90))),
                *("  " + rule.replace("{device}", device) for rule in _NFT_PRELUDE),
                "  %s dport %d %scounter %s" % (rng.choice(("tcp", "udp")), rng.choice(PORTS), v4, how), " }"]

    def _named(self, family: str) -> list[str]:
        rng = self._rng
        version = 6 if family == "ip6" else 4
        addresses = [*HOST[version], *PEER[version]]
        kind = "ipv%d_addr" % version
        nets = ["192.0.2.128/25", "192.0.2.0/25"] if version == 4 else ["2001:db8::80/121", "2001:db8::/121"]
        pairs = ", ".join("%s . %d" % (address, rng.choice(PORTS)) for address in rng.sample(addresses, 2))
        verdicts = ", ".join("%d : %s" % (port, rng.choice(("accept", "drop", "continue", "return"))) for port in rng.sample(PORTS, 3))
        return [
            " set some { type %s; elements = { %s } }" % (kind, ", ".join(rng.sample(addresses, 2))),
            " set net { type %s; flags interval; elements = { %s } }" % (kind, rng.choice(nets)),
            " set pair { type %s . inet_service; elements = { %s } }" % (kind, pairs),
            " set ports { type inet_service; flags interval; elements = { 7000-7001, %d } }" % rng.choice((7003, 7004)),
            " map verdicts { type inet_service : verdict; elements = { %s } }" % verdicts,
        ]

    def _chain(self, family: str, name: str, header: str, jumps: list[str], count: int, hook: str = "", priority: int = 0) -> list[str]:
        lines = [" chain %s {" % name]
        if header:
            device = "oifname" if hook in ("output", "postrouting") else "iifname"
            lines += ["  " + header, *("  " + rule.replace("{device}", device) for rule in _NFT_PRELUDE)]
        lines += ["  " + self._rule(family, jumps, hook, priority) for _index in range(count)]
        return [*lines, " }"]

    def _rule(self, family: str, jumps: list[str], hook: str, priority: int) -> str:
        rng = self._rng
        version = {"ip": 4, "ip6": 6}.get(family, rng.choice((4, 4, 6)))
        transport = rng.choice(("tcp", "udp"))
        matches = rng.sample([self._address, self._port, self._other, self._other], rng.choice((0, 1, 1, 2, 2, 3)))
        named = 6 if family == "ip6" else 4
        words = [match(version if match == self._address else named, family, transport, hook) for match in matches]
        words.append("counter")
        return " ".join([*words, self._statement(version, family, transport, jumps, hook, priority, " ".join(words))])

    def _address(self, version: int, family: str, transport: str, hook: str) -> str:
        rng = self._rng
        protocol = "ip" if version == 4 else "ip6"
        addresses = [*HOST[version], *PEER[version]]
        prefix = rng.choice(["192.0.2.0/25", "192.0.2.128/25", "192.0.2.2/31"] if version == 4 else
                            ["2001:db8::/121", "2001:db8::80/121", "2001:db8::2/127"])
        one, other = rng.sample(addresses, 2)
        low, high = ("192.0.2.2", "192.0.2.5") if version == 4 else ("2001:db8::2", "2001:db8::5")
        forms = [one, prefix, "%s-%s" % (low, high), "{ %s, %s }" % (one, other), "!= %s" % one, "!= %s" % prefix, "!= { %s }" % one]
        if (family == "ip6") == (version == 6):
            forms += ["@some", "@net", "!= @some", "!= @net"]
        return "%s %s %s" % (protocol, rng.choice(("saddr", "daddr")), rng.choice(forms))

    def _port(self, version: int, family: str, transport: str, hook: str) -> str:
        rng = self._rng
        one, other = sorted(rng.sample(PORTS, 2))
        forms = [str(one), "%d-%d" % (one, other), "{ %d, %d }" % (one, other), "!= %d" % one, "< %d" % other, ">= %d" % other,
                 "@ports", "!= @ports", "!= %d-%d" % (one, other)]
        end = rng.choice(("dport", "dport", "sport"))
        if rng.random() < 0.2:
            return "meta l4proto { tcp, udp } th %s %s" % (end, rng.choice(forms))
        return "%s %s %s" % (transport, end, rng.choice(forms))

    def _other(self, version: int, family: str, transport: str, hook: str) -> str:
        rng = self._rng
        ip = "ip" if version == 4 else "ip6"
        forms = [
            "meta l4proto %s" % transport,
            "meta nfproto %s" % rng.choice(("ipv4", "ipv6")) if family == "inet" else "meta l4proto != %s" % transport,
            "rt type %s" % rng.choice(("0", "!= 0")) if family != "ip" else "meta l4proto %s" % transport,
            "ct state %s" % rng.choice(("new", "established", "established,related", "{ new, untracked }", "!= established", "invalid")),
            "ct direction %s" % rng.choice(("original", "reply")),
            "ct status %s" % rng.choice(("dnat", "snat", "seen-reply", "dnat,seen-reply")),
            "meta mark %s" % rng.choice((*map(str, _MARKS), "!= 1", "{ 1, 2 }", "& 0x1 == 1", "and 0x10 != 0x10", "> 1")),
            "ct mark %s" % rng.choice((*map(str, _MARKS), "!= 2")),
            "fib %s type %s" % (rng.choice(("saddr", "daddr")), rng.choice(("local", "unicast"))),
            "%s daddr . %s dport @pair" % (ip, transport),
            "meta l4proto . th dport { tcp . %d, udp . %d-%d }" % (rng.choice(PORTS), PORTS[1], PORTS[3]),
        ]
        if hook in ("output", "postrouting", "input", "prerouting"):
            which, negated = rng.choice(("iifname", "oifname")), rng.choice(("", "!= "))
            forms.append("%s %s\"%s\"" % (which, negated, rng.choice((INTERFACE, "eth*", "lo"))))
        if hook in ("output", "postrouting"):
            forms += ["meta skuid %s" % rng.choice(("1000", "0", "!= 1000", "{ 0, 1001 }", "1000-1001", "> 999"))] * 2
        if transport == "tcp":
            forms += ["tcp flags %s" % rng.choice(("syn", "& (fin|syn|rst|ack) == syn", "& ack == ack", "! ack"))]
        return rng.choice(forms)

    def _statement(self, version: int, family: str, transport: str, jumps: list[str], hook: str, priority: int, before: str) -> str:
        rng = self._rng
        forms = ["accept", "accept", "drop", "return", "", "continue", "meta mark set %d" % rng.choice(_MARKS),
                 "ct mark set %d" % rng.choice(_MARKS), "meta mark set ct mark", "meta mark set meta mark or 0x10", "log prefix \"x\" drop",
                 "tcp dport vmap @verdicts" if "udp" not in before else "accept",
                 "ct state vmap { new : %s, established : %s }" % (
                     rng.choice(("accept", "continue", "drop")), rng.choice(("accept", "return")))]
        forms += ["jump %s" % rng.choice(jumps), "goto %s" % rng.choice(jumps), "jump %s" % rng.choice(jumps)] if jumps else []
        if hook in ("input", "output"):
            forms += [self._reject(version, family, before) for _index in range(3)]
        if priority == -300 and hook in ("output", "prerouting"):
            forms += ["notrack", "notrack", "notrack"]
        return rng.choice(forms)

    def _reject(self, version: int, family: str, before: str) -> str:
        rng = self._rng
        kinds = ["reject"]
        if "udp" not in before and "l4proto" not in before:
            kinds.append("reject with tcp reset")
        if family == "inet":
            kinds += ["reject with icmpx type %s" % kind for kind in (
                "admin-prohibited", "host-unreachable", "no-route", "port-unreachable")]
        other = "nfproto" in before or ("ip6" in before) == (version == 4)
        if version == 4 and family in ("inet", "ip") and not other:
            kinds += ["reject with icmp type %s" % kind for kind in (
                "net-unreachable", "host-unreachable", "net-prohibited", "host-prohibited", "admin-prohibited", "prot-unreachable")]
        if version == 6 and family in ("inet", "ip6") and "ip " not in before:
            kinds += ["reject with icmpv6 type %s" % kind for kind in ("no-route", "addr-unreachable", "admin-prohibited")]
        return rng.choice(kinds)


# --- iptables

_PARENTS = {"filter": ("INPUT", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "raw": ("PREROUTING", "OUTPUT")}
_REJECTS = {
    4: ["icmp-net-unreachable", "icmp-host-unreachable", "icmp-port-unreachable", "icmp-net-prohibited", "icmp-host-prohibited",
        "icmp-admin-prohibited", "icmp-proto-unreachable"],
    6: ["icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable"],
}
_INCOMING = ("PREROUTING", "INPUT")


class IptablesRuleset:
    """One random ruleset as text for ``iptables-restore`` or ``ip6tables-restore``, and the sets that it looks things up in."""

    def __init__(self, rng: random.Random, version: int) -> None:
        self._rng, self._version = rng, version
        self.sets = self._ipsets()
        self.text = "\n".join(self._table(name) for name in rng.sample(sorted(_PARENTS), rng.choice((1, 2, 2, 3)))) + "\n"

    def _addresses(self, count: int) -> list[str]:
        return self._rng.sample([*HOST[self._version], *PEER[self._version]], count)

    def _nets(self) -> list[str]:
        return ["192.0.2.0/25", "192.0.2.128/25", "192.0.2.2/31"] if self._version == 4 else [
            "2001:db8::/121", "2001:db8::80/121", "2001:db8::2/127"]

    def _ipsets(self) -> str:
        version, (one, other) = self._version, self._addresses(2)
        family = "inet" if version == 4 else "inet6"
        return "\n".join([
            "create net%d hash:net family %s" % (version, family), "create pair%d hash:ip,port family %s" % (version, family),
            "create ports bitmap:port range 7000-7009", *("flush %s" % name for name in ("net%d" % version, "pair%d" % version, "ports")),
            "add net%d %s" % (version, self._nets()[0]), "add net%d %s nomatch" % (version, one),
            *("add pair%d %s,%s:%d" % (version, address, self._rng.choice(("tcp", "udp")), self._rng.choice(PORTS))
              for address in (one, other)),
            *("add ports %d" % port for port in self._rng.sample(PORTS, 2)),
        ]) + "\n"

    def _table(self, table: str) -> str:
        rng = self._rng
        users = ["user-%d" % number for number in range(rng.choice((0, 1, 2)))]
        chains = rng.sample(_PARENTS[table], rng.choice((1, 2)))
        lines = ["*" + table, *(":%s %s [0:0]" % (chain, rng.choice(("ACCEPT", "ACCEPT", "DROP")) if table == "filter" else "ACCEPT")
                                for chain in _PARENTS[table]), *(":%s - [0:0]" % user for user in users)]
        for chain in _PARENTS[table]:
            device = "-i" if chain in _INCOMING else "-o"
            icmp = "icmp" if self._version == 4 else "ipv6-icmp"
            # As in nft's rulesets: what is not tried passes first.
            lines += ["-A %s %s" % (chain, rule) for rule in (
                "-p %s -j ACCEPT" % icmp, "%s lo -j ACCEPT" % device, "-p tcp -m tcp --tcp-flags RST RST -j ACCEPT",
                "-p tcp -m tcp --tcp-flags SYN NONE -j ACCEPT")]
        for index, user in enumerate(users):
            lines += ["-A %s %s" % (user, self._rule(table, "", users[index + 1:])) for _number in range(rng.randint(1, 3))]
        for chain in chains:
            lines += ["-A %s %s" % (chain, self._rule(table, chain, users)) for _number in range(rng.randint(1, 6))]
        return "\n".join([*lines, "COMMIT"])

    def _rule(self, table: str, chain: str, users: list[str]) -> str:
        rng = self._rng
        protocol = rng.choice(("", "tcp", "udp", "tcp"))
        words = ["-p " + protocol] if protocol else []
        choices = [self._address, self._match, self._match] + ([self._port] if protocol else [])
        words += [choice(protocol, chain) for choice in rng.sample(choices, rng.choice((0, 1, 1, 2)))]
        return " ".join([*words, self._target(table, chain, protocol, users)])

    def _address(self, protocol: str, chain: str) -> str:
        rng = self._rng
        forms = ["{not}-s %s", "{not}-d %s"]
        return rng.choice(forms).replace("{not}", rng.choice(("", "", "! "))) % rng.choice([*self._addresses(2), *self._nets()])

    def _port(self, protocol: str, chain: str) -> str:
        rng = self._rng
        one, other = sorted(rng.sample(PORTS, 2))
        negated = rng.choice(("", "", "! "))
        return rng.choice((
            "-m %s %s--dport %d" % (protocol, negated, one), "-m %s %s--dport %d:%d" % (protocol, negated, one, other),
            "-m %s %s--sport %d" % (protocol, negated, one), "-m multiport %s--dports %d,%d" % (negated, one, other),
            "-m multiport %s--ports %d:%d" % (negated, one, other), "-m multiport %s--sports %d,%d:%d" % (negated, one, other, other + 3),
        ))

    def _match(self, protocol: str, chain: str) -> str:
        rng = self._rng
        low, high = ("192.0.2.2", "192.0.2.5") if self._version == 4 else ("2001:db8::2", "2001:db8::5")
        negated = rng.choice(("", "", "! "))
        forms = [
            "-m conntrack %s--ctstate %s" % (negated, rng.choice((
                "NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "NEW,UNTRACKED", "INVALID"))),
            "-m state %s--state %s" % (negated, rng.choice(("NEW", "ESTABLISHED", "INVALID"))),
            "-m conntrack --ctdir %s" % rng.choice(("ORIGINAL", "REPLY")),
            "-m mark %s--mark %s" % (negated, rng.choice(("0x1", "0x2", "0x0/0x1", "0x10/0x10"))),
            "-m connmark %s--mark %s" % (negated, rng.choice(("0x1", "0x2/0x2"))),
            "-m addrtype %s--%s-type %s" % (negated, rng.choice(("src", "dst")), rng.choice(("LOCAL", "UNICAST", "LOCAL,UNICAST"))),
            "-m iprange %s--%s-range %s-%s" % (negated, rng.choice(("src", "dst")), low, high),
            "-m set %s--match-set net%d %s" % (negated, self._version, rng.choice(("src", "dst"))),
            "-m set %s--match-set pair%d %s" % (negated, self._version, rng.choice(("src,dst", "dst,dst", "src,src"))),
            "-m set %s--match-set ports %s" % (negated, rng.choice(("src", "dst"))),
            "-m comment --comment \"it's -j \\\"x\\\"\"",
        ]
        if self._version == 6:
            # All of ufw's rulesets have the first of them.
            forms += ["-m rt %s--rt-type 0" % negated, "-m frag %s--fragid 1:9" % negated, "-m dst %s--dst-len 8" % negated]
        if protocol == "tcp":
            forms += ["-m tcp %s--syn" % negated, "-m tcp --tcp-flags SYN,ACK SYN"]
        if chain:
            forms.append("%s%s %s" % (negated, "-i" if chain in _INCOMING else "-o", rng.choice((INTERFACE, "eth+", "lo"))))
        if chain in ("OUTPUT", "POSTROUTING"):
            forms += ["-m owner %s--uid-owner %s" % (negated, rng.choice(("1000", "0", "1000-1001")))] * 3
        return rng.choice(forms)

    def _target(self, table: str, chain: str, protocol: str, users: list[str]) -> str:
        rng = self._rng
        forms = ["-j ACCEPT", "-j ACCEPT", "-j DROP", "-j RETURN", "", "-j LOG --log-prefix \"a -j b\""]
        if users:
            forms += ["-j %s" % rng.choice(users), "-g %s" % rng.choice(users), "-j %s" % rng.choice(users)]
        if table == "mangle":
            forms += ["-j MARK --set-mark 0x%x" % rng.choice(_MARKS), "-j MARK --or-mark 0x10", "-j MARK --set-xmark 0x2/0x2",
                      "-j CONNMARK --set-mark 0x%x" % rng.choice(_MARKS), "-j CONNMARK --save-mark", "-j CONNMARK --restore-mark"]
        if table == "raw" and chain:
            forms += ["-j CT --notrack"] * 3
        if table == "filter":
            kinds = _REJECTS[self._version] + (["tcp-reset"] * 3 if protocol == "tcp" else [])
            forms += ["-j REJECT --reject-with %s" % rng.choice(kinds), "-j REJECT --reject-with %s" % rng.choice(kinds), "-j REJECT"]
        return rng.choice(forms)
