// node page_test.mjs PROGRAM MODULES [WORDS]: drives the pages of `flashlab view` in Chromium, as a reader does.
// MODULES is the folder whose node_modules hold playwright-core and axe-core; FLASHLAB_CHROMIUM names the browser; of
// the tests, only those whose name holds WORDS run. Prints "N passed, N failed"; exit code 1 when a check failed.

import { statSync } from "node:fs";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import {
  check,
  close,
  costOf,
  costOfFrames,
  equal,
  flashlab,
  near,
  open,
  pageOf,
  report,
  run,
  seriousFindings,
} from "./harness.mjs";

const programOf = (name) => fileURLToPath(new URL(`../simt/programs/${name}.cu`, import.meta.url));

// What a frame may cost in CPU time: two fifths of a sixtieth of a second for the page's thread, and for all threads
// half of what two cores have. Frames a second are printed, not held: a busy machine has fewer, whatever the page does.
const FRAME_MS = 1000 / 60;
const MAIN_BUDGET_MS = 0.4 * FRAME_MS;
const ALL_BUDGET_MS = FRAME_MS;

/** Plays as fast as it goes, by the button. */
async function playToTheEnd(page) {
  await page.evaluate(() => {
    const { player } = window.flashlab;
    player.speed = player.length;
    player.speedInput.value = 2;
    player.speedInput.dispatchEvent(new Event("input"));
  });
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await page.waitForFunction(() => !window.flashlab.player.playing, null, { timeout: 30000 });
}

/** The bytes shown of each stage on the page, as "tensor direction": number, and the texts of the exact ones. */
const shownBytes = (page) =>
  page.$$eval("table.bytes", (tables) =>
    tables.map((table) =>
      Object.fromEntries(
        [...table.querySelectorAll("td[data-tensor]")].map((cell) => [
          `${cell.dataset.tensor} ${cell.dataset.direction}`,
          { bytes: Number(cell.dataset.bytes), text: cell.textContent },
        ]),
      ),
    ),
  );

/** At the end of a run: each tensor, each direction, one head and all of them. */
function checkBytes(shown, own, { problem }, what) {
  const heads = problem.batch * problem.heads;
  const exact = (value) => `${value.toLocaleString("en-US")} B`;
  for (const [tensor, { read_bytes, write_bytes }] of Object.entries(own.tensors)) {
    equal(shown[`${tensor} read`].bytes * heads, read_bytes, `${what}: ${tensor} read`);
    equal(shown[`${tensor} written`].bytes * heads, write_bytes, `${what}: ${tensor} written`);
  }
  for (const [direction, total] of [
    ["read", own.hbm_read_bytes],
    ["written", own.hbm_write_bytes],
  ]) {
    equal(shown[`all ${direction}`].text, exact(total / heads), `${what}: one head ${direction}`);
    if (heads > 1) equal(shown[`heads ${direction}`].text, exact(total), `${what}: all heads ${direction}`);
  }
}

/** Every cell of the report's table on the page. */
async function checkReport(page, { stages }, what) {
  const rows = await page.$$eval(".numbers tr[data-stage]", (rows) =>
    rows.map((row) => [
      row.dataset.stage,
      [...row.querySelectorAll("td[data-name]")].map((c) => [c.dataset.name, c.dataset.value, c.textContent]),
    ]),
  );
  equal(
    rows.map(([stage]) => stage),
    stages.filter(({ refused }) => !refused).map(({ stage }) => stage),
    `${what}: stages`,
  );
  for (const [stage, cells] of rows) {
    const own = stages.find((row) => row.stage === stage);
    equal(cells.length, 8, `${what}: ${stage}: all cells but that of the tiles bear their number`);
    for (const [name, value, text] of cells) {
      equal(Number(value), own[name], `${what}: ${stage} ${name}`);
      if (Number.isInteger(own[name]) && name !== "wait_share") {
        equal(text, own[name].toLocaleString("en-US"), `${what}: ${stage} ${name}, as text`);
      }
    }
  }
}

