// What stands beside the pictures: facts, the list, keys, progress. Text only, never markup.

/** @typedef {import("./words.js").Words} Words */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string)} inside
 */
export function make(tag, properties = {}, ...inside) {
  const one = document.createElement(tag);
  const { dataset, aria, ...own } = properties;
  Object.assign(one, own);
  Object.assign(one.dataset, dataset ?? {});
  for (const [name, value] of Object.entries(aria ?? {})) one.setAttribute(`aria-${name}`, value);
  one.append(...inside);
  return one;
}

export const KEYS = {
  mine: "y", not_mine: "n", unsure: "u", skip: "s",
};
const OTHERS = [
  ["1 – 0", "key_reasons"], ["z", "undo"], ["← →", "key_move"], ["c", "key_combination"],
  ["+ −", "key_scale"], ["t", "key_flash"], ["o", "key_outlines"], ["m", "key_mapped"],
  ["p", "key_draw"], ["e", "key_note"], ["/", "key_search"], ["?", "keys"],
];

/** @param {Words} words @param {HTMLElement} box */
export function showKeys(words, box) {
  const verdicts = Object.entries(KEYS).map(([verdict, key]) => [key, verdict]);
  const rows = [...verdicts, ...OTHERS].flatMap(([key, say]) => [
    make("dt", {}, make("kbd", {}, key)), make("dd", {}, words.say(say)),
  ]);
  box.replaceChildren(...rows);
}

/** @param {Words} words @param {any} item @param {HTMLElement} box */
export function showFacts(words, item, box) {
  const rows = Object.entries(item.facts).flatMap(([name, value]) => {
    const label = words.knows(`fact_${name}`) ? words.say(`fact_${name}`) : name.replaceAll("_", " ");
    return [make("dt", {}, label), make("dd", {}, spell(words, name, value))];
  });
  box.replaceChildren(...rows);
}

/** @param {Words} words @param {string} name @param {any} value */
function spell(words, name, value) {
  if (typeof value === "boolean") return words.say(value ? "yes" : "no");
  if (typeof value !== "number") return words.knows(`value_${value}`) ? words.say(`value_${value}`) : String(value);
  if (name.endsWith("_m")) return words.length(value);
  if (name.endsWith("_ha")) return `${words.number(value, 1)} ha`;
  if (name.startsWith("score") || name === "probability" || name === "margin") return words.fixed(value, 2);
  return words.number(value, Number.isInteger(value) ? 0 : 3);
}

/** @param {Words} words @param {any} item @param {HTMLElement} box @param {(text: string) => void} copied */
export function showPlace(words, item, box, copied) {
  const where = `${item.latitude.toFixed(5)}, ${item.longitude.toFixed(5)}`;
  const copy = make("button", { type: "button", className: "plain" }, words.say("copy"));
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(where);
    copied(where);
  });
  const at = `${item.latitude}&lng=${item.longitude}`;
  const links = {
    "Copernicus Browser": `https://browser.dataspace.copernicus.eu/?zoom=15&lat=${at}`,
    OpenStreetMap: `https://www.openstreetmap.org/?mlat=${item.latitude}&mlon=${item.longitude}#map=15/${item.latitude}/${item.longitude}`,
  };
  const anchors = Object.entries(links).flatMap(([name, href]) => [
    " · ", make("a", { href, target: "_blank", rel: "noopener noreferrer" }, name),
  ]);
  box.replaceChildren(make("span", {}, where), " ", copy, ...anchors);
}

/** @param {Words} words @param {any} item @param {HTMLElement} box */
export function showSaid(words, item, box) {
  const line = (one, who) => {
    const why = one.reason ? ` (${words.say(`reason_${one.reason}`)})` : "";
    const note = one.note ? ` – “${one.note}”` : "";
    return make("p", {}, make("strong", {}, who), `: ${words.say(one.verdict)}${why}${note}`);
  };
  const rows = item.others.map((one) => line(one, one.reviewer));
  box.replaceChildren(...rows);
}

/**
 * @param {Words} words @param {any[]} items @param {number} current @param {HTMLElement} box
 * @param {(number: number) => void} open
 */
export function showList(words, items, current, box, open) {
  const at = Math.max(items.findIndex((one) => one.number === current), 0);
  const [first, last] = [Math.max(at - 60, 0), Math.min(at + 120, items.length)];
  const rows = items.slice(first, last).map((one) => {
    const mark = one.verdict ? words.say(one.verdict) : "";
    const conflict = one.is_conflict ? "≠ " : "";
    const score = one.score === null || one.verdict ? "" : words.fixed(one.score, 2);
    const button = make(
      "button", { type: "button", aria: one.number === current ? { current: "true" } : {} },
      make("span", { className: "id", title: one.item_id }, one.item_id),
      make("span", { className: "quiet" }, score),
      make("span", { className: `mark ${one.verdict ?? ""}` }, conflict + mark),
    );
    button.addEventListener("click", () => open(one.number));
    return make("li", {}, button);
  });
  const more = (n) => (n > 0 ? [make("li", { className: "more" }, words.say("more", { n: words.number(n) }))] : []);
  box.replaceChildren(...more(first), ...rows, ...more(items.length - last));
  const here = box.querySelector("[aria-current]");
  if (here) box.scrollTop += here.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
}

/** @param {Words} words @param {string[]} heads @param {(string | number)[][]} rows */
function table(words, heads, rows) {
  const head = make("tr", {}, ...heads.map((one) => make("th", { scope: "col" }, one)));
  const body = rows.map((row) => make("tr", {}, ...row.map((one) => make("td", {}, String(one)))));
  return make("div", { className: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

/** @param {Words} words @param {any} progress @param {HTMLElement} box */
export function showProgress(words, progress, box) {
  const verdicts = Object.keys(KEYS);
  const counted = Object.entries(progress.reviewers).map(([who, own]) => [
    who, ...verdicts.map((verdict) => words.number(own[verdict] ?? 0)),
  ]);
  const pairs = progress.agreement.map((one) => [
    `${one.reviewer} – ${one.other}`, words.number(one.n_both), words.number(one.n_same),
    one.kappa === null ? "–" : words.fixed(one.kappa, 2),
    `${words.number(one.n_same_last)} / ${words.number(one.n_both_last)}`, words.number(one.n_conflicts),
  ]);
  const parts = [
    make("p", {}, words.say("progress_words", { n: words.number(progress.n_items), points: words.number(progress.n_points) })),
    table(words, [words.say("reviewer"), ...verdicts.map((one) => words.say(one))], counted),
  ];
  if (pairs.length) {
    const heads = ["reviewers", "both", "same", "kappa", "last_alike", "conflicts"].map((one) => words.say(one));
    parts.push(table(words, heads, pairs), make("p", { className: "quiet small" }, words.say("kappa_words")));
  }
  box.replaceChildren(...parts);
}
