# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real browser: what it shows, how it is used by mouse, keyboard and screen reader, and what it does not do."""
from __future__ import annotations

import itertools
import pathlib
import re
import typing as t

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._html import render_html
from ansible_collections.connectivity.doctor.tests.integration import chromium
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, poisoned, recorded

_WIDE, _NARROW = {"width": 1400, "height": 900}, {"width": 360, "height": 740}
# WCAG 2.2, 1.4.3: of text with what is behind it.
_LEAST_CONTRAST = 4.5
_CONTRASTS = """() => {
    const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
    const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = parse(getComputedStyle(one).backgroundColor);
            if (colour.length === 3 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const worst = {};
    for (const element of document.body.querySelectorAll("*")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || ["SCRIPT", "OPTION"].includes(element.tagName)) continue;
        const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
        const name = `${element.tagName} ${element.className} in ${element.parentElement.className}`;
        worst[name] = Math.min(worst[name] || 99, (one + 0.05) / (other + 0.05));
    }
    return worst;
}"""


_NAMELESS = """() => [...document.querySelectorAll("button, input, select, summary, section, [role=region]")].filter((element) => !(
    element.labels?.[0]?.textContent.trim() || element.getAttribute("aria-labelledby") || element.getAttribute("aria-label")
    || (element.tagName !== "SELECT" && element.textContent.trim())
)).map((element) => element.outerHTML)"""


@pytest.fixture(scope="module")
def browser() -> t.Iterator[Browser]:
    path = chromium.find()
    if not path:
        pytest.skip("no Chromium on this machine, and not root to install Debian's")
    with chromium.browser(path) as launched:
        yield launched


class Opened:
    """A report's page in the browser. Whatever it complains of or fetches fails the test."""

    def __init__(self, browser: Browser, folder: pathlib.Path, report: dict[str, t.Any], **context: t.Any) -> None:
        self.path = folder / "report.html"
        self.path.write_text(render_html(report), encoding="utf-8")
        self.page: Page = browser.new_page(**{"viewport": _WIDE, **context})
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.complaints.append(request.url) if not request.url.startswith("file://") else None)
        self.open()

    def open(self, address: str = "") -> None:
        self.page.goto(address or self.path.as_uri())
        expect(self.page.get_by_role("status")).to_contain_text("match")

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts in the matrix."""
        return self.page.locator("#grid > table > tbody > tr > th").all_text_contents()

    @property
    def all_hosts(self) -> list[str]:
        """The same, with those that are not drawn at first; sorted."""
        everything = self.page.locator("#more").get_by_role("button", name="Show all")
        if everything.count():
            everything.click()
        return sorted(self.hosts)

    def cell(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.locator("#grid").get_by_role("button", name=name)


@pytest.fixture
def show(browser: Browser, tmp_path: pathlib.Path) -> t.Iterator[t.Callable[..., Opened]]:
    opened: list[Opened] = []

    def _show(report: dict[str, t.Any], **context: t.Any) -> Opened:
        opened.append(Opened(browser, tmp_path, report, **context))
        return opened[-1]

    yield _show
    for each in opened:
        each.page.close()
        assert each.complaints == []


def _ill(report: dict[str, t.Any], **wanted: str) -> list[str]:
    """Hosts with an endpoint that isn't healthy, and, if so ``wanted``, has this name, state or cause."""
    return [
        host for host, seen in report["hosts"].items() if any(
            endpoint["state"] != "healthy" and wanted.get("name", name) == name
            and wanted.get("state", endpoint["state"]) == endpoint["state"]
            and ("cause" not in wanted or wanted["cause"] in [cause["code"] for cause in endpoint["causes"]])
            for name, endpoint in seen["endpoints"].items())
    ]


def _ill_endpoint(report: dict[str, t.Any], host: str) -> str:
    return next(name for name, endpoint in report["hosts"][host]["endpoints"].items() if endpoint["state"] != "healthy")


def test_it_opens_with_the_counts_and_what_is_ill(show: t.Callable[..., Opened]) -> None:
    report = fleet(60)
    opened = show(report)
    for state in ("down", "degraded", "unknown", "healthy"):
        button = opened.page.get_by_role("group").get_by_role("button", name=state)
        expect(button).to_contain_text(str(report["summary"][state]))
        expect(button).to_have_attribute("aria-pressed", str(state != "healthy" and report["summary"][state] > 0).lower())
    assert opened.all_hosts == sorted(_ill(report))
    assert opened.page.locator(".story").count() == 0