/** Sixteen settings in which every value of every slider occurs, and refusals. */
function settings() {
  return Array.from({ length: 16 }, (_, i) => {
    const pick = (list) => list[(i * 7 + list.length * 3 + (i >> 2)) % list.length];
    return {
      N: pick([1, 63, 100, 257, 1000, 4096, 16384]),
      d: pick([8, 40, 64, 128, 256]),
      heads: pick([1, 3, 16]),
      dtype: pick(["fp32", "fp16", "bf16"]),
      causal: i % 2 === 1,
      M: pick([4096, 30000, 65536, 232448]),
      Br: pick([0, 0, 5, 64]),
      Bc: pick([0, 0, 0, 32, 100]),
      device: pick(["t4", "a100-40gb", "h100-sxm", "b200"]),
    };
  });
}
const argumentsOf = (s) =>
  [
    "--seq",
    s.N,
    "--dim",
    s.d,
    "--heads",
    s.heads,
    "--dtype",
    s.dtype,
    "--sram",
    s.M,
    "--device",
    s.device,
    ...(s.causal ? ["--causal"] : []),
    ...(s.Br ? ["--br", s.Br] : []),
    ...(s.Bc ? ["--bc", s.Bc] : []),
  ].map(String);

/** What the page says of every stage at a setting. */
const whatIf = (page, setting) =>
  page.evaluate((setting) => {
    const { explorer, data } = window.flashlab;
    Object.assign(explorer.setting, setting, { device: data.devices.find(({ name }) => name === setting.device) });
    explorer.update();
    return [...document.querySelectorAll(".what-if tr[data-stage]")].map((row) => ({
      stage: row.dataset.stage,
      refused: row.classList.contains("refused"),
      values: Object.fromEntries(
        [...row.querySelectorAll("[data-name]")].map((c) => [c.dataset.name, Number(c.dataset.value)]),
      ),
      texts: Object.fromEntries([...row.querySelectorAll("[data-name]")].map((c) => [c.dataset.name, c.textContent])),
    }));
  }, setting);

/** Tab from the page's start until it comes round: how many of its controls that reached, and how many there are. */
async function tabThrough(page) {
  const wanted = await page.evaluate(() => {
    document.activeElement.blur();
    let number = 0;
    for (const node of document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")) {
      if (node.checkVisibility()) node.dataset.stop = number++;
    }
    return number;
  });
  const reached = new Set();
  for (let i = 0; i < wanted + 3; ++i) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate("document.activeElement.dataset.stop"));
  }
  reached.delete(undefined);
  return [reached.size, wanted];
}

/** Everything that reacts to a press can be reached by Tab, or holds what can. */
const untouchables = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("[onclick], .counted, .canvas-box")]
      .filter((node) => !node.matches("button, .canvas-box") && !node.querySelector("button"))
      .map((node) => node.outerHTML.slice(0, 80)),
  );

