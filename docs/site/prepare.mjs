// Writes what Doxygen wants beside its configuration: layout.xml (the sidebar), header.html, and the list of pages.
//   node prepare.mjs OUT        in the root of the tree; OUT: the folder of the build

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bookPages, chaptersOf, groupsOf, labelOf, titleOf } from "./pages.mjs";

const root = process.cwd();
const out = process.argv[2];
mkdirSync(out, { recursive: true });

const attribute = (text) =>
  text.replace(/[`$*]/g, "").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
const page = (path) => `<tab type="user" url="@ref ${labelOf(path)}" title="${attribute(titleOf(root, path))}"/>`;
const group = (title, url, inside) =>
  `<tab type="usergroup" url="${url}" title="${attribute(title)}">\n${inside.join("\n")}\n</tab>`;

const chapters = chaptersOf(root).map(({ path, lab }) =>
  lab ? group(titleOf(root, path), `@ref ${labelOf(path)}`, [page(lab)]) : page(path),
);
const [contents, ...others] = bookPages(root);
const sidebar = [
  '<tab type="mainpage" visible="no" title=""/>',
  group(titleOf(root, contents), `@ref ${labelOf(contents)}`, [...chapters, ...others.map(page)]),
  ...groupsOf(root)
    .filter(([, paths]) => paths.length > 0)
    .map(([title, paths]) => group(title, "[none]", paths.map(page))),
  group("API", "[none]", [
    '<tab type="classlist" title="Classes"/>',
    '<tab type="namespacemembers" title="Functions and constants"/>',
    '<tab type="filelist" title="Files"/>',
  ]),
];

// Doxygen's own defaults, with our sidebar.
const scratch = join(out, "defaults");
mkdirSync(scratch, { recursive: true });
const doxygen = (...args) => execFileSync("doxygen", args, { cwd: scratch, stdio: ["ignore", "ignore", "ignore"] });
doxygen("-l", "layout.xml");
const layout = readFileSync(join(scratch, "layout.xml"), "utf8");
writeFileSync(
  join(out, "layout.xml"),
  layout.replace(/<navindex>[\s\S]*<\/navindex>/, () => `<navindex>\n${sidebar.join("\n")}\n</navindex>`),
);

doxygen("-w", "html", "header.html", "footer.html", "style.css");
const header = readFileSync(join(scratch, "header.html"), "utf8")
  .replace(/<!DOCTYPE[^>]*>/, "<!DOCTYPE html>")
  .replace(/<html[^>]*>/, '<html lang="en">')
  .replace(/<meta http-equiv="X-UA-Compatible"[^>]*>\n/, "")
  .replace("$extrastylesheet", '$extrastylesheet\n<meta name="color-scheme" content="light dark"/>');
writeFileSync(join(out, "header.html"), header);
