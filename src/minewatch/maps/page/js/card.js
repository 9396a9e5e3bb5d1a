// @ts-check
// The card of a detection: what was seen there, and how to look for oneself.

import { cardFacts } from "./cardfacts.js";
import { copernicusAddress, decimalText, osmAddress, sexagesimalText } from "./coordinates.js";
import { byId, element, refill } from "./dom.js";
import { wordOf } from "./table.js";
import { say } from "./text.js";
import { pictures } from "./thumbnails.js";

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
    cardFacts(row, context),
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
