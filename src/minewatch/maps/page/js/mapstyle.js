// @ts-check
// Layers of the map: which come over which, and in which colours.

import { collection } from "./mapdata.js";
import { CHANGE_COLOURS, FEATURE_COLOURS, overlayColour, siteColour } from "./style.js";

/** Layers that show detections. */
export const DETECTIONS = ["areas-fill", "areas-case", "areas-line", "centres"];

/** @param {boolean} isDark */
export function inks(isDark) {
  return isDark
    ? { paper: "#1b1e1a", ink: "#f1f1ea", halo: "#161716", line: "#4a4e47", soft: "#a9aaa3" }
    : { paper: "#e9eae3", ink: "#1d1d1b", halo: "#ffffff", line: "#c3c5ba", soft: "#5b5b57" };
}

const WIDTH = ["interpolate", ["linear"], ["zoom"], 8, 1.2, 12, 2, 15, 3];

/**
 * @param {ReturnType<typeof mapData>} data
 * @param {boolean} isDark
 * @param {any} colour
 */
export function baseStyle(data, isDark, colour) {
  const ink = inks(isDark);
  const sources = Object.fromEntries(
    Object.entries(data)
      .filter(([name]) => name !== "overlays")
      .map(([name, own]) => [name, { type: "geojson", data: own, tolerance: 0.2, buffer: 32 }]),
  );
  const overlays = Object.entries(data.overlays);
  const empty = { type: "geojson", data: collection([]) };
  overlays.forEach(([, own], i) => (sources[`overlay-${i}`] = /** @type {any} */ ({ type: "geojson", data: own })));
  return /** @type {any} */ ({
    version: 8,
    sources: { ...sources, selected: empty, found: empty, grid: empty, "grid-names": empty },
    layers: [
      { id: "paper", type: "background", paint: { "background-color": ink.paper } },
      { id: "grid", type: "line", source: "grid", paint: { "line-color": ink.line, "line-width": 0.8 } },
      ...overlays.flatMap((_, i) => overlayLayers(i)),
      ...featureLayers(ink),
      ...coverLayers(ink),
      ...detectionLayers(colour),
      ...placeLayers(ink),
    ],
  });
}

/** @param {number} i */
function overlayLayers(i) {
  const colour = overlayColour(i);
  const source = `overlay-${i}`;
  return [
    { id: source, type: "fill", source, paint: { "fill-color": colour, "fill-opacity": 0.12 } },
    {
      id: `${source}-line`, type: "line", source,
      paint: { "line-color": colour, "line-width": 1.6, "line-dasharray": [4, 2] },
    },
  ];
}

/** @param {ReturnType<typeof inks>} ink */
export function featureLayers(ink) {
  const colour = ["match", ["get", "layer"], ...Object.entries(FEATURE_COLOURS).flat(), ink.soft];
  const width = ["match", ["get", "layer"], "airstrip", 3, 1.2];
  return [
    {
      id: "lines-case", type: "line", source: "lines", minzoom: 9,
      paint: { "line-color": ink.halo, "line-width": ["+", width, 1.6], "line-opacity": 0.6 },
    },
    {
      id: "lines", type: "line", source: "lines",
      paint: { "line-color": colour, "line-width": width },
    },
  ];
}

/** @param {ReturnType<typeof inks>} ink */
export function coverLayers(ink) {
  return [
    {
      id: "not-seen", type: "fill", source: "not-seen",
      paint: { "fill-pattern": "hatch", "fill-opacity": 0.85 },
    },
    {
      id: "not-seen-line", type: "line", source: "not-seen",
      paint: { "line-color": ink.soft, "line-width": 1 },
    },
    {
      id: "region-line", type: "line", source: "region",
      paint: { "line-color": ink.ink, "line-width": 1.6, "line-dasharray": [6, 2, 1, 2] },
    },
    {
      id: "gone-line", type: "line", source: "gone",
      paint: {
        "line-color": ["match", ["get", "change"], "gone", CHANGE_COLOURS.gone, CHANGE_COLOURS["not seen after"]],
        "line-width": 2, "line-dasharray": [2, 1.5],
      },
    },
  ];
}

