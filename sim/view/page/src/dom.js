// Elements, made and filled.

/** element("p", { class: "note", onclick: f }, "text", child, …) */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** The head of a table, a column a word. */
export function tableHead(...columns) {
  const cells = columns.map((column) => element("th", { scope: "col" }, column));
  return element("thead", {}, element("tr", {}, ...cells));
}

/** Changes a text only where it differs: a frame touches dozens of them. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Whether the reader's system asks for less motion. */
export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
