// @ts-check
// The legend: all that the map draws.

import { element, refill } from "./dom.js";
import { number, periodName, say, sayWord } from "./text.js";
import { CHANGE_COLOURS, PLAIN_COLOUR, SCORE_COLOURS, periodColour, scoreLimits } from "./style.js";

/**
 * Write the legend.
 * @param {HTMLElement} into
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {View} view
 */
export function showLegend(into, payload, table, view) {
  const groups = view.groups;
  refill(
    into,
    groups.detections ? colourKeys(payload, table, view) : null,
    element(
      "ul",
      {},
      groups.ground ? key("ground", say("legend.ground")) : null,
      groups.not_seen && payload.layers.not_seen.names.length ? key("hatch", say("legend.not_seen")) : null,
      groups.region ? key("region", say("legend.region")) : null,
      groups.gone && payload.layers.gone.names.length ? key("gone", say("legend.gone")) : null,
    ),
  );
}

/**
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {View} view
 */
function colourKeys(payload, table, view) {
  const isWindows = "windows" in table.numbers;
  const title = say(isWindows ? "legend.squares" : "legend.polygons");
  return element("div", {}, element("p", {}, title), element("ul", {}, ...keysOf(payload, table, view)));
}

/**
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {View} view
 */
function keysOf(payload, table, view) {
  if (view.colourBy === "score") {
    const limits = [...scoreLimits(payload.threshold), 1];
    const name = say(`scored.${table.scoreName}`);
    return [
      element("li", { class: "small" }, name),
      ...SCORE_COLOURS.map((colour, i) =>
        key("dot", `${number(limits[i], 2, 2)} – ${number(limits[i + 1], 2, 2)}`, colour),
      ),
    ];
  }
  if (view.colourBy === "period") {
    const n = payload.periods.length;
    return [
      element("li", { class: "small" }, say("legend.period")),
      ...payload.periods.map((/** @type {any} */ period, /** @type {number} */ i) =>
        key("dot", periodName(period), periodColour(i, n)),
      ),
    ];
  }
  if (view.colourBy === "change") {
    const values = table.words.change.values;
    return Object.entries(CHANGE_COLOURS)
      .filter(([name]) => values.includes(name))
      .map(([name, colour]) => key("dot", sayWord("change", name), colour));
  }
  return [key("dot", say("detection"), PLAIN_COLOUR)];
}

/**
 * @param {string} kind
 * @param {string} text
 * @param {string} [colour]
 */
function key(kind, text, colour) {
  const mark = element("span", { class: `key ${kind}` });
  if (colour) mark.style.background = colour;
  return element("li", {}, mark, text);
}
