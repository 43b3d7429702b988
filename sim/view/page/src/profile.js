// A profile: source with counters, and of a line its lanes over sectors and banks.

import { element, setText, tableHead } from "./dom.js";
import { count, percent } from "./format.js";
import { lanesFigure } from "./lanes.js";

const SUMMED = ["requests", "threads", "bytes", "sectors", "ideal_sectors", "wavefronts", "bank_conflicts"];
const CACHES = ["sectors", "l1_hits", "l2_hits", "hbm_sectors"];

/** What the lines may be coloured by; a line's value from its sums. */
const HEAT = {
  sectors: ["global sectors", (s) => s.sectors],
  excess: ["sectors beyond the fewest", (s) => s.sectors - s.ideal_sectors],
  wavefronts: ["shared wavefronts", (s) => s.wavefronts],
  conflicts: ["bank conflicts", (s) => s.bank_conflicts],
  hbm: ["sectors from HBM", (s) => s.caches?.hbm_sectors ?? 0],
  requests: ["requests", (s) => s.requests],
};

function sumOf(sites) {
  const sum = Object.fromEntries(SUMMED.map((name) => [name, 0]));
  for (const site of sites) {
    for (const name of SUMMED) sum[name] += site[name];
    if (!site.caches || site.op === "store") continue; // stores pass L1 by
    sum.caches ??= Object.fromEntries(CACHES.map((name) => [name, 0]));
    for (const name of CACHES) sum.caches[name] += site.caches[name];
  }
  return sum;
}
const ratio = (a, b) => (b === 0 ? "" : Number((a / b).toPrecision(3)).toString());

export class ProfileView {
  constructor(data) {
    this.data = data;
    this.launch = 0;
    this.file = 0;
    this.heat = "sectors";
    this.node = this.#build();
    this.#show();
  }

