// One stage: its picture, what it does now, its bytes, its program.

import { element, setText, tableHead } from "./dom.js";
import { Machine, TENSORS } from "./film.js";
import { bytes, count } from "./format.js";
import { Picture } from "./picture.js";
import { RowPanel } from "./row_panel.js";
import { nameOf, sentence } from "./words.js";

class BytesPanel {
  constructor(film, heads) {
    Object.assign(this, { film, heads });
    this.most = Math.max(...film.finalRead, ...film.finalWritten);
    this.rows = [];
    const body = element("tbody");
    for (let tensor = 0; tensor < TENSORS.length; ++tensor) {
      const never = film.finalRead[tensor] + film.finalWritten[tensor] === 0;
      const cells = ["read", "written"].map((direction) => {
        const number = element("span", { class: "number" });
        const bar = element("span", { class: `bar ${direction}`, style: `--color: var(--${TENSORS[tensor]})` });
        return {
          number,
          bar,
          cell: element("td", { "data-tensor": TENSORS[tensor], "data-direction": direction }, number, bar),
        };
      });
      this.rows.push(cells);
      body.append(
        element(
          "tr",
          { class: never ? "never" : "" },
          element(
            "th",
            { scope: "row" },
            element("span", { class: "dot", style: `background: var(--${TENSORS[tensor]})` }),
            nameOf(tensor),
          ),
          ...cells.map(({ cell }) => cell),
        ),
      );
    }
    this.totals = ["read", "written"].map((direction) =>
      element("td", { "data-tensor": "all", "data-direction": direction }),
    );
    this.all = ["read", "written"].map((direction) =>
      element("td", { "data-tensor": "heads", "data-direction": direction }),
    );
    body.append(
      element(
        "tr",
        { class: "total" },
        element("th", { scope: "row" }, heads > 1 ? "this head" : "all"),
        ...this.totals,
      ),
    );
    if (heads > 1)
      body.append(element("tr", { class: "total" }, element("th", { scope: "row" }, `× ${heads} heads`), ...this.all));
    this.node = element(
      "section",
      { class: "panel" },
      element("h3", {}, "Bytes over the HBM boundary"),
      element("table", { class: "bytes" }, tableHead("", "read", "written"), body),
    );
  }

  update(machine) {
    const sides = [machine.read, machine.written];
    sides.forEach((side, direction) => {
      let total = 0;
      for (let tensor = 0; tensor < TENSORS.length; ++tensor) {
        const value = side[tensor];
        total += value;
        const { number, bar, cell } = this.rows[tensor][direction];
        if (cell.dataset.bytes === String(value)) continue;
        cell.dataset.bytes = value;
        setText(number, bytes(value));
        cell.title = `${count(value)} B`;
        bar.style.setProperty("--share", this.most ? value / this.most : 0);
      }
      this.#total(this.totals[direction], total);
      this.#total(this.all[direction], total * this.heads);
    });
  }

  #total(cell, value) {
    cell.dataset.bytes = value;
    setText(cell, `${count(value)} B`);
  }
}

class SourcePanel {
  constructor(film) {
    this.lines = film.source
      .trimEnd()
      .split("\n")
      .map((text, index) => {
        const comment = text.indexOf("//");
        const code = comment < 0 ? text : text.slice(0, comment);
        return element(
          "li",
          { value: index + 1 },
          code || " ",
          comment < 0 ? null : element("span", { class: "comment" }, text.slice(comment)),
        );
      });
    this.list = element(
      "ol",
      { class: "source", tabindex: 0, "aria-label": `The program ${film.sourcePath}` },
      ...this.lines,
    );
    this.scrolled = 0;
    this.list.addEventListener("scroll", () => (this.scrolled = this.list.scrollTop), { passive: true });
    this.node = element(
      "section",
      { class: "panel source-panel" },
      element("h3", {}, "The line that acts"),
      element("p", { class: "soft" }, film.sourcePath),
      this.list,
    );
  }

  /** Where the lines stand: read here, because reading it while a frame is made would force a layout. */
  measure() {
    const { list } = this;
    this.height = list.clientHeight;
    this.tops = this.lines.map((line) => line.offsetTop - list.offsetTop);
  }

  update(line) {
    if (this.current === line) return;
    this.lines[this.current - 1]?.removeAttribute("aria-current");
    this.current = line;
    const now = this.lines[line - 1];
    if (!now) return;
    now.setAttribute("aria-current", "step");
    const top = this.tops[line - 1];
    if (top < this.scrolled + 20 || top > this.scrolled + this.height - 60) {
      this.list.scrollTop = Math.max(0, top - this.height / 2);
    }
  }
}

function legend() {
  const key = (className, text) => element("li", {}, element("span", { class: `key ${className}` }), text);
  return element(
    "ul",
    { class: "legend soft" },
    key("pale", "in HBM"),
    key("half", "read (the more, the stronger) or written"),
    key("full", "in SRAM now"),
    key("acting", "acts now"),
    key("ghost", "never in HBM"),
    key("row", "your row"),
  );
}

export class StageView {
  constructor(film, { heads, ...options }) {
    this.film = film;
    this.machine = new Machine(film);
    this.picture = new Picture(film, this.machine, options);
    this.canvas = this.picture.canvas;
    this.now = element("p", { class: "now-line" });
    this.bytes = new BytesPanel(film, heads);
    this.source = new SourcePanel(film);
    this.rows = new RowPanel(film, (row) => this.onrow(row));
    this.onrow = () => {};
    this.picture.node.addEventListener("click", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const row = this.picture.rowAt(event.clientX - box.left, event.clientY - box.top);
      if (row !== null) this.onrow(row);
    });
    this.stagePanel = element("div", { class: "stage-picture" }, this.picture.node, this.now, legend());
  }

  pickRow(row) {
    this.rows.pick(row);
    this.picture.row = this.rows.row ?? row;
    this.rows.update(this.machine.at);
    this.picture.redraw();
    this.picture.draw();
  }

  resize() {
    this.picture.resize();
    this.picture.draw();
    this.source.measure();
  }

  /**
   * Shows the machine after `at` events, the last one `progress` on its way. Without `tell` the words and numbers stay
   * as they are: nobody reads them sixty times a second, and each costs a layout.
   */
  show(at, progress = 1, tell = true) {
    if (at !== this.machine.at) {
      const from = this.machine.seek(at);
      if (this.picture.boxes) this.picture.updateDone(from);
    }
    this.picture.draw(progress);
    if (!tell) return;
    setText(this.now, sentence(this.film, at));
    this.bytes.update(this.machine);
    this.source.update(this.machine.line);
    this.rows.update(at);
  }
}
