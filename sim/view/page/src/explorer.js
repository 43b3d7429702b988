// Sliders that recompute bytes, footprint, floor and roofline from the program's own formulas.

import { answers, curve, ladder, roofline, traffic } from "./charts.js";
import { element, setText, tableHead } from "./dom.js";
import { bytes, count, percent, time } from "./format.js";
import { Formulas, settingOf, valuesOf } from "./formulas.js";

const MOST_N = 131072;
const sizes = {
  N: { low: 16, high: MOST_N, name: "N", what: "queries and keys" },
  d: { low: 8, high: 256, name: "d", what: "head dimension" },
  M: { low: 4096, high: 1 << 20, name: "M", what: "bytes of SRAM" },
  Br: { low: 1, high: 1024, name: "Br", what: "rows of Q a tile", auto: true },
  Bc: { low: 1, high: 1024, name: "Bc", what: "rows of K and V a tile", auto: true },
  heads: { low: 1, high: 4096, name: "heads", what: "batch × heads" },
};
const STEPS = 400;
const positionOf = ({ low, high }, value) => Math.round((STEPS * Math.log(value / low)) / Math.log(high / low));
const valueAt = ({ low, high }, position) => {
  const exact = low * (high / low) ** (position / STEPS);
  return exact < 64
    ? Math.round(exact)
    : Math.round(exact / 2 ** (Math.floor(Math.log2(exact)) - 5)) * 2 ** (Math.floor(Math.log2(exact)) - 5);
};

export class Explorer {
  constructor(data) {
    this.data = data;
    this.formulas = new Formulas(data.formulas);
    const { stages } = data.report;
    const own = stages.find(({ stage }) => stage === data.films[0].stage);
    this.start = settingOf(data);
    this.own = own;
    this.setting = { ...this.start };
    this.node = this.#build();
    this.#fill();
    this.update();
    let width = 0;
    addEventListener("resize", () => {
      if (width !== innerWidth) this.later();
      width = innerWidth;
    });
  }

