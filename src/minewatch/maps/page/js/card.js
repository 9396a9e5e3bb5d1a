// @ts-check
// The card of a detection: what was seen there, and how to look for oneself.

import { copernicusAddress, decimalText, osmAddress, sexagesimalText } from "./coordinates.js";
import { byId, element, fill, refill, svg } from "./dom.js";
import { numberOf, wordOf } from "./table.js";
import { NONE, days, distance, hectares, number, periodName, say, sayWord, score } from "./text.js";

const MOST_PERIODS = 6;
const RADIUS_M = 6378137;

/**
 * @typedef {object} CardContext
 * @property {any} payload
 * @property {import("./table.js").Table} table
 * @property {any[]} shapes coordinates of every detection
 * @property {string} kind true or swir
 * @property {() => void} close
 * @property {(by: number) => void} step
 * @property {(kind: string) => void} setKind
 * @property {() => void} zoom
 */

/**
 * Show the card of a detection.
 * @param {HTMLElement} into
 * @param {number} row
 * @param {CardContext} context
 */
export function showCard(into, row, context) {
  const { table } = context;
  refill(
    into,
    element(
      "div",
      { class: "card-head" },
      element("h2", {}, table.ids[row]),
      element(
        "div",
        { class: "card-tools" },
        button("‹", say("previous"), () => context.step(-1)),
        button("›", say("next"), () => context.step(1)),
        button("×", say("close"), context.close, "close"),
      ),
    ),
    element("p", { class: "small" }, say("candidate")),
    pictures(row, context),
    facts(row, context),
    place(row, context),
    element(
      "p",
      { class: "card-foot" },
      element("button", { type: "button", onclick: context.zoom }, say("zoom")),
      " ",
      element("button", { type: "button", id: "print-card", onclick: () => printCard() }, say("print_card")),
    ),
  );
}

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} onclick
 * @param {string} [id]
 */
function button(text, label, onclick, id) {
  return element("button", { type: "button", title: label, "aria-label": label, id: id && `card-${id}`, onclick }, text);
}

/** Print the card alone, with what says how sure it is. */
function printCard() {
  document.body.classList.add("print-card");
  const done = () => document.body.classList.remove("print-card");
  window.addEventListener("afterprint", done, { once: true });
  window.print();
}

/**
 * Show the place in every period that there are images of.
 * @param {number} row
 * @param {CardContext} context
 */
