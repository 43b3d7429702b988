// node build.mjs OUT: bundles the page's script and style, and the program that draws charts on the command line.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const out = process.argv[2] ?? here("out");
const common = { bundle: true, minify: true, charset: "utf8", legalComments: "none", logLevel: "warning" };

await build({
  ...common,
  entryPoints: [here("src/main.js")],
  outfile: `${out}/view.js`,
  format: "iife",
  target: "es2020",
});
await build({ ...common, entryPoints: [here("src/view.css")], outfile: `${out}/view.css` });
await build({
  ...common,
  entryPoints: [here("src/charts_cli.mjs")],
  outfile: `${out}/charts.mjs`,
  format: "esm",
  platform: "node",
  target: "node18",
  loader: { ".css": "text" },
});
