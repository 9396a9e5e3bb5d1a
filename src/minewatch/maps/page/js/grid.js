// @ts-check
// Lines of longitude and latitude.

import { collection, feature } from "./mapdata.js";
import { number } from "./text.js";

const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005];

/**
 * Draw lines of longitude and latitude, so that a map without network says where it is.
 * @param {any} map
 */
export function drawGrid(map) {
  const bounds = map.getBounds();
  const [west, south, east, north] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
  const wide = Math.max(east - west, north - south);
  const step = STEPS.find((one) => wide / one >= 4) ?? 0.005;
  const lines = [];
  const names = [];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step)));
  for (let x = Math.ceil(west / step) * step; x <= east; x += step) {
    lines.push(feature("LineString", [[x, Math.max(-85, south)], [x, Math.min(85, north)]]));
    names.push(feature("Point", [x, south], { name: angle(x, decimals, "E", "W"), anchor: "bottom" }));
  }
  for (let y = Math.ceil(south / step) * step; y <= north; y += step) {
    lines.push(feature("LineString", [[west, y], [east, y]]));
    names.push(feature("Point", [east, y], { name: `${angle(y, decimals, "N", "S")} `, anchor: "right" }));
  }
  map.getSource("grid")?.setData(collection(lines));
  map.getSource("grid-names")?.setData(collection(names));
}

/**
 * @param {number} degrees
 * @param {number} decimals
 * @param {string} positive
 * @param {string} negative
 */
function angle(degrees, decimals, positive, negative) {
  const size = number(Math.abs(degrees), decimals, decimals);
  return `${size}°${Math.abs(degrees) < 1e-9 ? "" : degrees < 0 ? negative : positive}`;
}
