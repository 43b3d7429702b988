// After Doxygen: pictures, MathJax and the tree's other files that pages link to, and links to source files.
//   node finish.mjs HTML NODE_MODULES        in the root of the tree

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { allPages } from "./pages.mjs";

const root = process.cwd();
const [html, modules] = process.argv.slice(2);

const missing = [];
mkdirSync(join(html, "mathjax", "es5"), { recursive: true });
cpSync(join(modules, "mathjax/es5/tex-svg.js"), join(html, "mathjax/es5/tex-svg.js"));

mkdirSync(join(html, "figures"), { recursive: true });
for (const path of allPages(root)) {
  for (const [, picture] of readFileSync(join(root, path), "utf8").matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(picture)) continue;
    const from = join(root, dirname(path), picture);
    if (existsSync(from)) cpSync(from, join(html, "figures", basename(picture)));
    else missing.push(`${path}: there is no picture ${picture}`);
  }
}

/** Doxygen's name for the page of a source file: cuda/kernels/online_q.cuh → online__q_8cuh.html. */
const sources = new Map();
for (const name of readdirSync(html).filter((name) => /_8(hpp|cuh)\.html$/.test(name))) {
  const text = readFileSync(join(html, name), "utf8");
  const path = text.match(/<title>Flashlab: (.*) File Reference<\/title>/)?.[1];
  if (path) sources.set(path, name);
}

for (const name of readdirSync(html).filter((name) => name.endsWith(".html"))) {
  const text = readFileSync(join(html, name), "utf8");
  const changed = text
    .replace(/href="@@([^"]*)@@"/g, (all, path) => {
      const to = sources.get(path) ?? sources.get(basename(path));
      if (!to) missing.push(`${name}: no page for ${path}`);
      return `href="${to}"`;
    })
    // What old browsers wanted of another server, and MathJax where there is no formula.
    .replace(/<script[^>]*polyfill\.io[^>]*><\/script>\n?/, "")
    .replace(/<script[^>]*src="mathjax\/es5[^>]*><\/script>\n?/, (script) => (/\\\(|\\\[/.test(text) ? script : ""))
    // Doxygen 1.9.4 names a list of nested classes that it leaves out when all are private.
    .replace(/<a href="#nested-classes">Classes<\/a>(?: &#124;)?\s*/, (link) =>
      text.includes('id="nested-classes"') || text.includes('name="nested-classes"') ? link : "",
    )
    // A code block scrolls sideways: it must be reachable by keyboard.
    .replace(/<(pre|div) class="(fragment|memproto)"/g, '<$1 class="$2" tabindex="0"')
    .replace('<div id="doc-content"', '<div id="doc-content" tabindex="0"')
    .replaceAll('"><span class="icondoc"></span></a>', '" aria-label="source"><span class="icondoc"></span></a>')
    .replace(/<table class="markdownTable"/g, '<table class="markdownTable" tabindex="0"');
  for (const [, path] of changed.matchAll(/href="tree\/([^"#]*)/g)) {
    if (!existsSync(join(root, path))) continue; // the check of links says so
    mkdirSync(dirname(join(html, "tree", path)), { recursive: true });
    // As text, whatever it is: a browser then shows it.
    cpSync(join(root, path), join(html, "tree", `${path}.txt`));
  }
  const shown = changed.replace(/href="tree\/([^"#]*)"/g, 'href="tree/$1.txt"');
  if (shown !== text) writeFileSync(join(html, name), shown);
}
// The field of the search is made by a script.
const menu = join(html, "menu.js");
const script = readFileSync(menu, "utf8");
if (!script.includes('id="MSearchField"')) missing.push("menu.js: no search field to label: Doxygen has changed");
writeFileSync(menu, script.replaceAll('id="MSearchField"', 'id="MSearchField" aria-label="Search"'));

if (missing.length > 0) {
  console.error(missing.join("\n"));
  process.exit(1);
}
