# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the real libraries whether they would use the proxy of an environment, in a namespace without any network.

A library that this machine does not have is not in :func:`found`. Node's packages (undici, proxy-from-env) are looked for where
``NODE_PATH`` says, another version of requests where ``PYTHONPATH`` says.
"""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

PROXY = "http://127.0.0.1:9"
_NO_NETWORK = ("unshare", "--map-root-user", "--net")


class Case(t.NamedTuple):
    """A request, and the environment that it is made in."""

    scheme: str
    host: str
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        host = "[%s]" % self.host if ":" in self.host else self.host
        implied = {"http": 80, "https": 443}[self.scheme] == self.port
        return "%s://%s%s/" % (self.scheme, host, "" if implied else ":%d" % self.port)


Ask = t.Callable[[t.List[Case]], t.List[bool]]


def _run(argv: t.Sequence[str], environment: t.Mapping[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
    plain = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C"}
    plain.update({name: os.environ[name] for name in ("NODE_PATH", "PYTHONPATH") if name in os.environ})
    return subprocess.run([*_NO_NETWORK, *argv], env=dict(plain, **environment), input=text, capture_output=True, text=True, timeout=60,
                          check=False)


def _curl(cases: list[Case]) -> list[bool]:
    argv = ("curl", "-q", "-sv", "--max-time", "5")
    said = (_run([*argv, case.url], case.environment).stderr for case in cases)
    return ["127.0.0.1:9" in text or "127.0.0.1 port 9 " in text for text in said]


def _wget(cases: list[Case]) -> list[bool]:
    argv = ("wget", "--no-config", "-O", "/dev/null", "--tries=1", "--timeout=5")
    return ["127.0.0.1:9" in _run([*argv, case.url], case.environment).stderr for case in cases]


_URLLIB = """
import json, os, sys, urllib.request
class Seen(Exception): pass
class Http(urllib.request.HTTPHandler):
    def http_open(self, request): raise Seen(request.host == "127.0.0.1:9")
class Https(urllib.request.HTTPSHandler):
    def https_open(self, request): raise Seen(request._tunnel_host is not None)
plain = dict(os.environ)
for line in sys.stdin:
    case = json.loads(line)
    os.environ.clear(); os.environ.update(plain); os.environ.update(case["environment"])
    try:
        urllib.request.build_opener(Http, Https).open(case["url"])
    except Seen as seen:
        print(json.dumps(bool(seen.args[0])))
"""

_REQUESTS = """
import json, os, sys
import requests
plain = dict(os.environ)
for line in sys.stdin:
    case = json.loads(line)
    os.environ.clear(); os.environ.update(plain); os.environ.update(case["environment"])
    settings = requests.Session().merge_environment_settings(case["url"], {}, None, None, None)
    print(json.dumps(bool(requests.utils.select_proxy(case["url"], settings["proxies"]))))
"""

_AXIOS = """
const {getProxyForUrl} = require("proxy-from-env"), plain = {...process.env}
for (const line of require("fs").readFileSync(0, "utf8").trim().split("\\n")) {
  const one = JSON.parse(line)
  process.env = {...plain, ...one.environment}
  console.log(JSON.stringify(getProxyForUrl(one.url) !== ""))
}
"""

_UNDICI = """
const {EnvHttpProxyAgent, fetch} = require("undici"), plain = {...process.env};
(async () => {
  for (const line of require("fs").readFileSync(0, "utf8").trim().split("\\n")) {
    const one = JSON.parse(line)
    process.env = {...plain, ...one.environment}
    let met = ""
    try { await fetch(one.url, {dispatcher: new EnvHttpProxyAgent()}) } catch (error) { met = String(error.cause && error.cause.message) }
    console.log(JSON.stringify(met.includes("127.0.0.1:9")))
  }
})()
"""

_GO = """
package main
import ("fmt"; "net/http"; "os")
func main() {
    request, _ := http.NewRequest("GET", os.Args[1], nil)
    proxy, _ := http.ProxyFromEnvironment(request)
    fmt.Println(proxy != nil)
}
"""

_JAVA = """
import java.net.*;
import java.util.*;
class Ask {
    public static void main(String[] lines) throws Exception {
        Scanner input = new Scanner(System.in);
        while (input.hasNextLine()) {
            String[] words = input.nextLine().split("\\t", -1);
            System.getProperties().keySet().removeIf(key -> ((String) key).startsWith("http") || ((String) key).startsWith("proxy"));
            for (int i = 1; i < words.length; i++) {
                String[] pair = words[i].split("=", 2);
                System.setProperty(pair[0], pair[1]);
            }
            Proxy proxy = ProxySelector.getDefault().select(new URI(words[0])).get(0);
            System.out.println(proxy.type() != Proxy.Type.DIRECT);
        }
    }
}
"""


def _lines(argv: t.Sequence[str]) -> Ask:
    """A program that reads a case a line, and prints an answer a line."""

    def ask(cases: list[Case]) -> list[bool]:
        text = "".join(json.dumps({"url": case.url, "environment": case.environment}) + "\n" for case in cases)
        done = _run(argv, {}, text)
        answers = [json.loads(line) for line in done.stdout.split()]
        assert len(answers) == len(cases), done.stderr
        return answers

    return ask


def found(folder: pathlib.Path) -> dict[str, Ask]:
    """The libraries of this machine, by their names in the table. :param folder: where a program may be built."""
    asks: dict[str, Ask] = {"python_urllib": _lines([sys.executable, "-c", _URLLIB])}
    if shutil.which("curl"):
        asks["curl"] = _curl
    if shutil.which("wget"):
        asks["wget"] = _wget
    if not _run([sys.executable, "-c", "import requests"], {}).returncode:
        ask = _lines([sys.executable, "-c", _REQUESTS])
        knows_labels = ask([Case("http", "example.com", 80, {"http_proxy": PROXY, "no_proxy": "ample.com"})])[0]
        asks["python_requests" if knows_labels else "python_requests_older"] = ask
    for name, package, program in (("node_axios", "proxy-from-env", _AXIOS), ("node_undici", "undici", _UNDICI)):
        if shutil.which("node") and not _run(["node", "-e", "require(%r)" % package], {}).returncode:
            asks[name] = _lines(["node", "-e", program])
    if shutil.which("go"):
        (folder / "ask.go").write_text(_GO)
        subprocess.run(["go", "build", "-o", str(folder / "ask"), str(folder / "ask.go")], check=True, timeout=300,
                       env=dict(os.environ, GOFLAGS="-mod=mod", GOTOOLCHAIN="local", CGO_ENABLED="0"))
        asks["go"] = lambda cases: [_run([str(folder / "ask"), case.url], case.environment).stdout.strip() == "true" for case in cases]
    return asks


def java(folder: pathlib.Path) -> t.Callable[[list[tuple[str, dict[str, str]]]], list[bool]] | None:
    """Java's own selector, for URLs and system properties. None where there is no Java compiler."""
    if not shutil.which("javac"):
        return None
    (folder / "Ask.java").write_text(_JAVA)
    subprocess.run(["javac", "-d", str(folder), str(folder / "Ask.java")], check=True, timeout=120)

    def ask(cases: list[tuple[str, dict[str, str]]]) -> list[bool]:
        text = "".join("\t".join([url, *("%s=%s" % pair for pair in properties.items())]) + "\n" for url, properties in cases)
        done = _run(["java", "-cp", str(folder), "Ask"], {}, text)
        answers = [line == "true" for line in done.stdout.split()]
        assert len(answers) == len(cases), done.stderr
        return answers

    return ask