  #build() {
    this.fields = {};
    const controls = Object.entries(sizes).map(([key, size]) => this.#field(key, size));
    this.device = element(
      "select",
      { id: "device", onchange: () => this.#pickDevice() },
      ...this.data.devices.map(({ name, title }) => element("option", { value: name }, title)),
    );
    this.dtype = element(
      "select",
      { id: "dtype", onchange: () => this.change({ dtype: this.dtype.value }) },
      ...["fp32", "fp16", "bf16"].map((name) => element("option", { value: name }, name)),
    );
    this.causal = element("input", {
      type: "checkbox",
      id: "causal",
      onchange: () => this.change({ causal: this.causal.checked }),
    });
    this.table = element("tbody");
    this.note = element("p", { class: "story", "aria-live": "polite" });
    this.charts = Object.fromEntries(
      ["traffic", "roofline", "N", "M", "ladder"].map((name) => [name, element("div", { class: "chart" })]),
    );
    const heads = [
      "stage",
      "Br × Bc",
      "HBM read",
      "written",
      "total",
      "of naive",
      "× N²d²/M",
      "SRAM peak",
      "footprint",
      "FLOP/B",
      "floor",
      "by",
      "waits",
    ];
    const figure = (name, title, text) =>
      element(
        "figure",
        { class: "panel" },
        element("h3", {}, title),
        this.charts[name],
        element("figcaption", { class: "soft" }, text),
      );
    return element(
      "section",
      { class: "explorer", "aria-label": "Other sizes" },
      element("h2", {}, "What if? Other sizes, the same formulas"),
      element(
        "p",
        { class: "soft" },
        "The program's tested formulas, evaluated here as you move a slider. ",
        "Br and Bc at “auto” follow the paper's rule.",
      ),
      element(
        "div",
        { class: "panel sliders" },
        ...controls,
        element("div", { class: "field" }, element("label", { for: "device" }, "Device"), this.device),
        element("div", { class: "field" }, element("label", { for: "dtype" }, "Type"), this.dtype),
        element("div", { class: "field check" }, this.causal, element("label", { for: "causal" }, "causal mask")),
        element("button", { type: "button", onclick: () => this.reset() }, "Back to the run above"),
      ),
      this.note,
      element(
        "div",
        { class: "panel" },
        element(
          "div",
          { class: "scroll wide", tabindex: 0, role: "region", "aria-label": "Every stage at these sizes" },
          element("table", { class: "what-if" }, tableHead(...heads), this.table),
        ),
      ),
      element(
        "div",
        { class: "charts" },
        figure(
          "traffic",
          "HBM traffic by stage",
          "By tensor: what is read and written of each. The dashed line is N²d²/M, of the order of the least possible.",
        ),
        figure("roofline", "Roofline", "A stage left of the ridge waits for memory; right of it, for arithmetic."),
        figure("N", "HBM traffic as N grows", "A line ends where the stage can no longer run."),
        figure(
          "M",
          "HBM traffic as SRAM grows",
          "More SRAM, larger tiles, fewer passes over K and V (or over Q and O).",
        ),
        this.data.ladder.rungs.length ? figure("ladder", "The ladder, measured", this.data.ladder.title) : null,
      ),
    );
  }

  #field(key, size) {
    const id = `size-${key}`;
    const range = element("input", {
      type: "range",
      min: size.auto ? -1 : 0,
      max: STEPS,
      id,
      "aria-describedby": `${id}-what`,
    });
    const number = element("input", {
      type: "number",
      min: size.auto ? 0 : 1,
      "aria-label": `${size.name}, exactly`,
      placeholder: "auto",
    });
    range.addEventListener("input", () =>
      this.change({ [key]: Number(range.value) < 0 ? 0 : valueAt(size, Number(range.value)) }),
    );
    number.addEventListener("input", () => {
      const value = Math.floor(Number(number.value));
      if (number.value === "" && !size.auto) return;
      const most = key === "M" ? 1 << 30 : key === "heads" ? 1e6 : size.high;
      this.change({ [key]: Math.max(size.auto ? 0 : 1, Math.min(most, value || 0)) }, number);
    });
    this.fields[key] = { range, number };
    return element(
      "div",
      { class: "field" },
      element("label", { for: id }, `${size.name} `, element("span", { class: "soft", id: `${id}-what` }, size.what)),
      range,
      number,
    );
  }

