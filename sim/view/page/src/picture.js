// The canvas: matrices in HBM to scale, SRAM below them, tiles between the two.

import { TENSORS } from "./film.js";
import { bytes, percent } from "./format.js";
import { arrange, rectangle } from "./layout.js";

const [, K, , S, P, , STATS] = TENSORS.map((_, index) => index);
const LABELS = ["Q", "Kᵀ", "V", "S", "P", "O", "m, l"];

export class Picture {
  constructor(canvas, film, machine, sramBytes) {
    Object.assign(this, { canvas, film, machine, sramBytes });
    this.context = canvas.getContext("2d");
    this.done = document.createElement("canvas"); // the matrices as they are between two events
    this.hasStats = film.finalRead[STATS] + film.finalWritten[STATS] > 0;
    this.row = 0;
    this.readTheme();
  }

  readTheme() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    this.colors = TENSORS.map((name) => value(`--${name}`));
    this.theme = { ink: value("--ink"), soft: value("--soft"), line: value("--line"), back: value("--card") };
  }

  resize() {
    const width = this.canvas.parentElement.clientWidth;
    if (width === 0) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.font = parseFloat(getComputedStyle(this.canvas).fontSize);
    const matrices = Math.max(14 * this.font, innerHeight - 19 * this.font);
    const { boxes, bottom, label } = arrange(this.film, width, matrices, this.font, this.hasStats);
    Object.assign(this, { boxes, label, width, ratio });
    this.sram = { x: 0.5, y: bottom + 1.6 * this.font, w: width - 1, h: 2.2 * this.font };
    this.height = this.sram.y + this.sram.h + 2;
    for (const canvas of [this.canvas, this.done]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(this.height * ratio);
    }
    this.canvas.style.height = `${this.height}px`;
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
    return (tensor === S || tensor === P) && this.film.finalWritten[tensor] === 0;
  }

  /** Matrices and all that was loaded or stored so far. */
  redrawDone() {
    const context = this.done.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    for (let tensor = 0; tensor < TENSORS.length; ++tensor) {
      if (tensor === STATS && !this.hasStats) continue;
      this.#drawMatrix(context, tensor);
    }
    this.#drawCells(context);
  }

  /** All cells; small ones that continue each other along a row as one: there may be tens of thousands. */
  #drawCells(context) {
    const { cells } = this.film;
    const { loads, stores } = this.machine;
    let run = null;
    const flush = () => {
      if (run) this.#paint(context, run, 1);
      run = null;
    };
    for (let cell = 0; cell < cells.length; ++cell) {
      const place = cells[cell];
      const output = place.tensor === S || place.tensor === P;
      if (!output || place.columns * this.boxes[place.tensor].perColumn > 6) {
        this.#drawCell(context, cell);
      } else if (loads[cell] + stores[cell] > 0) {
        const continues = run && run.tensor === place.tensor && run.row === place.row && run.rows === place.rows &&
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
    const context = this.done.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    for (let event = from; event < this.machine.at; ++event) {
      const { kind } = this.film.act(event);
      if (kind === "load" || kind === "store") this.#drawCell(context, this.film.cellOf[event]);
    }
  }

  #drawMatrix(context, tensor) {
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
    this.#wrap(context, `${LABELS[tensor]} is never in HBM: ${bytes(this.film.N ** 2 * this.elementBytes)} a head that need not move`, b);
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
      context.fillText(line, b.x + b.w / 2, b.y + b.h / 4 + (i - (lines.length - 1) / 2) * step));
  }

  /** Inputs: darker with each load, up to the number of loads in the whole run. Outputs: filled once stored. */
  #drawCell(context, cell) {
    const { loads, stores } = this.machine;
    if (loads[cell] === 0 && stores[cell] === 0) return;
    const place = this.film.cells[cell];
    if (place.tensor === STATS && !this.hasStats) return;
    this.#paint(context, place, place.tensor < 3 ? loads[cell] / this.film.cellLoads[cell] : 1);
  }

  #paint(context, place, share) {
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
    const { context, machine, film } = this;
    if (!this.boxes) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.done, 0, 0);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const last = machine.at > 0 ? film.act(machine.at - 1) : null;
    const lastCell = machine.at > 0 ? film.cellOf[machine.at - 1] : -1;
    this.#drawResident(lastCell);
    if (last && machine.at > 0) this.#drawActing(last, film.cells[lastCell]);
    this.#drawRow();
    const slots = this.#drawSram();
    if (last && progress < 1 && (last.kind === "load" || last.kind === "store")) {
      this.#drawFlight(last, film.cells[lastCell], slots, last.kind === "load" ? progress : 1 - progress);
    }
  }

  #drawResident() {
    const { context } = this;
    for (const tile of this.machine.resident) {
      if (tile.tensor === STATS && !this.hasStats) continue;
      const r = rectangle(this.boxes, tile.tensor, this.film.place(tile.place));
      context.globalAlpha = 0.9;
      context.fillStyle = this.colors[tile.tensor];
      context.fillRect(r.x, r.y, r.w, r.h);
      context.globalAlpha = 1;
    }
  }

  #drawActing(act, place) {
    if (act.kind === "free" || (place.tensor === STATS && !this.hasStats)) return;
    const { context } = this;
    const r = rectangle(this.boxes, place.tensor, place);
    context.lineWidth = 2.5;
    context.strokeStyle = this.theme.ink;
    context.strokeRect(r.x - 1, r.y - 1, r.w + 2, r.h + 2);
    context.lineWidth = 1;
  }

  /** The reader's row, across what it takes part in. */
  #drawRow() {
    const { context } = this;
    context.fillStyle = this.theme.ink;
    for (let tensor = 0; tensor < TENSORS.length; ++tensor) {
      const b = this.boxes[tensor];
      if (b.transposed || TENSORS[tensor] === "V" || (tensor === STATS && !this.hasStats)) continue;
      context.fillRect(b.x - 5, b.y + (this.row + 0.5) * b.perRow - 0.75, b.w + 10, 1.5);
    }
  }

  /** The tiles that are resident, side by side; the width is M. Returns each one's rectangle. */
  #drawSram() {
    const { context, sram } = this;
    const slots = [];
    let x = sram.x;
    for (const tile of this.machine.resident) {
      const w = (tile.bytes / this.sramBytes) * sram.w;
      const r = { x, y: sram.y, w, h: sram.h };
      slots.push(r);
      context.fillStyle = this.colors[tile.tensor];
      context.globalAlpha = 0.9;
      context.fillRect(r.x, r.y, Math.max(0.5, w - (w > 3 ? 1 : 0)), r.h);
      context.globalAlpha = 1;
      if (w > 1.5 * this.font) {
        context.fillStyle = this.theme.back;
        context.font = `600 ${0.95 * this.font}px system-ui, sans-serif`;
        context.textAlign = "center";
        context.textBaseline = "middle";
        context.fillText(tile.tensor === K ? "K" : tile.tensor === STATS ? "m" : LABELS[tile.tensor], x + w / 2, sram.y + sram.h / 2);
      }
      x += w;
    }
    context.strokeStyle = this.theme.ink;
    context.lineWidth = 1;
    context.strokeRect(sram.x, sram.y, sram.w, sram.h);
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.fillStyle = this.theme.ink;
    context.font = `${0.9 * this.font}px system-ui, sans-serif`;
    const { used } = this.machine;
    context.fillText(`SRAM: ${bytes(used)} of M = ${bytes(this.sramBytes)}, ${percent(used / this.sramBytes)} full`, 0, sram.y - 0.5 * this.font);
    return slots;
  }

  #drawFlight(act, place, slots, progress) {
    if (place.tensor === STATS && !this.hasStats) return;
    const index = this.machine.resident.findLastIndex((tile) =>
      tile.tensor === act.tensor && this.film.place(tile.place).row === place.row);
    const to = slots[index];
    if (!to) return;
    const from = rectangle(this.boxes, place.tensor, place);
    const eased = progress * progress * (3 - 2 * progress);
    const mix = (a, b) => a + (b - a) * eased;
    const { context } = this;
    context.fillStyle = this.colors[act.tensor];
    context.globalAlpha = 0.75;
    context.fillRect(mix(from.x, to.x), mix(from.y, to.y), mix(from.w, to.w), mix(from.h, to.h));
    context.globalAlpha = 1;
    context.strokeStyle = this.theme.ink;
    context.strokeRect(mix(from.x, to.x), mix(from.y, to.y), mix(from.w, to.w), mix(from.h, to.h));
  }
}
