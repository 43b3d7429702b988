// Every link of the site leads to a page and an anchor of the site, and nothing is fetched from elsewhere.
//   node check_links.mjs HTML

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const html = process.argv[2];
const names = readdirSync(html, { recursive: true }).filter((name) => name.endsWith(".html"));
const texts = new Map(names.map((name) => [name, readFileSync(join(html, name), "utf8")]));
const anchors = new Map(
  [...texts].map(([name, text]) => [
    name,
    new Set([...text.matchAll(/\s(?:id|name)="([^"]+)"/g)].map((match) => match[1])),
  ]),
);

const wrong = [];
let links = 0;
for (const [name, text] of texts) {
  const visible = text.replace(/<script[\s\S]*?<\/script>/g, "");
  for (const [, attribute, link] of text.matchAll(
    /<(?:script|img|link|iframe|object|source)\b[^>]*\s(src|href|data)="([^"]+)"/g,
  )) {
    if (/^(https?:)?\/\//.test(link)) wrong.push(`${name}: fetches ${link} (${attribute})`);
  }
  for (const [, raw] of visible.matchAll(/<(?:a|img)\b[^>]*\s(?:href|src)="([^"]+)"/g)) {
    const link = raw.replaceAll("&amp;", "&");
    if (/^[a-z]+:/.test(link)) continue;
    ++links;
    const [path, anchor] = link.split("#");
    const to = path === "" ? name : normalize(join(dirname(name), decodeURIComponent(path)));
    if (!existsSync(join(html, to)) || statSync(join(html, to)).isDirectory())
      wrong.push(`${name}: leads nowhere: ${link}`);
    else if (anchor && anchors.has(to) && !anchors.get(to).has(decodeURIComponent(anchor)))
      wrong.push(`${name}: no such anchor: ${link}`);
  }
}
if (links < 100) wrong.push(`only ${links} links found: is this the site?`);
for (const line of new Set(wrong)) console.error(line);
console.log(`${names.length} pages, ${links} links, ${new Set(wrong).size} wrong`);
process.exit(wrong.length > 0 ? 1 : 0);
