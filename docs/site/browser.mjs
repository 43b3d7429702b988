// Pages of the site in headless Chromium, as a reader opens them, from the disk:
//   node browser.mjs HTML [--screenshots FOLDER] [PAGE …]        in the root of the tree
// Dark at a phone's width and light at a desktop's: nothing is fetched from elsewhere, nothing scrolls sideways, no
// script fails, every formula is drawn, and axe has no serious finding. Exit code 1 when something is wrong, 3 without
// a browser.

import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { allPages, labelOf } from "./pages.mjs";

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

const program =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (!program) {
  console.error("no browser: install Debian's package chromium, or name one in CHROMIUM");
  process.exit(3);
}

// Every page of the book and of docs/, and one of each kind that Doxygen makes of the rest.
const book = allPages(process.cwd()).map((path) => `${labelOf(path)}.html`);
const KINDS = {
  "the list of classes": /^annotated\.html$/,
  "the list of files": /^files\.html$/,
  "the list of functions": /^namespacemembers\.html$/,
  "a namespace": /^namespaceflashlab_1_1tile\.html$/,
  "a class": /^structflashlab_1_1Problem\.html$/,
  "a kernel": /^online__q_8cuh\.html$/,
  "a source file": /^online__q_8cuh_source\.html$/,
};
const made = readdirSync(html).sort();
const wrong = [];
const kinds = Object.entries(KINDS).flatMap(([kind, pattern]) => {
  const name = made.find((page) => pattern.test(page));
  if (!name) wrong.push(`the site has no page of ${kind}: Doxygen or the tree has changed`);
  return name ? [name] : [];
});
const pages = args.length > 0 ? args : [...book, ...kinds];

// A page is loaded as on a phone, then widened: its scripts run once, its layout and its colours are looked at twice.
const views = [
  { name: "dark-phone", colorScheme: "dark", viewport: { width: 390, height: 844 } },
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 900 } },
];
// What of axe's rules hangs on colours and sizes; all others say the same of both views.
const SEEN_RULES = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"];

const browser = await chromium.launch({
  executablePath: program,
  args: ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"],
});
const queue = [...pages];

/** Everything that is checked in one view of a page that is open. */
async function lookAt(page, say, rules) {
  const wide = await page.evaluate(() => {
    const view = document.querySelector("#doc-content") ?? document.documentElement;
    const limit = document.documentElement.clientWidth;
    const scroll = Math.max(document.documentElement.scrollWidth, view.scrollWidth) - Math.max(limit, view.clientWidth);
    const outside =
      scroll > 1 &&
      [...view.querySelectorAll("*")].find((e) => {
        if (e.getBoundingClientRect().right <= limit + 1) return false;
        for (let p = e.parentElement; p && p !== view; p = p.parentElement) {
          if (getComputedStyle(p).overflowX !== "visible") return false;
        }
        return getComputedStyle(e).position !== "fixed" && e.getBoundingClientRect().width > 0;
      });
    return { scroll, what: outside ? outside.outerHTML.slice(0, 120) : "" };
  });
  if (wide.scroll > 1) say(`is ${wide.scroll} px wider than the screen: ${wide.what}`);
  const { violations } = await page.evaluate(
    (runOnly) => window.axe.run(document, { runOnly, resultTypes: ["violations"] }),
    rules,
  );
  for (const { id, impact, nodes, help } of violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    say(`axe, ${impact}: ${id}: ${help}: ${nodes.length} times, first ${nodes[0].html.slice(0, 140)}`);
  }
}

async function look(page, name) {
  let view = views[0];
  const say = (what) => wrong.push(`${name} (${view.name}): ${what}`);
  const listeners = {
    request: (request) => {
      if (!/^(file|data|blob):/.test(request.url())) say(`asks the network for ${request.url()}`);
    },
    requestfailed: (request) => say(`cannot load ${request.url()}`),
    pageerror: (error) => say(`a script fails: ${error.message}`),
  };
  for (const [event, listener] of Object.entries(listeners)) page.on(event, listener);
  try {
    for (view of views) {
      await page.setViewportSize(view.viewport);
      await page.emulateMedia({ colorScheme: view.colorScheme });
      if (view === views[0]) {
        await page.goto(pathToFileURL(join(html, name)).href, { waitUntil: "load" });
        const formulas = await page.evaluate(async () => {
          if (!window.MathJax?.startup) return { math: !!document.querySelector("#MathJax-script"), errors: [] };
          await window.MathJax.startup.promise;
          const errors = [...document.querySelectorAll("mjx-merror, [data-mjx-error]")];
          return { math: false, errors: errors.map((e) => e.getAttribute("title") ?? e.textContent) };
        });
        if (formulas.math) say("MathJax did not start");
        for (const error of formulas.errors) say(`a formula is not understood: ${error}`);
        const missing = await page.evaluate(async () => {
          const images = [...document.images].filter(({ src }) => src);
          await Promise.allSettled(images.map((image) => image.decode())); // scripts add some late
          return images.filter(({ naturalWidth }) => naturalWidth === 0).map(({ src }) => src);
        });
        for (const picture of missing) say(`a picture is missing: ${picture}`);
        const bare = await page.evaluate(
          () =>
            [...document.querySelectorAll("details")].filter((fold) => {
              const name = fold.querySelector(":scope > summary")?.textContent.trim() ?? "";
              return name === "" || fold.textContent.trim() === name;
            }).length,
        );
        if (bare > 0) say(`${bare} folded answers have no name, or nothing in them`);
        await page.addScriptTag({ path: axe });
        await lookAt(page, say, ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]);
      } else {
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
        await lookAt(page, say, SEEN_RULES);
      }
      if (screenshots) {
        await page.screenshot({
          path: join(screenshots, `${name.replace(/\.html$/, "")}-${view.name}.png`),
          fullPage: false,
        });
      }
    }
  } catch (error) {
    say(error.message.split("\n")[0]);
  }
  for (const [event, listener] of Object.entries(listeners)) page.off(event, listener);
}

await Promise.all(
  Array.from({ length: Math.min(2, cpus().length) }, async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    for (let name; (name = queue.shift()); ) await look(page, name);
    await context.close();
  }),
);

// Search finds a word of the book, without a server.
if (args.length === 0) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(pathToFileURL(join(html, "index.html")).href);
  await page.click("#MSearchField");
  await page.keyboard.type("glossary", { delay: 50 }); // Doxygen's search listens to keys
  await page.waitForTimeout(1500);
  const results = page.frame({ name: "MSearchResults" }) ?? page;
  const found = await results.evaluate(() => document.body.innerText).catch(() => "");
  if (!/Glossary/i.test(found)) wrong.push(`index.html: a search for "glossary" shows: ${found.slice(0, 80)}`);
}
await browser.close();

for (const line of [...new Set(wrong)].sort()) console.error(line);
console.log(`${pages.length} pages, ${pages.length * views.length} views, ${new Set(wrong).size} wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
