// @ts-check
// The list of detections: as long as there are many, only the rows in sight are made.

import { element, refill } from "./dom.js";
import { distance, hectares, say, sayWord, score } from "./text.js";
import { numberOf, scoreOf, wordOf } from "./table.js";

const ROW_PX = 52;
const SPARE = 6;
const MOST_PX = 8_000_000;

/**
 * Make the list.
 * @param {HTMLElement} box a listbox that scrolls
 * @param {import("./table.js").Table} table
 * @param {(row: number, focus: boolean) => void} choose called with a row of the table
 * @param {(row: number) => string} colourOf
 */
export function makeList(box, table, choose, colourOf) {
  const inner = element("div", { class: "rows", role: "presentation" });
  box.append(inner);
  /** @type {Int32Array} */
  let rows = new Int32Array();
  let active = -1;
  let chosen = -1;

  const heightOf = () => Math.min(rows.length * ROW_PX, MOST_PX);
  // Browsers draw nothing beyond some millions of pixels: there, scrolling is scaled.
  const scale = () => (rows.length * ROW_PX) / Math.max(heightOf(), 1);

  function draw() {
    const top = box.scrollTop * scale();
    const from = Math.max(0, Math.floor(top / ROW_PX) - SPARE);
    const to = Math.min(rows.length, Math.ceil((top + box.clientHeight) / ROW_PX) + SPARE);
    const shift = box.scrollTop - top;
    inner.style.height = `${heightOf()}px`;
    const made = [];
    for (let place = from; place < to; place++) made.push(rowElement(place, shift));
    if (rows.length === 0) made.push(element("p", { class: "nothing" }, say("nothing")));
    refill(inner, ...made);
    if (active >= from && active < to) box.setAttribute("aria-activedescendant", `row-${active}`);
    else box.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {number} place
   * @param {number} shift
   */
  function rowElement(place, shift) {
    const row = rows[place];
    const change = wordOf(table, "change", row);
    const value = scoreOf(table, row);
    const made = element(
      "div",
      {
        class: `row${place === active ? " active" : ""}`,
        id: `row-${place}`,
        role: "option",
        "aria-selected": row === chosen ? "true" : "false",
        "aria-setsize": rows.length,
        "aria-posinset": place + 1,
        onclick: () => pick(place, false),
      },
      element("span", { class: "dot" }),
      element("span", { class: "id" }, table.ids[row]),
      element("span", { class: "area" }, hectares(table.numbers.area_ha[row])),
      element(
        "span",
        { class: "about" },
        [Number.isNaN(value) ? null : say("score_is", { score: score(value) }), fromPlace(row), change && sayWord("change", change)]
          .filter(Boolean)
          .join(" · "),
      ),
    );
    made.style.transform = `translateY(${place * ROW_PX + shift}px)`;
    /** @type {HTMLElement} */ (made.firstChild).style.background = colourOf(row);
    return made;
  }

  /** @param {number} row */
  function fromPlace(row) {
    const [named, metres] = [wordOf(table, "settlement", row), numberOf(table, "settlement_m", row)];
    return named === null || Number.isNaN(metres) ? named : say("from_place", { place: named, far: distance(metres) });
  }

  /**
   * @param {number} place
   * @param {boolean} focus
   */
  function pick(place, focus) {
    active = place;
    chosen = rows[place];
    draw();
    choose(rows[place], focus);
  }

  /** @param {number} place */
  function moveTo(place) {
    active = Math.max(0, Math.min(rows.length - 1, place));
    const top = (active * ROW_PX) / scale();
    if (top < box.scrollTop) box.scrollTop = top;
    const low = top + ROW_PX - box.clientHeight;
    if (low > box.scrollTop) box.scrollTop = low;
    draw();
  }

  box.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(box);
  box.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(box.clientHeight / ROW_PX) - 1);
    const moves = /** @type {Record<string, number>} */ ({
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: rows.length - 1,
    });
    if (rows.length > 0 && event.key in moves) moveTo(moves[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && active >= 0) pick(active, true);
    else return;
    event.preventDefault();
  });

  return {
    /**
     * Show other rows.
     * @param {Int32Array} given
     */
    show(given) {
      rows = given;
      active = chosen < 0 ? -1 : rows.indexOf(chosen);
      draw();
    },
    /**
     * Mark a row of the table as chosen; -1: none.
     * @param {number} row
     */
    mark(row) {
      chosen = row;
      const place = row < 0 ? -1 : rows.indexOf(row);
      if (place >= 0) moveTo(place);
      else draw();
    },
    /**
     * Choose the one that comes so many places after the chosen one.
     * @param {number} by
     */
    step(by) {
      if (rows.length === 0) return;
      const place = Math.max(0, Math.min(rows.length - 1, (chosen < 0 ? -by : rows.indexOf(chosen)) + by));
      moveTo(place);
      pick(place, false);
    },
    redraw: draw,
  };
}
