// @ts-check
// The page: puts its parts together and keeps them in step.

import { showCard } from "./card.js";
import { decimalText, metresBetween, readCoordinates } from "./coordinates.js";
import { byId, element, fill, refill } from "./dom.js";
import { countAsked, makeFilters, openFilter } from "./filters.js";
import { colourings, groupsOf, makeLayers, makeTimeline, showLegend } from "./layers.js";
import { makeList } from "./list.js";
import { canDraw, loadLibrary, makeMap, mapData, mapFilter } from "./map.js";
import { colourOfRow } from "./style.js";
import { showSureness } from "./sure.js";
import { makeSwipe } from "./swipe.js";
import { filterRows, readTable, totalsOf } from "./table.js";
import {
  currentLanguage, distance, hectares, number, periodName, say, sayCount, sayTemplate, sayWord, setLanguage, startText,
} from "./text.js";
import { isInside, unpackAreas, unpackText } from "./unpack.js";

const SORTS = ["hectares", "score", "new", "id"];

/** @type {any} */
const page = {};

async function start() {
  if (!("DecompressionStream" in window)) throw new Error("this browser is too old for this page");
  const payload = JSON.parse(await unpackText("payload"));
  startText(JSON.parse(await unpackText("strings")), payload.language);
  const table = readTable(payload);
  const newest = payload.periods.length - 1;
  const { layers } = payload;
  Object.assign(page, {
    payload,
    table,
    shapes: {
      detections: unpackAreas(payload.shapes),
      notSeen: layers.not_seen ? unpackAreas(layers.not_seen.shapes) : [],
      region: layers.region ? unpackAreas(layers.region) : [],
      ground: layers.ground ? unpackAreas(layers.ground.shapes) : [],
      gone: layers.gone ? unpackAreas(layers.gone.shapes) : [],
      overlays: Object.fromEntries(
        Object.entries(layers.overlays).map(([name, layer]) => [name, unpackAreas(layer.shapes)]),
      ),
    },
    waiting: {},
    filter: openFilter(newest),
    sort: "hectares",
    chosen: -1,
    kind: payload.pictures[0]?.kind ?? "true",
    view: {
      colourBy: colourings(payload, table)[0] ?? "nothing",
      kind: payload.pictures[0]?.kind ?? "none",
      basemap: -1,
      period: newest,
      isComparing: false,
      before: Math.max(0, newest - 1),
      groups: groupsOf(payload),
    },
    look: { threshold: payload.threshold, nPeriods: payload.periods.length },
  });
  page.list = makeList(byId("list"), table, choose, (row) =>
    colourOfRow(table, row, page.view.colourBy, page.look),
  );
  listen();
  if (window.innerWidth <= 900) byId("legend").open = false;
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
  sayAll();
  document.body.classList.remove("waiting");
  await startMap();
  document.body.dataset.ready = "yes";
}

/** Write everything in the reader's language. */
function sayAll() {
  const { payload, table, view, filter } = page;
  sayTemplate();
  byId("language").value = currentLanguage();
  byId("go-text").placeholder = say("go_example");
  showFacts();
  showSureness(byId("sure-body"), payload);
  makeFilters(byId("filters"), table, filter, { ...page.look, nPeriods: payload.looked.length }, update);
  makeLayers(byId("layers"), payload, table, view, viewChanged);
  makeTimeline(byId("timeline"), payload, view, viewChanged, page.main !== undefined);
  showLegend(byId("legend-body"), payload, table, view);
  sortOptions();
  showCredits();
  update();
  if (page.chosen >= 0) drawCard();
}

function showFacts() {
  const { payload } = page;
  const period = payload.periods[page.view.period];
  const rows = [
    [say("fact.period"), period ? periodName(period) : say("no_period")],
    [say("fact.detector"), payload.detector || say("not_said")],
    [say("fact.threshold"), payload.threshold === null ? say("not_said") : number(payload.threshold, 3)],
    [say("fact.not_seen"), notSeenText()],
  ];
  refill(
    byId("facts"),
    ...rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );
}

