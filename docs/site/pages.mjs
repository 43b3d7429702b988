// The pages of the site: which Markdown files they are, in which order, and the names they bear there.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** The label of a page, which is also the name of its HTML file: "chapter-online-softmax". */
export function labelOf(path) {
  if (path === "README.md") return "index";
  const chapter = path.match(/^chapters\/(\d\d)-([^/]+)\/(.*)README\.md$/);
  if (chapter && chapter[3] === "") return `chapter-${chapter[2]}`;
  if (chapter && chapter[3] === "lab/") return `lab-${chapter[2]}`;
  if (path.startsWith("docs/")) return path.slice(5, -3).replaceAll("/", "-");
  return path.replace(/\.md$/, "").replaceAll("/", "-").toLowerCase();
}

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading) {
  return heading
    .replace(/<[^>]*>/g, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}

/** Headings outside of code: [{level, text, line}]. */
export function headingsOf(text) {
  const headings = [];
  let fence = null;
  text.split("\n").forEach((line, number) => {
    const ticks = line.match(/^\s*(`{3,})/)?.[1];
    if (ticks && fence === null) fence = ticks;
    else if (ticks && ticks.length >= fence.length && line.trim() === ticks) fence = null;
    else if (fence === null) {
      const heading = line.match(/^(#{1,6})\s+(.*?)\s*#*$/);
      if (heading) headings.push({ level: heading[1].length, text: heading[2], line: number });
    }
  });
  return headings;
}

export function titleOf(root, path) {
  const title = headingsOf(readFileSync(join(root, path), "utf8")).find((heading) => heading.level === 1);
  if (!title) throw new Error(`${path}: has no title: a line "# …" is wanted`);
  return title.text;
}

/** Chapters in order: {path, lab}, lab null where there is none. */
export function chaptersOf(root) {
  const folder = join(root, "chapters");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d\d-/.test(name) && existsSync(join(folder, name, "README.md")))
    .sort()
    .map((name) => {
      const lab = `chapters/${name}/lab/README.md`;
      return { path: `chapters/${name}/README.md`, lab: existsSync(join(root, lab)) ? lab : null };
    });
}

/** What stands beside the book, in the order of the sidebar. A page of docs/ that is not named here is found too. */
const kGroups = [
  [
    "Guides",
    [
      "docs/profile.md",
      "docs/programs.md",
      "docs/view.md",
      "docs/labs.md",
      "docs/courses.md",
      "docs/bench.md",
      "docs/devices.md",
    ],
  ],
  ["Validation", ["docs/validation.md", "docs/replay-model.md", "docs/micro-kernels.md", "docs/formulas.md"]],
  ["Build on it", ["docs/api.md", "docs/add-a-stage.md", "docs/add-a-device.md", "docs/writing.md"]],
];
const kBook = ["docs/book.md", "docs/essay.md", "docs/figures.md", "docs/glossary.md", "docs/references.md"];

export function groupsOf(root) {
  const named = new Set([...kBook, ...kGroups.flatMap(([, paths]) => paths)]);
  const rest = readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md") && !named.has(`docs/${name}`))
    .map((name) => `docs/${name}`)
    .sort();
  return kGroups.map(([title, paths], i) => [
    title,
    (i === 0 ? [...paths, ...rest] : paths).filter((path) => existsSync(join(root, path))),
  ]);
}

export function bookPages(root) {
  return kBook.filter((path) => existsSync(join(root, path)));
}

/** Every Markdown file of the site. */
export function allPages(root) {
  const extra = ["sim/data/README.md"].filter((path) => existsSync(join(root, path)));
  return [
    "README.md",
    ...bookPages(root),
    ...chaptersOf(root).flatMap(({ path, lab }) => (lab ? [path, lab] : [path])),
    ...groupsOf(root).flatMap(([, paths]) => paths),
    ...extra,
  ];
}

export function isFile(path) {
  return existsSync(path) && statSync(path).isFile();
}
