// Evaluates the formulas that the program hands over: the table of sim/view/formulas.cpp, not a second one.

const BINARY = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "<=": (a, b) => (a <= b ? 1 : 0),
  "<": (a, b) => (a < b ? 1 : 0),
  floor_div: (a, b) => Math.floor(a / b),
  ceil_div: (a, b) => Math.ceil(a / b),
  min: Math.min,
  max: Math.max,
};

/** A formula's tree as a function of the values of its names; `names` collects those that it wants. */
function compile(tree, names, bound = []) {
  if (typeof tree === "number") return () => tree;
  if (typeof tree === "string") {
    if (!bound.includes(tree)) names.add(tree);
    return (values) => values[tree];
  }
  const [op, ...rest] = tree;
  if (op === "choose") {
    const [condition, a, b] = rest.map((part) => compile(part, names, bound));
    return (values) => (condition(values) !== 0 ? a(values) : b(values));
  }
  if (op === "sum" || op === "greatest" || op === "largest") {
    const [name, rangePart, bodyPart] = rest;
    const range = compile(rangePart, names, bound);
    const body = compile(bodyPart, names, [...bound, name]);
    return op === "largest" ? largest(name, range, body) : overRange(op, name, range, body);
  }
  const combine = BINARY[op];
  if (!combine) throw new Error(`a formula has no operation ${op}`);
  const [a, b] = rest.map((part) => compile(part, names, bound));
  return (values) => combine(a(values), b(values));
}

const overRange = (op, name, range, body) => (values) => {
  const number = range(values);
  const before = values[name];
  let result = 0;
  for (let i = 0; i < number; ++i) {
    values[name] = i;
    const value = body(values);
    result = op === "sum" ? result + value : Math.max(result, value);
  }
  values[name] = before;
  return result;
};

const largest = (name, range, holds) => (values) => {
  let low = 0;
  let high = range(values);
  const before = values[name];
  while (low < high) {
    const middle = low + Math.floor((high - low + 1) / 2);
    values[name] = middle;
    if (holds(values) !== 0) low = middle;
    else high = middle - 1;
  }
  values[name] = before;
  return low;
};

/** The formulas of every stage, compiled once. */
export class Formulas {
  constructor(json) {
    this.stages = {};
    for (const [stage, table] of Object.entries(json.stages)) {
      this.stages[stage] = new Map(
        table.map(([name, tree]) => {
          const names = new Set();
          return [name, { value: compile(tree, names), names }];
        }),
      );
    }
    this.bound = compile(json.lower_bound_bytes, new Set());
  }

  /** What a stage gives for these values: only what is asked for is evaluated, once. */
  of(stage, given) {
    const table = this.stages[stage];
    const values = { ...given };
    const need = (name) => {
      if (values[name] !== undefined) return;
      const formula = table.get(name);
      if (!formula) throw new Error(`a formula wants ${name}`);
      for (const other of formula.names) need(other);
      values[name] = formula.value(values);
    };
    return (name) => {
      need(name);
      return values[name];
    };
  }

  lowerBound(given) {
    return this.bound({ ...given });
  }
}

/** The run that the page shows, as a setting of the sliders. */
export function settingOf({ report: { problem, device }, given, devices }) {
  return {
    N: problem.seq,
    d: problem.dim,
    heads: problem.batch * problem.heads,
    dtype: problem.dtype,
    causal: problem.causal,
    M: device.sram_bytes,
    Br: given.Br,
    Bc: given.Bc,
    device: devices.find(({ name }) => name === device.name),
  };
}

/** The values that the formulas want: as variables_of() in sim/view/formulas.cpp. */
export function valuesOf({ N, d, heads, dtype, causal, M, Br, Bc, device }) {
  return {
    N,
    d,
    M,
    heads,
    causal: causal ? 1 : 0,
    element: dtype === "fp32" ? 4 : 2,
    Br_given: Br || 0,
    Bc_given: Bc || 0,
    hbm_bytes_per_s: device.hbm_bytes_per_s,
    fp32_flops_per_s: device.fp32_flops_per_s,
    product_flops_per_s: device.product_flops_per_s[dtype],
  };
}
