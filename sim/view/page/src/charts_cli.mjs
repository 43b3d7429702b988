// node charts.mjs DATA FOLDER: reads the page's data from a file, writes each chart there as a picture that stands
// alone.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseHTML } from "linkedom";
import { curve, ladder, roofline, traffic } from "./charts.js";
import { Formulas, settingOf } from "./formulas.js";
import theme from "./theme.css";

const [dataPath, folder] = process.argv.slice(2);
const data = JSON.parse(readFileSync(dataPath, "utf8"));
const { document } = parseHTML("<!doctype html><html><body></body></html>");
const formulas = new Formulas(data.formulas);
const setting = settingOf(data);
const options = { width: 760, document };

function write(name, svg) {
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("font-family", "system-ui, sans-serif");
  const style = document.createElement("style");
  // Alone, a picture brings its ground with it; within the page Plot is told to leave it clear.
  style.textContent = `${theme} svg { background: var(--card) !important; }`;
  svg.insertBefore(style, svg.firstChild);
  const path = `${folder}/${name}.svg`;
  writeFileSync(`${path}.part`, `${svg.outerHTML}\n`);
  renameSync(`${path}.part`, path);
  process.stdout.write(`${path}\n`);
}

try {
  mkdirSync(folder, { recursive: true });
  write("traffic", traffic(formulas, setting, options));
  write("roofline", roofline(formulas, setting, options));
  write("sweep-n", curve(formulas, setting, "N", options));
  write("sweep-m", curve(formulas, setting, "M", options));
  if (data.ladder.rungs.length) write("ladder", ladder(data.ladder, options));
} catch (error) {
  process.stderr.write(`${error.code === undefined ? error.stack : error.message}\n`);
  process.exit(1);
}
