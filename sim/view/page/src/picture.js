// The canvas: matrices in HBM to scale, SRAM below them, tiles between the two.

import { element } from "./dom.js";
import { hasStats, TENSORS } from "./film.js";
import { bytes, percent } from "./format.js";
import { arrange, rectangle } from "./layout.js";

const [, K, , S, P, , STATS] = TENSORS.map((_, index) => index);
const LABELS = ["Q", "Kᵀ", "V", "S", "P", "O", "m, l"];
const MARGIN = 6; // px around a matrix: for the outline of a tile that acts, and the ends of the reader's row
const FLIGHT = 100; // px: the size that the tile on its way is laid out in, before it is scaled

/**
 * One canvas over a part of the picture, painted anew only when something on it has changed: a browser without a GPU
 * copies a canvas whole, however little of it was drawn.
 */
class Sheet {
  constructor(box) {
    this.canvas = element("canvas", { class: "sheet", "aria-hidden": "true" });
    this.context = this.canvas.getContext("2d");
    this.dirty = true;
    box.append(this.canvas);
  }

  /** Takes these px of the picture, on whole pixels of the screen: what lies between two of them would be blurred. */
  place({ x, y, w, h }, ratio) {
    const left = Math.floor(x * ratio);
    const top = Math.floor(y * ratio);
    this.canvas.width = Math.ceil((x + w) * ratio) - left;
    this.canvas.height = Math.ceil((y + h) * ratio) - top;
    const { style, width, height } = this.canvas;
    Object.assign(style, {
      left: `${left / ratio}px`,
      top: `${top / ratio}px`,
      width: `${width / ratio}px`,
      height: `${height / ratio}px`,
    });
    this.transform = [ratio, 0, 0, ratio, -left, -top];
    this.dirty = true;
  }

  /** The context, empty, in px of the picture. */
  cleared(context = this.context) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(...this.transform);
    return context;
  }
}

/** A matrix: under what acts now, `done` keeps the matrix as it is between two events. */
class MatrixSheet extends Sheet {
  constructor(box) {
    super(box);
    this.done = document.createElement("canvas").getContext("2d");
  }

  place(region, ratio) {
    super.place(region, ratio);
    this.done.canvas.width = this.canvas.width;
    this.done.canvas.height = this.canvas.height;
    this.done.setTransform(...this.transform);
  }

  restored() {
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalCompositeOperation = "copy";
    context.drawImage(this.done.canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
    context.setTransform(...this.transform);
    return context;
  }
}

export class Picture {
  constructor(film, machine, { sramBytes, elementBytes, roomForStats }) {
    Object.assign(this, { film, machine, sramBytes, elementBytes, roomForStats });
    this.hasStats = hasStats(film);
    const name = `${film.stage}: matrices in HBM, tiles in SRAM`;
    this.canvas = element("canvas", { class: "picture", role: "img", "aria-label": name });
    this.context = this.canvas.getContext("2d"); // frames and labels
    this.node = element("div", { class: "canvas-box" }, this.canvas);
    this.sheets = TENSORS.map((_, tensor) => (this.#drawn(tensor) ? new MatrixSheet(this.node) : null));
    this.sram = new Sheet(this.node);
    this.flight = element("div", { class: "flight", hidden: true });
    this.node.append(this.flight);
    this.row = 0;
    this.readTheme();
  }

  #drawn(tensor) {
    return tensor !== STATS || this.hasStats;
  }

  readTheme() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    this.colors = TENSORS.map((name) => value(`--${name}`));
    this.theme = { ink: value("--ink"), soft: value("--soft"), line: value("--line"), back: value("--card") };
  }

  resize() {
    const width = Math.floor(this.node.clientWidth);
    if (width === 0) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.font = parseFloat(getComputedStyle(this.node).fontSize);
    const matrices = Math.max(14 * this.font, innerHeight - 19 * this.font);
    const { boxes, bottom } = arrange(this.film, width, matrices, this.font, this.roomForStats);
    const bar = { x: 0.5, y: bottom + 1.6 * this.font, w: width - 1, h: 2.2 * this.font };
    Object.assign(this, { boxes, width, ratio, bar });
    this.height = Math.ceil(bar.y + bar.h + 2);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.canvas.style.width = `${this.canvas.width / ratio}px`;
    this.node.style.height = this.canvas.style.height = `${this.canvas.height / ratio}px`;
    this.sheets.forEach((sheet, tensor) => {
      const { x, y, w, h } = boxes[tensor];
      sheet?.place({ x: x - MARGIN, y: y - MARGIN, w: w + 2 * MARGIN, h: h + 2 * MARGIN }, ratio);
    });
    const text = 1.5 * this.font; // above the bar
    this.sram.place({ x: 0, y: bar.y - text, w: width, h: this.height - bar.y + text }, ratio);
    this.#drawFrames();
    this.redrawDone();
  }

