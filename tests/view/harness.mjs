// What the tests of the pages share: the program, a browser, checks that are counted, and the CPU time of a browser.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [program, modules] = process.argv.slice(2, 4).map((path) => resolve(path));
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core");
export const folder = mkdtempSync(join(tmpdir(), "flashlab-view-"));

export const flashlab = (...args) =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
export const report = (...args) => JSON.parse(flashlab("report", "--count-only", "--format", "json", ...args));

/** The page that `flashlab view ARGS` writes; each is written once. */
const written = new Map();
export function pageOf(...args) {
  const key = args.join(" ");
  if (!written.has(key)) {
    const path = join(folder, `${written.size}.html`);
    flashlab("view", "--out", path, ...args);
    written.set(key, path);
  }
  return written.get(key);
}

export const counts = { passed: 0, failed: 0 };
export function check(holds, what, ...more) {
  counts[holds ? "passed" : "failed"] += 1;
  if (!holds) console.log(`FAILED: ${what}`, ...more);
}
export const equal = (got, want, what) =>
  check(JSON.stringify(got) === JSON.stringify(want), what, "got", got, "wanted", want);
export const near = (got, want, what) =>
  check(Math.abs(got - want) <= 1e-9 * Math.max(1, Math.abs(want)), what, "got", got, "wanted", want);

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const browser = await chromium.launch({
  executablePath: process.env.FLASHLAB_CHROMIUM ?? "/usr/bin/chromium",
  args: FLAGS,
});

/** A page that is open; whatever it asks for beyond its own file, and each of its errors, is a failure. */
export async function open(
  path,
  { width = 1280, height = 900, scheme = "light", motion = "no-preference", ...more } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: motion,
    ...more,
  });
  const page = await context.newPage();
  page.on("request", (request) => {
    const own = request.url().startsWith("file://") || request.url().startsWith("data:");
    if (!own) check(false, `${path} asks for ${request.url()}`);
  });
  page.on("pageerror", (error) => check(false, `${path}: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && check(false, `${path}: ${message.text()}`));
  await page.goto(`file://${path}`);
  if (more.javaScriptEnabled !== false) {
    await page.waitForFunction(() => window.flashlab && (window.flashlab.profile || window.flashlab.explorer));
  }
  return page;
}
export const close = (page) => page.context().close();

/** What axe calls serious or worse, one line each. */
export async function seriousFindings(page) {
  if (!(await page.evaluate("'axe' in window"))) await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.length} times, first ${nodes[0].target}`);
}

/** CPU time in ms that each thread of the browser has had so far, by "process, thread". A busy machine adds nothing. */
async function threads() {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const times = new Map();
  for (const { id, type } of processInfo) {
    for (const thread of readdirSync(`/proc/${id}/task`)) {
      const at = `/proc/${id}/task/${thread}`;
      const name = `${type} ${thread === String(id) ? "main" : ""} ${thread}`;
      try {
        times.set(name, Number(readFileSync(`${at}/schedstat`, "utf8").split(" ")[0]) / 1e6);
      } catch {
        // a thread that has ended meanwhile
      }
    }
  }
  return times;
}

/** CPU time in ms of what `work` does: of the page's own thread, and of all threads of the browser; and its result. */
export async function costOf(work) {
  const before = await threads();
  const result = await work();
  const cost = { main: 0, all: 0, result };
  for (const [name, time] of await threads()) {
    const used = time - (before.get(name) ?? 0);
    cost.all += used;
    if (name.startsWith("renderer main")) cost.main += used;
  }
  return cost;
}

/** The frames of `ms` of wall time, and the CPU time in ms that one of them cost. */
export async function costOfFrames(page, ms) {
  const {
    main,
    all,
    result: frames,
  } = await costOf(() =>
    page.evaluate(
      (ms) =>
        new Promise((done) => {
          let frames = 0;
          const start = performance.now();
          const tick = () => {
            frames += 1;
            if (performance.now() - start < ms) requestAnimationFrame(tick);
            else done(frames);
          };
          requestAnimationFrame(tick);
        }),
      ms,
    ),
  );
  return { perSecond: (1000 * frames) / ms, main: main / frames, all: all / frames };
}

/** Runs each test whose name holds the third argument of the command, or all; ends the program. */
export async function run(tests) {
  const wanted = process.argv[4] ?? "";
  for (const [name, test] of Object.entries(tests).filter(([name]) => name.includes(wanted))) {
    const before = counts.failed;
    const start = Date.now();
    try {
      await test();
    } catch (error) {
      check(false, name, error.message.split("\n")[0]);
    }
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`${counts.failed === before ? "ok" : "NOT OK"} ${name} (${seconds} s)`);
  }
  await browser.close();
  rmSync(folder, { recursive: true });
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exit(counts.failed === 0 ? 0 : 1);
}
