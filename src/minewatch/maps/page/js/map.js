// @ts-check
// The map: MapLibre GL JS with the layers of the page. It asks nothing of the network by itself.

import { drawGrid } from "./grid.js";
import { collection, feature } from "./mapdata.js";
import { DETECTIONS, baseStyle, coverLayers, featureLayers, inks, placeLayers } from "./mapstyle.js";
import { say, sayWord } from "./text.js";
import { addressOf, unpackText } from "./unpack.js";
import { colourExpression, hatching } from "./style.js";

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
