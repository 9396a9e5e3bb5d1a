// @ts-check
// What the map draws of the page's data, and the filter that keeps some of it.

import { scoreOf, wordOf } from "./table.js";
import { unpackLines } from "./unpack.js";
import { CHANGES } from "./style.js";

/**
 * @param {any[]} features
 */
export function collection(features) {
  return { type: "FeatureCollection", features };
}

/**
 * @param {string} type
 * @param {any} coordinates
 * @param {Record<string, any>} [properties]
 */
export function feature(type, coordinates, properties = {}) {
  return { type: "Feature", properties, geometry: { type, coordinates } };
}

/**
 * Make what the map draws of the page's data; both maps of a comparison share it.
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {any} shapes unpacked shapes: detections, notSeen, region, ground, gone, overlays
 */
export function mapData(payload, table, shapes) {
  const areas = [];
  const centres = [];
  for (let row = 0; row < table.length; row++) {
    const value = scoreOf(table, row);
    const properties = {
      i: row,
      p: table.period[row],
      f: table.first[row],
      s: Number.isNaN(value) ? -1 : value,
      a: table.numbers.area_ha[row] || 0,
      c: CHANGES.indexOf(wordOf(table, "change", row) ?? ""),
    };
    areas.push(feature("MultiPolygon", shapes.detections[row], properties));
    const at = [table.numbers.longitude[row], table.numbers.latitude[row]];
    centres.push(feature("Point", at, properties));
  }
  const named = (/** @type {any} */ layer, /** @type {any[]} */ all) =>
    all.map((shape, i) => feature("MultiPolygon", shape, { name: layer.names[i], change: layer.change?.[i] }));
  const layers = payload.layers;
  return {
    areas: collection(areas),
    centres: collection(centres),
    "not-seen": collection(layers.not_seen ? named(layers.not_seen, shapes.notSeen) : []),
    gone: collection(layers.gone ? named(layers.gone, shapes.gone) : []),
    region: collection(shapes.region.map((/** @type {any} */ shape) => feature("MultiPolygon", shape))),
    ground: collection(shapes.ground.map((/** @type {any} */ shape) => feature("MultiPolygon", shape))),
    sites: collection(siteFeatures(layers.sites)),
    ...featureLines(layers.features),
    overlays: Object.fromEntries(
      Object.entries(layers.overlays).map(([name, layer]) => [
        name,
        collection(named(layer, shapes.overlays[name])),
      ]),
    ),
  };
}

/** @param {any} sites */
function siteFeatures(sites) {
  if (!sites) return [];
  return sites.points.map((/** @type {number[]} */ at, /** @type {number} */ i) =>
    feature("Point", at, { id: sites.ids[i], label: sites.labels[i] ?? -1 }),
  );
}

/** @param {any} features */
function featureLines(features) {
  if (!features) return { lines: collection([]), points: collection([]) };
  const { lines, points, layers } = features;
  return {
    lines: collection(
      unpackLines(lines.shapes).map((shape, i) =>
        feature("MultiLineString", shape, { layer: layers[lines.layer[i]], name: lines.names[i] }),
      ),
    ),
    points: collection(
      points.points.map((/** @type {number[]} */ at, /** @type {number} */ i) =>
        feature("Point", at, { layer: layers[points.layer[i]], name: points.names[i] }),
      ),
    ),
  };
}

/**
 * Give the filter of the map that keeps what a filter of the table keeps.
 * @param {import("./table.js").Filter} filter
 * @param {Int32Array} rows what it keeps
 * @param {number} period
 */
export function mapFilter(filter, rows, period) {
  /** @type {any[]} */
  const all = ["all", ["==", ["get", "p"], period]];
  if (filter.leastHectares > 0) all.push([">=", ["get", "a"], filter.leastHectares]);
  if (filter.leastScore > 0) all.push([">=", ["get", "s"], filter.leastScore]);
  if (filter.newOnly) all.push(["==", ["get", "f"], period]);
  if (filter.changes !== null) {
    all.push(["in", ["get", "c"], ["literal", [...filter.changes].map((name) => CHANGES.indexOf(name))]]);
  }
  if ((filter.text.trim() !== "" || filter.overlay !== "") && period === filter.period) {
    all.push(rows.length ? ["match", ["get", "i"], Array.from(rows), true, false] : false);
  }
  return all;
}