  /** What a press on the canvas points at: a row of Q, S, P, O or the statistics; else null. */
  rowAt(x, y) {
    for (let tensor = 0; tensor < TENSORS.length; ++tensor) {
      const b = this.boxes[tensor];
      if (b.transposed || TENSORS[tensor] === "V" || x < b.x - 4 || x > b.x + b.w + 4) continue;
      if (y >= b.y && y <= b.y + b.h) return Math.min(this.film.N - 1, Math.floor((y - b.y) / b.perRow));
    }
    return null;
  }

  isGhost(tensor) {
    return (tensor === S || tensor === P) && this.film.length > 0 && this.film.finalWritten[tensor] === 0;
  }

  #drawFrames() {
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    for (let tensor = 0; tensor < TENSORS.length; ++tensor) {
      if (this.#drawn(tensor)) this.#drawFrame(this.context, tensor);
    }
  }

  /** All that was loaded or stored so far. */
  redrawDone() {
    for (const sheet of this.sheets) sheet?.cleared(sheet.done);
    this.#drawCells();
    this.redraw();
  }

  /** Has everything painted anew by the next draw(). */
  redraw() {
    for (const sheet of [...this.sheets, this.sram]) {
      if (sheet) sheet.dirty = true;
    }
  }

  /** All cells; small ones that continue each other along a row as one: there may be tens of thousands. */
  #drawCells() {
    const { cells } = this.film;
    const { loads, stores } = this.machine;
    let run = null;
    const flush = () => {
      if (run) this.#paint(run, 1);
      run = null;
    };
    for (let cell = 0; cell < cells.length; ++cell) {
      const place = cells[cell];
      const output = place.tensor === S || place.tensor === P;
      if (!output || place.columns * this.boxes[place.tensor].perColumn > 6) {
        this.#drawCell(cell);
      } else if (loads[cell] + stores[cell] > 0) {
        const continues =
          run &&
          run.tensor === place.tensor &&
          run.row === place.row &&
          run.rows === place.rows &&
          run.column + run.columns === place.column;
        if (continues) run.columns += place.columns;
        else {
          flush();
          run = { ...place };
        }
      }
    }
    flush();
  }

