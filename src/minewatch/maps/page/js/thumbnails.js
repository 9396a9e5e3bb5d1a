// @ts-check
// Images of a detection, with its outline.

import { distance, number, periodName, say, NONE } from "./text.js";
import { element, fill, svg } from "./dom.js";

const MOST_PERIODS = 6;
const RADIUS_M = 6378137;

/**
 * Show the place in every period that there are images of.
 * @param {number} row
 * @param {import("./card.js").CardContext} context
 */
export function pictures(row, context) {
  const { payload } = context;
  if (payload.pictures.length === 0) return element("p", { class: "small" }, say("no_pictures"));
  const own = payload.thumbnails[String(row)] ?? [];
  const kinds = [...new Set(payload.pictures.map((/** @type {any} */ one) => one.kind))];
  const shown = (own.length ? own : payload.pictures)
    .filter((/** @type {any} */ one) => one.kind === context.kind)
    .slice(-MOST_PERIODS);
  const square = own.length ? null : squareAround(context.shapes[row]);
  return element(
    "div",
    { class: "seen" },
    kinds.length > 1 ? kindSwitch(kinds, context) : null,
    element(
      "div",
      { class: "thumbnails" },
      ...shown.map((/** @type {any} */ picture) => thumbnail(picture, square, row, context)),
    ),
  );
}

/**
 * @param {string[]} kinds
 * @param {import("./card.js").CardContext} context
 */
function kindSwitch(kinds, context) {
  return element(
    "div",
    { class: "switch", role: "group", "aria-label": say("kind") },
    ...kinds.map((kind) =>
      element(
        "button",
        { type: "button", "aria-pressed": String(kind === context.kind), onclick: () => context.setKind(kind) },
        say(`kind.${kind}`),
      ),
    ),
  );
}

/**
 * @param {any} picture
 * @param {number[] | null} square degrees to cut from the picture; null: all of it
 * @param {number} row
 * @param {import("./card.js").CardContext} context
 */
function thumbnail(picture, square, row, context) {
  const bounds = square ?? picture.bounds;
  const period = context.payload.periods.find((/** @type {any} */ one) => one.name === picture.period);
  const caption = period === undefined ? picture.period || NONE : periodName(period);
  const side = Math.round(((bounds[2] - bounds[0]) * 111320 * Math.cos((bounds[1] * Math.PI) / 180)) / 10) * 10;
  const image = square === null ? picture.source : "";
  const frame = element("div", { class: "frame" });
  const shown = /** @type {HTMLImageElement} */ (
    element("img", { alt: say("thumbnail_of", { id: context.table.ids[row], period: caption }) })
  );
  if (image) shown.src = image;
  else cut(picture, bounds).then((source) => (source ? (shown.src = source) : shown.replaceWith(say("no_data"))));
  fill(frame, shown, outline(context.shapes[row], bounds));
  return element(
    "figure",
    {},
    frame,
    element(
      "figcaption",
      {},
      element("b", {}, caption),
      ` · ${say("side_is", { side: distance(side) })} · ${say("pixel_is", { side: number(picture.ground_m) })}`,
    ),
  );
}

/** @type {Map<any, Promise<ImageBitmap | HTMLImageElement>>} */
const loaded = new Map();

/**
 * Cut a part out of a picture.
 * @param {any} picture
 * @param {number[]} bounds
 * @returns {Promise<string | null>} null if the picture shows nothing of it
 */
async function cut(picture, bounds) {
  if (!loaded.has(picture)) {
    const image = new Image();
    image.src = picture.source;
    loaded.set(picture, image.decode().then(() => image));
  }
  const image = /** @type {HTMLImageElement} */ (await loaded.get(picture));
  const [west, south, east, north] = picture.bounds;
  const perX = image.naturalWidth / (east - west);
  const perY = image.naturalHeight / (mercator(north) - mercator(south));
  const x = (bounds[0] - west) * perX;
  const y = (mercator(north) - mercator(bounds[3])) * perY;
  const width = (bounds[2] - bounds[0]) * perX;
  const height = (mercator(bounds[3]) - mercator(bounds[1])) * perY;
  if (x + width < 0 || y + height < 0 || x > image.naturalWidth || y > image.naturalHeight) return null;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 160;
  const drawing = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  drawing.imageSmoothingEnabled = width > 160;
  drawing.drawImage(image, x, y, width, height, 0, 0, 160, 160);
  return canvas.toDataURL();
}

/** @param {number} latitude */
function mercator(latitude) {
  return Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
}

/** @param {number[][][][]} shape */
function boundsOf(shape) {
  const bounds = [180, 90, -180, -90];
  for (const polygon of shape) {
    for (const [x, y] of polygon[0]) {
      bounds[0] = Math.min(bounds[0], x);
      bounds[1] = Math.min(bounds[1], y);
      bounds[2] = Math.max(bounds[2], x);
      bounds[3] = Math.max(bounds[3], y);
    }
  }
  return bounds;
}

/**
 * Give a square around a shape, degrees: as wide as the thumbnails that the page holds.
 * @param {number[][][][]} shape
 */
function squareAround(shape) {
  const [west, south, east, north] = boundsOf(shape);
  const middle = (mercator(south) + mercator(north)) / 2;
  const wide = ((east - west) * Math.PI) / 180;
  const least = 960 / RADIUS_M / Math.cos((south * Math.PI) / 180);
  const half = Math.max(1.7 * Math.max(wide, mercator(north) - mercator(south)), least) / 2;
  const x = (west + east) / 2;
  const back = (/** @type {number} */ y) => (Math.atan(Math.exp(y)) * 360) / Math.PI - 90;
  const across = (half * 180) / Math.PI;
  return [x - across, back(middle - half), x + across, back(middle + half)];
}

/**
 * Draw the outline of a detection over its picture.
 * @param {number[][][][]} shape
 * @param {number[]} bounds
 */
function outline(shape, bounds) {
  const [west, south, east, north] = bounds;
  const top = mercator(north);
  const tall = top - mercator(south);
  const path = shape
    .flat()
    .map((ring) => {
      const points = ring.map(([x, y]) => {
        const across = (100 * (x - west)) / (east - west);
        const down = (100 * (top - mercator(y))) / tall;
        return `${across.toFixed(2)} ${down.toFixed(2)}`;
      });
      return `M${points.join("L")}Z`;
    })
    .join("");
  return svg(
    "svg",
    { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { d: path, class: "case" }),
    svg("path", { d: path, class: "line" }),
  );
}
