// @ts-check
// The map's place on the page: one map, or two with a bar between them.

import { byId, element } from "./dom.js";
import { canDraw, loadLibrary, makeMap } from "./map.js";
import { mapData, mapFilter } from "./mapdata.js";
import { isNewest, page } from "./page.js";
import { makeSwipe } from "./swipe.js";
import { periodName, say } from "./text.js";

/**
 * Draw the map, if this browser can.
 * @param {(row: number) => void} choose called with the detection that is clicked
 */
export async function startMap(choose) {
  if (!canDraw()) {
    document.body.classList.add("no-webgl");
    const note = byId("no-map");
    note.hidden = false;
    note.dataset.t = "no_webgl";
    note.textContent = say("no_webgl");
    return;
  }
  page.maplibre = await loadLibrary();
  page.data = mapData(page.payload, page.table, page.shapes);
  page.main = newMap(byId("map"));
  const { view, maplibre, main } = page;
  page.swipe = makeSwipe(byId("swipe"), byId("map-after"), main.map);
  main.map.addControl(new maplibre.NavigationControl({ showCompass: false }), "bottom-right");
  main.map.addControl(new maplibre.ScaleControl({ maxWidth: 120 }), "bottom-left");
  main.map.on("click", (/** @type {any} */ event) => clicked(event, choose));
  for (const [group, isShown] of Object.entries(view.groups)) main.setGroup(group, isShown);
  nameMap();
  creditMap();
  filterMaps();
  showPictures();
}

/** @param {HTMLElement} container */
function newMap(container) {
  const { maplibre, data, payload, view, isDark } = page;
  return makeMap(maplibre, container, data, payload, {
    isDark,
    colourBy: view.colourBy,
    nPeriods: payload.periods.length,
  });
}

/** Name the map and its buttons, which are no part of the template, in the reader's language. */
export function nameMap() {
  const named = /** @type {[string, string][]} */ ([
    [".maplibregl-canvas", "map"], [".maplibregl-ctrl-zoom-in", "zoom_in"], [".maplibregl-ctrl-zoom-out", "zoom_out"],
  ]);
  for (const [found, key] of named) {
    for (const one of byId("maps").querySelectorAll(found)) {
      one.setAttribute("aria-label", say(key));
      if (key !== "map") one.setAttribute("title", say(key));
    }
  }
}

/** Name on the map whom to name, so that a picture of it says so too. */
export function creditMap() {
  const { payload, view } = page;
  const box = document.getElementById("map-credit") ?? element("p", { id: "map-credit", class: "map-credit" });
  const base = view.basemap >= 0 ? [payload.basemaps[view.basemap].attribution] : [];
  box.textContent = [...new Set([...payload.attribution, ...base])].join(" · ");
  byId("maps").append(box);
}

/**
 * @param {any} event
 * @param {(row: number) => void} choose
 */
function clicked(event, choose) {
  const shown = page.swipe.isOver(event.point.x) ? page.after : page.main;
  const row = shown.detectionAt(event.point);
  page.popup?.remove();
  if (row >= 0) {
    choose(row);
    return;
  }
  const names = shown.namesAt(event.point);
  if (names.length === 0) return;
  const body = element("div", {}, ...names.map((/** @type {string} */ name) => element("p", {}, name)));
  page.popup = new page.maplibre.Popup({ maxWidth: "280px" })
    .setLngLat(event.lngLat)
    .setDOMContent(body)
    .addTo(page.main.map);
}

export function filterMaps() {
  const { filter, view, rows } = page;
  showOn(page.main, mapFilter(filter, rows, view.isComparing ? view.before : view.period), view.isComparing ? view.before : view.period);
  showOn(page.after, mapFilter(filter, rows, view.period), view.period);
}

/** Layers that belong to the newest period alone: of others nobody said what was not seen. */
const NEWEST_ONLY = ["ground", "not_seen", "gone"];