  #build() {
    const { launches, sources, findings } = this.data;
    const select = (id, options, change) => {
      const made = element(
        "select",
        { id, onchange: () => change(made.value) },
        ...options.map(([value, text]) => element("option", { value }, text)),
      );
      return made;
    };
    const field = (text, node) =>
      element("div", { class: "pick" }, element("label", { for: node.id }, `${text} `), node);
    this.launchSelect = select(
      "launch",
      launches.map((l, i) => [i, `${l.number}: ${l.kernel} · grid ${l.grid.join("×")} · block ${l.block.join("×")}`]),
      (v) => {
        this.launch = Number(v);
        this.line = undefined;
        this.#show();
      },
    );
    this.fileSelect = select(
      "file",
      sources.map((s, i) => [i, s.name]),
      (v) => {
        this.file = Number(v);
        this.line = undefined;
        this.#show();
      },
    );
    this.heatSelect = select(
      "heat",
      Object.entries(HEAT).map(([key, [text]]) => [key, text]),
      (v) => {
        this.heat = v;
        this.#show();
      },
    );
    this.table = element("tbody");
    this.detail = element("section", { class: "panel detail", "aria-live": "polite", "aria-label": "The line" });
    this.caches = element("section", { class: "panel" });
    this.advice = element("section", { class: "panel" });
    const columns = [
      ["line", ""],
      ["req.", "requests: warp instructions"],
      ["sect. / req.", "32-byte sectors of global memory a request"],
      ["waves / req.", "passes through the banks of shared memory a request"],
      ["conflicts", "passes beyond those that the width needs"],
      ["from", "where the sectors of loads were found: L1, L2, HBM"],
      ["source", ""],
    ];
    if (launches.length === 0) {
      return element(
        "section",
        { class: "panel" },
        element("p", {}, "The program launched no kernel: there is nothing to show."),
      );
    }
    return element(
      "section",
      { class: "profile", "aria-label": "The profile" },
      element(
        "div",
        { class: "controls" },
        field("Launch", this.launchSelect),
        sources.length > 1 ? field("File", this.fileSelect) : null,
        field("Heat by", this.heatSelect),
      ),
      findings.length
        ? element(
            "section",
            { class: "panel findings" },
            element("h2", {}, "Findings"),
            ...findings.map((f) => element("pre", {}, f.text)),
          )
        : null,
      element(
        "div",
        { class: "profile-grid" },
        element(
          "section",
          { class: "panel code-panel" },
          element(
            "p",
            { class: "soft" },
            "Press a line with counters (or reach it by Tab) to see the 32 lanes of a warp. ",
            "The stronger the colour, the more of what “Heat by” names. Found in: ",
            ...[
              ["L1", "var(--V)"],
              ["L2", "var(--S)"],
              ["HBM", "var(--P)"],
            ].flatMap(([name, color]) => [element("span", { class: "dot", style: `background:${color}` }), `${name} `]),
          ),
          element(
            "div",
            { class: "scroll code", tabindex: 0, role: "region", "aria-label": "Source with counters" },
            element(
              "table",
              { class: "code-table" },
              element(
                "thead",
                {},
                element("tr", {}, ...columns.map(([text, title]) => element("th", { scope: "col", title }, text))),
              ),
              this.table,
            ),
          ),
        ),
        element("div", { class: "panels" }, this.detail, this.caches, this.advice),
      ),
    );
  }

  #show() {
    const launch = this.data.launches[this.launch];
    if (!launch) return;
    const sites = launch.sites.filter((site) => site.file === this.file);
    this.byLine = Map.groupBy ? Map.groupBy(sites, (site) => site.line) : group(sites);
    const [, heat] = HEAT[this.heat];
    const sums = new Map([...this.byLine].map(([line, list]) => [line, sumOf(list)]));
    const most = Math.max(1, ...[...sums.values()].map(heat));
    const text = this.data.sources[this.file]?.text ?? "";
    const lines = text ? text.trimEnd().split("\n") : [];
    const last = Math.max(lines.length, ...this.byLine.keys(), 0);
    const hottest = [...sums].filter(([line]) => line > 0).sort((a, b) => heat(b[1]) - heat(a[1]))[0]?.[0];
    this.line ??= hottest;
    this.rows = new Map();
    this.table.replaceChildren(
      ...Array.from({ length: last }, (_, i) => this.#row(i + 1, lines[i] ?? "", sums.get(i + 1), heat, most)),
    );
    this.#choose(this.line);
    this.#tellCaches(launch);
    this.advice.replaceChildren(
      element("h2", {}, "What to do"),
      ...(launch.advice.length
        ? launch.advice.map((a) => element("p", {}, a))
        : [
            element(
              "p",
              {},
              this.data.findings.length
                ? "Mend the findings first: the counters of a program that errs say little."
                : "Nothing stands out: the accesses move little more than they need.",
            ),
          ]),
    );
    this.rows.get(this.line)?.scrollIntoView({ block: "nearest" });
  }

  #row(line, text, sum, heat, most) {
    if (!sum)
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, line),
        ...Array.from({ length: 5 }, () => element("td")),
        element("td", { class: "code-text" }, text),
      );
    const share = heat(sum) / most;
    const button = element(
      "button",
      {
        type: "button",
        class: "line-button",
        "aria-label": `Line ${line}: show its lanes`,
        onclick: () => this.#choose(line),
      },
      line,
    );
    const row = element(
      "tr",
      { class: "counted", "data-line": line, style: `--heat: ${share.toFixed(3)}`, onclick: () => this.#choose(line) },
      element("th", { scope: "row" }, button),
      element("td", {}, count(sum.requests)),
      element("td", {}, this.#perRequest(line, "global", "sectors")),
      element("td", {}, this.#perRequest(line, "shared", "wavefronts")),
      element("td", {}, sum.bank_conflicts ? count(sum.bank_conflicts) : ""),
      element("td", {}, cachesBar(sum.caches)),
      element("td", { class: "code-text" }, text),
    );
    this.rows.set(line, row);
    return row;
  }
  #perRequest(line, memory, name) {
    const sum = sumOf(this.byLine.get(line).filter((site) => site.memory === memory));
    return ratio(sum[name], sum.requests);
  }

  #choose(line) {
    this.rows.get(this.line)?.removeAttribute("aria-current");
    this.line = line;
    this.rows.get(line)?.setAttribute("aria-current", "true");
    const sites = this.byLine.get(line) ?? [];
    const text = (this.data.sources[this.file]?.text ?? "").split("\n")[line - 1]?.trim() ?? "";
    this.detail.replaceChildren(
      element("h2", {}, line === undefined ? "No line of this file touches memory" : `Line ${line}`),
      element("p", {}, element("code", {}, text)),
      ...sites.map((site) => lanesFigure(site)),
    );
  }

  #whyNoCaches(launch) {
    if (launch.no_caches) return launch.no_caches;
    return this.data.card === "none"
      ? "No card was named: nothing went through caches."
      : "This launch loads nothing from global memory, and its stores pass L1 by.";
  }

  #tellCaches(launch) {
    const sum = sumOf(launch.sites);
    if (!sum.caches) {
      this.caches.replaceChildren(element("h2", {}, "Caches"), element("p", {}, this.#whyNoCaches(launch)));
      return;
    }
    const { sectors, l1_hits: l1, l2_hits: l2, hbm_sectors: hbm } = sum.caches;
    const row = (name, value) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, name),
        element("td", {}, count(value)),
        element("td", {}, sectors ? percent(value / sectors) : ""),
      );
    this.caches.replaceChildren(
      element("h2", {}, `Through the caches of ${this.data.card}`),
      cachesBar(sum.caches, true),
      element(
        "table",
        { class: "caches-table" },
        tableHead("", "sectors", "of all"),
        element(
          "tbody",
          {},
          row("asked for", sectors),
          row("found in L1", l1),
          row("found in L2", l2),
          row("fetched from HBM", hbm),
        ),
      ),
      element("p", { class: "soft" }, "Of loads and atomics; a model: see docs/replay-model.md."),
    );
    setText(this.caches.querySelector("h2"), `Through the caches of ${this.data.card}`);
  }
}

function group(sites) {
  const map = new Map();
  for (const site of sites) map.set(site.line, [...(map.get(site.line) ?? []), site]);
  return map;
}

function cachesBar(caches, tall = false) {
  if (!caches || caches.sectors === 0) return "";
  const parts = [
    ["l1_hits", "--V", "L1"],
    ["l2_hits", "--S", "L2"],
    ["hbm_sectors", "--P", "HBM"],
  ];
  return element(
    "span",
    {
      class: `caches-bar ${tall ? "tall" : ""}`,
      role: "img",
      "aria-label": parts.map(([key, , name]) => `${name} ${percent(caches[key] / caches.sectors)}`).join(", "),
    },
    ...parts.map(([key, color]) =>
      element("span", { style: `background: var(${color}); width: ${(100 * caches[key]) / caches.sectors}%` }),
    ),
  );
}
