// @ts-check
// The legend: all that the map draws.

import { element, refill } from "./dom.js";
import { number, periodName, say, sayWord } from "./text.js";
import {
  CHANGE_COLOURS, PLAIN_COLOUR, SCORE_COLOURS, featureColour, overlayColour, periodColour, scoreLimits, siteColour,
} from "./style.js";

/**
 * Write the legend.
 * @param {HTMLElement} into
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {import("./layers.js").View} view
 */
export function showLegend(into, payload, table, view) {
  const { groups } = view;
  const { layers, periods } = payload;
  const isNewest = view.period === periods.length - 1;
  refill(
    into,
    groups.detections ? colourKeys(payload, table, view) : null,
    element(
      "ul",
      {},
      groups.ground && isNewest ? key("ground", say("legend.ground")) : null,
      groups.not_seen && isNewest && layers.not_seen.names.length ? key("hatch", say("legend.not_seen")) : null,
      groups.gone && isNewest && layers.gone.names.length ? key("gone", say("legend.gone")) : null,
      groups.region ? key("region", say("legend.region")) : null,
      ...Object.keys(layers.overlays).map((name, i) =>
        groups[`overlay-${i}`] ? key("overlay", name.replaceAll("_", " "), overlayColour(i)) : null,
      ),
      ...(groups.sites ? siteKeys(layers.sites) : []),
      ...(groups.map_features ? featureKeys(layers.features) : []),
    ),
  );
}

/** @param {any} sites */
function siteKeys(sites) {
  const labels = [...new Set(sites.labels.map((/** @type {any} */ label) => label ?? -1))].sort().reverse();
  return labels.map((label) => key("ring", say("legend.site", { label: sayWord("label", String(label)) }), siteColour(label)));
}

/** @param {any} features */
function featureKeys(features) {
  const { layers, lines, points } = features;
  return layers.flatMap((/** @type {string} */ name, /** @type {number} */ i) => [
    lines.layer.includes(i) ? key(name === "airstrip" ? "line wide" : "line", say(`feature.${name}`), featureColour(name)) : null,
    points.layer.includes(i) ? key("ring", say(`feature.${name}`)) : null,
  ]);
}

/**
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {import("./layers.js").View} view
 */
function colourKeys(payload, table, view) {
  const isWindows = "windows" in table.numbers;
  const title = say(isWindows ? "legend.squares" : "legend.polygons");
  return element("div", {}, element("p", {}, title), element("ul", {}, ...keysOf(payload, table, view)));
}

/**
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {import("./layers.js").View} view
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
  if (colour && kind === "dot") mark.style.background = colour;
  else if (colour) mark.style.borderColor = colour;
  return element("li", {}, mark, text);
}
