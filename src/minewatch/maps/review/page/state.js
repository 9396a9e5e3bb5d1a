// What the desk knows: one value that its parts share.

/** @typedef {import("./view.js").Panel} Panel */
/** @typedef {import("./words.js").Words} Words */

/** @param {string} id @returns {any} */
export const by = (id) => document.getElementById(id);

export const state = {
  /** @type {Words} */ words: null,
  /** @type {any} */ desk: null,
  /** @type {any[]} */ items: [],
  /** @type {any[]} */ shown: [],
  /** @type {any} */ item: null,
  /** @type {[string, Record<string, string>] | null} */ told: null,
  current: 0, reviewer: "", set: 0, scale: 1, wanted: 1, fitted: false, done: false, flash: false, outlines: true, mapped: false,
  drawing: false, /** @type {any} */ cursor: null, busy: false, /** @type {any} */ last: null, fade: 0,
  /** @type {Panel[]} */ panels: [],
  /** @type {number[]} */ scales: [],
};
