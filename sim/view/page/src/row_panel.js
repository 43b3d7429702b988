// The statistics of the row that the reader has picked, with the numbers that the machine computed.

import { element, setText, tableHead } from "./dom.js";
import { real } from "./format.js";

/** The operations on a row, gathered by the tile of columns that they worked on: one line of the table each. */
export function visitsOf(history) {
  const visits = [];
  let visit = null;
  const open = (entry) => {
    visit = { columns: entry.columns, from: entry.event };
    visits.push(visit);
  };
  for (const entry of history) {
    const { operation, values } = entry;
    if (operation === "scores" || visit === null) open(entry);
    if (operation === "scores") Object.assign(visit, { largest: values[0] });
    if (operation === "raise_max") {
      if (visit.m !== undefined) open(entry);
      Object.assign(visit, { m: values[0], alpha: values[1] });
    }
    if (operation === "exponentiate") {
      if (visit.sum !== undefined) open(entry);
      visit.sum = values[0];
    }
    if (operation === "add_row_sums") visit.l = values[0];
    if (operation === "scale_rows" || operation === "add_product" || operation === "divide_rows") {
      if (entry.tensor === 5) visit.O = values.subarray(values.length - 2);
      if (operation === "divide_rows") visit.divisor = values[0];
    }
  }
  return visits;
}

const HEADS = ["columns", "max S", "m", "α", "Σ P", "l", "O₀", "O₁"];
const MOST_LINES = 60; // the last ones of a row's table

export class RowPanel {
  constructor(film, onpick) {
    this.film = film;
    this.last = -1;
    this.input = element("input", { type: "number", min: 0, max: film.N - 1, step: film.rowStep, value: 0 });
    this.input.addEventListener("change", () => onpick(Number(this.input.value)));
    this.story = element("p", { class: "story" });
    this.body = element("tbody");
    this.lines = [];
    const table = element("table", { class: "row-table" }, tableHead(...HEADS), this.body);
    this.node = element(
      "section",
      { class: "panel row-panel" },
      element("h3", {}, "One row, with its numbers"),
      film.rowStarts.length === 0
        ? element("p", {}, film.leftOut)
        : element(
            "div",
            {},
            element(
              "label",
              { class: "pick" },
              "Row ",
              this.input,
              ` of ${film.N}`,
              element(
                "span",
                { class: "soft" },
                film.rowStep > 1 ? ` (every ${film.rowStep}th is kept)` : " (or press a row in the picture)",
              ),
            ),
            this.story,
            element(
              "div",
              { class: "scroll newest", tabindex: 0, role: "region", "aria-label": "The row's statistics" },
              table,
            ),
          ),
    );
  }

  pick(row) {
    if (this.film.rowStarts.length === 0) return;
    this.row = this.film.keptRow(row);
    this.input.value = this.row;
    this.history = this.film.rowHistory(this.row);
    this.last = -1;
  }

  update(at) {
    if (!this.history) return;
    let known = 0;
    while (known < this.history.length && this.history[known].event < at) known += 1;
    if (known === this.last) return;
    this.last = known;
    setText(this.story, this.#tell(known));
    this.#fill(visitsOf(this.history.slice(0, known)).slice(-MOST_LINES));
  }

  /** The lines of the table are kept: while playing, a few numbers of the last one change. */
  #fill(visits) {
    while (this.lines.length < visits.length) {
      const cells = Array.from({ length: HEADS.length }, () => element("td"));
      this.lines.push({ node: element("tr", {}, ...cells), cells });
    }
    this.body.replaceChildren(...this.lines.slice(0, visits.length).map(({ node }) => node));
    visits.forEach((v, index) => {
      const { node, cells } = this.lines[index];
      node.className = index === visits.length - 1 ? "now" : "";
      const values = [v.largest, v.m, v.alpha, v.sum, v.l, v.O?.[0], v.O?.[1]].map(real);
      [this.#columnsOf(v), ...values].forEach((text, i) => setText(cells[i], text));
    });
  }

  #columnsOf({ columns: [first, number], largest }) {
    const some = number > 1 && first + number <= this.film.N && largest !== undefined;
    return some ? `${first}–${first + number - 1}` : "all";
  }

  #before(known, operation, index = 0) {
    for (let i = known - 2; i >= 0; --i) {
      if (this.history[i].operation === operation) return this.history[i].values[index];
    }
    return undefined;
  }

  /** The last operation on the row, as an equation with its numbers. */
  #tell(known) {
    if (known === 0) return "Nothing has been computed of this row yet.";
    const { operation, values, tensor } = this.history[known - 1];
    const r = real;
    switch (operation) {
      case "scores":
        return `S = QKᵀ/√d: the largest score of this tile's row is ${r(values[0])}.`;
      case "raise_max": {
        const old = this.#before(known, "raise_max") ?? -Infinity;
        return (
          `m: ${r(old)} → ${r(values[0])}; α = exp(${r(old)} − ${r(values[0])}) = ${r(values[1])}.` +
          (values[1] === 1 ? " The maximum stands: nothing is rescaled." : "")
        );
      }
      case "exponentiate":
        return `P = exp(S − m): the row of P in this tile sums to ${r(values[0])}.`;
      case "add_row_sums": {
        const old = this.#before(known, "add_row_sums") ?? 0;
        return `l ← α·l + ΣP: the sum was ${r(old)} and is ${r(values[0])}.`;
      }
      case "scale_rows": {
        const now = `O₀ = ${r(values[1])}, O₁ = ${r(values[2])}`;
        return `O ← O × ${r(values[0])}: what was summed under the old maximum shrinks; ${now}.`;
      }
      case "add_product":
        return `O ← O + P V: O₀ = ${r(values[0])}, O₁ = ${r(values[1])}.`;
      case "divide_rows": {
        const now = `first elements ${r(values[1])}, ${r(values[2])}`;
        return `${tensor === 5 ? "O" : "P"} ← row ÷ l = row ÷ ${r(values[0])}: ${now}.`;
      }
      default:
        return `L = m + log l = ${r(values[0])}.`;
    }
  }
}
