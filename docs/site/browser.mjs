// Pages of the site in headless Chromium, as a reader opens them, from the disk:
//   node browser.mjs HTML [--screenshots FOLDER] [PAGE …]
// Light at a desktop's width and dark at a phone's: nothing is fetched from elsewhere, nothing scrolls sideways, no script
// fails, every formula is drawn, and axe has no serious finding. Exit code 1 when something is wrong, 3 without a browser.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const args = process.argv.slice(2);
const html = resolve(args.shift());
const require = createRequire(join(html, "..", "package.json"));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core/axe.min.js");
let screenshots = null;
if (args[0] === "--screenshots") {
  args.shift();
  screenshots = args.shift();
  mkdirSync(screenshots, { recursive: true });
}

const program = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!program) {
  console.error("no browser: install Debian's package chromium, or name one in CHROMIUM");
  process.exit(3);
}

// Every page of text, and one of each kind that Doxygen makes.
const kinds = ["annotated.html", "files.html", "namespacemembers.html", "online__q_8cuh.html", "online__q_8cuh_source.html", "structflashlab_1_1Problem.html", "namespaceflashlab.html"];
const pages = args.length > 0 ? args : readdirSync(html).filter(
  (name) => name.endsWith(".html") && (kinds.includes(name) ||
    (!/_8(hpp|cuh|md|h)(_source)?\.html$|^(struct|class|union|namespace|dir_|annotated|files|functions|globals|hierarchy|classes|pages)/.test(name))),
);
const views = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 900 } },
  { name: "dark-phone", colorScheme: "dark", viewport: { width: 390, height: 844 }, hasTouch: true },
];

const wrong = [];
const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"] });
const jobs = pages.flatMap((page) => views.map((view) => ({ page, view })));
const total = jobs.length;

async function look({ page: name, view }) {
  const say = (what) => wrong.push(`${name} (${view.name}): ${what}`);
  const context = await browser.newContext({ colorScheme: view.colorScheme, viewport: view.viewport, hasTouch: view.hasTouch ?? false });
  const page = await context.newPage();
  page.on("request", (request) => { if (!/^(file|data|blob):/.test(request.url())) say(`asks the network for ${request.url()}`); });
  page.on("requestfailed", (request) => say(`cannot load ${request.url()}`));
  page.on("pageerror", (error) => say(`a script fails: ${error.message}`));
  try {
    await page.goto(pathToFileURL(join(html, name)).href, { waitUntil: "load" });
    const formulas = await page.evaluate(async () => {
      if (!window.MathJax?.startup) return { math: !!document.querySelector("#MathJax-script"), errors: [] };
      await window.MathJax.startup.promise;
      return { math: false, errors: [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map((e) => e.getAttribute("title") ?? e.textContent) };
    });
    if (formulas.math) say("MathJax did not start");
    for (const error of formulas.errors) say(`a formula is not understood: ${error}`);
    const wide = await page.evaluate(() => {
      const view = document.querySelector("#doc-content") ?? document.documentElement;
      const limit = document.documentElement.clientWidth;
      const outside = [...view.querySelectorAll("*")].find((e) => {
        if (e.getBoundingClientRect().right <= limit + 1) return false;
        for (let p = e.parentElement; p && p !== view; p = p.parentElement) if (getComputedStyle(p).overflowX !== "visible") return false;
        return getComputedStyle(e).position !== "fixed" && e.getBoundingClientRect().width > 0;
      });
      return { scroll: Math.max(document.documentElement.scrollWidth, view.scrollWidth) - Math.max(limit, view.clientWidth), what: outside?.outerHTML.slice(0, 120) };
    });
    if (wide.scroll > 1) say(`is ${wide.scroll} px wider than the screen: ${wide.what ?? ""}`);
    for (const picture of await page.evaluate(() => [...document.images].filter((i) => i.naturalWidth === 0 && i.src).map((i) => i.src))) say(`a picture is missing: ${picture}`);
    await page.addScriptTag({ path: axe });
    const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], resultTypes: ["violations"] }));
    for (const { id, impact, nodes, help } of violations) {
      if (impact === "serious" || impact === "critical") say(`axe, ${impact}: ${id}: ${help}: ${nodes.length} times, first ${nodes[0].html.slice(0, 140)}`);
    }
    if (screenshots) await page.screenshot({ path: join(screenshots, `${name.replace(/\.html$/, "")}-${view.name}.png`), fullPage: false });
  } catch (error) {
    say(error.message.split("\n")[0]);
  }
  await context.close();
}

await Promise.all(Array.from({ length: Math.min(2, cpus().length) }, async () => {
  for (let job; (job = jobs.shift()); ) await look(job);
}));

// Search finds a word of the book, without a server.
if (args.length === 0) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(pathToFileURL(join(html, "index.html")).href);
  await page.click("#MSearchField");
  await page.keyboard.type("glossary", { delay: 50 });  // Doxygen's search listens to keys
  await page.waitForTimeout(1500);
  const results = page.frame({ name: "MSearchResults" }) ?? page;
  const found = await results.evaluate(() => document.body.innerText).catch(() => "");
  if (!/Glossary/i.test(found)) wrong.push(`index.html: a search for "glossary" shows: ${found.slice(0, 80)}`);
}
await browser.close();

for (const line of [...new Set(wrong)].sort()) console.error(line);
console.log(`${pages.length} pages, ${total} views, ${new Set(wrong).size} wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
