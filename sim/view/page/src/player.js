// Play, pause, step, scrub, speed: one clock for one stage or two. With one stage the clock counts its events; with
// two, the bytes that have crossed the HBM boundary, so that both are shown after the same number of bytes.

import { element, reducedMotion, setText } from "./dom.js";
import { Film, hasStats } from "./film.js";
import { bytes, count, time } from "./format.js";
import { StageView } from "./stage_view.js";

const ELEMENT_BYTES = { fp32: 4, fp16: 2, bf16: 2 };
const TOLD_PER_S = 12; // how often words and numbers change while playing: faster, nobody could read them
const CALM_FRAMES_PER_S = 2; // where the reader's system asks for less motion

export class Player {
  constructor(data) {
    const { problem, device } = data.report;
    const heads = problem.batch * problem.heads;
    this.films = data.films.map((film) => new Film(film, problem));
    const elementBytes = ELEMENT_BYTES[problem.dtype];
    const roomForStats = this.films.some(hasStats); // in every picture, so that all have one scale
    this.views = this.films.map(
      (film) => new StageView(film, { sramBytes: device.sram_bytes, heads, elementBytes, roomForStats }),
    );
    this.device = device;
    this.byBytes = this.films.length > 1;
    this.length = this.byBytes ? Math.max(...this.films.map((film) => film.totalBytes)) : this.films[0].length;
    this.clock = 0;
    this.playing = false;
    // A minute, but no hurry where little happens.
    this.speed = Math.max(this.byBytes ? 0 : 3, this.length / 60);
    this.node = this.#build();
    for (const view of this.views) view.onrow = (row) => this.pickRow(row);
    this.pickRow(Math.min(problem.seq - 1, 20)); // of the first tile: it has numbers from the start
    addEventListener("resize", () => this.resize());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.retheme());
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  pickRow(row) {
    for (const view of this.views) view.pickRow(row);
  }
  resize() {
    for (const view of this.views) view.resize();
  }
  retheme() {
    for (const view of this.views) {
      view.picture.readTheme();
      view.resize();
    }
  }

  #build() {
    const button = (text, label, action, key) =>
      element(
        "button",
        { type: "button", onclick: action, title: `${label} (${key})`, "aria-label": label, "aria-keyshortcuts": key },
        text,
      );
    this.playButton = button("▶ Play", "Play", () => this.toggle(), "Space");
    this.scrub = element("input", {
      type: "range",
      min: 0,
      max: this.length,
      step: this.byBytes ? Math.max(1, Math.floor(this.length / 5000)) : 1,
      value: 0,
      class: "scrub",
      "aria-label": this.byBytes ? "Bytes moved" : "Step",
    });
    this.scrub.addEventListener("input", () => {
      this.pause();
      this.seek(Number(this.scrub.value));
    });
    this.speedInput = element("input", { type: "range", min: -4, max: 6, step: 0.5, value: 0, class: "speed" });
    this.speedInput.addEventListener("input", () => this.#tellSpeed());
    this.speedText = element("output");
    this.position = element("output", { class: "position" });
    this.live = element("p", { class: "visually-hidden", "aria-live": "polite" });
    const controls = element(
      "div",
      { class: "controls", role: "group", "aria-label": "Player" },
      button("⏮", "To the start", () => this.jump(0), "Home"),
      button("◀", "One step back", () => this.step(-1), "ArrowLeft"),
      this.playButton,
      button("▶|", "One step on", () => this.step(1), "ArrowRight"),
      button("⏭", "To the end", () => this.jump(this.length), "End"),
      element("label", { class: "speed-label" }, "Speed ", this.speedInput, " ", this.speedText),
      this.position,
      this.scrub,
      this.live,
    );
    this.#tellSpeed();
    const leftOut = this.films.filter((film) => film.length === 0).map((film) => element("p", {}, film.leftOut));
    if (leftOut.length > 0) return element("section", { class: "player panel", "aria-label": "The run" }, ...leftOut);
    const stages = this.byBytes ? this.views.map((view) => this.#column(view)) : [this.#single(this.views[0])];
    return element(
      "section",
      { class: `player ${this.byBytes ? "versus" : "single"}`, "aria-label": "The run" },
      controls,
      element("div", { class: "stages" }, ...stages),
      element(
        "p",
        { class: "soft keys" },
        "Keys: space plays and pauses, ← and → step, Home and End jump, [ and ] change the speed, ",
        "↑ and ↓ pick another row.",
      ),
    );
  }

  #single(view) {
    return element(
      "div",
      { class: "one-stage" },
      element("div", { class: "panels" }, view.stagePanel, view.rows.node),
      element("div", { class: "panels" }, view.bytes.node, view.source.node),
    );
  }

