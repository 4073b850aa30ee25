// Copyright (c) 2026 the connectivity.doctor contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
(() => {
  const PAGE = 100; // rows that are drawn at once: what has thousands of hosts must answer to a key at once
  const MOST_LISTED = 10;
  const MOST_EXPANDED = 50;
  const MOST_PRINTED = 300;
  const SIGNS = { down: "✕", degraded: "!", unknown: "?", healthy: "✓" };

  const data = JSON.parse(document.getElementById("data").textContent);
  const text = (number) => data.texts[number];
  const byId = (id) => document.getElementById(id);

  /** An element. Children that are no elements become text, whatever is in them. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat().filter((child) => child !== null && child !== ""));
    return element;
  }

  // What the lists of the data mean; the other half of it is _html.py.
  function readCause([code, confidence, summary, locus, culprit, evidence, excluded, advice, how, decideBy, documentation]) {
    const pairs = [];
    for (let at = 0; at < culprit.length; at += 2) pairs.push([text(culprit[at]), text(culprit[at + 1])]);
    return {
      code: text(code), confidence, summary: text(summary), locus: text(locus), culprit: pairs, evidence,
      excluded: excluded.map(([other, by]) => ({ code: text(other), by })),
      advice: text(advice), how: text(how), decideBy: text(decideBy), documentation: text(documentation),
    };
  }
  function readObservation([check, status, target, start, ms, message, reproduce, elsewhere]) {
    const words = message === undefined ? null : { message: text(message), reproduce: text(reproduce), elsewhere: text(elsewhere) };
    return { check: text(check), status: data.statuses[status], target: text(target), start, ms, words };
  }
  function readCell([endpoint, state, reason, url, workflow, causes, observations], host) {
    return {
      host, endpoint, name: data.endpoints[endpoint], state: data.states[state], rank: state, reason: text(reason), url: text(url),
      workflow: workflow.map(text), causes: causes.map(readCause), raw: observations, sought: null,
    };
  }
  const rows = data.hosts.map(([name, cells], number) => {
    const row = { name, number };
    row.cells = cells.map((cell) => readCell(cell, name));
    row.rank = Math.min(...row.cells.map((cell) => cell.rank), data.states.length);
    return row;
  }).sort((one, other) => one.rank - other.rank || one.number - other.number);

  const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
  /** A code may be broken where its words end, and nowhere else. */
  const breakable = (code) => make("code", {}, code.split(/(?<=[._])/).flatMap((word, at) => (at ? [make("wbr"), word] : [word])));
  const percent = (confidence) => `${Math.round(confidence * 100)} %`;

  // The filters, and which cells they let through.
  const ill = data.states.filter((state) => state !== "healthy" && data.summary[state] > 0);
  const wanted = { states: new Set(), words: [], cause: "", endpoint: "", incident: null };
  let shown = PAGE;

  function standard() {
    Object.assign(wanted, { states: new Set(ill.length ? ill : data.states), words: [], cause: "", endpoint: "", incident: null });
  }
  function sought(cell) {
    if (cell.sought === null) {
      const causes = cell.causes.flatMap((cause) => [cause.code, cause.summary, ...cause.culprit.map((pair) => pair[1])]);
      cell.sought = [cell.host, cell.name, cell.url, cell.state, cell.reason, ...causes].join("\n").toLowerCase();
    }
    return cell.sought;
  }
  function passes(cell) {
    return wanted.states.has(cell.state)
      && (wanted.endpoint === "" || cell.endpoint === Number(wanted.endpoint))
      && (wanted.cause === "" || cell.causes.some((cause) => cause.code === wanted.cause))
      && wanted.words.every((word) => sought(cell).includes(word));
  }
  function inIncident(row) {
    return wanted.incident === null || wanted.incident.hosts.has(row.number);
  }

  // Which of it is in the address, so that a view can be kept and sent on.
  function remember() {
    const parts = new URLSearchParams();
    if (wanted.words.length) parts.set("q", wanted.words.join(" "));
    if (wanted.cause) parts.set("cause", wanted.cause);
    if (wanted.endpoint !== "") parts.set("endpoint", data.endpoints[wanted.endpoint]);
    parts.set("states", [...wanted.states].join(","));
    try {
      history.replaceState(null, "", `#${parts}`);
    } catch {
      // A viewer that gives the page no address of its own has nothing to keep it in.
    }
  }
  function recall() {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (!parts.has("states")) return;
    wanted.states = new Set(parts.get("states").split(",").filter((state) => data.states.includes(state)));
    wanted.words = words(parts.get("q") || "");
    wanted.cause = parts.get("cause") || "";
    const endpoint = data.endpoints.indexOf(parts.get("endpoint"));
    wanted.endpoint = endpoint < 0 ? "" : String(endpoint);
  }
  const words = (typed) => typed.toLowerCase().split(/\s+/).filter(Boolean);

  // One endpoint of one host in full.
  function proof(observation) {
    if (observation.words === null) return make("li", {}, `${observation.check} of ${observation.target}: ${observation.status}`);
    const { message, reproduce, elsewhere } = observation.words;
    return make("li", {}, message, elsewhere && ` (seen on ${elsewhere})`, reproduce && make("code", {}, `$ ${reproduce}`));
  }
  function causeStory(cause, observations) {
    const article = make("article", {},
      make("h4", {}, make("code", {}, cause.code), ` (${percent(cause.confidence)})`),
      make("p", {}, cause.summary),
      cause.culprit.length || cause.locus
        ? make("dl", {}, make("dt", {}, "where"), make("dd", {}, cause.locus),
          ...cause.culprit.map(([key, value]) => [make("dt", {}, key.replaceAll("_", " ")), make("dd", {}, make("code", {}, value))]))
        : null,
      make("p", {}, "Seen:"), make("ul", {}, ...cause.evidence.map((number) => proof(observations[number]))));
    const ruledOut = cause.excluded.map((other) => make("li", {}, make("code", {}, other.code),
      make("ul", {}, ...other.by.map((number) => proof(observations[number])))));
    if (ruledOut.length) {
      article.append(make("details", {}, make("summary", {}, `Ruled out: ${counted(ruledOut.length, "look-alike")}`), make("ul", {}, ...ruledOut)));
    }
    article.append(cause.decideBy
      ? make("p", {}, make("b", {}, "What would decide: "), cause.decideBy)
      : make("p", {}, make("b", {}, "Do: "), cause.advice, make("span", { class: "quiet" }, ` (${cause.how})`)));
    article.append(make("p", { class: "quiet" }, `The collection's page on it: ${cause.documentation}`));
    return article;
  }
  function waterfall(observations) {
    const end = Math.max(1, ...observations.map((one) => (one.start === null ? 0 : one.start + one.ms)));
    const timed = observations.map((one, number) => ({ ...one, number }))
      .sort((one, other) => (one.start ?? end) - (other.start ?? end) || one.number - other.number);
    const lines = timed.map((one) => {
      const bar = make("div", { class: "bar" });
      if (one.start !== null) {
        bar.style.marginLeft = `${Math.min(99.5, (one.start / end) * 100)}%`;
        bar.style.width = `${(one.ms / end) * 100}%`;
      }
      return make("tr", { class: `s-${one.status}` },
        make("th", { scope: "row" }, make("code", {}, one.check), ` ${one.target}`),
        make("td", { class: "how" }, one.status.replace("_", " ")),
        make("td", { class: "ms" }, one.start === null ? "" : one.start.toFixed(1)),
        make("td", { class: "ms" }, one.ms.toFixed(1)),
        make("td", { class: "bars", "aria-hidden": "true" }, one.start === null ? null : bar));
    });
    const head = [["", "observation"], ["how", "result"], ["ms", "began, ms"], ["ms", "took, ms"], ["bars", "in time"]];
    return make("table", { class: "fall" },
      make("caption", { class: "spoken" }, "When each observation was made and how long it took"),
      make("colgroup", {}, ...["what", "how", "ms", "ms", "bars"].map((name) => make("col", { class: name }))),
      make("thead", {}, make("tr", {}, ...head.map(([name, title]) => make("th", { scope: "col", class: name || null }, title)))),
      make("tbody", {}, ...lines));
  }
  function story(cell, title) {
    const observations = cell.raw.map(readObservation);
    const sure = cell.causes.filter((cause) => !cause.decideBy);
    const candidates = cell.causes.filter((cause) => cause.decideBy);
    const part = make("section", { class: `story ${cell.state}`, "aria-labelledby": title, tabindex: "-1" },
      make("h3", { id: title }, `${cell.host} → ${cell.name} `, make("span", { class: "badge" }, `${SIGNS[cell.state]} ${cell.state}`)),
      make("p", {}, make("code", {}, cell.url)), cell.reason ? make("p", {}, cell.reason) : null,
      cell.workflow.length ? make("ol", { class: "walk", "aria-label": "The agent's workflow" },
        ...cell.workflow.map((step) => make("li", {}, step))) : null,
      ...sure.map((cause) => causeStory(cause, observations)));
    if (candidates.length) {
      part.append(make("p", {}, make("b", {}, "It cannot be told which of these it is:")),
        ...candidates.map((cause) => causeStory(cause, observations)));
    }
    const failed = observations.filter((one) => one.status === "fail" && one.words);
    if (!cell.causes.length && failed.length) part.append(make("p", {}, "Seen:"), make("ul", {}, ...failed.map(proof)));
    const inWords = observations.filter((one) => one.words);
    if (inWords.length) {
      const what = inWords.length === observations.length ? "All observations" : "Observations that tell something; report.json has all";
      part.append(later(what, () => make("ul", {}, ...inWords.map((one) => make("li", {}, make("code", {}, `${one.check} ${one.status}`),
        ...proof(one).childNodes)))));
    }
    if (observations.length) {
      const span = Math.max(...observations.map((one) => (one.start === null ? 0 : one.start + one.ms)));
      part.append(later(`Timings: ${counted(observations.length, "observation")} in ${(span / 1000).toFixed(2)} s`, () => waterfall(observations)));
    }
    return part;
  }
  /** What is built when it is opened for the first time. */
  function later(title, build) {
    return make("details", {
      ontoggle: (event) => {
        if (event.target.open && event.target.childElementCount === 1) event.target.append(build());
      },
    }, make("summary", {}, title));
  }

  // The matrix.
  function opened(button, cell) {
    const id = button.getAttribute("aria-controls");
    const line = button.closest("tr");
    const detail = make("tr", { class: "detail", id },
      make("td", { colspan: line.childElementCount }, story(cell, `${id}-title`)));
    let after = line;
    while (after.nextElementSibling?.classList.contains("detail")) after = after.nextElementSibling;
    after.after(detail);
    button.setAttribute("aria-expanded", "true");
    detail.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        closed(button);
        button.focus();
      }
    });
  }
  function closed(button) {
    byId(button.getAttribute("aria-controls"))?.remove();
    button.setAttribute("aria-expanded", "false");
  }
  function drawCell(cell, row) {
    const button = make("button", {
      type: "button", class: `cell ${cell.state}`, "aria-expanded": "false", "aria-controls": `d${row.number}-${cell.endpoint}`,
      onclick: () => (button.getAttribute("aria-expanded") === "true" ? closed(button) : opened(button, cell)),
    }, make("span", { "aria-hidden": "true" }, `${SIGNS[cell.state]} `), make("span", { class: "spoken" }, `${cell.host} to ${cell.name}: `),
    make("b", {}, cell.state), ...cell.causes.slice(0, 3).map((cause) => breakable(cause.decideBy ? `${cause.code} ?` : cause.code)),
    cell.causes.length > 3 ? make("code", {}, `and ${cell.causes.length - 3} more`) : null);
    button.cell = cell;
    return make("td", {}, button);
  }
  let matching = [];
  function draw() {
    matching = rows.filter((row) => inIncident(row) && row.cells.some(passes));
    const columns = [...new Set(matching.flatMap((row) => row.cells.filter((cell) => wanted.endpoint === "" || passes(cell))
      .map((cell) => cell.endpoint)))].sort((one, other) => one - other);
    const lines = matching.slice(0, shown).map((row) => {
      const cells = new Map(row.cells.map((cell) => [cell.endpoint, cell]));
      return make("tr", {}, make("th", { scope: "row" }, row.name),
        ...columns.map((column) => (cells.has(column) ? drawCell(cells.get(column), row) : make("td", {}))));
    });
    const table = make("table", {}, make("caption", { class: "spoken" }, "What each host sees of each endpoint; a button opens its causes and their proof"),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "host"),
        ...columns.map((column) => make("th", { scope: "col" }, data.endpoints[column])))),
      make("tbody", {}, ...lines));
    byId("grid").replaceChildren(...(lines.length ? [table] : []));
    const cells = matching.reduce((sum, row) => sum + row.cells.filter(passes).length, 0);
    byId("count").textContent = `${counted(cells, "endpoint")} on ${counted(matching.length, "host")} of ${rows.length.toLocaleString("en")} match`
      + `${wanted.incident ? `; only hosts of the incident ${wanted.incident.code}` : ""}${matching.length > shown ? `; the first ${shown} are shown` : ""}.`;
    const left = matching.length - shown;
    byId("more").replaceChildren(...(left > 0 ? [
      make("button", { type: "button", onclick: () => more(PAGE) }, `Show ${Math.min(PAGE, left)} more`), " ",
      make("button", { type: "button", onclick: () => more(left) }, `Show all ${matching.length.toLocaleString("en")}`)] : []));
    for (const button of byId("states").children) button.setAttribute("aria-pressed", String(wanted.states.has(button.dataset.state)));
    byId("cause").value = wanted.cause;
    byId("endpoint").value = wanted.endpoint;
  }
  function more(rowsMore) {
    const first = shown;
    shown += rowsMore;
    draw();
    byId("grid").querySelectorAll("tbody > tr")[first]?.querySelector("button")?.focus();
  }
  function filtered() {
    shown = PAGE;
    draw();
    remember();
  }
  function expand(most) {
    const closedOnes = [...byId("grid").querySelectorAll(".cell[aria-expanded=false]")]
      .filter((button) => button.cell.state !== "healthy" && passes(button.cell));
    for (const button of closedOnes.slice(0, most)) opened(button, button.cell);
  }

  // The page around it.
  function overview() {
    const unreachable = data.summary.unreachable ? `, ${data.summary.unreachable.toLocaleString("en")} of them unreachable` : "";
    byId("made").textContent = `${data.generated_at}, in ${data.duration_s} s: ${counted(data.summary.endpoints, "endpoint")} on `
      + `${counted(data.summary.hosts, "host")}${unreachable}`;
    for (const state of data.states) {
      const part = make("span", { class: state });
      part.style.flexGrow = data.summary[state];
      if (data.summary[state]) byId("proportion").append(part);
      byId("states").append(make("button", {
        type: "button", class: state, "data-state": state,
        onclick: () => {
          if (!wanted.states.delete(state)) wanted.states.add(state);
          filtered();
        },
      }, make("b", {}, data.summary[state].toLocaleString("en")), make("span", {}, `${SIGNS[state]} ${state}`)));
    }
  }
  /** Put the first items into a container, and a button for the others behind it. */
  function listed(container, items) {
    container.append(...items.slice(0, MOST_LISTED));
    if (items.length <= MOST_LISTED) return [container];
    const button = make("button", {
      type: "button",
      onclick: () => {
        container.append(...items.slice(MOST_LISTED));
        container.children[MOST_LISTED].querySelector("button")?.focus();
        button.remove();
      },
    }, `Show all ${items.length}`);
    return [container, button];
  }
  function incidents() {
    byId("incidents").hidden = !data.incidents.length;
    byId("incidents").append(...listed(make("ol", { class: "incidents" }), data.incidents.map(
      ([code, endpoint, hosts, group, summary, next]) => make("li", {},
        make("p", {}, make("code", {}, code), ` on ${counted(hosts.length, "host")}${group ? ` (group ${group})` : ""} `,
          make("span", { class: "quiet" }, next), " ",
          make("button", { type: "button", onclick: () => only(code, endpoint, hosts) }, "Show hosts", make("span", { class: "spoken" }, ` with ${code}`))),
        make("p", {}, summary)))));
  }
  function only(code, endpoint, hosts) {
    standard();
    Object.assign(wanted, { states: new Set(data.states), cause: code, endpoint: String(endpoint), incident: { code, hosts: new Set(hosts) } });
    byId("words").value = "";
    filtered();
    byId("matrix").focus();
  }
  function remediations() {
    byId("remediations").hidden = !data.remediations.length;
    const body = make("tbody");
    const head = data.of_a_remediation.map((title) => make("th", { scope: "col" }, title));
    const [, button] = listed(body, data.remediations.map((fields) => make("tr", {}, ...fields.map((field) => make("td", {}, field)))));
    byId("remediations").append(make("div", { class: "scroll", role: "region", "aria-labelledby": "remediations-title", tabindex: "0" },
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), body)), button || "");
  }
  function filters() {
    const causes = new Map();
    for (const row of rows) for (const cell of row.cells) for (const cause of cell.causes) causes.set(cause.code, (causes.get(cause.code) || 0) + 1);
    byId("cause").append(...[...causes].sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1))
      .map(([code, number]) => make("option", { value: code }, `${code} (${number.toLocaleString("en")})`)));
    byId("endpoint").append(...data.endpoints.map((name, number) => make("option", { value: number }, name)));
    let waiting = 0;
    byId("words").addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        wanted.words = words(event.target.value);
        filtered();
      }, 120);
    });
    for (const name of ["cause", "endpoint"]) {
      byId(name).addEventListener("change", (event) => {
        wanted[name] = event.target.value;
        filtered();
      });
    }
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("reset").addEventListener("click", () => {
      clearTimeout(waiting);
      standard();
      byId("words").value = "";
      filtered();
    });
    byId("expand").addEventListener("click", () => expand(MOST_EXPANDED));
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        byId("words").focus();
      }
    });
    // On paper nothing can be opened: what is filtered is printed with its causes, up to a size that a printer takes.
    let before = shown;
    addEventListener("beforeprint", () => {
      before = shown;
      shown = MOST_PRINTED;
      draw();
      expand(MOST_PRINTED);
    });
    addEventListener("afterprint", () => {
      shown = before;
      draw();
    });
  }

  standard();
  recall();
  overview();
  incidents();
  remediations();
  filters();
  byId("words").value = wanted.words.join(" ");
  draw();
})();
