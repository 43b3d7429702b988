// A stage's events, and what the machine looks like after any number of them.

export const TENSORS = ["Q", "K", "V", "S", "P", "O", "stats"];
const [, , , S, P, , STATS] = TENSORS.map((_, index) => index);

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}
const indices = ({ wide, data }) => (wide ? new Uint32Array(bytesOf(data)) : new Uint16Array(bytesOf(data)));

/** How many numbers an operation leaves of a row: as values_of() in sim/view/film.cpp. */
export const valuesOf = (operation) =>
  ({ scale_rows: 3, divide_rows: 3, raise_max: 2, add_product: 2 })[operation] ?? 1;

/** Whether the row statistics m and l cross the HBM boundary in it. */
export const hasStats = (film) => film.finalRead[STATS] + film.finalWritten[STATS] > 0;

/** The tables of a film; a *cell* is one place of one tensor. */
export class Film {
  constructor(json, problem) {
    Object.assign(this, { stage: json.stage, title: json.title, leftOut: json.left_out });
    Object.assign(this, { source: json.source, sourcePath: json.source_path });
    Object.assign(this, { tileRows: json.tile_rows, tileCols: json.tile_cols, N: problem.seq, d: problem.dim });
    this.acts = json.acts.map(([kind, tensor, operation, line, bytes]) => ({
      kind,
      tensor: TENSORS.indexOf(tensor),
      operation,
      line,
      bytes,
    }));
    this.places = new Int32Array(bytesOf(json.places));
    this.actOf = indices(json.act_of);
    this.placeOf = indices(json.place_of);
    this.length = this.actOf.length;
    this.rowStep = json.row_step;
    this.rowStarts = json.row_starts;
    this.rowValues = new Float32Array(bytesOf(json.row_values));
    this.#findCells();
    this.#sumBytes();
  }

  place(index) {
    const at = 4 * index;
    const p = this.places;
    return { row: p[at], rows: p[at + 1], column: p[at + 2], columns: p[at + 3] };
  }
  act(event) {
    return this.acts[this.actOf[event]];
  }

  #findCells() {
    const numbers = new Map();
    this.cells = [];
    this.cellOf = new Uint32Array(this.length);
    for (let event = 0; event < this.length; ++event) {
      const { tensor } = this.act(event);
      const key = this.placeOf[event] * TENSORS.length + tensor;
      let cell = numbers.get(key);
      if (cell === undefined) {
        cell = this.cells.length;
        numbers.set(key, cell);
        this.cells.push({ tensor, ...this.place(this.placeOf[event]) });
      }
      this.cellOf[event] = cell;
    }
  }

  /** movedBefore[n]: HBM bytes of the first n events; finals of each tensor and cell. */
  #sumBytes() {
    this.movedBefore = new Float64Array(this.length + 1);
    this.finalRead = new Float64Array(TENSORS.length);
    this.finalWritten = new Float64Array(TENSORS.length);
    this.cellLoads = new Uint32Array(this.cells.length);
    for (let event = 0; event < this.length; ++event) {
      const { kind, tensor, bytes } = this.act(event);
      const moved = kind === "load" || kind === "store";
      if (kind === "load") {
        this.finalRead[tensor] += bytes;
        this.cellLoads[this.cellOf[event]] += 1;
      }
      if (kind === "store") this.finalWritten[tensor] += bytes;
      this.movedBefore[event + 1] = this.movedBefore[event] + (moved ? bytes : 0);
    }
    this.totalBytes = this.movedBefore[this.length];
  }

  /** The number of events that have happened when so many bytes have moved. */
  eventsAtBytes(bytes) {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.movedBefore[middle] <= bytes) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The kept row nearest to this one. */
  keptRow(row) {
    const last = Math.max(0, this.rowStarts.length - 1);
    return Math.min(last, Math.round(row / this.rowStep)) * this.rowStep;
  }

  /** What the operations left of one kept row: [{event, operation, tensor, columns, values}]. */
  rowHistory(row) {
    const history = [];
    if (this.rowStarts.length === 0) return history;
    let at = this.rowStarts[row / this.rowStep];
    for (let event = 0; event < this.length; ++event) {
      const { kind, operation, tensor } = this.act(event);
      if (kind !== "compute") continue;
      const p = 4 * this.placeOf[event];
      if (row < this.places[p] || row >= this.places[p] + this.places[p + 1]) continue;
      const number = valuesOf(operation);
      const columns = [this.places[p + 2], this.places[p + 3]];
      history.push({ event, operation, tensor, columns, values: this.rowValues.subarray(at, at + number) });
      at += number;
    }
    return history;
  }
}

