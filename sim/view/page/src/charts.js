// The charts, as SVG by Observable Plot: for the page, and with a document of its own for the command line.

import * as Plot from "@observablehq/plot";
import { bytes, count, si } from "./format.js";
import { valuesOf } from "./formulas.js";

export const STAGES = ["naive", "fused", "tiled", "online-kv", "online-q"];
const TENSOR_NAMES = ["Q", "K", "V", "S", "P", "O", "stats"];
const COLORS = {
  naive: "var(--S)",
  fused: "var(--P)",
  tiled: "var(--V)",
  "online-kv": "var(--K)",
  "online-q": "var(--Q)",
  bound: "var(--soft)",
};

const common = ({ width, document }) => ({
  width,
  document,
  style: { background: "transparent", color: "var(--ink)", fontSize: "12px", overflow: "visible" },
});
/** One image with one name: what Plot says of its parts is for no reader alone. */
function image(svg, name) {
  for (const part of svg.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", name);
  return svg;
}
const label = (slug) => (slug === "bound" ? "N²d²/M" : slug);

/** What every stage gives for these values; null where it refuses. */
export function answers(formulas, setting) {
  const values = valuesOf(setting);
  return STAGES.map((stage) => {
    const of = formulas.of(stage, values);
    return { stage, of: of("Br") > 0 ? of : null, largest: of("largest_seq") };
  });
}

/** Round numbers of bytes up to `most`: multiples of a power of two. */
function byteTicks(most, number) {
  const step = 2 ** Math.ceil(Math.log2(most / number));
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}

/** HBM bytes of each stage by tensor, read and written together. */
export function traffic(formulas, setting, options) {
  const rows = answers(formulas, setting)
    .filter(({ of }) => of)
    .flatMap(({ stage, of }) =>
      TENSOR_NAMES.map((tensor) => ({
        stage,
        tensor,
        value: of(`${tensor}_read_bytes`) + of(`${tensor}_write_bytes`),
      })),
    );
  const totals = answers(formulas, setting)
    .filter(({ of }) => of)
    .map(({ stage, of }) => ({ stage, value: of("hbm_bytes") }));
  const bound = formulas.lowerBound(valuesOf(setting));
  const most = Math.max(bound, ...totals.map(({ value }) => value));
  return image(
    Plot.plot({
      ...common(options),
      height: 40 + 34 * STAGES.length,
      marginLeft: 72,
      marginRight: 76,
      marginBottom: 44,
      x: {
        labelOffset: 40,
        label: "HBM bytes, read and written",
        tickFormat: (v) => bytes(v),
        ticks: byteTicks(most, Math.max(2, Math.floor(options.width / 130))),
        grid: true,
      },
      y: { domain: STAGES, label: null, tickSize: 0 },
      marks: [
        Plot.barX(
          rows,
          Plot.stackX({
            y: "stage",
            x: "value",
            fill: (row) => `var(--${row.tensor})`,
            order: TENSOR_NAMES,
            title: (row) => `${row.tensor}: ${bytes(row.value)}`,
          }),
        ),
        Plot.text(
          rows,
          Plot.stackX({
            y: "stage",
            x: "value",
            z: "tensor",
            order: TENSOR_NAMES,
            fill: "var(--card)",
            text: ({ tensor, value }) => ((value / most) * (options.width - 148) > 16 ? tensor : ""),
          }),
        ),
        Plot.text(totals, {
          x: "value",
          y: "stage",
          text: (row) => bytes(row.value),
          textAnchor: "start",
          dx: 5,
          fill: "var(--ink)",
        }),
        Plot.text(
          STAGES.filter((stage) => !totals.some((row) => row.stage === stage)),
          {
            x: () => 0,
            y: (stage) => stage,
            text: () => "cannot run",
            textAnchor: "start",
            dx: 5,
            fill: "var(--soft)",
          },
        ),
        Plot.ruleX([bound], {
          stroke: "var(--ink)",
          strokeDasharray: "4 3",
          title: () => `N²d²/M: ${bytes(Math.round(bound))}`,
        }),
      ],
    }),
    "HBM bytes by stage and tensor",
  );
}

/** Each stage's FLOPs a byte, under the device's roof. */
export function roofline(formulas, setting, options) {
  const { device, dtype } = setting;
  const bandwidth = device.hbm_bytes_per_s;
  const peak = device.product_flops_per_s[dtype];
  const points = answers(formulas, setting)
    .filter(({ of }) => of)
    .map(({ stage, of }) => ({
      stage,
      x: of("flops_per_byte"),
      y: of("flops") / (of("floor_ms") / 1000),
    }));
  const low = Math.min(1, ...points.map(({ x }) => x)) / 2;
  const ridge = peak / bandwidth;
  const high = 4 * Math.max(ridge, ...points.map(({ x }) => x));
  const roof = [low, ridge, high].map((x) => ({ x, y: Math.min(peak, x * bandwidth) }));
  const bottom = Math.min(low * bandwidth, ...points.map(({ y }) => y)) / 1.5;
  return image(
    Plot.plot({
      ...common(options),
      height: 330,
      marginLeft: 62,
      marginRight: 20,
      marginTop: 30,
      marginBottom: 44,
      x: {
        type: "log",
        domain: [low, high],
        labelOffset: 40,
        label: "FLOPs a byte of HBM traffic →",
        tickFormat: (v) => si(v).trim(),
        ticks: 5,
      },
      y: {
        type: "log",
        domain: [bottom, peak * 3],
        label: "↑ FLOP/s at the floor",
        tickFormat: (v) => si(v),
        ticks: 4,
        grid: true,
      },
      marks: [
        Plot.line(roof, { x: "x", y: "y", stroke: "var(--ink)", strokeWidth: 2 }),
        Plot.text([{ x: high, y: peak }], {
          x: "x",
          y: "y",
          text: () => `${si(peak)}FLOP/s (${dtype})`,
          textAnchor: "end",
          dy: -15,
          fill: "var(--soft)",
        }),
        Plot.text([{ x: low, y: low * bandwidth }], {
          x: "x",
          y: "y",
          text: () => `HBM ${si(bandwidth)}B/s`,
          textAnchor: "start",
          dx: 24,
          dy: -2,
          fill: "var(--soft)",
        }),
        Plot.dot(points, {
          x: "x",
          y: "y",
          fill: ({ stage }) => COLORS[stage],
          r: 6,
          stroke: "var(--card)",
          title: (p) => `${p.stage}: ${p.x.toFixed(1)} FLOP/B, ${si(p.y)}FLOP/s`,
        }),
        ...inLines(points, ({ x }) => ((options.width - 82) * Math.log(x / low)) / Math.log(high / low)).map(
          ({ point, line }) =>
            Plot.text([point], { x: "x", y: "y", text: "stage", dy: 16 + 13 * line, fill: "var(--ink)" }),
        ),
      ],
    }),
    "Roofline",
  );
}

/** Labels below their points, each in the first line where none is in its way; `px` is where a point stands. */
function inLines(points, px) {
  const ends = [];
  return [...points]
    .sort((a, b) => a.x - b.x)
    .map((point) => {
      const half = 3.5 * point.stage.length + 2;
      let line = ends.findIndex((end) => end < px(point) - half);
      if (line < 0) line = ends.length;
      ends[line] = px(point) + half;
      return { point, line };
    });
}

/** HBM bytes of every stage as N, M or the tile varies, beside the lower bound. */
export function curve(formulas, setting, variable, options) {
  const words = { N: "N, queries and keys", M: "M, bytes of SRAM" };
  const points = 25;
  const low = variable === "N" ? Math.min(256, setting.N) : Math.min(16384, setting.M);
  const high = variable === "N" ? Math.max(setting.causal ? 16384 : 65536, setting.N) : Math.max(1 << 20, setting.M);
  const rows = [];
  for (let i = 0; i < points; ++i) {
    const value = Math.round(low * (high / low) ** (i / (points - 1)));
    const at = { ...setting, [variable]: value };
    for (const { stage, of } of answers(formulas, at)) {
      rows.push({ value, stage, bytes: of ? of("hbm_bytes") : NaN });
    }
    rows.push({ value, stage: "bound", bytes: formulas.lowerBound(valuesOf(at)) });
  }
  const ends = [...STAGES, "bound"]
    .map((stage) => rows.filter((row) => row.stage === stage && row.bytes > 0).at(-1))
    .filter(Boolean);
  ends.sort((a, b) => b.bytes - a.bytes);
  return image(
    Plot.plot({
      ...common(options),
      height: 330,
      marginLeft: 66,
      marginRight: 76,
      marginBottom: 44,
      x: {
        type: "log",
        base: 2,
        labelOffset: 40,
        label: `${words[variable]} →`,
        tickFormat: (v) => (variable === "N" ? count(v) : bytes(v)),
        ticks: 4,
      },
      y: { type: "log", label: "↑ HBM bytes", tickFormat: (v) => `${si(v)}B`, ticks: 5, grid: true },
      marks: [
        Plot.line(rows, {
          x: "value",
          y: "bytes",
          z: "stage",
          stroke: ({ stage }) => COLORS[stage],
          strokeWidth: 2,
          strokeDasharray: null,
        }),
        Plot.ruleX([setting[variable]], { stroke: "var(--soft)", strokeDasharray: "2 3" }),
        Plot.text(spread(ends, rows), {
          x: "value",
          y: "bytes",
          text: ({ stage }) => label(stage),
          textAnchor: "start",
          dx: 6,
          fill: ({ stage }) => COLORS[stage],
        }),
        ...(options.document
          ? []
          : [
              Plot.tip(
                rows,
                Plot.pointer({
                  x: "value",
                  y: "bytes",
                  fill: "var(--card)",
                  title: (row) =>
                    `${label(row.stage)} at ${variable} = ${count(row.value)}: ${bytes(Math.round(row.bytes))}`,
                }),
              ),
            ]),
      ],
    }),
    `HBM bytes against ${variable}`,
  );
}

/** Labels that would cover each other move down: on a log scale, a factor each. */
function spread(ends, rows) {
  const all = rows.map((row) => row.bytes).filter((value) => value > 0);
  const step = Math.exp(Math.log(Math.max(...all) / Math.min(...all)) / 19);
  let before = Infinity;
  return ends.map((row) => {
    before = Math.min(row.bytes, before / step);
    return { ...row, bytes: before };
  });
}

/** The measured ladder. */
export function ladder(data, options) {
  const rungs = data.rungs.map((rung) => ({ ...rung, name: `${rung.name} · ${rung.dtype}` }));
  return image(
    Plot.plot({
      ...common(options),
      height: 40 + 22 * rungs.length,
      marginLeft: 150,
      marginRight: 50,
      marginBottom: 44,
      x: {
        labelOffset: 40,
        label: "TFLOP/s, measured, log scale →",
        type: "log",
        domain: [0.5, 1000],
        ticks: 4,
        grid: true,
        tickFormat: (v) => String(v),
      },
      y: { domain: rungs.map(({ name }) => name), label: null, tickSize: 0 },
      marks: [
        Plot.barX(rungs, {
          x1: 0.5,
          x2: "tflops_per_s",
          y: "name",
          fill: ({ peer }) => (peer ? "var(--stats)" : "var(--Q)"),
          inset: 2,
        }),
        Plot.text(rungs, {
          x: "tflops_per_s",
          y: "name",
          text: ({ tflops_per_s: v }) => String(Number(v.toPrecision(3))),
          textAnchor: "start",
          dx: 5,
          fill: "var(--ink)",
        }),
      ],
    }),
    "The measured ladder",
  );
}
