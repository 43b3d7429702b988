// node page_test.mjs PROGRAM MODULES: drives the pages of `flashlab view` in Chromium, as a reader does.
// MODULES is the folder whose node_modules hold playwright-core and axe-core; FLASHLAB_CHROMIUM names the browser.
// Prints "N passed, N failed"; exit code 1 when a check failed.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [program, modules] = process.argv.slice(2).map((path) => resolve(path));
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core");
const folder = mkdtempSync(join(tmpdir(), "flashlab-view-"));
const programs = fileURLToPath(new URL("../simt/programs/", import.meta.url));
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

const flashlab = (...args) => execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
const report = (...args) => JSON.parse(flashlab("report", "--count-only", "--format", "json", ...args));
function pageOf(name, ...args) {
  const path = join(folder, `${name}.html`);
  flashlab("view", ...args, "--out", path);
  return path;
}

let passed = 0;
let failed = 0;
function check(holds, what, ...more) {
  if (holds) passed += 1;
  else failed += 1;
  if (!holds) console.log(`FAILED: ${what}`, ...more);
}
const equal = (got, want, what) => check(JSON.stringify(got) === JSON.stringify(want), what, "got", got, "wanted", want);

const browser = await chromium.launch({ executablePath: process.env.FLASHLAB_CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

/** A page that is open; whatever it asks for beyond its own file, and each of its errors, is a failure. */
async function open(path, { width = 1280, height = 900, scheme = "light", motion = "no-preference", javaScriptEnabled = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, javaScriptEnabled, hasTouch: width < 500 });
  const page = await context.newPage();
  page.on("request", (request) => {
    const own = request.url().startsWith("file://") || request.url().startsWith("data:");
    if (!own) check(false, `${path} asks for ${request.url()}`);
  });
  page.on("pageerror", (error) => check(false, `${path}: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && check(false, `${path}: ${message.text()}`));
  await page.goto(`file://${path}`);
  if (javaScriptEnabled) await page.waitForFunction(() => window.flashlab && (window.flashlab.profile || window.flashlab.explorer));
  return page;
}

const tests = {
  async "played to its end, every number equals the report's"() {
    const own = report();
    for (const stage of own.stages) {
      const page = await open(pageOf(stage.stage, stage.stage));
      check(statSync(join(folder, `${stage.stage}.html`)).size < 3e6, `${stage.stage}: less than 3 MB`);
      await page.evaluate("flashlab.player.speed = flashlab.player.length; flashlab.player.speedInput.value = 2; flashlab.player.speedInput.dispatchEvent(new Event('input'))");
      await page.getByRole("button", { name: "Play", exact: true }).click();
      await page.waitForFunction(() => !window.flashlab.player.playing, null, { timeout: 20000 });
      const shown = await page.$$eval(".bytes td[data-tensor]", (cells) => Object.fromEntries(cells.map((c) => [`${c.dataset.tensor} ${c.dataset.direction}`, Number(c.dataset.bytes)])));
      for (const [tensor, { read_bytes, write_bytes }] of Object.entries(stage.tensors)) {
        equal(shown[`${tensor} read`] * 4, read_bytes, `${stage.stage}: ${tensor} read`);
        equal(shown[`${tensor} written`] * 4, write_bytes, `${stage.stage}: ${tensor} written`);
      }
      equal(shown["heads read"], stage.hbm_read_bytes, `${stage.stage}: all heads read`);
      equal(shown["heads written"], stage.hbm_write_bytes, `${stage.stage}: all heads written`);
      equal(await page.evaluate("flashlab.player.views[0].machine.peak"), stage.sram_peak_bytes, `${stage.stage}: SRAM peak`);
      equal(await page.evaluate("flashlab.player.views[0].machine.used"), 0, `${stage.stage}: SRAM is empty at the end`);
      const table = await page.$$eval(".numbers tr[data-stage] td[data-name]", (cells) => cells.map((c) => [c.closest("tr").dataset.stage, c.dataset.name, Number(c.dataset.value)]));
      check(table.length >= 25, "the report's table is there");
      for (const [slug, name, value] of table) equal(value, own.stages.find((row) => row.stage === slug)[name], `table: ${slug} ${name}`);
      await page.context().close();
    }
  },

  async "the sliders' numbers are the program's, for many settings"() {
    const page = await open(pageOf("sliders", "online-q"));
    const settings = [];
    for (let i = 0; i < 16; ++i) {
      const pick = (list) => list[(i * 7 + list.length * 3 + (i >> 2)) % list.length];
      settings.push({ N: pick([1, 63, 100, 257, 1000, 4096, 16384]), d: pick([8, 40, 64, 128, 256]), heads: pick([1, 3, 16]), dtype: pick(["fp32", "fp16", "bf16"]),
        causal: i % 2 === 1, M: pick([4096, 30000, 65536, 232448]), Br: pick([0, 0, 5, 64]), Bc: pick([0, 0, 0, 32, 100]), device: pick(["t4", "a100-40gb", "h100-sxm", "b200"]) });
    }
    for (const s of settings) {
      const what = JSON.stringify(s);
      const args = ["--seq", s.N, "--dim", s.d, "--heads", s.heads, "--dtype", s.dtype, "--sram", s.M, "--device", s.device, ...(s.causal ? ["--causal"] : []), ...(s.Br ? ["--br", s.Br] : []), ...(s.Bc ? ["--bc", s.Bc] : [])].map(String);
      let want = null;
      try {
        want = report(...args);
      } catch (error) {
        equal(error.status, 2, `${what}: refused for want of SRAM`);
      }
      const rows = await page.evaluate((setting) => {
        const { explorer, data } = window.flashlab;
        Object.assign(explorer.setting, setting, { device: data.devices.find(({ name }) => name === setting.device) });
        explorer.update();
        return [...document.querySelectorAll(".what-if tr[data-stage]")].map((row) => ({ stage: row.dataset.stage, refused: row.classList.contains("refused"),
          ...Object.fromEntries([...row.querySelectorAll("[data-name]")].map((c) => [c.dataset.name, Number(c.dataset.value)])), tiles: row.querySelector("[data-name=tiles]")?.textContent }));
      }, s);
      for (const row of rows) {
        const own = want?.stages.find(({ stage }) => stage === row.stage);
        equal(row.refused, !own || own.refused !== undefined, `${what}: ${row.stage} refuses`);
        if (row.refused || !own) continue;
        for (const name of ["hbm_read_bytes", "hbm_write_bytes", "sram_peak_bytes", "hbm_footprint_bytes"]) equal(row[name], own[name], `${what}: ${row.stage} ${name}`);
        for (const name of ["floor_ms", "flops_per_byte", "wait_share"]) check(Math.abs(row[name] - own[name]) <= 1e-9 * Math.max(1, Math.abs(own[name])), `${what}: ${row.stage} ${name}`, row[name], own[name]);
        equal(row.tiles.replaceAll(",", ""), `${own.tile_rows} × ${own.tile_cols}`, `${what}: ${row.stage} tiles`);
      }
    }
    // As a reader does it: the field, then the slider by keyboard.
    await page.getByLabel("N, exactly").fill("300000");
    await page.waitForFunction(() => document.querySelector(".what-if tr[data-stage=fused]").classList.contains("refused"));
    check((await page.textContent(".what-if tr[data-stage=fused]")).includes("whole row of S must fit"), "fused says why it cannot run");
    await page.getByLabel("M, exactly").fill("16");
    await page.waitForFunction(() => document.querySelector(".explorer .story").textContent.startsWith("No stage can run"));
    await page.getByRole("button", { name: "Back to the run above" }).click();
    await page.locator("#size-N").focus();
    const before = await page.evaluate("flashlab.explorer.setting.N");
    await page.keyboard.press("ArrowRight");
    check((await page.evaluate("flashlab.explorer.setting.N")) > before, "an arrow key moves the slider of N");
    await page.context().close();
  },

  async "two stages run on one clock of bytes"() {
    const own = report();
    const page = await open(pageOf("versus", "naive", "--versus", "online-q"));
    const total = (slug) => {
      const row = own.stages.find(({ stage }) => stage === slug);
      return (row.hbm_read_bytes + row.hbm_write_bytes) / 4;
    };
    await page.evaluate((at) => flashlab.player.seek(at), total("online-q"));
    const at = await page.evaluate("flashlab.player.views.map(({ film, machine }) => [film.movedBefore[machine.at], machine.at < film.length])");
    equal(at[1], [total("online-q"), false], "online-q is done");
    check(at[0][1] && at[0][0] <= total("online-q") && at[0][0] > 0.98 * total("online-q"), "naive is under way, after as many bytes", at[0]);
    await page.keyboard.press("End");
    equal(await page.evaluate("flashlab.player.clock"), total("naive"), "the clock ends with naive's bytes");
    await page.keyboard.press("ArrowLeft");
    check((await page.evaluate("flashlab.player.clock")) < total("naive"), "a step back");
    await page.context().close();
  },

  async "a row's numbers end as the report's program computes them"() {
    const page = await open(pageOf("row", "online-q", "--head", "2"));
    await page.locator(".pick input").fill("777");
    await page.keyboard.press("Tab");
    await page.evaluate("flashlab.player.jump(flashlab.player.length)");
    const said = await page.textContent(".story");
    check(/^L = m \+ log l = /.test(said), "the last thing said of a row is its L", said);
    check((await page.$$(".row-table tbody tr")).length === 5, "a line for each tile of columns");
    await page.context().close();
  },

  async "the keyboard alone plays, steps, jumps and reaches everything"() {
    const page = await open(join(folder, "row.html"));
    await page.evaluate("flashlab.player.seek(0)");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    equal(await page.evaluate("flashlab.player.views[0].machine.at"), 2, "two steps");
    await page.keyboard.press("Space");
    check(await page.evaluate("flashlab.player.playing"), "space plays");
    await page.keyboard.press("Space");
    check(!(await page.evaluate("flashlab.player.playing")), "space pauses");
    await page.keyboard.press("End");
    equal(await page.evaluate("flashlab.player.views[0].machine.at === flashlab.player.length"), true, "End jumps");
    const wanted = await page.$$eval("button, input, select, [tabindex='0']", (all) => all.length);
    const reached = new Set();
    await page.evaluate("document.activeElement.blur(); let n = 0; for (const e of document.querySelectorAll(\"button, input, select, [tabindex='0']\")) e.dataset.stop = n++");
    for (let i = 0; i < wanted + 3; ++i) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate("document.activeElement.dataset.stop"));
    }
    reached.delete(undefined);
    equal(reached.size, wanted, "Tab reaches every control");
    await page.context().close();
  },

  async "axe finds nothing serious, and no page scrolls sideways"() {
    const transpose = join(programs, "transpose.cu");
    const profile = pageOf("profile", "--profile", transpose);
    for (const path of [join(folder, "row.html"), join(folder, "versus.html"), profile]) {
      for (const [width, scheme] of [[390, "light"], [1280, "dark"], [2560, "light"]]) {
        const page = await open(path, { width, scheme });
        const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        check(overflow <= 0, `${path} at ${width} px scrolls sideways by ${overflow} px`);
        if (width === (path.endsWith("versus.html") ? 1280 : 390) || path === profile) {
          await page.addScriptTag({ path: axe });
          const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
          const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
          equal(serious.map((v) => `${v.id}: ${v.nodes[0].target}`), [], `${path} at ${width} px, ${scheme}: axe`);
        }
        await page.context().close();
      }
    }
  },

  async "a profile's lines show the counters of flashlab profile, and lanes"() {
    const transpose = join(programs, "transpose.cu");
    const want = JSON.parse(flashlab("profile", transpose, "--lines", "--json"));
    const page = await open(join(folder, "profile.html"));
    const launches = await page.evaluate("flashlab.data.launches");
    equal(launches.length, want.launches.length, "as many launches");
    launches.forEach((launch, i) => {
      for (const line of want.launches[i].lines) {
        const sites = launch.sites.filter((s) => s.line === line.line && s.op === line.operation && s.memory === line.memory);
        for (const name of ["requests", "sectors", "wavefronts", "bank_conflicts", "bytes"]) equal(sites.reduce((sum, s) => sum + s[name], 0), line[name], `line ${line.line} ${line.memory} ${line.operation}: ${name}`);
      }
      for (const [name, value] of Object.entries(launch.metrics)) equal(value, want.launches[i].metrics[name], name);
    });
    check((await page.$$(".lanes-table")).length > 0, "a line's lanes are shown");
    const line = await page.$eval(".line-button", (b) => b.textContent);
    await page.locator(".line-button").first().focus();
    await page.keyboard.press("Enter");
    check((await page.textContent(".detail h2")) === `Line ${line}`, "Enter chooses a line");
    await page.context().close();
  },

  async "without JavaScript there are a picture and the numbers"() {
    const own = report();
    const page = await open(join(folder, "row.html"), { javaScriptEnabled: false });
    const text = await page.innerText("main");
    for (const row of own.stages) check(text.includes(row.hbm_read_bytes.toLocaleString("en-US")), `${row.stage}'s bytes are in the page`);
    check(await page.locator("main svg").first().isVisible(), "the picture is there");
    await page.context().close();
  },

  async "it paints at once, plays smoothly, scrubs without lag, and stands still for who asks for that"() {
    const page = await open(join(folder, "row.html"));
    const paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity");
    check(paint < 1000, `first paint after ${Math.round(paint)} ms`);
    const long = await open(pageOf("long", "naive", "--seq", "1500", "--dim", "16", "--br", "16", "--bc", "16", "--count-only"));
    const events = await long.evaluate("flashlab.player.length");
    check(events > 60000, `a long film: ${events} events`);
    const seek = await long.evaluate(`(() => { const times = []; for (let i = 0; i < 60; ++i) { const t = performance.now(); flashlab.player.seek(Math.floor(flashlab.player.length * ((i * 37) % 60) / 60)); times.push(performance.now() - t); } times.sort((a, b) => a - b); return times[54]; })()`);
    check(seek < 50, `nine of ten jumps take less than ${seek.toFixed(1)} ms`);
    const fps = await page.evaluate(`new Promise((done) => { flashlab.player.jump(0); flashlab.player.play(); let n = 0; const start = performance.now(); const f = () => { n += 1; performance.now() - start < 2000 ? requestAnimationFrame(f) : done(n / 2); }; requestAnimationFrame(f); })`);
    // A loaded machine gives fewer: what is held here is the time that a frame costs.
    const cost = await page.evaluate(`(() => { const p = flashlab.player; p.pause(); const t = performance.now(); for (let i = 0; i < 120; ++i) { p.clock = 300 + i / 3; const v = p.views[0]; v.show(Math.ceil(p.clock), 0.5); } return (performance.now() - t) / 120; })()`);
    check(cost < 12, `a frame costs ${cost.toFixed(2)} ms`);
    console.log(`first paint ${Math.round(paint)} ms; ${fps.toFixed(0)} frames a second, ${cost.toFixed(2)} ms of work each; ${events} events, a jump ${seek.toFixed(1)} ms`);
    await page.context().close();
    await long.context().close();
    const calm = await open(join(folder, "row.html"), { motion: "reduce" });
    const changes = await calm.evaluate(`new Promise((done) => { const p = flashlab.player; let n = 0; const show = p.views[0].show.bind(p.views[0]); p.views[0].show = (at, progress) => { n += 1; if (progress !== 1) n += 1000; show(at, progress); }; p.play(); setTimeout(() => { p.pause(); done(n); }, 1500); })`);
    check(changes <= 6, `with less motion, ${changes} pictures in 1.5 s, none in between`);
    await calm.context().close();
  },
};

for (const [name, test] of Object.entries(tests)) {
  const before = failed;
  const start = Date.now();
  try {
    await test();
  } catch (error) {
    check(false, name, error.message.split("\n")[0]);
  }
  console.log(`${failed === before ? "ok" : "NOT OK"} ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
}
await browser.close();
rmSync(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
