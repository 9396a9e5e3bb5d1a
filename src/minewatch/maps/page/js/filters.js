// @ts-check
// The form that says which detections are shown.

import { element, refill } from "./dom.js";
import { number, say, sayWord, score } from "./text.js";

/**
 * Give the filter that keeps every detection of a period.
 * @param {number} period
 * @returns {import("./table.js").Filter}
 */
export function openFilter(period) {
  return { period, leastScore: 0, leastHectares: 0, text: "", changes: null, newOnly: false, overlay: "" };
}

/**
 * Count what a filter asks for.
 * @param {import("./table.js").Filter} filter
 */
export function countAsked(filter) {
  return [
    filter.leastScore > 0, filter.leastHectares > 0, filter.text.trim() !== "",
    filter.changes !== null, filter.newOnly, filter.overlay !== "",
  ].filter(Boolean).length;
}

/**
 * Make the form.
 * @param {HTMLElement} form
 * @param {import("./table.js").Table} table
 * @param {import("./table.js").Filter} filter changed in place
 * @param {{threshold: number | null, nPeriods: number}} context
 * @param {() => void} changed
 */
export function makeFilters(form, table, filter, context, changed) {
  const changes = table.words.change?.values ?? [];
  refill(
    form,
    textField(filter, changed),
    table.scoreName ? scoreField(filter, context, changed) : null,
    hectaresField(filter, changed),
    changes.length ? changesField(changes, filter, changed) : null,
    context.nPeriods > 1 ? newField(filter, changed) : null,
    table.overlays.length ? overlayField(table.overlays, filter, changed) : null,
    element(
      "button",
      {
        type: "button",
        class: "clear",
        onclick: () => {
          Object.assign(filter, openFilter(filter.period));
          makeFilters(form, table, filter, context, changed);
          changed();
        },
      },
      say("clear"),
    ),
  );
  form.onsubmit = (event) => event.preventDefault();
}

/**
 * @param {import("./table.js").Filter} filter
 * @param {() => void} changed
 */
function textField(filter, changed) {
  const field = element("input", {
    type: "search",
    id: "filter-text",
    value: filter.text,
    oninput: (/** @type {any} */ event) => {
      filter.text = event.target.value;
      changed();
    },
  });
  return element("label", {}, element("span", {}, say("filter.text")), field);
}

/**
 * @param {import("./table.js").Filter} filter
 * @param {{threshold: number | null}} context
 * @param {() => void} changed
 */
function scoreField(filter, context, changed) {
  const least = context.threshold ?? 0;
  const shown = element("output", {}, score(filter.leastScore || least));
  const field = element("input", {
    type: "range",
    id: "filter-score",
    min: least.toFixed(3),
    max: "1",
    step: "0.01",
    value: String(filter.leastScore || least),
    oninput: (/** @type {any} */ event) => {
      const value = Number(event.target.value);
      filter.leastScore = value <= least ? 0 : value;
      shown.textContent = score(value);
      changed();
    },
  });
  return element("label", {}, element("span", {}, say("filter.score"), " ", shown), field);
}

const LEAST_HECTARES = [0, 1, 5, 10, 25, 50, 100, 250, 500, 1000];

/**
 * @param {import("./table.js").Filter} filter
 * @param {() => void} changed
 */
function hectaresField(filter, changed) {
  const field = element(
    "select",
    {
      id: "filter-hectares",
      onchange: (/** @type {any} */ event) => {
        filter.leastHectares = Number(event.target.value);
        changed();
      },
    },
    ...LEAST_HECTARES.map((value) =>
      element(
        "option",
        { value: String(value), selected: value === filter.leastHectares },
        value === 0 ? say("all") : `≥ ${number(value)}\u202fha`,
      ),
    ),
  );
  return element("label", {}, element("span", {}, say("filter.hectares")), field);
}

/**
 * @param {string[]} changes
 * @param {import("./table.js").Filter} filter
 * @param {() => void} changed
 */
function changesField(changes, filter, changed) {
  const boxes = changes.map((change) =>
    element(
      "label",
      { class: "tick" },
      element("input", {
        type: "checkbox",
        checked: filter.changes === null || filter.changes.has(change),
        onchange: (/** @type {any} */ event) => {
          const kept = filter.changes ?? new Set([...changes, ""]);
          if (event.target.checked) kept.add(change);
          else kept.delete(change);
          filter.changes = changes.every((one) => kept.has(one)) ? null : kept;
          changed();
        },
      }),
      ` ${sayWord("change", change)}`,
    ),
  );
  return element("fieldset", {}, element("legend", {}, say("filter.change")), ...boxes);
}

/**
 * @param {import("./table.js").Filter} filter
 * @param {() => void} changed
 */
function newField(filter, changed) {
  const box = element("input", {
    type: "checkbox",
    id: "filter-new",
    checked: filter.newOnly,
    onchange: (/** @type {any} */ event) => {
      filter.newOnly = event.target.checked;
      changed();
    },
  });
  return element("label", { class: "tick" }, box, ` ${say("filter.new")}`);
}

/**
 * @param {string[]} overlays
 * @param {import("./table.js").Filter} filter
 * @param {() => void} changed
 */
function overlayField(overlays, filter, changed) {
  const field = element(
    "select",
    {
      id: "filter-overlay",
      onchange: (/** @type {any} */ event) => {
        filter.overlay = event.target.value;
        changed();
      },
    },
    element("option", { value: "" }, say("all")),
    ...overlays.map((name) =>
      element("option", { value: name, selected: name === filter.overlay }, name.replaceAll("_", " ")),
    ),
  );
  return element("label", {}, element("span", {}, say("filter.overlay")), field);
}
