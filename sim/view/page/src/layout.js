// Where the matrices stand, to one scale: S and P are N × N, the others N × d.

import { TENSORS } from "./film.js";

const [Q, K, V, S, P, O, STATS] = TENSORS.map((_, index) => index);
const THINNEST = 5; // px: thinner than this, a matrix is drawn wider than to scale

/** boxes[tensor]: {x, y, w, h, sx, sy, transposed}: px of a box and px a row and a column. */
function box(x, y, film, columns, scale, { transposed = false, thin = false } = {}) {
  const along = film.N * scale;
  const across = thin ? THINNEST : Math.max(columns * scale, THINNEST);
  const wide = columns === film.N && !thin;
  const w = transposed ? along : wide ? along : across;
  const h = transposed ? across : along;
  return { x, y, w, h, transposed, perRow: scale, perColumn: wide ? scale : across / Math.max(1, thin ? 1 : columns) };
}

function wide(film, width, height, font, hasStats) {
  const gap = 1.4 * font;
  const label = 1.5 * font;
  const gaps = 4 * gap + (hasStats ? gap + font : 0);
  const acrossPx = (scale) => Math.max(film.d * scale, THINNEST);
  let scale = Math.min((width - gaps - THINNEST) / (2 * film.N + 3 * film.d), (height - 3 * label) / (film.N + film.d));
  while (2 * film.N * scale + 3 * acrossPx(scale) + gaps + THINNEST > width) scale *= 0.98;
  const a = acrossPx(scale);
  const n = film.N * scale;
  const total = 2 * n + 3 * a + 4 * gap + (hasStats ? gap + THINNEST + font : 0);
  let x = Math.max(0, (width - total) / 2);
  const y = label + a + label;
  const boxes = [];
  boxes[Q] = box(x, y, film, film.d, scale);
  x += a + gap;
  boxes[K] = box(x, label, film, film.d, scale, { transposed: true });
  boxes[S] = box(x, y, film, film.N, scale);
  x += n + gap;
  boxes[P] = box(x, y, film, film.N, scale);
  x += n + gap;
  boxes[V] = box(x, y, film, film.d, scale);
  x += a + gap;
  boxes[O] = box(x, y, film, film.d, scale);
  x += a + gap;
  boxes[STATS] = box(x, y, film, 1, scale, { thin: true });
  return { boxes, bottom: y + n + label, label };
}

function tall(film, width, height, font, hasStats) {
  const gap = 1.2 * font;
  const label = 1.5 * font;
  const a0 = (scale) => Math.max(film.d * scale, THINNEST);
  let scale = Math.min((width - 4 * gap) / (film.N + 2 * film.d), (height - 4 * label) / (2 * film.N + film.d));
  while (film.N * scale + 2 * a0(scale) + 2 * gap + (hasStats ? gap + THINNEST + font : 0) > width) scale *= 0.98;
  const a = a0(scale);
  const n = film.N * scale;
  const boxes = [];
  const left = Math.max(0, (width - (n + 2 * a + 2 * gap + (hasStats ? gap + THINNEST + font : 0))) / 2);
  const y = label + a + label;
  boxes[Q] = box(left, y, film, film.d, scale);
  boxes[K] = box(left + a + gap, label, film, film.d, scale, { transposed: true });
  boxes[S] = box(left + a + gap, y, film, film.N, scale);
  const y2 = y + n + label;
  boxes[P] = box(left, y2, film, film.N, scale);
  boxes[V] = box(left + n + gap, y2, film, film.d, scale);
  boxes[O] = box(left + n + gap + a + gap, y2, film, film.d, scale);
  boxes[STATS] = box(left + n + 2 * gap + 2 * a + gap, y2, film, 1, scale, { thin: true });
  return { boxes, bottom: y2 + n + label, label };
}

/** S and P side by side, or on a phone one above the other; `height` is what the matrices may take. */
export function arrange(film, width, height, font, hasStats) {
  return width < 30 * font ? tall(film, width, 2 * height, font, hasStats) : wide(film, width, height, font, hasStats);
}

/** The rectangle of rows × columns of a tensor, in px; at least a px each way. */
export function rectangle(boxes, tensor, place) {
  const b = boxes[tensor];
  const along = place.row * b.perRow;
  const across = place.column * b.perColumn;
  const alongSize = Math.max(1, place.rows * b.perRow);
  const acrossSize = Math.max(1, Math.min(place.columns * b.perColumn, b.transposed ? b.h : b.w));
  return b.transposed
    ? { x: b.x + along, y: b.y + across, w: alongSize, h: acrossSize }
    : { x: b.x + across, y: b.y + along, w: acrossSize, h: alongSize };
}
