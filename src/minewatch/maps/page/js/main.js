// @ts-check
// The page: puts its parts together and keeps them in step.

import { showCredits, showEstimate, showFacts, showTotals } from "./about.js";
import { showCard } from "./card.js";
import { byId, element, fill, refill } from "./dom.js";
import { countAsked, makeFilters, openFilter } from "./filters.js";
import { colourings, groupsOf, makeLayers, makeTimeline } from "./layers.js";
import { showLegend } from "./legend.js";
import { makeList } from "./list.js";
import { later, page } from "./page.js";
import { afterPrint, beforePrint } from "./paper.js";
import { forget, goTo, sayAnswer } from "./search.js";
import {
  compare, creditMap, filterMaps, markOnMaps, moveMap, nameMap, nameSides, showPictures, startMap, zoomTo,
} from "./stage.js";
import { colourOfRow } from "./style.js";
import { showSureness } from "./sure.js";
import { filterRows, readTable } from "./table.js";
import { currentLanguage, number, say, sayOwn, sayTemplate, setLanguage, startText } from "./text.js";
import { unpackAreas, unpackText } from "./unpack.js";

const SORTS = ["hectares", "score", "new", "id"];

async function start() {
  if (!("DecompressionStream" in window)) throw new Error("this browser is too old for this page");
  const payload = JSON.parse(await unpackText("payload"));
  startText(JSON.parse(await unpackText("strings")), payload.phrases, payload.language);
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
  await startMap(choose);
  if (page.main) makeTimeline(byId("timeline"), payload, page.view, viewChanged, true);
  document.body.dataset.ready = "yes";
}

/** Write everything in the reader's language. */
function sayAll() {
  const { payload, table, view, filter } = page;
  sayTemplate();
  byId("title").textContent = document.title = sayOwn(payload.title);
  byId("language").value = currentLanguage();
  byId("go-text").placeholder = say("go_example");
  showFacts();
  showEstimate();
  showSureness(byId("sure-body"), payload);
  makeFilters(byId("filters"), table, filter, { ...page.look, nPeriods: payload.looked.length }, filterChanged);
  makeLayers(byId("layers"), payload, table, view, viewChanged);
  makeTimeline(byId("timeline"), payload, view, viewChanged, page.main !== undefined);
  showLegend(byId("legend-body"), payload, table, view);
  sortOptions();
  showCredits();
  sayAnswer();
  nameMap();
  update();
  if (page.chosen >= 0) drawCard();
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

/** Show what the filter keeps; the card of a detection whose id was typed. */
function filterChanged() {
  update();
  const { rows, table, filter } = page;
  const isTyped = rows.length === 1 && table.ids[rows[0]].toLowerCase() === filter.text.trim().toLowerCase();
  if (isTyped && rows[0] !== page.chosen) choose(rows[0]);
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

/**
 * Choose a detection that was asked for, in its own period.
 * @param {number} row
 */
function showFound(row) {
  const { payload, table, view } = page;
  if (table.period[row] !== view.period) {
    view.period = table.period[row];
    makeTimeline(byId("timeline"), payload, view, viewChanged, page.main !== undefined);
    viewChanged("period");
  }
  choose(row);
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

function closeCard() {
  page.chosen = -1;
  drawCard();
  page.list.mark(-1);
  byId("list").focus();
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
    showEstimate();
    update();
    showPictures();
    sayAnswer();
    nameSides();
  } else if (what === "compare") {
    compare();
    if (page.chosen >= 0) drawCard();
  } else {
    for (const one of [page.main, page.after]) one?.setGroup(what, view.groups[what]);
    filterMaps();
  }
  showLegend(byId("legend-body"), payload, table, view);
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
    goTo(byId("go-text").value, showFound);
  });
  byId("go-text").addEventListener("input", (/** @type {any} */ event) => event.target.value === "" && forget());
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

start().catch((error) => {
  document.body.classList.remove("waiting");
  fill(byId("facts"), element("p", { class: "say" }, String(error)));
  document.body.dataset.ready = "failed";
  throw error;
});