def test_filters(show: t.Callable[..., Opened]) -> None:
    report = fleet(1000)
    opened = show(report)
    page = opened.page
    status = page.get_by_role("status")
    code = report["incidents"][0]["code"]  # which causes a fleet has changes with the cases that are recorded
    page.get_by_role("group").get_by_role("button", name="degraded").click()
    assert opened.all_hosts == sorted(_ill(report, state="down"))
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("combobox", name="Cause").select_option(code)
    assert opened.all_hosts == sorted(_ill(report, cause=code))
    page.get_by_role("button", name="Reset").click()
    name = _ill_endpoint(report, _ill(report)[0])
    page.get_by_role("combobox", name="Endpoint").select_option(name)
    assert opened.all_hosts == sorted(_ill(report, name=name))
    assert page.locator("#grid > table > thead th").all_text_contents() == ["host", name]
    page.get_by_role("button", name="Reset").click()
    host = _ill(report, cause=code)[-1]
    page.get_by_label("Search").fill("%s %s" % (code.upper(), host[-4:]))
    expect(status).to_contain_text("on 1 host of")
    assert opened.all_hosts == [host]
    page.get_by_label("Search").fill("no such words")
    expect(status).to_contain_text("0 endpoints on 0 hosts of 1,000 match")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("group").get_by_role("button", name="healthy").click()
    assert opened.all_hosts == sorted(report["hosts"])


def test_an_incident_leads_to_its_hosts(show: t.Callable[..., Opened]) -> None:
    report = fleet(2000)
    opened = show(report)
    incident = report["incidents"][0]
    opened.page.get_by_role("button", name="Show hosts with " + incident["code"], exact=True).first.click()
    assert opened.all_hosts == incident["hosts"]
    expect(opened.page.locator("#matrix")).to_be_focused()
    more = opened.page.locator("#incidents").get_by_role("button", name="Show all %d" % len(report["incidents"]))
    more.click()
    assert opened.page.locator(".incidents > li").count() == len(report["incidents"])


def test_the_view_is_kept_in_the_address(show: t.Callable[..., Opened]) -> None:
    report = fleet(200)
    opened = show(report)
    host = _ill(report)[1]
    opened.page.get_by_role("combobox", name="Endpoint").select_option(_ill_endpoint(report, host))
    opened.page.get_by_label("Search").fill(host)
    expect(opened.page).to_have_url(re.compile("q=" + host))
    hosts, address = opened.hosts, opened.page.url
    opened.page.goto("about:blank")
    opened.open(address)
    assert opened.hosts == hosts == [host]
    expect(opened.page.get_by_label("Search")).to_have_value(host)


def test_a_cell_opens_to_its_cause_and_proof_by_keyboard(show: t.Callable[..., Opened]) -> None:
    report = recorded("server-loopback-only", "healthy-database")
    ((name, endpoint),) = report["hosts"]["server-loopback-only"]["endpoints"].items()
    (cause,) = endpoint["causes"]
    opened = show(report)
    page = opened.page
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    cell = opened.cell("server-loopback-only to %s: down server.loopback_only" % name)
    for _press in range(10):
        if cell.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(cell).to_have_attribute("aria-expanded", "true")
    story = page.get_by_role("region", name=re.compile("^server-loopback-only → "))
    for told in (cause["summary"], cause["advice"], cause["documentation"], *cause["culprit"].values()):
        expect(story).to_contain_text(told)
    for number in cause["evidence"]:
        expect(story).to_contain_text(endpoint["observations"][number]["message"])
        expect(story).to_contain_text("$ " + endpoint["observations"][number]["reproduce"])
    story.get_by_text("Ruled out").click()
    for excluded in cause["excluded"]:
        expect(story.get_by_text(excluded["code"], exact=True)).to_be_visible()
    story.get_by_text("All observations").click()
    told = [observation["message"] for observation in endpoint["observations"]]
    expect(story.locator("details", has_text="All observations").locator("li")).to_contain_text(told)
    page.keyboard.press("Escape")
    expect(story).to_have_count(0)
    expect(cell).to_be_focused()
    expect(cell).to_have_attribute("aria-expanded", "false")


def test_what_cannot_be_told_says_what_would_decide(show: t.Callable[..., Opened]) -> None:
    report = recorded("vantage-refused-everywhere")
    (endpoint,) = report["hosts"]["vantage-refused-everywhere"]["endpoints"].values()
    opened = show(report)
    opened.cell(re.compile("vantage")).click()
    story = opened.page.locator(".story")
    expect(story).to_contain_text("It cannot be told which of these it is")
    for cause in endpoint["causes"]:
        expect(story).to_contain_text(cause["decide_by"])