/**
 * Show a period on a map.
 * @param {any} map
 * @param {any} filter
 * @param {number} period
 */
function showOn(map, filter, period) {
  map?.setFilter(filter);
  for (const group of NEWEST_ONLY) {
    if (group in page.view.groups) map?.setGroup(group, page.view.groups[group] && isNewest(period));
  }
}

/**
 * Find the picture of a period; -1 stands for detections that belong to none.
 * @param {number} period
 */
function pictureOf(period) {
  const { payload, view } = page;
  const name = payload.periods[period]?.name;
  const found = payload.pictures.findIndex(
    (/** @type {any} */ one) => one.kind === view.kind && (name === undefined || one.period === name),
  );
  return found < 0 ? null : found;
}

export function showPictures() {
  const { view } = page;
  page.main?.setPicture(pictureOf(view.isComparing ? view.before : view.period));
  page.after?.setPicture(pictureOf(view.period));
}

export function compare() {
  const { view, main } = page;
  if (main === undefined) return;
  if (view.isComparing && page.after === undefined) {
    byId("map-after").hidden = false;
    page.after = newMap(byId("map-after"));
    for (const [group, isShown] of Object.entries(view.groups)) page.after.setGroup(group, isShown);
    page.after.setBasemap(view.basemap);
  }
  page.swipe.set(view.isComparing ? page.after.map : null);
  nameSides();
  filterMaps();
  showPictures();
}

/** Say on the map which period lies on which side of the bar. */
export function nameSides() {
  const { view, payload } = page;
  const sides = /** @type {[string, number][]} */ ([["before", view.before], ["after", view.period]]);
  for (const [side, period] of sides) {
    const label = byId("swipe").querySelector(`.${side}`);
    label.textContent = periodName(payload.periods[period]);
  }
}

export function markOnMaps() {
  const { table, shapes, chosen } = page;
  const { longitude, latitude } = table.numbers;
  for (const one of [page.main, page.after]) {
    if (chosen < 0) one?.setSelected(null);
    else one?.setSelected(shapes.detections[chosen], [longitude[chosen], latitude[chosen]]);
  }
}

/**
 * Bring a detection into sight, if it is not.
 * @param {number} row
 */
export function moveMap(row) {
  const { main, table } = page;
  if (main === undefined) return;
  const at = [table.numbers.longitude[row], table.numbers.latitude[row]];
  const { map } = main;
  const point = map.project(at);
  const box = map.getContainer();
  const free = box.clientWidth - (window.innerWidth > 900 ? 400 : 0);
  const isSeen = point.x > 40 && point.y > 40 && point.x < free - 40 && point.y < box.clientHeight - 60;
  if (!isSeen || map.getZoom() < 10) map.jumpTo({ center: at, zoom: Math.max(map.getZoom(), 11), padding: cardPadding() });
}

function cardPadding() {
  return window.innerWidth > 900 ? { right: 380, left: 0, top: 0, bottom: 0 } : { right: 0, left: 0, top: 0, bottom: 0 };
}

/** @param {number} row */
export function zoomTo(row) {
  const { main, shapes } = page;
  if (main === undefined) return;
  const points = shapes.detections[row].flat(2);
  const x = points.map((/** @type {number[]} */ point) => point[0]);
  const y = points.map((/** @type {number[]} */ point) => point[1]);
  const ends = [[Math.min(...x), Math.min(...y)], [Math.max(...x), Math.max(...y)]];
  const isWide = window.innerWidth > 900;
  if (!isWide) {
    byId("card").classList.add("low");
    byId("stage").scrollIntoView();
  }
  const padding = isWide ? { top: 60, bottom: 60, left: 40, right: 420 } : { top: 130, bottom: 150, left: 20, right: 20 };
  main.map.setPadding({ top: 0, bottom: 0, left: 0, right: 0 });
  main.map.fitBounds(ends, { padding, maxZoom: 15, animate: false });
}