function notSeenText() {
  const { not_seen } = page.payload.layers;
  if (not_seen === null || !isNewest(page.view.period)) return say("not_seen.unknown");
  const area = not_seen.area_ha.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + (one ?? 0), 0);
  return not_seen.names.length === 0 ? say("not_seen.none") : hectares(area);
}

function sortOptions() {
  const { table, payload } = page;
  const there = SORTS.filter(
    (name) => (name !== "score" || table.scoreName) && (name !== "new" || payload.looked.length > 1 || table.words.change),
  );
  refill(
    byId("sort"),
    ...there.map((name) => element("option", { value: name, selected: name === page.sort }, say(`sort.${name}`))),
  );
}

function showCredits() {
  const { payload, view } = page;
  const base = view.basemap >= 0 ? [payload.basemaps[view.basemap].attribution] : [];
  refill(
    byId("credits-body"),
    element("p", {}, say("squares_note")),
    ...[payload.area_means, payload.seen_means].filter(Boolean).map((words) => element("p", { lang: "en" }, `${words}.`)),
    element("p", {}, say("harm")),
    ...[...new Set([...payload.attribution, payload.layers.features?.attribution ?? "", ...base])]
      .filter(Boolean)
      .map((words) => element("p", {}, words)),
    element("p", {}, say("made_with", { version: payload.version })),
  );
}

/** Show what the filter keeps. */
function update() {
  const { table, filter, sort } = page;
  const rows = filterRows(table, filter, sort);
  page.rows = rows;
  page.list.show(rows);
  showTotals(rows);
  const asked = countAsked(filter);
  byId("filters-on").hidden = asked === 0;
  byId("filters-on").textContent = number(asked);
  later("filter", filterMaps);
}

/**
 * Let the list and the totals answer first, and the map when no more is asked for.
 * @param {string} what
 * @param {() => void} work
 */
function later(what, work) {
  clearTimeout(page.waiting[what]);
  page.waiting[what] = setTimeout(work, 80);
}

/** @param {Int32Array} rows */
function showTotals(rows) {
  const { table, payload, view } = page;
  if (!payload.looked.includes(view.period)) {
    refill(byId("totals-body"), element("p", {}, say("only_imagery")));
    return;
  }
  const totals = totalsOf(table, rows);
  let all = 0;
  for (const period of table.period) if (period === view.period) all += 1;
  const isWindows = "windows" in table.numbers;
  refill(
    byId("totals-body"),
    element(
      "p",
      { class: "sum" },
      element("b", { id: "total-n" }, number(totals.n)),
      " ",
      say("of_all", { all: number(all) }),
      " · ",
      element("b", { id: "total-ha" }, hectares(totals.area)),
      " ",
      say(isWindows ? "of_squares" : "of_polygon"),
    ),
    totals.outlined
      ? element(
          "p",
          {},
          element("b", { id: "total-ground" }, hectares(totals.ground)),
          " ",
          say("of_ground", { n: number(totals.outlined) }),
          totals.unknown > 0 ? ` ${say("ground_interval", { low: hectares(totals.ground), high: hectares(totals.ground + totals.unknown) })}` : "",
        )
      : null,
    payload.looked.length > 1 ? element("p", {}, sayCount("fresh", totals.fresh)) : null,
    view.period > payload.looked[0] ? element("p", { class: "small" }, say("fresh_note")) : null,
    element("p", { class: "small" }, say(isWindows ? "squares_short" : "polygons_short")),
  );
}

