// @ts-check
// What is said beside the map: of when, by what, how much, and by whom it was made.

import { byId, element, refill } from "./dom.js";
import { isNewest, page } from "./page.js";
import { totalsOf } from "./table.js";
import { hectares, number, ownWords, percent, periodName, say, sayCount } from "./text.js";

export function showFacts() {
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

export function showCredits() {
  const { payload, view } = page;
  const base = view.basemap >= 0 ? [payload.basemaps[view.basemap].attribution] : [];
  refill(
    byId("credits-body"),
    element("p", {}, say("squares_note")),
    ...[payload.area_means, payload.seen_means].filter(Boolean).map((words) => element("p", {}, ownWords(words), ".")),
    element("p", {}, say("harm")),
    ...[...new Set([...payload.attribution, payload.layers.features?.attribution ?? "", ...base])]
      .filter(Boolean)
      .map((words) => element("p", {}, words)),
    element("p", {}, say("made_with", { version: payload.version })),
  );
}

/** Say how much mining there is on all ground, as people who reviewed a sample of it found: whatever the filter. */
export function showEstimate() {
  const { area } = page.payload;
  const box = byId("estimate");
  box.hidden = area === null || !isNewest(page.view.period);
  if (box.hidden) return;
  const [low, high] = [hectares(area.low_ha), hectares(area.high_ha)];
  refill(
    byId("estimate-body"),
    element(
      "p",
      {},
      element("b", { id: "estimate-ha" }, hectares(area.area_ha)),
      " ",
      say(area.is_ground ? "estimate.ground" : "estimate.squares"),
      " ",
      element("small", {}, say("interval", { share: percent(area.confidence), low, high })),
    ),
    element("p", { class: "small" }, estimateDesign(area)),
    ...estimateNotes(area).map((words) => element("p", { class: "small" }, words)),
  );
}

/** @param {any} area */
function estimateDesign(area) {
  const values = { n: number(area.n_reviewed), framed: hectares(area.framed_ha) };
  if (area.unit_m === null) return say("estimate.design", values);
  return say("estimate.design_side", { ...values, side: number(area.unit_m) });
}

/** @param {any} area @returns {string[]} */
function estimateNotes(area) {
  const told = ["right", "found"]
    .map((name) => [name, area[name]])
    .filter(([, share]) => share.value !== null)
    .map(([name, { value, low, high }]) =>
      say(`estimate.${name}`, { value: percent(value), low: percent(low), high: percent(high) }),
    );
  return area.may_hide_ha === null ? told : [...told, say("estimate.hidden", { area: hectares(area.may_hide_ha) })];
}

/** @param {Int32Array} rows */
export function showTotals(rows) {
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
    view.period > payload.looked[0] ? element("p", {}, sayCount("fresh", totals.fresh)) : null,
    view.period > payload.looked[0] && payload.hardly_met ? element("p", { class: "claim", id: "hardly-met" }, say("hardly_met")) : null,
    view.period > payload.looked[0] ? element("p", { class: "small" }, say("fresh_note")) : null,
    element("p", { class: "small" }, say(isWindows ? "squares_short" : "polygons_short")),
  );
}
