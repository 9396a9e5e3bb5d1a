// @ts-check
// The map: MapLibre GL JS with the layers of the page. It asks nothing of the network by itself.

import { number, say, sayWord } from "./text.js";
import { scoreOf, wordOf } from "./table.js";
import { addressOf, unpackLines, unpackText } from "./unpack.js";
import { CHANGES, CHANGE_COLOURS, PLAIN_COLOUR, colourExpression, hatching } from "./style.js";

const DETECTIONS = ["areas-fill", "areas-case", "areas-line", "centres"];
const NAMED = ["sites", "points", "points-label", "lines", "not-seen", "gone-line"];

/** Layers of the map by the name of the box that shows and hides them. */
const GROUPS = /** @type {Record<string, string[]>} */ ({
  detections: [...DETECTIONS],
  ground: ["ground"],
  not_seen: ["not-seen", "not-seen-line"],
  region: ["region-line"],
  gone: ["gone-line"],
  sites: ["sites"],
  map_features: ["lines-case", "lines", "points", "points-label"],
  grid: ["grid", "grid-label"],
});

/** Unpack MapLibre GL JS and its styles. */
export async function loadLibrary() {
  const [library, worker, style] = await Promise.all(
    ["library", "library-worker", "library-style"].map(unpackText),
  );
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const maplibre = await import(addressOf(library));
  maplibre.setWorkerUrl(addressOf(worker));
  return maplibre;
}

