// The 32 lanes of one warp instruction: over the sectors of global memory, or over the banks of shared memory.

import { element, tableHead } from "./dom.js";
import { count, plural } from "./format.js";

const LANES = 32;
const SECTOR = 32;
const LINE = 128;
const BANKS = 32;
const MOST_LINES = 32;

const laneColor = (lane) => `hsl(${Math.round((360 * lane) / LANES)} var(--lane-s) var(--lane-l))`;
const listOf = (lanes) => {
  if (lanes.length === 0) return "";
  const runs = [];
  for (const lane of lanes) {
    const run = runs.at(-1);
    if (run && run[1] === lane - 1) run[1] = lane;
    else runs.push([lane, lane]);
  }
  return runs.map(([a, b]) => (a === b ? a : `${a}–${b}`)).join(", ");
};

/** A request on global memory: one row a 128-byte line, four sectors each. */
function sectors(site) {
  const { lanes, begin_in_line: shift } = site.sample;
  const lines = new Map();
  lanes.forEach((address, lane) => {
    if (address === null) return;
    for (let byte = address + shift; byte < address + shift + site.width_bytes; byte += 4) {
      const sector = Math.floor(byte / SECTOR);
      const line = Math.floor(sector / 4);
      if (!lines.has(line)) lines.set(line, [[], [], [], []]);
      const cell = lines.get(line)[sector % 4];
      if (cell.at(-1) !== lane) cell.push(lane);
    }
  });
  const rows = [...lines].sort((a, b) => a[0] - b[0]);
  const body = rows
    .slice(0, MOST_LINES)
    .map(([line, four]) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, `+${count(Math.max(0, line * LINE - shift))}`),
        ...four.map((cell) =>
          element(
            "td",
            { class: cell.length ? "touched" : "idle", style: cell.length ? stripes(cell) : "" },
            listOf(cell),
          ),
        ),
      ),
    );
  const active = lanes.filter((address) => address !== null).length;
  const used = Math.min(site.sample.sectors * SECTOR, active * site.width_bytes);
  return [
    element(
      "p",
      {},
      `${active} lanes of ${site.width_bytes} B touch ${plural(site.sample.sectors, "sector")} of 32 B ` +
        `in ${plural(rows.length, "line")}: ` +
        `${count(site.sample.sectors * SECTOR)} B move for ${count(used)} B asked.` +
        (lanes.every((a) => a === null || a === lanes.find((b) => b !== null)) && active > 1
          ? " All lanes read one address."
          : ""),
    ),
    element(
      "div",
      { class: "scroll lanes", tabindex: 0, role: "region", "aria-label": "Lanes over sectors" },
      element(
        "table",
        { class: "lanes-table sectors" },
        tableHead("line at", ...[0, 1, 2, 3].map((i) => `sector ${i}`)),
        element("tbody", {}, ...body),
      ),
    ),
    rows.length > MOST_LINES ? element("p", { class: "soft" }, `and ${rows.length - MOST_LINES} lines more`) : null,
  ];
}

function stripes(cell) {
  const percent = (i) => `${(100 * i) / cell.length}%`;
  const stops = cell.map((lane, i) => `${laneColor(lane)} ${percent(i)} ${percent(i + 1)}`);
  return `background: linear-gradient(90deg, ${stops.join(", ")})`;
}

/**
 * A request on shared memory: one row a pass, 32 banks each. Lanes that are served together: all of them up to 4 bytes,
 * a half of the warp at 8, a quarter at 16.
 */
function banks(site) {
  const { lanes, wavefronts } = site.sample;
  const together = site.width_bytes <= 4 ? LANES : site.width_bytes === 8 ? 16 : 8;
  const passes = [];
  for (let first = 0; first < LANES; first += together) {
    const words = Array.from({ length: BANKS }, () => new Map());
    for (let lane = first; lane < first + together; ++lane) {
      const address = lanes[lane];
      if (address === null) continue;
      for (let byte = address; byte < address + site.width_bytes; byte += 4) {
        const word = Math.floor(byte / 4);
        const bank = words[word % BANKS];
        bank.set(word, [...(bank.get(word) ?? []), lane]);
      }
    }
    const depth = Math.max(...words.map((bank) => bank.size));
    for (let pass = 0; pass < depth; ++pass) passes.push(words.map((bank) => [...bank.values()][pass] ?? []));
  }
  const active = lanes.filter((address) => address !== null).length;
  const fewer = wavefronts !== undefined && wavefronts < passes.length;
  return [
    element(
      "p",
      {},
      `${active} lanes of ${site.width_bytes} B take ${plural(wavefronts ?? passes.length, "wavefront")}, ` +
        "one row each below. " +
        (fewer
          ? "Parts of the warp that read the same addresses are served together, so there are fewer than rows."
          : "Lanes that want different words of one bank wait for each other."),
    ),
    element(
      "div",
      { class: "scroll lanes", tabindex: 0, role: "region", "aria-label": "Lanes over banks" },
      element(
        "table",
        { class: "lanes-table banks" },
        tableHead("bank", ...Array(BANKS).keys()),
        element(
          "tbody",
          {},
          ...passes.map((pass, i) =>
            element(
              "tr",
              {},
              element("th", { scope: "row" }, i + 1),
              ...pass.map((cell) =>
                element(
                  "td",
                  {
                    class: cell.length ? "touched" : "idle",
                    style: cell.length ? `background: ${laneColor(cell[0])}` : "",
                    title: cell.length ? `lanes ${listOf(cell)}` : "",
                  },
                  cell.length === 0 ? "" : cell.length === 1 ? cell[0] : `${cell[0]}+`,
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  ];
}

/** One instruction of a line. */
export function lanesFigure(site) {
  const title = `${site.memory} ${site.op}, ${site.width_bytes} B a lane`;
  const merged = site.merged_width_bytes
    ? ` The card's compiler is expected to merge neighbours into ${site.merged_width_bytes} B.`
    : "";
  const moved =
    site.memory === "global"
      ? `${plural(site.sectors, "sector")}; packed densely, ${count(site.ideal_sectors)} would do.`
      : `${plural(site.wavefronts, "wavefront")}, ${count(site.bank_conflicts)} of them conflicts.`;
  const totals = `${plural(site.requests, "request")}, ${moved}`;
  const first = site.sample && `block ${count(site.sample.block)}, warp ${site.sample.warp}`;
  const what = !site.sample
    ? [element("p", {}, "Nothing was kept of its lanes.")]
    : site.op === "ldmatrix"
      ? [element("p", {}, "A matrix load: eight rows of 16 B at a time.")]
      : site.memory === "global"
        ? sectors(site)
        : banks(site);
  return element(
    "figure",
    { class: "access" },
    element("h3", {}, title),
    element("p", {}, totals + merged),
    site.sample
      ? element("p", { class: "soft" }, `As an example its first request: ${first}. Numbers in the cells are lanes.`)
      : null,
    ...what.filter(Boolean),
  );
}