function filterMaps() {
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

/** @param {number} period */
function isNewest(period) {
  return period === page.payload.periods.length - 1;
}

/**
 * Choose a detection.
 * @param {number} row
 * @param {boolean} [focus] move the focus to its card
 */
function choose(row, focus = false) {
  page.chosen = row;
  byId("card").classList.remove("low");
  byId("card").scrollTop = 0;
  drawCard();
  page.list.mark(row);
  later("move", () => page.chosen === row && moveMap(row));
  if (focus) byId("card").focus();
}

function drawCard() {
  const { payload, table, shapes, kind, chosen } = page;
  const card = byId("card");
  card.hidden = chosen < 0;
  document.body.classList.toggle("has-card", chosen >= 0);
  later("selected", markOnMaps);
  if (chosen < 0) return;
  card.setAttribute("aria-label", table.ids[chosen]);
  showCard(card, chosen, {
    payload,
    table,
    shapes: shapes.detections,
    kind,
    close: closeCard,
    step: (by) => page.list.step(by),
    setKind: (other) => {
      page.kind = other;
      drawCard();
    },
    zoom: () => zoomTo(chosen),
  });
}

function markOnMaps() {
  const { table, shapes, chosen } = page;
  const { longitude, latitude } = table.numbers;
  for (const one of [page.main, page.after]) {
    if (chosen < 0) one?.setSelected(null);
    else one?.setSelected(shapes.detections[chosen], [longitude[chosen], latitude[chosen]]);
  }
}

function closeCard() {
  page.chosen = -1;
  drawCard();
  page.list.mark(-1);
  byId("list").focus();
}

/**
 * Bring a detection into sight, if it is not.
 * @param {number} row
 */
function moveMap(row) {
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
function zoomTo(row) {
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

/** @param {string} what */
function viewChanged(what) {
  const { view, payload, table, filter } = page;
  if (what === "colour") {
    page.list.redraw();
    later("colour", () => {
      for (const one of [page.main, page.after]) one?.setColour(view.colourBy);
    });
  } else if (what === "picture") {
    if (view.kind !== "none") page.kind = view.kind;
    showPictures();
    if (page.chosen >= 0) drawCard();
  } else if (what === "basemap") {
    for (const one of [page.main, page.after]) one?.setBasemap(view.basemap);
    showCredits();
    creditMap();
  } else if (what === "period") {
    filter.period = view.period;
    showFacts();
    update();
    showPictures();
    nameSides();
  } else if (what === "compare") {
    compare();
  } else {
    for (const one of [page.main, page.after]) one?.setGroup(what, view.groups[what]);
    filterMaps();
  }
  showLegend(byId("legend-body"), payload, table, view);
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

function showPictures() {
  const { view } = page;
  page.main?.setPicture(pictureOf(view.isComparing ? view.before : view.period));
  page.after?.setPicture(pictureOf(view.period));
}

function compare() {
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
  if (page.chosen >= 0) drawCard();
}

/** Say on the map which period lies on which side of the bar. */
function nameSides() {
  const { view, payload } = page;
  const sides = /** @type {[string, number][]} */ ([["before", view.before], ["after", view.period]]);
  for (const [side, period] of sides) {
    const label = byId("swipe").querySelector(`.${side}`);
    label.textContent = periodName(payload.periods[period]);
  }
}

/** @param {boolean} isDark */
function setTheme(isDark) {
  page.isDark = isDark;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  byId("theme").setAttribute("aria-pressed", String(isDark));
  for (const one of [page.main, page.after]) one?.setTheme(isDark);
}

function listen() {
  byId("language").addEventListener("change", (/** @type {any} */ event) => {
    setLanguage(event.target.value);
    sayAll();
  });
  byId("theme").addEventListener("click", () => setTheme(!page.isDark));
  byId("print").addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", beforePrint);
  window.addEventListener("afterprint", afterPrint);
  byId("sort").addEventListener("change", (/** @type {any} */ event) => {
    page.sort = event.target.value;
    byId("list").scrollTop = 0;
    update();
  });
  byId("go").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    goTo(byId("go-text").value);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && page.chosen >= 0) closeCard();
    const isTyping = event.target instanceof Element && event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      byId("filters-box").open = true;
      byId("filter-text").focus();
    }
  });
}