def test_timings_are_a_waterfall_in_order(show: t.Callable[..., Opened]) -> None:
    report = recorded("server-loopback-only")
    (endpoint,) = report["hosts"]["server-loopback-only"]["endpoints"].values()
    opened = show(report)
    opened.cell(re.compile("down")).click()
    opened.page.get_by_text(re.compile("^Timings: %d observations in " % len(endpoint["observations"]))).click()
    lines = opened.page.locator(".fall tbody tr")
    expect(lines).to_have_count(len(endpoint["observations"]))
    boxes = opened.page.locator(".fall .bar").evaluate_all(
        "bars => bars.map(bar => bar.getBoundingClientRect()).map(box => [box.left, box.width])")
    own = [one for one in endpoint["observations"] if one.get("side") != "server" and one["started_at"]]
    assert len(boxes) == len(own)
    assert [left for left, _width in boxes] == sorted(left for left, _width in boxes)
    longest = max(range(len(boxes)), key=lambda number: boxes[number][1])
    assert float(lines.nth(longest).locator("td.ms").nth(1).text_content() or "") == max(round(one["duration_ms"], 1) for one in own)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_shown_and_do_nothing(show: t.Callable[..., Opened], text: str) -> None:
    report = poisoned(recorded("server-loopback-only"), text)
    opened = show(report)
    page = opened.page
    page.locator("#grid .cell").click()
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("new Promise(done => setTimeout(() => done(window.pwned === undefined), 50))")
    assert page.locator("img, svg, main a, main script").count() == 0
    if text.isprintable() and len(text) < 1000:
        expect(page.locator(".story h3")).to_contain_text("%sserver-loopback-only → %s" % (text, text))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(show: t.Callable[..., Opened], scheme: str) -> None:
    opened = show(fleet(60), color_scheme=scheme)
    page = opened.page
    page.get_by_role("group").get_by_role("button", name="healthy").click()
    page.get_by_role("button", name="Expand shown").click()
    for summary in page.locator("summary").all()[:20]:
        summary.click()
    contrasts = page.evaluate(_CONTRASTS)
    assert len(contrasts) > 20
    assert {name: ratio for name, ratio in contrasts.items() if ratio < _LEAST_CONTRAST} == {}
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert dark == (scheme == "dark")


def test_everything_that_can_be_used_has_a_name_and_headings_are_in_order(show: t.Callable[..., Opened]) -> None:
    opened = show(fleet(60))
    page = opened.page
    page.get_by_role("button", name="Expand shown").click()
    assert page.evaluate(_NAMELESS) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids))
    referred = page.evaluate("[...document.querySelectorAll('[aria-labelledby]')].map(element => element.getAttribute('aria-labelledby'))")
    assert set(referred) <= set(ids)
    headings = page.locator("h1, h2, h3, h4").locator("visible=true")
    levels = headings.evaluate_all("headings => headings.map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1 and all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.locator("#grid th:not([scope])").count() == 0


def test_a_narrow_window_needs_no_sideways_scrolling_of_the_page(show: t.Callable[..., Opened]) -> None:
    opened = show(fleet(2000), viewport=_NARROW)
    opened.page.locator("#grid .cell.down").first.click()
    opened.page.locator(".story summary").last.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= _NARROW["width"]
    box = opened.page.locator(".story").bounding_box()
    assert box and box["width"] <= _NARROW["width"]


def test_print_shows_the_causes_of_what_is_filtered(show: t.Callable[..., Opened]) -> None:
    report = fleet(300)
    opened = show(report)
    page = opened.page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    ill = report["summary"]["endpoints"] - report["summary"]["healthy"]
    expect(page.locator(".story")).to_have_count(ill)
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    expect(page.locator(".story")).to_have_count(0)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_label("Search")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.pdf().startswith(b"%PDF")


def test_ten_thousand_hosts_answer_at_once(show: t.Callable[..., Opened]) -> None:
    """Some 40 ms for a redraw here; the limits are for slow machines that do other things too."""
    opened = show(fleet(10_000))
    page = opened.page
    assert page.evaluate("document.querySelectorAll('*').length") < 10_000
    assert len(opened.hosts) == 100
    took = page.evaluate("""() => {
        const began = performance.now();
        document.getElementById("reset").click();
        document.body.offsetHeight;
        return performance.now() - began;
    }""")
    assert took < 2000
    page.get_by_label("Search").fill("web09990")
    expect(page.get_by_role("status")).to_contain_text(re.compile(r"\b[01] hosts? of 10,000 match"), timeout=5000)
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Show 100 more").click()
    assert len(opened.hosts) == 200
    expect(page.locator("#grid > table > tbody > tr").nth(100).get_by_role("button").first).to_be_focused()
