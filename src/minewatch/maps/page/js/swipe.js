// @ts-check
// Two periods side by side: a second map over the first, cut off at a bar that moves.

import { say } from "./text.js";

/**
 * Make the bar and keep both maps on the same ground.
 * @param {HTMLElement} bar
 * @param {HTMLElement} over element of the second map
 * @param {any} under the first map
 */
export function makeSwipe(bar, over, under) {
  let share = 0.5;
  /** @type {any} */
  let upper = null;

  function place() {
    const x = share * over.clientWidth;
    over.style.clipPath = `inset(0 0 0 ${x}px)`;
    bar.style.left = `${x}px`;
    bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    bar.setAttribute("aria-label", say("swipe_bar"));
  }

  /** @param {number} value */
  function moveTo(value) {
    share = Math.max(0, Math.min(1, value));
    place();
  }

  function follow() {
    upper?.jumpTo({ center: under.getCenter(), zoom: under.getZoom() });
  }

  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    event.preventDefault();
    bar.focus();
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const box = over.getBoundingClientRect();
    moveTo((event.clientX - box.left) / box.width);
  });
  bar.addEventListener("keydown", (event) => {
    const moves = /** @type {Record<string, number>} */ ({
      ArrowLeft: share - 0.05, ArrowRight: share + 0.05, Home: 0, End: 1,
    });
    if (!(event.key in moves)) return;
    moveTo(moves[event.key]);
    event.preventDefault();
  });
  under.on("move", follow);
  window.addEventListener("resize", () => upper && place());

  return {
    /** @param {any} map the second map; null: one map again */
    set(map) {
      upper = map;
      bar.hidden = over.hidden = map === null;
      if (map !== null) {
        map.resize();
        follow();
        place();
      }
    },
    /** Say whether a point of the screen shows the second map. @param {number} x */
    isOver: (x) => upper !== null && x > share * over.clientWidth,
  };
}