/** Paper shows a picture of the map as it is, before all words. */
function beforePrint() {
  const stage = byId("stage");
  stage.parentElement?.prepend(stage);
  page.closed = [...document.querySelectorAll("details:not([open])")].filter(
    (one) => !one.closest(".over, .filters"),
  );
  for (const one of page.closed) one.open = true;
  const shown = [page.main, page.view.isComparing ? page.after : null].filter(Boolean);
  if (shown.length === 0) return;
  // What a map drew can only be read in the moment in which it draws.
  const canvases = shown.map((one) => copyOf(one.map.redraw().getCanvas()));
  const paper = document.createElement("canvas");
  paper.width = canvases[0].width;
  paper.height = canvases[0].height;
  const drawing = /** @type {CanvasRenderingContext2D} */ (paper.getContext("2d"));
  drawing.drawImage(canvases[0], 0, 0);
  if (canvases.length === 2) {
    const x = (Number(byId("swipe").getAttribute("aria-valuenow")) / 100) * paper.width;
    drawing.drawImage(canvases[1], x, 0, paper.width - x, paper.height, x, 0, paper.width - x, paper.height);
  }
  byId("maps").append(element("img", { id: "paper-map", alt: say("map"), src: paper.toDataURL() }));
}

/** @param {HTMLCanvasElement} canvas */
function copyOf(canvas) {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d")).drawImage(canvas, 0, 0);
  return copy;
}

function afterPrint() {
  const stage = byId("stage");
  stage.parentElement?.append(stage);
  for (const one of page.closed ?? []) one.open = false;
  document.getElementById("paper-map")?.remove();
}

/**
 * Show a place, and say what is known of it.
 * @param {string} text
 */
function goTo(text) {
  const place = readCoordinates(text);
  const said = byId("go-said");
  said.hidden = false;
  if (place === null) {
    said.textContent = say("go_failed", { text, example: "5.96200, -62.51234" });
    return;
  }
  said.textContent = `${decimalText(place)}: ${whatIsAt(place)}`;
  page.main?.setFound(place);
  page.main?.map.jumpTo({ center: [place.longitude, place.latitude], zoom: Math.max(page.main.map.getZoom(), 12) });
}

/** @param {{longitude: number, latitude: number}} place */
function whatIsAt(place) {
  const { table, shapes, payload, view } = page;
  const at = [place.longitude, place.latitude];
  const { longitude, latitude } = table.numbers;
  let nearest = -1;
  let least = Infinity;
  for (let row = 0; row < table.length; row++) {
    if (table.period[row] !== view.period) continue;
    const far = metresBetween(place, { longitude: longitude[row], latitude: latitude[row] });
    if (far < 50_000 && isInside(at, shapes.detections[row])) return say("at.detection", { id: table.ids[row] });
    if (far < least) [least, nearest] = [far, row];
  }
  const isTold = payload.layers.not_seen !== null && isNewest(view.period);
  const hole = !isTold ? -1 : shapes.notSeen.findIndex((/** @type {any} */ shape) => isInside(at, shape));
  const near = nearest < 0 ? "" : ` ${say("at.nearest", { id: table.ids[nearest], far: distance(least) })}`;
  if (hole >= 0) return say("at.not_seen", { reason: sayWord("reason", payload.layers.not_seen.names[hole]) }) + near;
  if (shapes.region.length && !shapes.region.some((/** @type {any} */ shape) => isInside(at, shape))) {
    return say("at.outside") + near;
  }
  return say(isTold && shapes.region.length ? "at.nothing" : "at.unknown") + near;
}

async function startMap() {
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
  main.map.on("click", clicked);
  for (const [group, isShown] of Object.entries(view.groups)) main.setGroup(group, isShown);
  makeTimeline(byId("timeline"), page.payload, view, viewChanged, true);
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

/** Name on the map whom to name, so that a picture of it says so too. */
function creditMap() {
  const { payload, view } = page;
  const box = document.getElementById("map-credit") ?? element("p", { id: "map-credit", class: "map-credit" });
  const base = view.basemap >= 0 ? [payload.basemaps[view.basemap].attribution] : [];
  box.textContent = [...new Set([...payload.attribution, ...base])].join(" · ");
  byId("maps").append(box);
}

/** @param {any} event */
function clicked(event) {
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

start().catch((error) => {
  document.body.classList.remove("waiting");
  fill(byId("facts"), element("p", { class: "say" }, String(error)));
  document.body.dataset.ready = "failed";
  throw error;
});