  #fill(except) {
    for (const [key, { range, number }] of Object.entries(this.fields)) {
      const value = this.setting[key];
      range.value = value === 0 ? -1 : Math.max(0, positionOf(sizes[key], value));
      range.setAttribute("aria-valuetext", value === 0 ? "auto" : key === "M" ? bytes(value) : count(value));
      if (number !== except) number.value = value === 0 ? "" : value;
    }
    this.device.value = this.setting.device.name;
    this.dtype.value = this.setting.dtype;
    this.causal.checked = this.setting.causal;
  }

  #pickDevice() {
    const device = this.data.devices.find(({ name }) => name === this.device.value);
    this.change({ device, M: device.sram_bytes });
  }
  reset() {
    this.change({ ...this.start });
  }
  change(some, field) {
    Object.assign(this.setting, some);
    this.#fill(field);
    this.later();
  }
  /** Once a frame, however fast the slider moves. */
  later() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.update());
  }

  update() {
    const { setting, formulas } = this;
    // Read before anything changes: after that, each reading would have the whole page laid out anew.
    const widths = new Map(Object.values(this.charts).map((chart) => [chart, Math.max(280, chart.clientWidth || 320)]));
    const all = answers(formulas, setting);
    const naive = all.find(({ stage }) => stage === "naive").of;
    const bound = formulas.lowerBound(valuesOf(setting));
    this.table.replaceChildren(...all.map((answer) => this.#row(answer, naive, bound)));
    setText(this.note, this.#tell(all, bound));
    const draw = (name, make) => {
      const chart = this.charts[name];
      chart.replaceChildren(make({ width: widths.get(chart) }));
    };
    draw("traffic", (options) => traffic(formulas, setting, options));
    draw("roofline", (options) => roofline(formulas, setting, options));
    draw("N", (options) => curve(formulas, setting, "N", options));
    draw("M", (options) => curve(formulas, setting, "M", options));
    const wide = widths.get(this.charts.ladder);
    if (this.data.ladder.rungs.length && wide !== this.ladderWide)
      draw("ladder", (options) => ladder(this.data.ladder, options));
    this.ladderWide = wide; // it was measured: no slider moves it
  }

  #row({ stage, of, largest }, naive, bound) {
    const cell = (name, text, value) => element("td", { "data-name": name, "data-value": value ?? "" }, text);
    const head = element("th", { scope: "row" }, stage);
    if (!of)
      return element(
        "tr",
        { class: "refused", "data-stage": stage },
        head,
        element("td", { colspan: 12 }, this.#refusal(stage, largest)),
      );
    const b = (name) => cell(name, bytes(of(name)), of(name));
    const total = of("hbm_bytes");
    return element(
      "tr",
      { "data-stage": stage },
      head,
      cell("tiles", `${count(of("Br"))} × ${count(of("Bc"))}`),
      b("hbm_read_bytes"),
      b("hbm_write_bytes"),
      b("hbm_bytes"),
      cell(
        "of_naive",
        naive ? `${(total / naive("hbm_bytes")).toFixed(3)}×` : "–",
        naive && total / naive("hbm_bytes"),
      ),
      cell("of_bound", Number((total / bound).toPrecision(3)).toLocaleString("en-US"), total / bound),
      b("sram_peak_bytes"),
      b("hbm_footprint_bytes"),
      cell("flops_per_byte", of("flops_per_byte").toFixed(1), of("flops_per_byte")),
      cell("floor_ms", time(of("floor_ms")), of("floor_ms")),
      cell("by", of("hbm_ms") > of("compute_ms") ? "hbm" : "compute"),
      cell("wait_share", percent(of("wait_share")), of("wait_share")),
    );
  }

  #refusal(stage, largest) {
    const { setting } = this;
    if (largest > 0 && largest < setting.N) {
      const most = count(largest);
      return `cannot run: a whole row of S must fit in SRAM, and M = ${bytes(setting.M)} holds N up to ${most}`;
    }
    const tiles = `Br = ${setting.Br || "auto"}, Bc = ${setting.Bc || "auto"}`;
    return setting.Br || setting.Bc
      ? `cannot run: its tiles of ${tiles} do not fit in M = ${bytes(setting.M)}`
      : `cannot run: not even tiles of one row fit in M = ${bytes(setting.M)}`;
  }

  /** Stages that would need more device memory than there is. */
  #tooLarge(all) {
    const { hbm_bytes: hbm, title } = this.setting.device;
    const names = all.filter(({ of }) => of && of("hbm_footprint_bytes") > hbm).map(({ stage }) => stage);
    return names.length ? ` More than the ${bytes(hbm)} of ${title} would be allocated by: ${names.join(", ")}.` : "";
  }

  #tell(all, bound) {
    const refused = all.filter(({ of }) => !of).map(({ stage }) => stage);
    if (refused.length === all.length) {
      const [tiles, instead] =
        this.setting.Br || this.setting.Bc
          ? ["these tiles", "set Br and Bc to auto"]
          : ["tiles of even one row", "a smaller d"];
      return `No stage can run here: M is too small for ${tiles}. Give it more SRAM, or ${instead}.`;
    }
    const matrix = this.setting.N ** 2 * (this.setting.dtype === "fp32" ? 4 : 2);
    const best = all.filter(({ of }) => of).sort((a, b) => a.of("hbm_bytes") - b.of("hbm_bytes"))[0];
    const fewest = `${best.stage}, ${bytes(best.of("hbm_bytes"))}; N²d²/M is ${bytes(Math.round(bound))}`;
    return (
      `S would be ${bytes(matrix)} a head. Fewest HBM bytes: ${fewest}.` +
      (refused.length ? ` Cannot run here: ${refused.join(", ")}.` : "") +
      this.#tooLarge(all)
    );
  }
}