async function drag(page, from, to) {
  const session = await page.context().newCDPSession(page);
  const send = (type, points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  await send("touchStart", [from]);
  for (let i = 1; i <= 8; ++i) {
    await send("touchMove", [{ x: from.x + ((to.x - from.x) * i) / 8, y: from.y + ((to.y - from.y) * i) / 8 }]);
  }
  await send("touchEnd", []);
  await session.detach();
}

const tests = {
  async "played to its end, every number equals the report's: each stage, full and causal"() {
    const problems = [
      [],
      ["--causal"],
      ["--seq", "333", "--heads", "2", "--dim", "40", "--dtype", "fp16", "--sram", "32K", "--causal"],
    ];
    for (const problem of problems) {
      const json = report(...problem);
      for (const own of json.stages) {
        const what = [own.stage, ...problem].join(" ");
        const path = pageOf(own.stage, ...problem);
        check(statSync(path).size < 3e6, `${what}: less than 3 MB`);
        const page = await open(path);
        await playToTheEnd(page);
        const [shown] = await shownBytes(page);
        checkBytes(shown, own, json, what);
        const [machine] = await page.evaluate(
          "flashlab.player.views.map(({ machine: { peak, used } }) => ({ peak, used }))",
        );
        equal(machine, { peak: own.sram_peak_bytes, used: 0 }, `${what}: SRAM's peak; empty at the end`);
        const position = await page.textContent(".position");
        const length = await page.evaluate("flashlab.player.length.toLocaleString('en-US')");
        check(position.startsWith(`step ${length} of ${length} `), `${what}: the last step`, position);
        await checkReport(page, json, what);
        await close(page);
      }
    }
  },

  async "two stages run on one clock of bytes"() {
    const json = report();
    const page = await open(pageOf("naive", "--versus", "online-q"));
    const own = (slug) => json.stages.find(({ stage }) => stage === slug);
    const total = (slug) => (own(slug).hbm_read_bytes + own(slug).hbm_write_bytes) / 4;
    await page.evaluate((at) => flashlab.player.seek(at), total("online-q"));
    const at = await page.evaluate(
      "flashlab.player.views.map(({ film, machine }) => [film.movedBefore[machine.at], machine.at < film.length])",
    );
    equal(at[1], [total("online-q"), false], "online-q is done");
    const underWay = at[0][1] && at[0][0] <= total("online-q") && at[0][0] > 0.98 * total("online-q");
    check(underWay, "naive is under way, after as many bytes", at[0]);
    checkBytes((await shownBytes(page))[1], own("online-q"), json, "versus, in the middle: online-q");
    await page.keyboard.press("End");
    equal(await page.evaluate("flashlab.player.clock"), total("naive"), "the clock ends with naive's bytes");
    await page.keyboard.press("ArrowLeft");
    check((await page.evaluate("flashlab.player.clock")) < total("naive"), "a step back");
    await playToTheEnd(page);
    const shown = await shownBytes(page);
    checkBytes(shown[0], own("naive"), json, "versus: naive");
    checkBytes(shown[1], own("online-q"), json, "versus: online-q");
    await checkReport(page, json, "versus");
    await close(page);
  },

  async "the sliders' numbers are the program's, for many settings"() {
    const page = await open(pageOf("online-q"));
    for (const s of settings()) {
      const what = JSON.stringify(s);
      let want = null;
      let bound = null;
      try {
        want = report(...argumentsOf(s));
        const sweep = report(...argumentsOf({ ...s, N: 1 }).slice(2), "--sweep", `seq=${s.N}..${s.N + 1}:2`);
        bound = sweep.points[0].lower_bound_bytes;
      } catch (error) {
        equal(error.status, 2, `${what}: refused for want of SRAM`);
      }
      const naive = want?.stages.find(({ stage }) => stage === "naive");
      for (const { stage, refused, values, texts } of await whatIf(page, s)) {
        const own = want?.stages.find((row) => row.stage === stage);
        equal(refused, !own || own.refused !== undefined, `${what}: ${stage} refuses`);
        if (refused || !own) continue;
        for (const name of ["hbm_read_bytes", "hbm_write_bytes", "sram_peak_bytes", "hbm_footprint_bytes"]) {
          equal(values[name], own[name], `${what}: ${stage} ${name}`);
        }
        for (const name of ["floor_ms", "flops_per_byte", "wait_share"])
          near(values[name], own[name], `${what}: ${stage} ${name}`);
        const total = own.hbm_read_bytes + own.hbm_write_bytes;
        equal(values.hbm_bytes, total, `${what}: ${stage} total`);
        if (bound !== null) near(values.of_bound, total / bound, `${what}: ${stage} over the lower bound`);
        if (naive && !naive.refused)
          near(values.of_naive, total / (naive.hbm_read_bytes + naive.hbm_write_bytes), `${what}: ${stage} of naive`);
        equal(texts.tiles.replaceAll(",", ""), `${own.tile_rows} × ${own.tile_cols}`, `${what}: ${stage} tiles`);
        equal(texts.by, own.bound, `${what}: ${stage} is bound by`);
      }
    }
    // As a reader does it: the field, then the slider by keyboard.
    await page.getByLabel("N, exactly").fill("300000");
    await page.waitForFunction(() =>
      document.querySelector(".what-if tr[data-stage=fused]").classList.contains("refused"),
    );
    const said = await page.textContent(".what-if tr[data-stage=fused]");
    check(said.includes("whole row of S must fit"), "fused says why it cannot run", said);
    await page.getByLabel("M, exactly").fill("16");
    await page.waitForFunction(() =>
      document.querySelector(".explorer .story").textContent.startsWith("No stage can run"),
    );
    await page.getByRole("button", { name: "Back to the run above" }).click();
    await page.locator("#size-N").focus();
    const before = await page.evaluate("flashlab.explorer.setting.N");
    await page.keyboard.press("ArrowRight");
    check((await page.evaluate("flashlab.explorer.setting.N")) > before, "an arrow key moves the slider of N");
    await close(page);
  },

  async "a row's numbers end as the report's program computes them"() {
    const page = await open(pageOf("online-q", "--head", "2"));
    await page.locator(".pick input").fill("777");
    await page.keyboard.press("Tab");
    await page.evaluate("flashlab.player.jump(flashlab.player.length)");
    const said = await page.textContent(".story");
    check(said.startsWith("L = m + log l = "), "the last thing said of a row is its L", said);
    equal((await page.$$(".row-table tbody tr")).length, 5, "a line for each tile of columns");
    await close(page);
  },

  async "the keyboard alone plays, steps, jumps and reaches everything, on every kind of page"() {
    const page = await open(pageOf("online-q"));
    const machineAt = () => page.evaluate("flashlab.player.views[0].machine.at");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    equal(await machineAt(), 2, "two steps");
    await page.keyboard.press("ArrowLeft");
    equal(await machineAt(), 1, "one back");
    await page.keyboard.press("Space");
    check(await page.evaluate("flashlab.player.playing"), "space plays");
    await page.keyboard.press("Space");
    check(!(await page.evaluate("flashlab.player.playing")), "space pauses");
    await page.keyboard.press("End");
    equal(await page.evaluate("flashlab.player.views[0].machine.at === flashlab.player.length"), true, "End jumps");
    await page.keyboard.press("Home");
    equal(await machineAt(), 0, "Home too");
    const row = await page.evaluate("flashlab.player.views[0].picture.row");
    await page.keyboard.press("ArrowDown");
    equal(await page.evaluate("flashlab.player.views[0].picture.row"), row + 1, "an arrow picks the next row");
    const rate = await page.evaluate("flashlab.player.rate");
    await page.keyboard.press("]");
    check((await page.evaluate("flashlab.player.rate")) > rate, "] plays faster");
    equal(...(await tabThrough(page)), "Tab reaches every control of a stage");
    await close(page);

    const versus = await open(pageOf("naive", "--versus", "online-q"));
    equal(...(await tabThrough(versus)), "Tab reaches every control of two stages");
    await close(versus);

    const profile = await open(pageOf("--profile", programOf("transpose")));
    equal(...(await tabThrough(profile)), "Tab reaches every control of a profile");
    equal(await untouchables(profile), [], "what a press chooses, Tab reaches");
    await profile.locator("#launch").focus();
    await profile.keyboard.press("ArrowDown");
    equal(await profile.evaluate("flashlab.profile.launch"), 1, "an arrow chooses the second launch");
    await profile.locator("#heat").focus();
    await profile.keyboard.press("ArrowDown");
    equal(await profile.evaluate("flashlab.profile.heat"), "excess", "and what the lines are coloured by");
    const button = profile.locator(".line-button").first();
    await button.focus();
    await profile.keyboard.press("Enter");
    equal(await profile.textContent(".detail h2"), `Line ${await button.textContent()}`, "Enter chooses a line");
    await profile.locator(".lanes").first().focus();
    await profile.keyboard.press("ArrowDown");
    check(await profile.evaluate("document.activeElement.matches('.lanes')"), "the lanes are scrolled by keys");
    await close(profile);
  },

  async "a finger plays, scrubs, picks a row, moves a slider and chooses a line"() {
    const phone = { width: 390, height: 844, hasTouch: true, isMobile: true };
    const page = await open(pageOf("online-q"), phone);
    await page.getByRole("button", { name: "Play", exact: true }).tap();
    await page.waitForFunction(() => window.flashlab.player.playing && window.flashlab.player.clock > 0);
    await page.getByRole("button", { name: "Pause", exact: true }).tap();
    check(!(await page.evaluate("flashlab.player.playing")), "a second tap pauses");

    const scrub = await page.locator(".scrub").boundingBox();
    const y = scrub.y + scrub.height / 2;
    const atShare = (share) => ({ x: scrub.x + share * scrub.width, y });
    await drag(page, atShare(await page.evaluate("flashlab.player.clock / flashlab.player.length")), atShare(0.75));
    const share = await page.evaluate("flashlab.player.clock / flashlab.player.length");
    check(Math.abs(share - 0.75) < 0.05, "the scrubber follows the finger", share);

    const target = await page.evaluate(() => {
      const { picture } = window.flashlab.player.views[0];
      const box = picture.node.getBoundingClientRect();
      const q = picture.boxes[0];
      return { x: box.left + q.x + q.w / 2, y: box.top + q.y + q.h / 2 };
    });
    await page.touchscreen.tap(target.x, target.y);
    const row = await page.evaluate("flashlab.player.views[0].picture.row");
    check(Math.abs(row - 500) < 20, "a tap in the middle of Q picks its middle row", row);
    equal(await page.locator(".pick input").inputValue(), String(row), "whose number stands in its field");

    const slider = page.locator("#size-N");
    await slider.scrollIntoViewIfNeeded();
    const box = await slider.boundingBox();
    const before = await page.evaluate("flashlab.explorer.setting.N");
    await drag(
      page,
      { x: box.x + box.width / 2, y: box.y + box.height / 2 },
      { x: box.x + 0.9 * box.width, y: box.y + box.height / 2 },
    );
    check((await page.evaluate("flashlab.explorer.setting.N")) > before, "the slider of N follows the finger");
    await close(page);

    const profile = await open(pageOf("--profile", programOf("transpose")), phone);
    const line = profile.locator("tr.counted").first();
    await line.locator(".code-text").tap({ position: { x: 4, y: 4 } });
    equal(
      await profile.textContent(".detail h2"),
      `Line ${await line.getAttribute("data-line")}`,
      "a tap chooses a line",
    );
    await close(profile);
  },

  async "axe finds nothing serious and no page scrolls sideways, from a phone to a wall, in light and dark"() {
    const change = (some) => (page) =>
      page.evaluate((some) => {
        window.flashlab.explorer.change(some);
        return new Promise(requestAnimationFrame);
      }, some);
    const pickRow = (page) =>
      page.evaluate("flashlab.player.seek(Math.floor(flashlab.player.length / 2)); flashlab.player.pickRow(30)");
    const transpose = programOf("transpose");
    const kinds = [
      ["a stage with its charts", pageOf("online-q"), () => {}],
      ["a row picked, on the way", pageOf("online-q"), pickRow],
      ["N too large for fused", pageOf("online-q"), change({ N: 300000 })],
      ["M too small for any", pageOf("online-q"), change({ N: 1000, M: 16 })],
      ["two stages", pageOf("naive", "--versus", "online-q"), pickRow],
      [
        "more events than a film holds",
        pageOf("naive", "--seq", "8000", "--dim", "16", "--br", "16", "--bc", "16", "--count-only"),
        () => {},
      ],
      ["a profile", pageOf("--profile", transpose), () => {}],
      ["a profile without caches", pageOf("--profile", transpose, "--device", "none"), () => {}],
      ["a profile with a finding", pageOf("--profile", programOf("off_by_one")), () => {}],
    ];
    let page = null;
    let opened = null;
    for (const [what, path, prepare] of kinds) {
      if (path !== opened) {
        if (page) await close(page);
        page = await open(path);
        opened = path;
      }
      await prepare(page);
      for (const width of [390, 1280, 2560]) {
        await page.setViewportSize({ width, height: 900 });
        for (const scheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme: scheme });
          await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
          const beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
          check(beyond <= 0, `${what} at ${width} px scrolls sideways by ${beyond} px`);
          equal(await seriousFindings(page), [], `${what} at ${width} px, ${scheme}: axe`);
        }
      }
    }
    await close(page);
  },

  async "what cannot be played or mended is said, and nothing false beside it"() {
    const page = await open(
      pageOf("naive", "--seq", "8000", "--dim", "16", "--br", "16", "--bc", "16", "--count-only"),
    );
    const said = await page.textContent(".player");
    check(said.includes("too many to play"), "a film of too many steps says so", said);
    equal(await page.locator(".player :is(button, canvas, table)").count(), 0, "and shows no player of nothing");
    await page.evaluate("flashlab.explorer.change({ M: 16 })");
    await page.waitForFunction(() => document.querySelectorAll(".what-if tr.refused").length === 5);
    equal(await page.locator(".charts svg").count(), 5, "with every stage refused, the charts are still drawn");
    await close(page);
    const profile = await open(pageOf("--profile", programOf("off_by_one")));
    check((await profile.textContent(".findings")).includes("out of bounds in fill"), "a finding is shown");
    check((await profile.textContent(".profile")).includes("Mend the findings first"), "and comes before advice");
    await close(profile);
  },

  async "a profile's lines show the counters of flashlab profile, and lanes"() {
    for (const program of ["transpose", "qkt_tiled"]) {
      const rest = program === "qkt_tiled" ? ["--", "64"] : [];
      const path = programOf(program);
      const want = JSON.parse(flashlab("profile", path, "--lines", "--json", ...rest));
      const page = await open(pageOf("--profile", path, ...rest));
      const launches = await page.evaluate("flashlab.data.launches");
      equal(launches.length, want.launches.length, `${program}: as many launches`);
      for (const [i, launch] of want.launches.entries()) {
        const what = `${program}, launch ${i}`;
        for (const [name, value] of Object.entries(launches[i].metrics))
          equal(value, launch.metrics[name], `${what}: ${name}`);
        if (launches.length > 1) await page.locator("#launch").selectOption(String(i));
        const shown = await page.$$eval("tr.counted", (rows) =>
          rows.map((row) => [
            Number(row.dataset.line),
            ...[...row.querySelectorAll("td")].slice(0, 4).map((cell) => cell.textContent),
          ]),
        );
        const lines = [...new Set(launch.lines.map(({ line }) => line))].sort((a, b) => a - b);
        const ratio = (rows, name) => {
          const sum = (name) => rows.reduce((sum, row) => sum + row[name], 0);
          return rows.length === 0 ? "" : String(Number((sum(name) / sum("requests")).toPrecision(3)));
        };
        equal(
          shown,
          lines.map((line) => {
            const rows = launch.lines.filter((row) => row.line === line);
            const sum = (name) => rows.reduce((sum, row) => sum + row[name], 0).toLocaleString("en-US");
            const of = (memory) => rows.filter((row) => row.memory === memory);
            return [
              line,
              sum("requests"),
              ratio(of("global"), "sectors"),
              ratio(of("shared"), "wavefronts"),
              sum("bank_conflicts") === "0" ? "" : sum("bank_conflicts"),
            ];
          }),
          `${what}: the counters beside the source`,
        );
        for (const row of launch.lines) {
          const sites = launches[i].sites.filter(
            (s) => s.line === row.line && s.op === row.operation && s.memory === row.memory,
          );
          for (const name of ["requests", "sectors", "wavefronts", "bank_conflicts", "bytes"]) {
            equal(
              sites.reduce((sum, s) => sum + s[name], 0),
              row[name],
              `${what}, line ${row.line} ${row.memory} ${row.operation}: ${name}`,
            );
          }
        }
        const hit = launch.metrics["l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_hit.sum"];
        const missed = launch.metrics["l1tex__t_sectors_pipe_lsu_mem_global_op_ld_lookup_miss.sum"];
        const fetched = launch.metrics["dram__bytes_read.sum"] / 32;
        equal(
          await page.$$eval(".caches-table tr td:first-of-type", (cells) => cells.map((c) => c.textContent)),
          [hit + missed, hit, missed - fetched, fetched].map((value) => value.toLocaleString("en-US")),
          `${what}: through the caches`,
        );
      }
      check((await page.$$(".lanes-table")).length > 0, `${program}: a line's lanes are shown`);
      await close(page);
    }
  },

  async "without JavaScript there are a picture and the numbers"() {
    const own = report();
    const page = await open(pageOf("online-q"), { javaScriptEnabled: false });
    const text = await page.innerText("main");
    for (const row of own.stages) {
      for (const name of ["hbm_read_bytes", "hbm_write_bytes", "sram_peak_bytes", "hbm_footprint_bytes"]) {
        check(text.includes(row[name].toLocaleString("en-US")), `${row.stage}'s ${name} is in the page`);
      }
    }
    check(await page.locator("main svg").first().isVisible(), "the picture is there");
    await close(page);
    const profile = await open(pageOf("--profile", programOf("transpose")), { javaScriptEnabled: false });
    check((await profile.innerText("main")).includes("16,384"), "and a profile's counters");
    await close(profile);
  },

  async "it paints at once, and plays within what a frame may cost"() {
    const paints = [];
    for (let i = 0; i < 3; ++i) {
      const page = await open(pageOf("online-q"));
      paints.push(
        await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity"),
      );
      await close(page);
    }
    const paint = Math.min(...paints); // another program on the machine only adds
    check(paint < 1000, `first paint after ${Math.round(paint)} ms`);
    console.log(
      `first paint after ${Math.round(paint)} ms, ${(statSync(pageOf("online-q")).size / 1e6).toFixed(2)} MB`,
    );
    for (const [what, args, speed] of [
      ["naive", ["naive"], 0],
      ["online-q", ["online-q"], 0],
      ["online-q, a step at a time", ["online-q"], -2],
      ["two stages", ["naive", "--versus", "online-q"], 0],
    ]) {
      const page = await open(pageOf(...args));
      await page.evaluate((speed) => {
        const { player } = window.flashlab;
        player.speedInput.value = speed;
        player.speedInput.dispatchEvent(new Event("input"));
        player.play();
      }, speed);
      await page.waitForTimeout(500);
      const { perSecond, main, all } = await costOfFrames(page, 2500);
      check(await page.evaluate("flashlab.player.playing"), `${what}: it still plays`);
      check(main < MAIN_BUDGET_MS, `${what}: a frame costs the page's thread ${main.toFixed(2)} ms`);
      check(all < ALL_BUDGET_MS, `${what}: a frame costs all threads ${all.toFixed(2)} ms`);
      console.log(
        `${what}: ${perSecond.toFixed(1)} frames a second; one costs the page's thread ${main.toFixed(2)} ms, ` +
          `all threads ${all.toFixed(2)} ms of CPU time (load ${loadavg()[0].toFixed(1)})`,
      );
      await close(page);
    }
  },

  async "at 100,000 events it scrubs without lag"() {
    const page = await open(
      pageOf("naive", "--seq", "1500", "--dim", "16", "--br", "16", "--bc", "16", "--count-only"),
    );
    const events = await page.evaluate("flashlab.player.length");
    check(events > 100000, `a long film: ${events} events`);
    const jumps = 100;
    const { main } = await costOf(() =>
      page.evaluate(async (jumps) => {
        const { player } = window.flashlab;
        for (let i = 0; i < jumps; ++i) {
          player.seek(Math.floor((player.length * ((i * 37) % jumps)) / jumps));
          await new Promise(requestAnimationFrame);
        }
      }, jumps),
    );
    const jump = main / jumps;
    check(jump < 2 * FRAME_MS, `a jump, painted, costs ${jump.toFixed(1)} ms`);
    // A hand on the scrubber: how long after a move of the pointer its picture is painted.
    const box = await page.locator(".scrub").boundingBox();
    await page.evaluate(() => {
      window.lags = [];
      document
        .querySelector(".scrub")
        .addEventListener("input", (event) =>
          requestAnimationFrame(() => setTimeout(() => window.lags.push(performance.now() - event.timeStamp))),
        );
    });
    await page.mouse.move(box.x + 10, box.y + box.height / 2);
    await page.mouse.down();
    for (let i = 0; i < 40; ++i)
      await page.mouse.move(box.x + 10 + (((i * 17) % 40) * (box.width - 20)) / 40, box.y + box.height / 2);
    await page.mouse.up();
    const lags = await page.evaluate(
      "new Promise((done) => setTimeout(() => done(window.lags.sort((a, b) => a - b)), 200))",
    );
    check(lags.length > 20, `the scrubber follows the pointer: ${lags.length} moves`);
    const median = lags[lags.length >> 1];
    check(median < 100, `half of the moves are painted later than ${median.toFixed(0)} ms`);
    console.log(
      `${events.toLocaleString("en-US")} events: a jump anywhere costs ${jump.toFixed(1)} ms of CPU time; ` +
        `dragged, it is painted after ${median.toFixed(0)} ms (load ${loadavg()[0].toFixed(1)})`,
    );
    await close(page);
  },

  async "who asks for less motion gets still pictures"() {
    const page = await open(pageOf("online-q"), { motion: "reduce" });
    const [pictures, between] = await page.evaluate(
      () =>
        new Promise((done) => {
          const { player } = window.flashlab;
          const [view] = player.views;
          const show = view.show.bind(view);
          let pictures = 0;
          let between = 0;
          view.show = (at, progress, tell) => {
            pictures += 1;
            if (progress !== 1) between += 1;
            show(at, progress, tell);
          };
          player.play();
          setTimeout(() => {
            player.pause();
            done([pictures, between]);
          }, 1500);
        }),
    );
    check(pictures <= 6 && between === 0, `${pictures} pictures in 1.5 s, ${between} of them on the way`);
    await close(page);
  },
};

await run(tests);