  #column(view) {
    view.finish = element("p", { class: "finish" });
    return element(
      "section",
      { class: "stage-column", "aria-label": view.film.stage },
      element("h2", {}, view.film.stage),
      element("p", { class: "soft" }, view.film.title),
      view.finish,
      view.stagePanel,
      view.bytes.node,
      view.rows.node,
      view.source.node,
    );
  }

  #tellSpeed() {
    this.rate = this.speed * 2 ** Number(this.speedInput.value);
    const text = this.byBytes
      ? `${bytes(Math.round(this.rate))} a second`
      : `${this.rate < 10 ? this.rate.toFixed(1) : count(this.rate)} steps a second`;
    setText(this.speedText, text);
    this.speedInput.setAttribute("aria-valuetext", text);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }
  play() {
    if (this.clock >= this.length) this.seek(0);
    this.playing = true;
    this.#label("❚❚ Pause", "Pause");
    this.before = performance.now();
    this.shown = 0;
    this.told = 0;
    this.frame = requestAnimationFrame((now) => this.#tick(now));
  }
  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.#label("▶ Play", "Play");
    this.#show(1);
    this.#announce();
  }
  #label(text, label) {
    setText(this.playButton, text);
    this.playButton.setAttribute("aria-label", label);
  }

  #tick(now) {
    if (!this.playing) return;
    const calm = reducedMotion();
    if (!calm || now - this.shown >= 1000 / CALM_FRAMES_PER_S) {
      this.clock = Math.min(
        this.length,
        this.clock + (this.rate * Math.max(0, Math.min(1000, now - this.before))) / 1000,
      );
      this.before = now;
      this.shown = now;
      const slow = !calm && !this.byBytes && this.rate < 12;
      this.#show(slow && this.clock < this.length ? this.clock - Math.floor(this.clock) : 1);
    }
    if (this.clock >= this.length) this.pause();
    else this.frame = requestAnimationFrame((next) => this.#tick(next));
  }

  step(direction) {
    this.pause();
    if (!this.byBytes) {
      this.seek(Math.round(this.clock) + direction);
    } else {
      this.seek(direction > 0 ? this.#nextBytes() : this.#bytesBefore());
    }
    this.#announce();
  }
  /** The nearest moment after the clock at which one of the stages has moved something. */
  #nextBytes() {
    let next = this.length;
    for (const film of this.films) {
      const at = film.eventsAtBytes(this.clock);
      if (at < film.length) next = Math.min(next, film.movedBefore[at + 1]);
    }
    return next;
  }
  #bytesBefore() {
    let before = 0;
    for (const film of this.films) {
      let at = film.eventsAtBytes(this.clock);
      while (at > 0 && film.movedBefore[at] >= this.clock) at -= 1;
      before = Math.max(before, film.movedBefore[at]);
    }
    return before;
  }

  jump(to) {
    this.pause();
    this.seek(to);
    this.#announce();
  }
  seek(clock) {
    this.clock = Math.max(0, Math.min(this.length, clock));
    this.#show(1);
  }

  #show(progress) {
    const tell = !this.playing || performance.now() - this.told >= 1000 / TOLD_PER_S;
    this.views.forEach((view) => {
      const { film } = view;
      const at = this.byBytes
        ? film.eventsAtBytes(this.clock)
        : progress < 1
          ? Math.ceil(this.clock)
          : Math.floor(this.clock + 1e-9);
      view.show(at, progress, tell);
      if (tell && view.finish) this.#tellFinish(view, at);
    });
    if (!tell) return;
    this.told = performance.now();
    this.scrub.value = this.clock;
    const ms = (1000 * this.#moved()) / this.device.hbm_bytes_per_s;
    const at = count(this.byBytes ? this.clock : this.views[0].machine.at);
    const text = this.byBytes
      ? `${at} of ${count(this.length)} B · ${time(ms)} at full HBM bandwidth`
      : `step ${at} of ${count(this.length)} · ${bytes(this.#moved())} moved, ${time(ms)} of HBM time`;
    setText(this.position, text);
    this.scrub.setAttribute("aria-valuetext", text);
  }
  #moved() {
    return this.byBytes ? this.clock : this.films[0].movedBefore[this.views[0].machine.at];
  }

  #tellFinish(view, at) {
    const { film } = view;
    const done = at >= film.length;
    const moved = film.movedBefore[at];
    const share = Math.floor((100 * moved) / film.totalBytes);
    view.finish.classList.toggle("done", done);
    setText(
      view.finish,
      done ? `Done after ${bytes(film.totalBytes)}.` : `${bytes(moved)} of ${bytes(film.totalBytes)}, ${share} %.`,
    );
  }

  #announce() {
    setText(this.live, this.views.map((view) => view.now.textContent).join(" "));
    for (const view of this.views) {
      view.canvas.setAttribute("aria-label", `${view.film.stage}: ${view.now.textContent}`);
    }
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const own = event.target.closest?.("input, select, textarea, summary, a, .scroll, .source");
    if (own) return;
    const onButton = event.target.closest?.("button") !== null;
    const actions = {
      " ": () => (onButton ? null : this.toggle()),
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      Home: () => this.jump(0),
      End: () => this.jump(this.length),
      ArrowUp: () => this.pickRow(Math.max(0, this.views[0].picture.row - this.films[0].rowStep)),
      ArrowDown: () => this.pickRow(Math.min(this.films[0].N - 1, this.views[0].picture.row + this.films[0].rowStep)),
      "[": () => this.#faster(-1),
      "]": () => this.#faster(1),
    };
    const action = actions[event.key];
    if (!action || (event.key === " " && onButton)) return;
    event.preventDefault();
    action();
  }
  #faster(by) {
    this.speedInput.value = Number(this.speedInput.value) + by;
    this.#tellSpeed();
  }
}
