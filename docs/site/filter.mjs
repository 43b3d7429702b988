// Doxygen's input filter for Markdown: what GitHub reads becomes what Doxygen 1.9.4 reads, line for line, so that its
// warnings name the lines of the source. Called with one file; the root of the tree is the folder it is called in.

import { readFileSync } from "node:fs";
import { basename, dirname, join, normalize, relative, resolve } from "node:path";
import { allPages, anchorOf, chaptersOf, isFile, labelOf, titleOf } from "./pages.mjs";

const root = process.cwd();
const file = relative(root, resolve(process.argv[2]));
const pages = new Set(allPages(root));
const label = labelOf(file);
const isApi = (path) =>
  /^(sim|cuda\/kernels)\/.*\.(hpp|cuh)$/.test(path) && !/^sim\/(cli|simt\/(include|compile|runtime))\//.test(path);

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** A link's target as the site has it: {ref} for a page or a source file, {href} for others, {} for none. */
function target(link) {
  if (/^[a-z]+:/.test(link)) return { href: link };
  const [path, anchor] = link.split("#");
  const to = path === "" ? file : normalize(join(dirname(file), path)).replace(/\/$/, "");
  const page = pages.has(to) ? to : pages.has(`${to}/README.md`) ? `${to}/README.md` : null;
  if (page) {
    const name = labelOf(page);
    return { href: `${name}.html${anchor ? `#${name}--${anchor}` : ""}` };
  }
  if (isApi(to)) return { ref: to };
  return isFile(join(root, to)) ? { href: `tree/${to}` } : {};
}

function link(text, to) {
  const { ref, href } = target(to);
  if (href) return `<a href="${href}">${text}</a>`;
  return ref ? `<a href="@@${ref}@@">${text}</a>` : text;
}

/** Past Doxygen's Markdown, which ends code at an apostrophe. */
const raw = (code) => `@htmlonly<code>${escaped(code)}</code>@endhtmlonly`;
const codeSpan = (text) => (/['`]/.test(text) ? raw(text) : `\`${text}\``);

/** Text between code and formulas: links and pictures. */
function prose(text) {
  return text
    .replace(/<a (?:id|name)="([^"]+)">/g, (all, name) => `<a name="${label}--${name}">`)
    .replace(/!\[([^\]]*)\]\(([^)\s]+)\)/g, (all, alt, path) => {
      if (/^[a-z]+:/.test(path)) throw new Error(`${file}: a picture from outside: ${path}`);
      const name = escaped(alt).replaceAll('"', "&quot;");
      const image = `<img class="figure" src="figures/${basename(path)}" alt="${name}">`;
      return `<span class="figure" tabindex="0">${image}</span>`;
    })
    .replace(/\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)/g, (all, text, to) => link(text, to));
}

/** One line outside of code blocks. Code spans stay; formulas become Doxygen's. */
let display = false; // inside $$ … $$
function inline(line) {
  let result = "";
  // Bold around code or a link is none to Doxygen.
  let rest = line
    .replace(/\*\*((?:[^*`]|`[^`]*`)*`[^`]*`(?:[^*`]|`[^`]*`)*)\*\*/g, "<b>$1</b>")
    .replace(/\*\*(\[[^[\]`*]*\]\([^()\s]+\))\*\*/g, "<b>$1</b>");
  while (rest !== "") {
    if (display) {
      const end = rest.indexOf("$$");
      if (end < 0) return result + rest;
      result += `${rest.slice(0, end)}\\f]`;
      rest = rest.slice(end + 2);
      display = false;
      continue;
    }
    const at = rest.search(/`|\$/);
    if (at < 0) return result + prose(rest);
    // A link may hold code: [`a`](b). It is taken as a whole.
    const whole = rest.match(/!?\[(?:[^[\]]|\[[^\]]*\])*\]\([^()\s]+\)/);
    if (whole && whole.index < at && whole.index + whole[0].length > at) {
      result += prose(rest.slice(0, whole.index + whole[0].length));
      rest = rest.slice(whole.index + whole[0].length);
      continue;
    }
    result += prose(rest.slice(0, at));
    rest = rest.slice(at);
    if (rest.startsWith("$$")) {
      result += "\\f[";
      rest = rest.slice(2);
      display = true;
    } else if (rest[0] === "$") {
      const end = rest.indexOf("$", 1);
      if (end < 0) return result + rest;
      result += `\\f$${rest.slice(1, end)}\\f$`;
      rest = rest.slice(end + 1);
    } else {
      const ticks = rest.match(/^`+/)[0];
      const end = rest.indexOf(ticks, ticks.length);
      if (end < 0) return result + rest;
      result += codeSpan(rest.slice(ticks.length, end).trim());
      rest = rest.slice(end + ticks.length);
    }
  }
  return result;
}