function pictures(row, context) {
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
 * @param {CardContext} context
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
 * @param {CardContext} context
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

/**
 * @param {number} row
 * @param {CardContext} context
 */
function facts(row, context) {
  const { table, payload } = context;
  const rows = [
    [say("fact.area"), areaText(row, context)],
    [say("fact.ground"), groundText(row, table)],
    [say("fact.score"), scoreText(row, table)],
    [say("fact.dates"), datesText(row, table)],
    [say("fact.change"), changeText(row, table)],
    [say("fact.first"), payload.looked.length > 1 ? firstText(row, context) : null],
    [say("fact.isolated"), table.flags.isolated?.[row] === 1 ? say("isolated") : null],
    [say("fact.joined"), wordOf(table, "joined", row)],
    [say("fact.split"), wordOf(table, "split_from", row)],
    [say("fact.near"), nearText(row, table)],
    ...table.overlays.map((name) => [label(name), wordOf(table, name, row) ?? say("touches_none")]),
    ...table.others.map((name) => [label(name), otherText(name, row, table)]),
  ];
  const there = rows.filter(([, value]) => value !== null && value !== undefined);
  return element(
    "dl",
    { class: "about" },
    ...there.flatMap(([name, value]) => [
      element("dt", {}, /** @type {string} */ (name)),
      element("dd", {}, /** @type {any} */ (value)),
    ]),
  );
}

/** @param {string} name */
function label(name) {
  return name.replaceAll("_", " ");
}

/**
 * @param {number} row
 * @param {CardContext} context
 */
function areaText(row, context) {
  const isWindows = "windows" in context.table.numbers;
  return `${hectares(context.table.numbers.area_ha[row])} (${say(isWindows ? "of_squares" : "of_polygon")})`;
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function groundText(row, table) {
  const ground = numberOf(table, "ground_ha", row);
  if (Number.isNaN(ground)) return "ground_ha" in table.numbers ? say("no_outline") : null;
  const unknown = numberOf(table, "unknown_ha", row);
  const parts = say("ground_parts", {
    bare: hectares(numberOf(table, "bare_ha", row)),
    pond: hectares(numberOf(table, "pond_ha", row)),
  });
  const interval = unknown > 0 ? ` ${say("ground_interval", { low: hectares(ground), high: hectares(ground + unknown) })}` : "";
  return `${hectares(ground)} – ${parts}${interval}`;
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function scoreText(row, table) {
  const mean = numberOf(table, "score_mean", row);
  const most = numberOf(table, "score_max", row);
  const windows = numberOf(table, "windows", row);
  if (Number.isNaN(mean) && Number.isNaN(most)) return null;
  const of = Number.isNaN(windows) ? "" : ` (${say("of_windows", { n: number(windows) })})`;
  return `${say("score_mean_max", { mean: score(mean), most: score(most) })}${of}`;
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function datesText(row, table) {
  const [start, end] = [wordOf(table, "start", row), wordOf(table, "end", row)];
  return start === null && end === null ? say("no_dates") : days(start, end);
}

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function changeText(row, table) {
  const change = wordOf(table, "change", row);
  if (change === null) return null;
  const before = numberOf(table, "before_ha", row);
  return Number.isNaN(before) || before === 0
    ? sayWord("change", change)
    : `${sayWord("change", change)} (${say("before_was", { area: hectares(before) })})`;
}

/**
 * @param {number} row
 * @param {CardContext} context
 */
function firstText(row, { table, payload }) {
  return periodName(payload.periods[table.first[row]]);
}

const NEAR = ["river_m", "road_m", "airstrip_m", "settlement_m"];

/**
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function nearText(row, table) {
  const there = NEAR.filter((name) => name in table.numbers);
  if (there.length === 0) return null;
  const parts = there.map((name) => {
    const metres = numberOf(table, name, row);
    const kind = say(`feature.${name.replace("_m", "")}`);
    return `${kind}: ${Number.isNaN(metres) ? say("none_mapped") : metres === 0 ? say("meets") : distance(metres)}`;
  });
  const edge = numberOf(table, "map_edge_m", row);
  if (!Number.isNaN(edge)) parts.push(say("map_edge", { far: distance(edge) }));
  return element("ul", {}, ...parts.map((part) => element("li", {}, part)));
}

/**
 * @param {string} name
 * @param {number} row
 * @param {import("./table.js").Table} table
 */
function otherText(name, row, table) {
  if (!(name in table.numbers)) return wordOf(table, name, row);
  const value = numberOf(table, name, row);
  return Number.isNaN(value) ? null : number(value, 3);
}

/**
 * @param {number} row
 * @param {CardContext} context
 */
function place(row, { table, payload }) {
  const at = { longitude: table.numbers.longitude[row], latitude: table.numbers.latitude[row] };
  const period = payload.periods[table.period[row]];
  const start = wordOf(table, "start", row) ?? period?.start ?? null;
  const end = wordOf(table, "end", row) ?? period?.end ?? null;
  return element(
    "div",
    { class: "place" },
    element("h3", {}, say("coordinates")),
    copyable(decimalText(at)),
    copyable(sexagesimalText(at)),
    element(
      "p",
      {},
      link(copernicusAddress(at, start, end), say("copernicus")),
      " · ",
      link(osmAddress(at), say("osm")),
    ),
  );
}

/** @param {string} text */
function copyable(text) {
  const copy = element("button", { type: "button", class: "copy" }, say("copy"));
  copy.addEventListener("click", async () => {
    const worked = await copyText(text);
    byId("said").textContent = copy.textContent = say(worked ? "copied" : "not_copied");
  });
  return element("p", { class: "copyable" }, element("code", {}, text), " ", copy);
}

/**
 * Copy text, also where the page was opened from a file and the clipboard is not allowed.
 * @param {string} text
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = /** @type {HTMLTextAreaElement} */ (element("textarea", { class: "unseen", value: text }));
    document.body.append(field);
    field.select();
    const worked = document.execCommand("copy");
    field.remove();
    return worked;
  }
}

/**
 * @param {string} address
 * @param {string} text
 */
function link(address, text) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text);
}
