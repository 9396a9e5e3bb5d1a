// @ts-check
// The search: what is known of a place, or of a detection by its name.

import { decimalText, metresBetween, readCoordinates } from "./coordinates.js";
import { byId } from "./dom.js";
import { isNewest, page } from "./page.js";
import { distance, say, sayWord } from "./text.js";
import { isInside } from "./unpack.js";

/**
 * Show a place, and say what is known of it.
 * @param {string} text
 */
export function goTo(text) {
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
