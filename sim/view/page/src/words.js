// What an event does, in a sentence.

import { TENSORS } from "./film.js";
import { bytes, count, range } from "./format.js";

export const nameOf = (tensor) => (TENSORS[tensor] === "stats" ? "m, l" : TENSORS[tensor]);

const OPERATIONS = {
  scores: "S = Q Kᵀ / √d",
  raise_max: "m ← max(m, largest of the row of S); α = exp(old m − new m)",
  exponentiate: "P = exp(S − m), in place of S",
  add_row_sums: "l ← α·l + sum of the row of P",
  scale_rows: "O ← O times a factor a row: the old sum, under the new maximum",
  divide_rows: "each row divided by its sum l",
  add_product: "O ← O + P V",
  log_sum: "L = m + log l, for the backward pass",
};

export function sentence(film, at) {
  if (film.length === 0) return film.leftOut;
  if (at === 0) return "Nothing has moved yet: SRAM is empty.";
  const event = at - 1;
  const act = film.act(event);
  const place = film.place(film.placeOf[event]);
  const name = nameOf(act.tensor);
  const square = act.tensor === 3 || act.tensor === 4;
  const where =
    range("row", place.row, place.rows) + (square ? `, ${range("column", place.column, place.columns)}` : "");
  if (act.kind === "load") return `HBM → SRAM: ${name}, ${where}: ${count(act.bytes)} B`;
  if (act.kind === "store") return `SRAM → HBM: ${name}, ${where}: ${count(act.bytes)} B`;
  if (act.kind === "allocate") return `Room in SRAM for ${name}, ${where}: ${bytes(act.bytes)}`;
  if (act.kind === "free") return `${name}, ${where} leaves SRAM: ${bytes(act.bytes)} are free again`;
  return `In SRAM, ${where}: ${OPERATIONS[act.operation] ?? act.operation}`;
}
