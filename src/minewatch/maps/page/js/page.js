// @ts-check
// What the parts of the page share.

/**
 * Data, choices of the reader, and maps.
 * @type {any}
 */
export const page = {};

/**
 * Let the list and the totals answer first, and the map when no more is asked for.
 * @param {string} what
 * @param {() => void} work
 */
export function later(what, work) {
  clearTimeout(page.waiting[what]);
  page.waiting[what] = setTimeout(work, 80);
}

/** @param {number} period */
export function isNewest(period) {
  return period === page.payload.periods.length - 1;
}