/** What a marker says to a reader of the site: which command printed this, or where this code stands. */
function caption(marker) {
  const output = marker.match(/^<!-- output[^:]*: (.*) -->$/);
  if (output) {
    // Word by word: a line must not end within "--count-only".
    const words = escaped(output[1].replace(/^\.\//, ""))
      .split(" ")
      .map((word) => `<span>${word}</span>`);
    return `@htmlonly[block]<span class="from"><code>${words.join(" ")}</code></span>@endhtmlonly`;
  }
  const snippet = marker.match(/^<!-- snippet[^:]*: ([^#\s]*)(#(.*))? -->$/);
  if (!snippet) return "";
  const { ref, href } = isApi(snippet[1]) ? { ref: snippet[1] } : { href: `tree/${snippet[1]}` };
  return `<span class="from source"><a href="${ref ? `@@${ref}@@` : href}">${codeSpan(snippet[1])}</a></span>`;
}

// A link that is broken over two lines becomes two links, one a line: Doxygen loses the rest of the page otherwise.
const lines = readFileSync(join(root, file), "utf8")
  .replace(/\[([^[\]\n]+)\n([^[\]\n]+)\]\(([^()\s]+)\)/g, "[$1]($3)\n[$2]($3)")
  .split("\n");
const out = [];
let fence = null; // backquotes of the open code block
let comment = false;
let note = false;
const seen = new Map();
for (const line of lines) {
  const ticks = line.match(/^\s*(`{3,})/)?.[1];
  if (fence !== null) {
    if (ticks && ticks.length >= fence.length && line.trim() === ticks) fence = null;
    // Doxygen knows three backquotes only, and its endings of files for names.
    out.push(fence === null ? line.replace(/`+/, "```") : line.replaceAll("```", "` ` `"));
    continue;
  }
  if (ticks && !comment) {
    fence = ticks;
    const language =
      { cpp: "{.cpp}", cuda: "{.cpp}", python: "{.py}" }[line.trim().slice(ticks.length)] ?? "{.unparsed}";
    out.push(`${line.slice(0, line.indexOf("`"))}\`\`\`${language}`);
    continue;
  }
  if (comment || line.trimStart().startsWith("<!--")) {
    comment = !line.trimEnd().endsWith("-->");
    const said = caption(line.trim());
    out.push(said === "" ? "" : line.slice(0, line.indexOf("<")) + said);
    continue;
  }
  // Doxygen 1.9.4 closes <details> with the paragraph of its summary, and opens a nameless one for what is folded away.
  const folded = line.match(/^(\s*)(<details><summary>.*<\/summary>|<\/details>)$/);
  if (folded) {
    out.push(`${folded[1]}@htmlonly[block]${folded[2]}@endhtmlonly`);
    continue;
  }
  const heading = line.match(/^(#{1,6})\s+(.*?)\s*#*$/);
  if (heading) {
    const [, hashes, text] = heading;
    const base = anchorOf(text);
    const count = seen.get(base) ?? 0;
    seen.set(base, count + 1);
    // No formulas and no links in titles: Doxygen shows them in lists as they are typed.
    const plain = text.replace(/`/g, "").replace(/\$/g, "");
    if (hashes === "#") out.push(file === "README.md" ? `# ${plain} {#mainpage}` : `# ${plain} {#${label}}`);
    else out.push(`${hashes} ${plain} {#${label}--${base}${count ? `-${count}` : ""}}`);
    continue;
  }
  const quote = line.match(/^> ?(.*)$/);
  const kind = quote?.[1].match(/^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]$/)?.[1];
  if (kind) {
    note = true;
    out.push(
      { NOTE: "@note", TIP: "@remark", IMPORTANT: "@attention", WARNING: "@warning", CAUTION: "@warning" }[kind],
    );
    continue;
  }
  if (note && quote) {
    out.push(inline(quote[1]));
    continue;
  }
  note = false;
  out.push(inline(line));
}

// The way through the book, at the foot of each chapter.
const chapters = chaptersOf(root);
const here = chapters.findIndex(({ path }) => path === file);
if (here >= 0) {
  const step = (chapter, kind, arrow) =>
    chapter
      ? `<a class="${kind}" href="${labelOf(chapter.path)}.html">${arrow(escaped(titleOf(root, chapter.path)))}</a>`
      : "<span></span>";
  const previous = step(chapters[here - 1], "previous", (title) => `← ${title}`);
  const next = step(chapters[here + 1], "next", (title) => `${title} →`);
  while (out.length > 0 && out.at(-1).trim() === "") out.pop();
  out.push("", `@htmlonly[block]<nav class="chapters" aria-label="Chapters">${previous}${next}</nav>@endhtmlonly`, "");
}
process.stdout.write(out.join("\n"));