  /** Brings the matrices up to the machine after events [from, machine.at). */
  updateDone(from) {
    if (this.machine.at - from > 2000 || from === 0) {
      this.redrawDone();
      return;
    }
    for (let event = Math.max(0, from - 1); event < this.machine.at; ++event) {
      const { kind, tensor } = this.film.act(event);
      if (event >= from && (kind === "load" || kind === "store")) this.#drawCell(this.film.cellOf[event]);
      this.#soil(tensor);
      // S becomes P in place.
      if (tensor === S || tensor === P) this.#soil(S + P - tensor);
      if (kind !== "load" && kind !== "store") this.sram.dirty = true;
    }
  }
  #soil(tensor) {
    if (this.sheets[tensor]) this.sheets[tensor].dirty = true;
  }

  #drawFrame(context, tensor) {
    const b = this.boxes[tensor];
    const ghost = this.isGhost(tensor);
    const input = tensor < 3;
    context.strokeStyle = ghost ? this.theme.soft : this.colors[tensor];
    context.fillStyle = this.colors[tensor];
    context.lineWidth = 1;
    if (input) {
      context.globalAlpha = 0.18;
      context.fillRect(b.x, b.y, b.w, b.h);
      context.globalAlpha = 1;
    }
    context.setLineDash(ghost ? [5, 4] : []);
    context.strokeRect(b.x - 0.5, b.y - 0.5, b.w + 1, b.h + 1);
    context.setLineDash([]);
    context.font = `600 ${this.font}px system-ui, sans-serif`;
    context.fillStyle = this.theme.ink;
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    const small = b.w < 2 * this.font;
    context.textAlign = small ? "center" : "left";
    context.fillText(LABELS[tensor], small ? b.x + b.w / 2 : b.x, b.y - 0.35 * this.font);
    if (!ghost) return;
    this.#wrap(
      context,
      `${LABELS[tensor]} is never in HBM: ${bytes(this.film.N ** 2 * this.elementBytes)} a head that need not move`,
      b,
    );
  }

  #wrap(context, text, b) {
    context.font = `${0.85 * this.font}px system-ui, sans-serif`;
    context.fillStyle = this.theme.soft;
    context.textAlign = "center";
    const lines = [""];
    for (const word of text.split(" ")) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (context.measureText(longer).width > b.w - 12 && lines.at(-1)) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    const step = 1.2 * this.font;
    if (lines.length * step > b.h || b.w < 5 * this.font) return;
    lines.forEach((line, i) =>
      context.fillText(line, b.x + b.w / 2, b.y + b.h / 4 + (i - (lines.length - 1) / 2) * step),
    );
  }

  /** Inputs: darker with each load, up to the number of loads in the whole run. Outputs: filled once stored. */
  #drawCell(cell) {
    const { loads, stores } = this.machine;
    if (loads[cell] === 0 && stores[cell] === 0) return;
    const place = this.film.cells[cell];
    this.#paint(place, place.tensor < 3 ? loads[cell] / this.film.cellLoads[cell] : 1);
  }

  #paint(place, share) {
    const context = this.sheets[place.tensor]?.done;
    if (!context) return;
    const r = rectangle(this.boxes, place.tensor, place);
    const input = place.tensor < 3;
    context.clearRect(r.x, r.y, r.w, r.h);
    context.fillStyle = this.colors[place.tensor];
    context.globalAlpha = input ? 0.18 + 0.42 * share : 0.6;
    context.fillRect(r.x, r.y, r.w, r.h);
    context.globalAlpha = 1;
    if (r.w > 6 && r.h > 6 && (place.tensor === S || place.tensor === P)) {
      context.strokeStyle = this.theme.back;
      context.strokeRect(r.x, r.y, r.w, r.h);
    }
  }

  /** The frame: `progress` 0 … 1 is how far the last event has come; below 1 its tile is on its way. */
  draw(progress = 1) {
    const { machine, film } = this;
    if (!this.boxes) return;
    const last = machine.at > 0 ? film.act(machine.at - 1) : null;
    const lastPlace = last && film.cells[film.cellOf[machine.at - 1]];
    this.sheets.forEach((sheet, tensor) => {
      if (!sheet?.dirty) return;
      const context = sheet.restored();
      this.#drawResident(context, tensor);
      if (last?.tensor === tensor && last.kind !== "free") this.#drawActing(context, lastPlace);
      this.#drawRow(context, tensor);
      sheet.dirty = false;
    });
    if (this.sram.dirty) this.#drawSram(this.sram.cleared());
    this.sram.dirty = false;
    const flies = last && progress < 1 && (last.kind === "load" || last.kind === "store");
    this.flight.hidden = !flies || !this.#fly(last, lastPlace, last.kind === "load" ? progress : 1 - progress);
  }

  #drawResident(context, tensor) {
    context.globalAlpha = 0.9;
    context.fillStyle = this.colors[tensor];
    for (const tile of this.machine.resident) {
      if (tile.tensor !== tensor) continue;
      const r = rectangle(this.boxes, tensor, this.film.place(tile.place));
      context.fillRect(r.x, r.y, r.w, r.h);
    }
    context.globalAlpha = 1;
  }

  #drawActing(context, place) {
    const r = rectangle(this.boxes, place.tensor, place);
    context.lineWidth = 2.5;
    context.strokeStyle = this.theme.ink;
    context.strokeRect(r.x - 1, r.y - 1, r.w + 2, r.h + 2);
  }

  /** The reader's row, across what it takes part in. */
  #drawRow(context, tensor) {
    const b = this.boxes[tensor];
    if (b.transposed || TENSORS[tensor] === "V") return;
    context.fillStyle = this.theme.ink;
    context.fillRect(b.x - 5, b.y + (this.row + 0.5) * b.perRow - 0.75, b.w + 10, 1.5);
  }

  /** The tiles that are resident, side by side; the width is M. Keeps each one's rectangle. */
  #drawSram(context) {
    const { bar } = this;
    this.slots = [];
    let x = bar.x;
    for (const tile of this.machine.resident) {
      const w = (tile.bytes / this.sramBytes) * bar.w;
      this.slots.push({ x, y: bar.y, w, h: bar.h });
      context.fillStyle = this.colors[tile.tensor];
      context.globalAlpha = 0.9;
      context.fillRect(x, bar.y, Math.max(0.5, w - (w > 3 ? 1 : 0)), bar.h);
      context.globalAlpha = 1;
      if (w > 1.5 * this.font) {
        context.fillStyle = this.theme.back;
        context.font = `600 ${0.95 * this.font}px system-ui, sans-serif`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        const name = tile.tensor === K ? "K" : tile.tensor === STATS ? "m" : LABELS[tile.tensor];
        context.fillText(name, x + w / 2, bar.y + bar.h / 2);
      }
      x += w;
    }
    context.strokeStyle = this.theme.ink;
    context.lineWidth = 1;
    context.strokeRect(bar.x, bar.y, bar.w, bar.h);
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.fillStyle = this.theme.ink;
    context.font = `${0.9 * this.font}px system-ui, sans-serif`;
    const { used } = this.machine;
    const full = `${percent(used / this.sramBytes)} full`;
    context.fillText(`SRAM: ${bytes(used)} of M = ${bytes(this.sramBytes)}, ${full}`, 0, bar.y - 0.5 * this.font);
  }

  /** Moves the tile between its matrix and its place in SRAM; an element that the compositor moves, not a canvas. */
  #fly(act, place, progress) {
    if (!this.#drawn(act.tensor)) return false;
    const index = this.machine.resident.findLastIndex(
      (tile) => tile.tensor === act.tensor && this.film.place(tile.place).row === place.row,
    );
    const to = this.slots?.[index];
    if (!to) return false;
    const from = rectangle(this.boxes, place.tensor, place);
    const eased = progress * progress * (3 - 2 * progress);
    const mix = (name) => from[name] + (to[name] - from[name]) * eased;
    const { style } = this.flight;
    style.backgroundColor = this.colors[act.tensor];
    style.transform = `translate(${mix("x")}px, ${mix("y")}px) scale(${mix("w") / FLIGHT}, ${mix("h") / FLIGHT})`;
    return true;
  }
}
