// The report's own table: what the program counted for this problem, exactly.

import { element, tableHead } from "./dom.js";
import { count, percent, time } from "./format.js";

export function numbers({ report }) {
  const heads = [
    "stage",
    "Br × Bc",
    "HBM read, B",
    "written, B",
    "SRAM peak, B",
    "footprint, B",
    "FLOPs",
    "FLOP/B",
    "floor",
    "waits",
  ];
  const rows = report.stages.map((row) => {
    const head = element("th", { scope: "row" }, row.stage);
    if (row.refused) return element("tr", { class: "refused" }, head, element("td", { colspan: 9 }, row.refused));
    const cell = (name, text = count) => element("td", { "data-name": name, "data-value": row[name] }, text(row[name]));
    return element(
      "tr",
      { "data-stage": row.stage },
      head,
      element("td", {}, `${row.tile_rows} × ${row.tile_cols}`),
      cell("hbm_read_bytes"),
      cell("hbm_write_bytes"),
      cell("sram_peak_bytes"),
      cell("hbm_footprint_bytes"),
      cell("flops"),
      cell("flops_per_byte", (value) => value.toFixed(1)),
      cell("floor_ms", time),
      cell("wait_share", percent),
    );
  });
  return element(
    "section",
    { class: "numbers" },
    element("h2", {}, "The report of this problem, all heads"),
    element(
      "div",
      { class: "panel" },
      element(
        "div",
        { class: "scroll wide", tabindex: 0, role: "region", "aria-label": "The report" },
        element("table", {}, tableHead(...heads), element("tbody", {}, ...rows)),
      ),
    ),
    ...report.conclusions.map((text) => element("p", {}, text)),
    ...report.notes.map((text) => element("p", { class: "soft" }, text)),
  );
}