const sameMatrix = (a, b) => a === b || (a === S && b === P) || (a === P && b === S);

/** The machine after `at` events. Moves forward event by event, and backward from the nearest keyframe. */
export class Machine {
  constructor(film) {
    this.film = film;
    this.every = Math.max(256, Math.ceil(film.length / 128));
    this.keyframes = [];
    this.#restart();
    for (let event = 0; event < film.length; ++event) {
      if (event % this.every === 0) this.keyframes.push(this.#snapshot());
      this.#step();
    }
    this.peak = this.highest;
    this.seek(0);
  }

  #restart() {
    const { film } = this;
    this.at = 0;
    this.read = new Float64Array(TENSORS.length);
    this.written = new Float64Array(TENSORS.length);
    this.loads = new Uint16Array(film.cells.length);
    this.stores = new Uint16Array(film.cells.length);
    this.resident = [];
    this.used = 0;
    this.highest = 0;
    this.line = 0;
  }

  #snapshot() {
    const { at, used, highest, line } = this;
    return {
      at,
      used,
      highest,
      line,
      read: this.read.slice(),
      written: this.written.slice(),
      loads: this.loads.slice(),
      stores: this.stores.slice(),
      resident: this.resident.map((tile) => ({ ...tile })),
    };
  }

  #restore(keyframe) {
    const { at, used, highest, line } = keyframe;
    Object.assign(this, { at, used, highest, line });
    this.read = keyframe.read.slice();
    this.written = keyframe.written.slice();
    this.loads = keyframe.loads.slice();
    this.stores = keyframe.stores.slice();
    this.resident = keyframe.resident.map((tile) => ({ ...tile }));
  }

  /** Returns the first event that was played anew, or 0 when everything may have changed. */
  seek(at) {
    let first = this.at;
    if (at < this.at || at - this.at > this.every) {
      const keyframe = this.keyframes[Math.min(this.keyframes.length - 1, Math.floor(at / this.every))];
      if (keyframe && (at < this.at || keyframe.at > this.at)) {
        this.#restore(keyframe);
        first = 0;
      }
    }
    while (this.at < at) this.#step();
    return first;
  }

  #step() {
    const { film } = this;
    const event = this.at;
    const act = film.act(event);
    const cell = film.cellOf[event];
    if (act.line !== 0) this.line = act.line;
    if (act.kind === "load") {
      this.read[act.tensor] += act.bytes;
      this.loads[cell] += 1;
    } else if (act.kind === "store") {
      this.written[act.tensor] += act.bytes;
      this.stores[cell] += 1;
    } else if (act.kind === "allocate") {
      this.resident.push({ tensor: act.tensor, cell, place: film.placeOf[event], bytes: act.bytes });
      this.used += act.bytes;
      this.highest = Math.max(this.highest, this.used);
    } else if (act.kind === "free") {
      this.#free(act, film.placeOf[event]);
    } else if (act.tensor === S || act.tensor === P) {
      this.#rename(act.tensor, film.place(film.placeOf[event]));
    }
    this.at += 1;
  }

  #free(act, place) {
    const index = this.resident.findLastIndex((tile) => tile.place === place && sameMatrix(tile.tensor, act.tensor));
    if (index >= 0) this.resident.splice(index, 1);
    this.used -= act.bytes;
  }

  /** S becomes P in place. */
  #rename(tensor, at) {
    for (const tile of this.resident) {
      if (!sameMatrix(tile.tensor, tensor)) continue;
      const place = this.film.place(tile.place);
      const within =
        at.row >= place.row &&
        at.row < place.row + place.rows &&
        at.column >= place.column &&
        at.column < place.column + place.columns;
      if (within) tile.tensor = tensor;
    }
  }
}