/** @param {any} colour */
function detectionLayers(colour) {
  const near = 9.5;
  return [
    {
      id: "areas-fill", type: "fill", source: "areas", minzoom: near,
      paint: { "fill-color": colour, "fill-opacity": ["interpolate", ["linear"], ["zoom"], 10, 0.35, 13, 0.06] },
    },
    {
      id: "ground", type: "fill", source: "ground", minzoom: near,
      paint: { "fill-pattern": "ground", "fill-opacity": 0.9 },
    },
    {
      id: "areas-case", type: "line", source: "areas", minzoom: near,
      paint: { "line-color": "#000000", "line-opacity": 0.65, "line-width": ["interpolate", ["linear"], ["zoom"], 8, 2.4, 12, 4, 15, 5.4] },
    },
    {
      id: "areas-line", type: "line", source: "areas", minzoom: near,
      paint: { "line-color": colour, "line-width": WIDTH },
    },
    {
      id: "centres", type: "circle", source: "centres", maxzoom: near,
      paint: {
        "circle-color": colour,
        "circle-radius": ["interpolate", ["linear"], ["zoom"],
          3, ["min", 5, ["+", 1.6, ["*", 0.06, ["sqrt", ["get", "a"]]]]],
          9.5, ["min", 16, ["+", 3, ["*", 0.22, ["sqrt", ["get", "a"]]]]]],
        "circle-stroke-color": "#000000", "circle-stroke-width": 0.8, "circle-stroke-opacity": 0.7,
        "circle-opacity": 0.92,
      },
    },
    {
      id: "selected-case", type: "line", source: "selected",
      paint: { "line-color": "#000000", "line-width": 8, "line-opacity": 0.8 },
    },
    { id: "selected", type: "line", source: "selected", paint: { "line-color": "#ffffff", "line-width": 3.4 } },
    {
      id: "selected-point", type: "circle", source: "selected", maxzoom: near,
      filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": 11, "circle-opacity": 0, "circle-stroke-color": "#ffffff", "circle-stroke-width": 3.4 },
    },
  ];
}

/** @param {ReturnType<typeof inks>} ink */
export function placeLayers(ink) {
  const ofLabel = ["match", ["get", "label"], 1, siteColour(1), 0, siteColour(0), siteColour(-1)];
  const text = { "text-color": ink.ink, "text-halo-color": ink.halo, "text-halo-width": 1.6 };
  return [
    {
      id: "sites", type: "circle", source: "sites",
      paint: {
        "circle-radius": 4, "circle-stroke-width": 2, "circle-opacity": 0.25,
        "circle-color": ofLabel,
        "circle-stroke-color": ofLabel,
      },
    },
    {
      id: "points", type: "circle", source: "points",
      paint: {
        "circle-radius": 3.2, "circle-color": ink.halo, "circle-stroke-color": ink.ink, "circle-stroke-width": 1.5,
      },
    },
    {
      id: "points-label", type: "symbol", source: "points", minzoom: 8,
      layout: { "text-field": ["get", "name"], "text-size": 12, "text-offset": [0, 0.6], "text-anchor": "top" },
      paint: text,
    },
    {
      id: "grid-label", type: "symbol", source: "grid-names",
      layout: { "text-field": ["get", "name"], "text-size": 10, "text-anchor": ["get", "anchor"], "text-allow-overlap": true },
      paint: { ...text, "text-color": ink.soft },
    },
    {
      id: "found", type: "circle", source: "found",
      paint: { "circle-radius": 8, "circle-opacity": 0, "circle-stroke-color": "#cc79a7", "circle-stroke-width": 4 },
    },
  ];
}
