// @ts-check
// What the map shows besides detections: the box of layers, and periods.

import { element, refill } from "./dom.js";
import { periodName, say } from "./text.js";

/**
 * @typedef {object} View
 * @property {string} colourBy
 * @property {string} kind true, swir or none
 * @property {number} basemap -1: none
 * @property {number} period
 * @property {boolean} isComparing
 * @property {number} before period on the left of a comparison
 * @property {Record<string, boolean>} groups
 */

/**
 * Say what detections can be coloured by.
 * @param {any} payload
 * @param {import("./table.js").Table} table
 */
export function colourings(payload, table) {
  return [
    table.scoreName && "score",
    payload.looked.length > 1 && "period",
    "change" in table.words && "change",
  ].filter(Boolean);
}

/**
 * Make the box of layers.
 * @param {HTMLElement} form
 * @param {any} payload
 * @param {import("./table.js").Table} table
 * @param {View} view changed in place
 * @param {(what: string) => void} changed told what changed: colour, picture, basemap, or a group
 */
export function makeLayers(form, payload, table, view, changed) {
  const kinds = [...new Set(payload.pictures.map((/** @type {any} */ one) => one.kind))];
  const colours = /** @type {string[]} */ (colourings(payload, table));
  refill(
    form,
    colours.length
      ? choice("colour_by", "colour-by", colours, view.colourBy, (by) => say(`colour.${by}`), (by) => {
          view.colourBy = by;
          changed("colour");
        })
      : null,
    kinds.length
      ? choice("picture", "picture", [...kinds, "none"], view.kind, (kind) => say(`kind.${kind}`), (kind) => {
          view.kind = kind;
          changed("picture");
        })
      : null,
    groupBoxes(payload, view, changed),
    payload.basemaps.length ? basemapChoice(payload, view, changed) : null,
  );
  form.onsubmit = (event) => event.preventDefault();
}

/**
 * @param {string} title
 * @param {string} id
 * @param {string[]} options
 * @param {string} chosen
 * @param {(option: string) => string} name
 * @param {(option: string) => void} choose
 */
function choice(title, id, options, chosen, name, choose) {
  const field = element(
    "select",
    { id, onchange: (/** @type {any} */ event) => choose(event.target.value) },
    ...options.map((one) => element("option", { value: one, selected: one === chosen }, name(one))),
  );
  return element("label", {}, element("span", {}, say(title)), field);
}

/**
 * @param {any} payload
 * @param {View} view
 * @param {(what: string) => void} changed
 */
function groupBoxes(payload, view, changed) {
  const overlays = Object.keys(payload.layers.overlays);
  const names = Object.keys(view.groups);
  return element(
    "fieldset",
    {},
    element("legend", {}, say("shown")),
    ...names.map((name) => {
      const place = /^overlay-(\d+)$/.exec(name);
      const text = place ? overlays[Number(place[1])].replaceAll("_", " ") : say(`group.${name}`);
      return element(
        "label",
        { class: "tick" },
        element("input", {
          type: "checkbox",
          "data-group": name,
          checked: view.groups[name],
          onchange: (/** @type {any} */ event) => {
            view.groups[name] = event.target.checked;
            changed(name);
          },
        }),
        ` ${text}`,
      );
    }),
  );
}

/**
 * @param {any} payload
 * @param {View} view
 * @param {(what: string) => void} changed
 */
function basemapChoice(payload, view, changed) {
  const options = ["-1", ...payload.basemaps.map((/** @type {any} */ _, /** @type {number} */ i) => String(i))];
  const name = (/** @type {string} */ one) => (one === "-1" ? say("no_basemap") : payload.basemaps[Number(one)].name);
  return element(
    "div",
    {},
    choice("basemap", "basemap", options, String(view.basemap), name, (one) => {
      view.basemap = Number(one);
      changed("basemap");
    }),
    element("p", { class: "small" }, say("basemap_note")),
  );
}

/**
 * Say which layers there are, and whether they are shown at first.
 * @param {any} payload
 * @returns {Record<string, boolean>}
 */
export function groupsOf(payload) {
  const { layers } = payload;
  const there = /** @type {[string, boolean][]} */ ([
    ["detections", true],
    ["ground", layers.ground !== null],
    ["not_seen", layers.not_seen !== null],
    ["region", layers.region !== null],
    ["gone", layers.gone !== null],
    ["sites", layers.sites !== null],
    ["map_features", layers.features !== null],
    ["grid", true],
  ]);
  const shown = there.filter(([, isThere]) => isThere).map(([name]) => [name, name !== "sites"]);
  const overlays = Object.keys(layers.overlays).map((_, i) => [`overlay-${i}`, true]);
  return Object.fromEntries([...shown, ...overlays]);
}

/**
 * Make the slider of periods and what compares two of them.
 * @param {HTMLElement} into
 * @param {any} payload
 * @param {View} view changed in place
 * @param {(what: string) => void} changed
 * @param {boolean} canCompare
 */
export function makeTimeline(into, payload, view, changed, canCompare) {
  const { periods } = payload;
  into.hidden = periods.length < 2;
  if (into.hidden) return;
  const { pictures } = payload;
  const isBlank = (/** @type {any} */ one) => pictures.length > 0 && !pictures.some((/** @type {any} */ { period }) => period === one.name);
  const name = (/** @type {number} */ i) => periodName(periods[i]) + (isBlank(periods[i]) ? ` (${say("no_imagery")})` : "");
  const shown = element("output", { id: "period-name" }, name(view.period));
  const slider = element("input", {
    type: "range",
    id: "period",
    min: "0",
    max: String(periods.length - 1),
    step: "1",
    value: String(view.period),
    "aria-valuetext": name(view.period),
    oninput: (/** @type {any} */ event) => {
      view.period = Number(event.target.value);
      shown.textContent = name(view.period);
      event.target.setAttribute("aria-valuetext", name(view.period));
      changed("period");
    },
  });
  const before = element(
    "select",
    {
      id: "before",
      "aria-label": say("compare_with"),
      onchange: (/** @type {any} */ event) => {
        view.before = Number(event.target.value);
        changed("compare");
      },
    },
    ...periods.map((/** @type {any} */ _, /** @type {number} */ i) =>
      element("option", { value: String(i), selected: i === view.before }, name(i)),
    ),
  );
  before.hidden = !view.isComparing;
  const compare = element("input", {
    type: "checkbox",
    id: "compare",
    checked: view.isComparing,
    onchange: (/** @type {any} */ event) => {
      view.isComparing = event.target.checked;
      before.hidden = !view.isComparing;
      changed("compare");
    },
  });
  refill(
    into,
    element("label", { class: "slide" }, element("span", {}, say("period"), " ", shown), slider),
    canCompare ? element("label", { class: "tick" }, compare, ` ${say("compare")}`) : null,
    canCompare ? before : null,
  );
}
