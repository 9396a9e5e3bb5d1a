// @ts-check
// Colours of detections, which colour-blind people can tell apart, and the layers of the map.

import { scoreOf, wordOf } from "./table.js";

/** From least to most: yellow to dark red, each darker than the one before. */
export const SCORE_COLOURS = ["#fed976", "#fd8d3c", "#f03b20", "#a50026"];

/** Okabe and Ito's colours, the newest period last. */
const PERIOD_COLOURS = ["#0072b2", "#56b4e9", "#009e73", "#f0e442", "#e69f00", "#d55e00"];

/** @type {Record<string, string>} */
export const CHANGE_COLOURS = {
  new: "#d55e00",
  grown: "#e69f00",
  unchanged: "#0072b2",
  shrunk: "#56b4e9",
  "not seen before": "#cc79a7",
  gone: "#b0b0b0",
  "not seen after": "#8a7f9c",
};
export const PLAIN_COLOUR = "#d55e00";

/** @type {Record<string, string>} */
export const FEATURE_COLOURS = { river: "#3a8fd0", airstrip: "#cc79a7" };
/** @type {Record<string, string>} */
const SITE_COLOURS = { 1: PLAIN_COLOUR, 0: "#0072b2" };

/**
 * Give the colour of lines of the map; undefined: that of its words.
 * @param {string} layer
 * @returns {string | undefined}
 */
export function featureColour(layer) {
  return FEATURE_COLOURS[layer];
}

/** @param {number | string} label */
export function siteColour(label) {
  return SITE_COLOURS[String(label)] ?? "#767676";
}

/** @param {number} i number of an overlay */
export function overlayColour(i) {
  return ["#009e73", "#0072b2", "#cc79a7", "#e69f00"][i % 4];
}

/**
 * Give the limits between classes of scores: from the threshold to 1, equally wide.
 * @param {number | null} threshold
 */
export function scoreLimits(threshold) {
  const least = threshold ?? 0;
  return SCORE_COLOURS.map((_, i) => least + ((1 - least) * i) / SCORE_COLOURS.length);
}

/**
 * Give the colour of a period: the newest is always the warmest.
 * @param {number} number
 * @param {number} nPeriods
 */
export function periodColour(number, nPeriods) {
  const last = PERIOD_COLOURS.length - 1;
  if (nPeriods <= 1) return PERIOD_COLOURS[last];
  return PERIOD_COLOURS[Math.round((Math.max(number, 0) * last) / (nPeriods - 1))];
}

/**
 * Give the colour of a detection.
 * @param {import("./table.js").Table} table
 * @param {number} row
 * @param {string} by score, period, change or nothing
 * @param {{threshold: number | null, nPeriods: number}} context
 */
export function colourOfRow(table, row, by, context) {
  if (by === "period") return periodColour(table.first[row], context.nPeriods);
  if (by === "change") return CHANGE_COLOURS[wordOf(table, "change", row) ?? ""] ?? PLAIN_COLOUR;
  const value = scoreOf(table, row);
  if (by !== "score" || Number.isNaN(value)) return PLAIN_COLOUR;
  const limits = scoreLimits(context.threshold);
  let place = 0;
  while (place + 1 < limits.length && value >= limits[place + 1]) place++;
  return SCORE_COLOURS[place];
}

/** Changes in the order of the numbers that the map knows them by. */
export const CHANGES = Object.keys(CHANGE_COLOURS);

/**
 * Give what colours detections on the map, from the properties of `mapFeature`.
 * @param {string} by score, period, change or nothing
 * @param {{threshold: number | null, nPeriods: number}} context
 * @returns {any}
 */
export function colourExpression(by, context) {
  if (by === "period") {
    const periods = Array.from({ length: context.nPeriods }, (_, i) => i);
    if (periods.length < 2) return PLAIN_COLOUR;
    const pairs = periods.flatMap((i) => [i, periodColour(i, context.nPeriods)]);
    return ["match", ["get", "f"], ...pairs, PLAIN_COLOUR];
  }
  if (by === "change") {
    const pairs = CHANGES.flatMap((name, i) => [i, CHANGE_COLOURS[name]]);
    return ["match", ["get", "c"], ...pairs, PLAIN_COLOUR];
  }
  if (by !== "score") return PLAIN_COLOUR;
  const limits = scoreLimits(context.threshold);
  const steps = limits.slice(1).flatMap((limit, i) => [limit, SCORE_COLOURS[i + 1]]);
  return ["case", ["<", ["get", "s"], 0], PLAIN_COLOUR, ["step", ["get", "s"], SCORE_COLOURS[0], ...steps]];
}

/**
 * Give the lines of a picture that hatches: lines to the right and up, or down.
 * @param {number[]} rgb
 * @param {boolean} isRising
 */
export function hatching(rgb, isRising) {
  const side = 16;
  const data = new Uint8Array(side * side * 4);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const along = (((isRising ? x + y : x - y) % 8) + 8) % 8;
      const alpha = along < 2 ? 235 : 60;
      data.set([...rgb, alpha], (y * side + x) * 4);
    }
  }
  return { width: side, height: side, data };
}