/** Say whether this browser can draw maps. */
export function canDraw() {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

/**
 * @param {any[]} features
 */
function collection(features) {
  return { type: "FeatureCollection", features };
}

/**
 * @param {string} type
 * @param {any} coordinates
 * @param {Record<string, any>} [properties]
 */
function feature(type, coordinates, properties = {}) {
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

/** @param {boolean} isDark */
function inks(isDark) {
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
function baseStyle(data, isDark, colour) {
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
  const colour = ["#009e73", "#0072b2", "#cc79a7", "#e69f00"][i % 4];
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
function featureLayers(ink) {
  const colour = ["match", ["get", "layer"], "river", "#3a8fd0", "airstrip", "#cc79a7", ink.soft];
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
function coverLayers(ink) {
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
function placeLayers(ink) {
  const text = { "text-color": ink.ink, "text-halo-color": ink.halo, "text-halo-width": 1.6 };
  return [
    {
      id: "sites", type: "circle", source: "sites",
      paint: {
        "circle-radius": 4, "circle-stroke-width": 2, "circle-opacity": 0.25,
        "circle-color": ["match", ["get", "label"], 1, PLAIN_COLOUR, 0, "#0072b2", "#767676"],
        "circle-stroke-color": ["match", ["get", "label"], 1, PLAIN_COLOUR, 0, "#0072b2", "#767676"],
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

/**
 * Make a map.
 * @param {any} maplibre
 * @param {HTMLElement} container
 * @param {ReturnType<typeof mapData>} data
 * @param {any} payload
 * @param {{isDark: boolean, colourBy: string, nPeriods: number}} look
 */
export function makeMap(maplibre, container, data, payload, look) {
  const context = { threshold: payload.threshold, nPeriods: look.nPeriods };
  const bounds = payload.bounds;
  const map = new maplibre.Map({
    container,
    style: baseStyle(data, look.isDark, colourExpression(look.colourBy, context)),
    bounds: bounds ? [[bounds[0], bounds[1]], [bounds[2], bounds[3]]] : undefined,
    fitBoundsOptions: { padding: { top: 40, bottom: 40, right: 40, left: window.innerWidth > 1100 ? 330 : 40 }, maxZoom: 14 },
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    maxZoom: 18,
    fadeDuration: 0,
    locale: { "Map.Title": say("map") },
  });
  map.touchZoomRotate.disableRotation();
  map.addImage("hatch", hatching([90, 90, 96], true));
  map.addImage("ground", hatching([255, 255, 255], false));
  const images = payload.pictures;
  /** @type {string | null} */
  let picture = null;
  let basemap = -1;
  /** @type {(() => void)[]} */
  let waiting = [];
  map.on("style.load", () => {
    drawGrid(map);
    for (const work of waiting) work();
    waiting = [];
  });
  map.on("moveend", () => drawGrid(map));
  const whenReady = (/** @type {() => void} */ work) => {
    if (map.style?._loaded) work();
    else waiting.push(work);
  };

  /** @param {number} i */
  function showBasemap(i) {
    for (const id of ["basemap"]) {
      if (map.getLayer(id)) map.removeLayer(id);
      if (map.getSource(id)) map.removeSource(id);
    }
    basemap = i;
    if (i < 0) return;
    const { url, tile_px, max_zoom } = payload.basemaps[i];
    map.addSource("basemap", { type: "raster", tiles: [url], tileSize: tile_px, maxzoom: max_zoom });
    map.addLayer({ id: "basemap", type: "raster", source: "basemap" }, "grid");
  }

  /** @param {string | null} name number of a picture as text, or null */
  function showPicture(name) {
    if (picture === name) return;
    if (picture !== null) map.setLayoutProperty(`picture-${picture}`, "visibility", "none");
    picture = name;
    if (name === null) return;
    const id = `picture-${name}`;
    if (!map.getSource(id)) {
      const { source, bounds: own } = images[Number(name)];
      const [west, south, east, north] = own;
      map.addSource(id, {
        type: "image",
        url: source,
        coordinates: [[west, north], [east, north], [east, south], [west, south]],
      });
      map.addLayer(
        { id, type: "raster", source: id, paint: { "raster-fade-duration": 0, "raster-resampling": "linear" } },
        "grid",
      );
    }
    map.setLayoutProperty(id, "visibility", "visible");
  }

  return {
    map,
    whenReady,
    /** @param {number} i number of a basemap; -1: none */
    setBasemap: (i) => whenReady(() => i !== basemap && showBasemap(i)),
    /** @param {number | null} i number of a picture; null: none */
    setPicture: (i) => whenReady(() => showPicture(i === null ? null : String(i))),
    /** @param {any} expression */
    setFilter: (expression) =>
      whenReady(() => {
        for (const id of DETECTIONS) map.setFilter(id, expression, { validate: false });
      }),
    /** @param {string} by */
    setColour: (by) =>
      whenReady(() => {
        const colour = colourExpression(by, context);
        map.setPaintProperty("areas-fill", "fill-color", colour);
        map.setPaintProperty("areas-line", "line-color", colour);
        map.setPaintProperty("centres", "circle-color", colour);
      }),
    /**
     * @param {string} group
     * @param {boolean} isShown
     */
    setGroup: (group, isShown) =>
      whenReady(() => {
        const overlay = /^overlay-\d+$/.test(group) ? [group, `${group}-line`] : null;
        for (const id of overlay ?? GROUPS[group]) {
          map.setLayoutProperty(id, "visibility", isShown ? "visible" : "none");
        }
      }),
    /** @param {boolean} isDark */
    setTheme: (isDark) => whenReady(() => repaint(map, isDark)),
    /** @param {any[] | null} shape a MultiPolygon's coordinates @param {number[]} [at] its own point */
    setSelected: (shape, at) =>
      whenReady(() =>
        map.getSource("selected").setData(
          collection(shape === null ? [] : [feature("MultiPolygon", shape), feature("Point", at)]),
        ),
      ),
    /** @param {{longitude: number, latitude: number} | null} place */
    setFound: (place) =>
      whenReady(() =>
        map.getSource("found").setData(
          collection(place === null ? [] : [feature("Point", [place.longitude, place.latitude])]),
        ),
      ),
    /** @param {{x: number, y: number}} point */
    detectionAt(point) {
      const box = [[point.x - 4, point.y - 4], [point.x + 4, point.y + 4]];
      const met = map.queryRenderedFeatures(box, { layers: DETECTIONS });
      // Of several the smallest: what is large can be met beside it.
      met.sort((/** @type {any} */ a, /** @type {any} */ b) => a.properties.a - b.properties.a);
      return met.length ? met[0].properties.i : -1;
    },
    /** @param {{x: number, y: number}} point @returns {string[]} */
    namesAt(point) {
      const box = [[point.x - 5, point.y - 5], [point.x + 5, point.y + 5]];
      const layers = [...NAMED, ...Object.keys(data.overlays).map((_, i) => `overlay-${i}`)];
      const met = map.queryRenderedFeatures(box, { layers: layers.filter((id) => map.getLayer(id)) });
      return [...new Set(met.map(nameOf).filter(Boolean))].slice(0, 8);
    },
  };
}

/** @param {any} met @returns {string} */
function nameOf(met) {
  const { name, id, label, layer, change } = met.properties;
  if (met.layer.id === "sites") return say("site_is", { id, label: sayWord("label", label) });
  if (met.layer.id === "not-seen") return say("not_seen_why", { reason: sayWord("reason", name) });
  if (met.layer.id === "gone-line") return `${name}: ${sayWord("change", change)}`;
  if (layer !== undefined) return name ? `${say(`feature.${layer}`)}: ${name}` : say(`feature.${layer}`);
  return name ?? "";
}

/**
 * @param {any} map
 * @param {boolean} isDark
 */
function repaint(map, isDark) {
  const ink = inks(isDark);
  const fresh = [...featureLayers(ink), ...coverLayers(ink), ...placeLayers(ink)];
  map.setPaintProperty("paper", "background-color", ink.paper);
  map.setPaintProperty("grid", "line-color", ink.line);
  for (const layer of fresh) {
    for (const [name, value] of Object.entries(layer.paint)) map.setPaintProperty(layer.id, name, value);
  }
}

const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005];

/**
 * Draw lines of longitude and latitude, so that a map without network says where it is.
 * @param {any} map
 */
function drawGrid(map) {
  const bounds = map.getBounds();
  const [west, south, east, north] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const wide = Math.max(east - west, north - south);
  const step = STEPS.find((one) => wide / one >= 4) ?? 0.005;
  const lines = [];
  const names = [];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step)));
  for (let x = Math.ceil(west / step) * step; x <= east; x += step) {
    lines.push(feature("LineString", [[x, Math.max(-85, south)], [x, Math.min(85, north)]]));
    names.push(feature("Point", [x, south], { name: angle(x, decimals, "E", "W"), anchor: "bottom" }));
  }
  for (let y = Math.ceil(south / step) * step; y <= north; y += step) {
    lines.push(feature("LineString", [[west, y], [east, y]]));
    names.push(feature("Point", [east, y], { name: `${angle(y, decimals, "N", "S")} `, anchor: "right" }));
  }
  map.getSource("grid")?.setData(collection(lines));
  map.getSource("grid-names")?.setData(collection(names));
}

/**
 * @param {number} degrees
 * @param {number} decimals
 * @param {string} positive
 * @param {string} negative
 */
function angle(degrees, decimals, positive, negative) {
  const size = number(Math.abs(degrees), decimals, decimals);
  return `${size}°${Math.abs(degrees) < 1e-9 ? "" : degrees < 0 ? negative : positive}`;
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
