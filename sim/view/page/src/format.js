// Numbers for people, as the program prints them.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** 1234567 → "1,234,567" */
export const count = (value) => grouped.format(value);

/** 268435456 → "256.0 MiB"; below 1 KiB "512 B" */
export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** 1.53e9 → "1.53 G" */
export function si(value) {
  if (!Number.isFinite(value) || value === 0) return `${value} `;
  const prefixes = ["p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E"];
  const power = Math.min(10, Math.max(0, Math.floor(Math.log10(Math.abs(value)) / 3) + 4));
  return `${Number((value / 10 ** (3 * (power - 4))).toPrecision(3))} ${prefixes[power]}`;
}

/** A time in ms → "482 µs" */
export const time = (ms) => `${si(ms / 1000)}s`;

/** A number of a row: −∞ and four significant digits. */
export function real(value) {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value < 0 ? "−∞" : "∞";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : Number(value.toPrecision(4)).toString();
  return text.replace("-", "−");
}

/** 1 → "1 line", 4 → "4 lines" */
export const plural = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

export const percent = (share) => `${Math.round(100 * share)} %`;

/** [first, first + count) → "rows 64 to 127", counted from 0 as in the source. */
export const range = (what, first, number) =>
  number === 1 ? `${what} ${count(first)}` : `${what}s ${count(first)} to ${count(first + number - 1)}`;
