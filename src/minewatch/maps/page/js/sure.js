// @ts-check
// How sure this is: what the detector's card says, in words.

import { element, fill } from "./dom.js";
import { days, number, ownWords, percent, say, sayOwn } from "./text.js";

const FIRST = ["sensitivity", "specificity"];
const MORE = ["precision", "roc_auc"];

/**
 * Say how sure this is.
 * @param {HTMLElement} into
 * @param {any} payload
 */
export function showSureness(into, payload) {
  const card = payload.card;
  const isOpen = into.querySelector("details")?.open ?? false;
  into.replaceChildren();
  if (card === null) {
    fill(into, element("p", {}, say("no_card")), element("p", {}, say("candidates")));
    return;
  }
  const first = metricsOf(card, FIRST);
  const more = metricsOf(card, MORE);
  const told = first.length ? first : more;
  fill(into, element("p", { class: "claim" }, say("candidates")));
  fill(into, element("dl", { class: "figures" }, ...told.map(figure)));
  if (told.length === 0) fill(into, element("p", {}, say("no_metrics")));
  fill(into, ...heldOut(told), ...atAnother(payload), details(card, payload, told === first ? more : []));
  /** @type {any} */ (into.querySelector("details")).open = isOpen;
}

/**
 * @param {any} card
 * @param {string[]} names
 * @returns {any[]}
 */
function metricsOf(card, names) {
  return names
    .map((name) => card.metrics.find((/** @type {any} */ one) => one.name === name))
    .filter((metric) => metric !== undefined);
}

/** @param {any} metric */
function figure(metric) {
  const write = metric.name === "roc_auc" ? (/** @type {number} */ one) => number(one, 2, 2) : percent;
  const interval =
    metric.low === null || metric.high === null
      ? say("no_interval")
      : say("interval", {
          low: write(metric.low),
          high: write(metric.high),
          share: metric.confidence === null ? "" : percent(metric.confidence),
        });
  return element(
    "div",
    {},
    element("dt", {}, say(`metric.${metric.name}`)),
    element("dd", {}, element("b", {}, write(metric.value)), " ", element("small", {}, interval)),
    element("dd", { class: "why" }, say(`metric.${metric.name}.why`)),
  );
}

/**
 * Say on what the figures were measured; where that differs, which of them on what.
 * @param {any[]} metrics
 */
function heldOut(metrics) {
  const sampleOf = (/** @type {any} */ metric) => `${metric.on}; ${metric.splitter}`;
  const samples = [...new Set(metrics.map(sampleOf))];
  return samples.map((sample) => {
    const of = metrics.filter((metric) => sampleOf(metric) === sample);
    const names = of.map((metric) => say(`metric.${metric.name}`)).join(", ");
    return element(
      "p",
      { class: "small" },
      samples.length > 1 ? element("b", {}, `${names}: `) : null,
      say("measured_on"),
      " ",
      ownWords(of[0].on),
      "; ",
      ownWords(of[0].splitter),
      ".",
    );
  });
}

/**
 * Say which figures were measured at another threshold than the map's, and what that changes.
 * @param {any} payload
 */
function atAnother(payload) {
  const own = payload.threshold;
  const measured = Object.entries(payload.measured_at);
  return [...new Set(measured.map(([, at]) => at))].map((at) => {
    const names = measured.filter(([, other]) => other === at).map(([name]) => say(`metric.${name}`));
    const told = { figures: names.join(", "), measured: number(at, 3), own: number(own, 3) };
    return element("p", { class: "claim" }, say(at < own ? "measured_lower" : "measured_higher", told));
  });
}

/**
 * @param {any} card
 * @param {any} payload
 * @param {any[]} more figures that are less telling
 */
function details(card, payload, more) {
  const training = card.training;
  const learned =
    training.n_sites === null
      ? say("learned_unknown")
      : say(training.n_places === null ? "learned_sites" : "learned_places", {
          sites: number(training.n_sites),
          places: number(training.n_places),
          period: days(training.period_start, training.period_end),
        });
  const chance = Object.values(card.null_models)
    .map((metrics) => metrics.find((/** @type {any} */ one) => one.name === "roc_auc"))
    .filter((metric) => metric !== undefined);
  const best = chance.length ? Math.max(...chance.map((metric) => metric.value)) : null;
  return element(
    "details",
    { class: "more" },
    element("summary", {}, say("not_seen_by")),
    element("p", {}, say("smallest", { side: number(card.ground_m) })),
    element("ul", {}, ...card.limits.map((/** @type {string} */ one) => element("li", {}, ownWords(one)))),
    element("dl", { class: "figures" }, ...more.map(figure)),
    ...heldOut(more),
    element("p", {}, learned),
    best === null ? null : element("p", {}, say("null_models", { best: number(best, 2, 2) })),
    payload.threshold === null
      ? null
      : element(
          "p",
          {},
          say("threshold_is", { threshold: number(payload.threshold, 3) }),
          ...(payload.threshold_from ? [" (", ownWords(payload.threshold_from), ")."] : ["."]),
        ),
    element("p", { class: "small" }, [card.name, card.version, sayOwn(card.licence), card.attribution].filter(Boolean).join(" · ")),
  );
}
