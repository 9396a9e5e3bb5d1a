// @ts-check
// The search: what is known of a place, and where a detection or a settlement of a name lies.

import { decimalText, metresBetween, readCoordinates, readSwapped } from "./coordinates.js";
import { byId, element, refill } from "./dom.js";
import { isNewest, page } from "./page.js";
import { distance, say, sayWord } from "./text.js";
import { isInside } from "./unpack.js";

/** From here on a place is far from the map, metres. */
const FAR_M = 50_000;
const LEAST_LETTERS = 3;
const EXAMPLE = "5.96200, -62.51234";
/** So many settlements of one name are offered at most. */
const MOST_CHOICES = 12;

/**
 * Go to what is asked for, and say what is known of it.
 * @param {string} text coordinates, an id, or the name of a settlement
 * @param {(row: number) => void} choose called with the detection whose id it is
 */
export function goTo(text, choose) {
  const row = rowOf(text);
  const read = row < 0 ? readCoordinates(text) : null;
  const named = row < 0 && read === null ? placesNamed(text) : [];
  const place = named.length === 1 ? named[0] : read;
  page.asked = { text, row, place, named, meant: swappedOf(text, place), choose };
  page.main?.setFound(null);
  sayAnswer();
  if (row >= 0) choose(row);
  if (place !== null && page.asked.meant === null) moveTo(place);
}

/** @param {import("./coordinates.js").Place} place */
function moveTo(place) {
  page.main?.setFound(place);
  page.main?.map.jumpTo({ center: [place.longitude, place.latitude], zoom: Math.max(page.main.map.getZoom(), 12) });
}

/** Take away what was asked for, and its mark on the map. */
export function forget() {
  page.asked = undefined;
  page.main?.setFound(null);
  sayAnswer();
}

/** Say what is known of what was asked for; again, where language or period changed. */
export function sayAnswer() {
  const said = byId("go-said");
  said.hidden = page.asked === undefined || page.asked.row >= 0;
  if (said.hidden) return;
  const { text, place, named, meant, choose } = page.asked;
  if (text.trim() === "") refill(said, say("go_hint", { example: EXAMPLE }));
  else if (place === null && named.length) refill(said, say("go_several", { text, n: named.length }), ...named.slice(0, MOST_CHOICES).map(choiceOf));
  else if (place === null) refill(said, say("go_failed", { text, example: EXAMPLE }));
  else refill(said, `${place.name ? `${place.name}, ` : ""}${decimalText(place)}: ${whatIsAt(place)}`);
  if (meant === null) return;
  const button = element("button", { type: "button", id: "go-swapped" }, decimalText(meant));
  button.addEventListener("click", () => {
    byId("go-text").value = decimalText(meant);
    goTo(decimalText(meant), choose);
  });
  said.append(" ", say("go_swapped"), " ", button, " ?");
}

/**
 * Offer one of several settlements of a name: none of them is more likely meant than another.
 * @param {any} place
 */
function choiceOf(place) {
  const button = element("button", { type: "button", class: "choice" }, `${place.name} · ${decimalText(place)}`);
  button.addEventListener("click", () => {
    page.asked = { ...page.asked, place };
    sayAnswer();
    moveTo(place);
  });
  return button;
}

/**
 * Give the place that was meant, if longitude and latitude stand in the wrong order.
 * @param {string} text
 * @param {import("./coordinates.js").Place | null} place what it says
 */
function swappedOf(text, place) {
  const meant = isFar(place) ? readSwapped(text) : null;
  return meant === null || isFar(meant) ? null : meant;
}

/**
 * Find a detection by its id: of the period that is shown, if it was detected then.
 * @param {string} text
 */
function rowOf(text) {
  const wanted = text.trim();
  const every = [...page.table.ids.keys()];
  const exact = every.filter((row) => page.table.ids[row] === wanted);
  const rows = exact.length ? exact : every.filter((row) => page.table.ids[row].toLowerCase() === wanted.toLowerCase());
  return rows.find((row) => page.table.period[row] === page.view.period) ?? rows[0] ?? -1;
}

/**
 * Find the settlements of a name, however it is spelt; if there is none, those whose name has it in it.
 * @param {string} text
 * @returns {any[]} places with a name; several if several bear it
 */
function placesNamed(text) {
  const points = page.payload.layers.features?.points;
  const wanted = plainOf(text);
  if (!points || wanted === "") return [];
  const names = points.names.map(plainOf);
  const every = [...names.keys()];
  const whole = every.filter((i) => names[i] === wanted);
  const parts = wanted.length >= LEAST_LETTERS ? every.filter((i) => names[i].includes(wanted)) : [];
  return (whole.length ? whole : parts).map((i) => ({
    longitude: points.points[i][0],
    latitude: points.points[i][1],
    name: points.names[i],
  }));
}

/** @param {string} text */
function plainOf(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").trim().toLowerCase();
}

/**
 * Say whether a place is far from all that the map shows; no place is.
 * @param {import("./coordinates.js").Place | null} place
 */
function isFar(place) {
  const { bounds } = page.payload;
  if (place === null || bounds === null) return true;
  const [west, south, east, north] = bounds;
  const near = {
    longitude: Math.min(Math.max(place.longitude, west), east),
    latitude: Math.min(Math.max(place.latitude, south), north),
  };
  return metresBetween(place, near) > FAR_M;
}

/** @param {import("./coordinates.js").Place} place */
function whatIsAt(place) {
  const { table, shapes, payload, view } = page;
  const at = [place.longitude, place.latitude];
  const { longitude, latitude } = table.numbers;
  let nearest = -1;
  let least = Infinity;
  for (let row = 0; row < table.length; row++) {
    if (table.period[row] !== view.period) continue;
    const far = metresBetween(place, { longitude: longitude[row], latitude: latitude[row] });
    if (far < FAR_M && isInside(at, shapes.detections[row])) return say("at.detection", { id: table.ids[row] });
    if (far < least) [least, nearest] = [far, row];
  }
  const isTold = payload.layers.not_seen !== null && isNewest(view.period);
  const hole = !isTold ? -1 : shapes.notSeen.findIndex((/** @type {any} */ shape) => isInside(at, shape));
  const near = nearest < 0 ? "" : ` ${say("at.nearest", { id: table.ids[nearest], far: distance(least) })}`;
  if (hole >= 0) return say("at.not_seen", { reason: sayWord("reason", payload.layers.not_seen.names[hole]) }) + near;
  if (isFar(place)) return say("at.far") + near;
  if (shapes.region.length && !shapes.region.some((/** @type {any} */ shape) => isInside(at, shape))) {
    return say("at.outside") + near;
  }
  return say(isTold && shapes.region.length ? "at.nothing" : "at.unknown") + near;
}
