// @ts-check
// What is known of a detection, in rows.

import { element } from "./dom.js";
import { numberOf, wordOf } from "./table.js";
import { days, distance, hectares, number, periodName, say, sayWord, score } from "./text.js";

/**
 * @param {number} row
 * @param {import("./card.js").CardContext} context
 */
export function cardFacts(row, context) {
  const { table, payload } = context;
  const rows = [
    [say("fact.area"), areaText(row, context)],
    [say("fact.ground"), groundText(row, table)],
    [say("fact.score"), scoreText(row, table)],
    [say("fact.dates"), datesText(row, table)],
    [say("fact.change"), changeText(row, table)],
    [say("fact.first"), payload.looked.length > 1 ? firstText(row, context) : null],
    [say("fact.isolated"), table.flags.isolated?.[row] === 1 ? say("isolated") : null],
    [say("fact.joined"), wordOf(table, "joined", row)],
    [say("fact.split"), wordOf(table, "split_from", row)],
    [say("fact.near"), nearText(row, table)],
    ...table.overlays.map((name) => [label(name), wordOf(table, name, row) ?? say("touches_none")]),
    ...table.others.map((name) => [label(name), otherText(name, row, table)]),
  ];
  const there = rows.filter(([, value]) => value !== null && value !== undefined);
  return element(
    "dl",
    { class: "about" },
    ...there.flatMap(([name, value]) => [
      element("dt", {}, /** @type {string} */ (name)),
      element("dd", {}, /** @type {any} */ (value)),
    ]),
  );
}

/** @param {string} name */
function label(name) {
  const known = sayWord("column", name);
  return known === name ? name.replaceAll("_", " ") : known;
}

/**
 * @param {number} row
 * @param {import("./card.js").CardContext} context
 */
function areaText(row, context) {
  const isWindows = "windows" in context.table.numbers;
  return `${hectares(context.table.numbers.area_ha[row])} (${say(isWindows ? "of_squares" : "of_polygon")})`;
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function groundText(row, table) {
  const ground = numberOf(table, "ground_ha", row);
  if (Number.isNaN(ground)) return "ground_ha" in table.numbers ? say("no_outline") : null;
  const unknown = numberOf(table, "unknown_ha", row);
  const parts = say("ground_parts", {
    bare: hectares(numberOf(table, "bare_ha", row)),
    pond: hectares(numberOf(table, "pond_ha", row)),
  });
  const interval = unknown > 0 ? ` ${say("ground_interval", { low: hectares(ground), high: hectares(ground + unknown) })}` : "";
  return `${hectares(ground)} – ${parts}${interval}`;
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function scoreText(row, table) {
  const mean = numberOf(table, "score_mean", row);
  const most = numberOf(table, "score_max", row);
  const windows = numberOf(table, "windows", row);
  if (Number.isNaN(mean) && Number.isNaN(most)) return null;
  const of = Number.isNaN(windows) ? "" : ` (${say("of_windows", { n: number(windows) })})`;
  return `${say("score_mean_max", { mean: score(mean), most: score(most) })}${of}`;
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function datesText(row, table) {
  const [start, end] = [wordOf(table, "start", row), wordOf(table, "end", row)];
  return start === null && end === null ? say("no_dates") : days(start, end);
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function changeText(row, table) {
  const change = wordOf(table, "change", row);
  if (change === null) return null;
  const before = numberOf(table, "before_ha", row);
  return Number.isNaN(before) || before === 0
    ? sayWord("change", change)
    : `${sayWord("change", change)} (${say("before_was", { area: hectares(before) })})`;
}

/**
 * @param {number} row
 * @param {import("./card.js").CardContext} context
 */
function firstText(row, { table, payload }) {
  return periodName(payload.periods[table.first[row]]);
}

const NEAR = ["river_m", "road_m", "airstrip_m", "settlement_m"];

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function nearText(row, table) {
  const there = NEAR.filter((name) => name in table.numbers);
  if (there.length === 0) return null;
  const parts = there.map((name) => {
    const metres = numberOf(table, name, row);
    const kind = say(`feature.${name.replace("_m", "")}`);
    const named = name === "settlement_m" ? wordOf(table, "settlement", row) : null;
    const far = Number.isNaN(metres) ? say("none_mapped") : metres === 0 ? say("meets") : distance(metres);
    return `${kind}: ${named === null ? "" : `${named}, `}${far}`;
  });
  const edge = numberOf(table, "map_edge_m", row);
  if (!Number.isNaN(edge)) parts.push(say("map_edge", { far: distance(edge) }));
  return element("ul", {}, ...parts.map((part) => element("li", {}, part)));
}

/**
 * @param {string} name
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function otherText(name, row, table) {
  if (!(name in table.numbers)) return wordOf(table, name, row);
  const value = numberOf(table, name, row);
  if (Number.isNaN(value)) return null;
  return Number.isInteger(value) ? String(value) : number(value, 3); // it may be a year, or a number of something
}
