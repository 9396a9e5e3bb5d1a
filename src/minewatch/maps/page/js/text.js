// @ts-check
// Words, numbers and dates in the reader's language.

import { element } from "./dom.js";

/** @type {Record<string, Record<string, string>>} */
let words = {};
/** @type {Record<string, Record<string, string>>} */
let phrases = {};
let language = "en";
/** How numbers and dates are written: as in the reader's own country, if it has that language. */
let locale = "en";

export const NONE = "–";

/**
 * Take the words of all languages.
 * @param {Record<string, Record<string, string>>} given
 * @param {Record<string, Record<string, string>>} own sentences of cards and files, by language and words
 * @param {string | null} wanted the language that the page was made for; null: the reader's
 */
export function startText(given, own, wanted) {
  words = given;
  phrases = own;
  const asked = [wanted, ...navigator.languages].map((one) => (one ?? "").slice(0, 2));
  setLanguage(asked.find((one) => one in words) ?? "en");
}

/** @param {string} chosen */
export function setLanguage(chosen) {
  language = chosen in words ? chosen : "en";
  locale = navigator.languages.find((one) => one.slice(0, 2) === language) ?? language;
  document.documentElement.lang = language;
  formats.clear();
}

export function currentLanguage() {
  return language;
}

/**
 * Say something in the reader's language.
 * @param {string} key
 * @param {Record<string, string | number>} [values] put where the words have {name}
 */
export function say(key, values = {}) {
  const text = words[language][key];
  if (text === undefined) throw new Error(`no words for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/**
 * Say something that a file may call by a word of its own; then its word.
 * @param {string} group
 * @param {string} word
 */
export function sayWord(group, word) {
  return words[language][`${group}.${word}`] ?? word;
}

/**
 * Say a sentence that a card or a file has: in the reader's language if minewatch wrote it, else as it is.
 * @param {string} text
 */
export function sayOwn(text) {
  const known = phrases[language]?.[text] ?? text;
  return known.replace(/\ue000([^\ue001]*)\ue001/g, (_, plain) => {
    const decimals = (plain.split(".")[1] ?? "").length;
    return number(Number(plain), decimals, decimals);
  });
}

/**
 * Show such a sentence; of words that nobody here knows the language is not known either.
 * @param {string} text
 */
export function ownWords(text) {
  const isKnown = Object.values(phrases).some((known) => text in known);
  return element("span", isKnown ? {} : { lang: "" }, sayOwn(text));
}

/**
 * Say how many, with the words for one or for more.
 * @param {string} key with .one and .other
 * @param {number} n
 */
export function sayCount(key, n) {
  const rule = cached("plural", () => new Intl.PluralRules(locale)).select(n);
  return say(`${key}.${rule === "one" ? "one" : "other"}`, { n: number(n) });
}

/** @type {Map<string, any>} */
const formats = new Map();

/**
 * @param {string} key
 * @param {() => any} make
 */
function cached(key, make) {
  if (!formats.has(key)) formats.set(key, make());
  return formats.get(key);
}

/**
 * Write a number as the language does.
 * @param {number | null | undefined} value
 * @param {number} [decimals] at most
 * @param {number} [least] at least
 */
export function number(value, decimals = 0, least = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  const options = { maximumFractionDigits: decimals, minimumFractionDigits: least };
  return cached(`n${decimals}-${least}`, () => new Intl.NumberFormat(locale, options)).format(value);
}

/**
 * Write hectares: fewer decimals where there are many.
 * @param {number | null | undefined} value
 */
export function hectares(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${number(value, decimals)}\u202fha`;
}

/**
 * Write a score from 0 to 1.
 * @param {number | null | undefined} value
 */
export function score(value) {
  return number(value, 2, 2);
}

/**
 * Write a share as percent: whole, but what is not all, or nothing, is never rounded to it.
 * @param {number} value 0 to 1
 */
export function percent(value) {
  const style = /** @type {"percent"} */ ("percent");
  const decimals = value > 0 && value < 1 && (value < 0.01 || value > 0.99) ? 1 : 0;
  const kept = decimals === 0 ? value : Math.min(Math.max(value, 0.001), 0.999);
  const options = { style, minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return cached(`percent${decimals}`, () => new Intl.NumberFormat(locale, options)).format(kept);
}

/**
 * Write a distance: metres to ten, kilometres to a tenth, and whole from a hundred on.
 * @param {number} metres
 */
export function distance(metres) {
  if (metres < 1000) return `${number(Math.round(metres / 10) * 10)}\u202fm`;
  return `${number(metres / 1000, metres < 100_000 ? 1 : 0)}\u202fkm`;
}

/**
 * Write an ISO date, whose day is meant wherever the reader is.
 * @param {string | null} date
 */
export function day(date) {
  const at = noon(date);
  return at === null ? date || NONE : dayFormat().format(at);
}

/**
 * Read an ISO date as a moment of that day, UTC.
 * @param {string | null} date
 */
function noon(date) {
  const parts = /^(\d{4})-(\d{2})-(\d{2})/.exec(date ?? "");
  return parts === null ? null : Date.UTC(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]), 12);
}

/** @returns {Intl.DateTimeFormat} */
function dayFormat() {
  const options = /** @type {Intl.DateTimeFormatOptions} */ ({ dateStyle: "medium", timeZone: "UTC" });
  return cached("day", () => new Intl.DateTimeFormat(locale, options));
}

/**
 * Write two dates as a stretch of days.
 * @param {string | null} start
 * @param {string | null} end
 */
export function days(start, end) {
  const [from, to] = [noon(start), noon(end)];
  return from === null || to === null || from === to ? day(start ?? end) : dayFormat().formatRange(from, to);
}

/**
 * Name a period: as it is called, unless it is called after its days.
 * @param {{name: string, start: string, end: string} | undefined} period
 */
export function periodName(period) {
  if (period === undefined || (period.name === "" && period.start === "")) return say("this_period");
  return period.name.includes("/") || period.name === "" ? days(period.start, period.end) : period.name;
}

/** Put the words into the elements of the template that ask for them. */
export function sayTemplate() {
  for (const one of document.querySelectorAll("[data-t]")) {
    one.textContent = say(/** @type {HTMLElement} */ (one).dataset.t ?? "");
  }
}
