// @ts-check
// Detections as columns: which of them a filter keeps, in which order, and what they come to.

/**
 * @typedef {object} Table
 * @property {number} length
 * @property {string[]} ids
 * @property {Int16Array} period number of the period of every detection, -1: none
 * @property {Int16Array} first number of the earliest period in which it was met
 * @property {Record<string, Float64Array>} numbers NaN: not known
 * @property {Record<string, {values: string[], codes: Int32Array}>} words code -1: missing
 * @property {Record<string, (number | null)[]>} flags
 * @property {string[]} overlays
 * @property {string[]} others
 * @property {string} scoreName which column the score is; "" if there is none
 * @property {string[]} haystack lower-case words of every detection
 */

/**
 * @typedef {object} Filter
 * @property {number} period
 * @property {number} leastScore
 * @property {number} leastHectares
 * @property {string} text
 * @property {Set<string> | null} changes null: all
 * @property {boolean} newOnly found in this period for the first time
 * @property {string} overlay column that has to be filled; "": none
 */

/**
 * Take the columns that the page holds.
 * @param {any} payload
 * @returns {Table}
 */
export function readTable(payload) {
  const { numbers, words, flags, overlays, others } = payload.columns;
  const names = Object.keys(numbers);
  const table = {
    length: payload.ids.length,
    ids: payload.ids,
    period: Int16Array.from(payload.period),
    first: Int16Array.from(payload.first),
    numbers: Object.fromEntries(names.map((name) => [name, floats(numbers[name])])),
    words: Object.fromEntries(
      Object.entries(words).map(([name, { values, codes }]) => [
        name,
        { values, codes: Int32Array.from(codes) },
      ]),
    ),
    flags,
    overlays,
    others,
    scoreName: ["score_mean", "score_max", "score_q90"].find((name) => name in numbers) ?? "",
    haystack: /** @type {string[]} */ ([]),
  };
  table.haystack = haystacks(table);
  return table;
}

/** @param {(number | null)[]} values */
function floats(values) {
  const taken = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) taken[i] = values[i] ?? NaN;
  return taken;
}

/** @param {Table} table */
function haystacks(table) {
  const columns = ["settlement", ...table.overlays, ...table.others].filter((name) => name in table.words);
  return table.ids.map((id, row) =>
    [id, ...columns.map((name) => wordOf(table, name, row) ?? "")].join("\n").toLowerCase(),
  );
}

/**
 * Give a number of a detection; NaN where it is not known.
 * @param {Table} table
 * @param {string} name
 * @param {number} row
 */
export function numberOf(table, name, row) {
  return table.numbers[name]?.[row] ?? NaN;
}

/**
 * Give a word of a detection; null where there is none.
 * @param {Table} table
 * @param {string} name
 * @param {number} row
 * @returns {string | null}
 */
export function wordOf(table, name, row) {
  const column = table.words[name];
  return column === undefined || column.codes[row] < 0 ? null : column.values[column.codes[row]];
}

/**
 * Give the score of a detection, NaN if there is none.
 * @param {Table} table
 * @param {number} row
 */
export function scoreOf(table, row) {
  return numberOf(table, table.scoreName, row);
}

/** @type {WeakMap<Table, Map<string, Int32Array>>} */
const orders = new WeakMap();

/**
 * Order all detections: the largest, the surest or the newest first; ties by hectares, then id.
 * @param {Table} table
 * @param {string} by hectares, score, new, id
 */
export function orderBy(table, by) {
  const known = orders.get(table) ?? new Map();
  orders.set(table, known);
  if (!known.has(by)) known.set(by, sorted(table, by));
  return /** @type {Int32Array} */ (known.get(by));
}

/**
 * @param {Table} table
 * @param {string} by
 */
function sorted(table, by) {
  const area = table.numbers.area_ha;
  const rank = Float64Array.from({ length: table.length }, (_, row) => rankOf(table, by, row));
  return Int32Array.from(table.ids.keys()).sort(
    (a, b) =>
      rank[b] - rank[a] || area[b] - area[a] || (table.ids[a] < table.ids[b] ? -1 : 1),
  );
}

const NEWNESS = ["new", "not seen before", "grown", "unchanged", "shrunk"];

/**
 * @param {Table} table
 * @param {string} by
 * @param {number} row
 */
function rankOf(table, by, row) {
  if (by === "score") return valueOr(scoreOf(table, row), -1);
  if (by === "hectares") return valueOr(table.numbers.area_ha[row], -1);
  if (by !== "new") return 0;
  const change = NEWNESS.indexOf(wordOf(table, "change", row) ?? "unchanged");
  return table.first[row] * 10 - (change < 0 ? 3 : change);
}

/**
 * @param {number} value
 * @param {number} instead
 */
function valueOr(value, instead) {
  return Number.isNaN(value) ? instead : value;
}

/**
 * Give the rows that a filter keeps, in order.
 * @param {Table} table
 * @param {Filter} filter
 * @param {string} by
 */
export function filterRows(table, filter, by) {
  const order = orderBy(table, by);
  const kept = new Int32Array(order.length);
  const needle = filter.text.trim().toLowerCase();
  let n = 0;
  for (const row of order) {
    if (isKept(table, filter, row) && (needle === "" || table.haystack[row].includes(needle))) {
      kept[n++] = row;
    }
  }
  return kept.subarray(0, n);
}

/**
 * @param {Table} table
 * @param {Filter} filter
 * @param {number} row
 */
function isKept(table, filter, row) {
  if (table.period[row] !== filter.period) return false;
  if (filter.leastHectares > 0 && !(table.numbers.area_ha[row] >= filter.leastHectares)) return false;
  if (filter.leastScore > 0 && !(scoreOf(table, row) >= filter.leastScore)) return false;
  if (filter.newOnly && table.first[row] !== table.period[row]) return false;
  if (filter.overlay !== "" && wordOf(table, filter.overlay, row) === null) return false;
  return filter.changes === null || filter.changes.has(wordOf(table, "change", row) ?? "");
}

/**
 * Say what rows come to.
 * @param {Table} table
 * @param {Int32Array} rows
 */
export function totalsOf(table, rows) {
  const totals = { n: rows.length, area: 0, ground: 0, outlined: 0, unknown: 0, fresh: 0 };
  const ground = table.numbers.ground_ha;
  for (const row of rows) {
    totals.area += valueOr(table.numbers.area_ha[row], 0);
    if (ground !== undefined && !Number.isNaN(ground[row])) {
      totals.ground += ground[row];
      totals.outlined += 1;
      totals.unknown += valueOr(numberOf(table, "unknown_ha", row), 0);
    }
    if (table.first[row] === table.period[row]) totals.fresh += 1;
  }
  return totals;
}
