// The desk: one place after the other, a key each, and nothing goes on before it is on disk.

import { KEYS, make, showFacts, showKeys, showList, showPlace, showProgress, showSaid } from "./cards.js";
import { choose, flash, layout, look, nudge, prefetch, rescale, showChips, shown, toggle, whenDrawn } from "./stage.js";
import { by, state } from "./state.js";
import { Pending, Refused, newUid, read, takeToken, write } from "./talk.js";
import { Words } from "./words.js";

const NAME = "minewatch-reviewer";
const FILTERS = ["todo", "all", "mine", "not_mine", "unsure", "skip", "conflicts"];
const SORTS = ["queue", "score_down", "score_up", "area_down"];

/** @type {Pending} */ let pending;

async function begin() {
  takeToken();
  state.words = new Words(await (await fetch("/assets/strings.json")).json());
  by("language").value = state.words.language;
  state.words.fill();
  try {
    state.desk = await read("/api/review");
  } catch (problem) {
    if (!(problem instanceof Refused) || problem.status !== 401) alarm(state.words.say("no_answer"));
    state.words.fill();
    by("locked").showModal();
    return;
  }
  pending = new Pending(state.desk.review_id);
  for (const waiting of pending.all()) {
    state.reviewer = waiting.body.reviewer;
    if (await pending.send(waiting, tell)) status("sent_again");
  }
  state.reviewer = localStorage.getItem(NAME) ?? state.reviewer;
  listen();
  if (state.reviewer) await load();
  else askName();
}

/** Read the list anew; where others do not agree is told to who asks for conflicts alone. */
async function reread() {
  const who = encodeURIComponent(state.reviewer);
  const compare = by("filter").value === "conflicts" ? "&compare=true" : "";
  [state.items, state.last] = await Promise.all([
    read(`/api/items?reviewer=${who}${compare}`),
    read(`/api/progress?reviewer=${who}`).then((one) => one.last),
  ]);
}

async function load() {
  await reread();
  by("desk").hidden = false;
  label();
  refilter();
  await open((state.shown[0] ?? state.items[0])?.number, !state.shown.length);
}

/** Write all words anew, in the language chosen. */
function label() {
  const { desk } = state;
  state.words.fill();
  const kind = state.words.say(`kind_${desk.kind}`);
  const title = desk.title.toLowerCase() === desk.kind ? kind : `${kind} · ${desk.title}`;
  document.title = `${title} – minewatch review`;
  by("title").textContent = by("title").title = title;
  by("question").textContent = state.words.say(desk.kind === "detections" ? "question_detection" : "question_square");
  by("hint").hidden = desk.kind !== "detections";
  by("draw").hidden = desk.kind === "sample"; // of a sample nothing but its own windows counts
  by("who-open").textContent = state.reviewer;
  by("who-open").setAttribute("aria-label", `${state.words.say("reviewer")}: ${state.reviewer}`);
  by("before").setAttribute("aria-label", state.words.say("before"));
  by("after").setAttribute("aria-label", state.words.say("after"));
  by("undo").replaceChildren(state.words.say("undo"), " ", make("kbd", {}, "z"));
  by("draw").replaceChildren(state.words.say("draw"), " ", make("kbd", {}, "p"));
  by("least-box").hidden = state.items.every((one) => one.score === null);
  options(by("filter"), FILTERS, (one) => state.words.say(one));
  const sorts = desk.is_blind ? ["queue"] : SORTS;
  options(by("sort"), sorts, (one) => state.words.say(`sort_${one}`));
  by("verdicts").replaceChildren(...Object.entries(KEYS).map(([verdict, key]) => {
    const button = make("button", { type: "button", dataset: { verdict }, aria: { keyshortcuts: key } },
      make("span", {}, state.words.say(verdict)), make("kbd", {}, key));
    button.addEventListener("click", () => decide(verdict));
    return button;
  }));
  by("reasons").replaceChildren(...desk.reasons.map((reason, at) => {
    const key = String((at + 1) % 10);
    const button = make("button", { type: "button", dataset: { reason }, aria: { keyshortcuts: key } },
      make("span", {}, state.words.say(`reason_${reason}`)), make("kbd", {}, key));
    button.addEventListener("click", () => decide("not_mine", reason));
    return button;
  }));
  showKeys(state.words, by("keys"));
  if (state.item) showItem();
}

/** @param {any} select @param {string[]} names @param {(name: string) => string} spell */
function options(select, names, spell) {
  const chosen = select.value;
  select.replaceChildren(...names.map((one) => make("option", { value: one }, spell(one))));
  if (names.includes(chosen)) select.value = chosen;
}

function refilter() {
  const [filter, sort, text] = [by("filter").value, by("sort").value, by("search").value.trim().toLowerCase()];
  const least = Number.parseFloat(by("least").value);
  const fits = {
    todo: (one) => !one.verdict, all: () => true, conflicts: (one) => one.is_conflict,
  }[filter] ?? ((one) => one.verdict === filter);
  const found = state.items.filter((one) =>
    fits(one) && one.item_id.toLowerCase().includes(text) && (Number.isNaN(least) || (one.score ?? 1) >= least));
  const value = { score_down: (one) => -(one.score ?? -1), score_up: (one) => one.score ?? 2, area_down: (one) => -(one.area_ha ?? -1) }[sort];
  if (value) found.sort((one, other) => value(one) - value(other));
  state.shown = found;
  relist();
}

/** Open the first place of the list, if the one that is shown is not in it. */
function goIn() {
  const [first] = state.shown;
  if (!first) state.done = true;
  else if (!state.shown.some((one) => one.number === state.current)) open(first.number);
}

function relist() {
  const done = state.items.filter((one) => one.verdict).length;
  by("meter").setAttribute("aria-valuemax", String(state.items.length));
  by("meter").setAttribute("aria-valuenow", String(done));
  by("meter").setAttribute("aria-label", state.words.say("progress"));
  by("meter-bar").style.width = `${(100 * done) / Math.max(state.items.length, 1)}%`;
  by("count").textContent = state.words.say("count", { done: state.words.number(done), all: state.words.number(state.items.length) });
  by("found").textContent = state.words.say("found", { n: state.words.number(state.shown.length) });
  showList(state.words, state.shown, state.current, by("list"), open);
}

/** @param {number | undefined} number @param {boolean} done Nothing is left: keys decide nothing here by themselves. */
async function open(number, done = false) {
  if (!number) return;
  state.current = number;
  state.done = done;
  setDrawing(false);
  state.item = null; // nothing is decided of what is not shown any more, or not yet
  delete by("desk").dataset.item;
  const item = await guarded(() => read(`/api/items/${number}?reviewer=${encodeURIComponent(state.reviewer)}`));
  if (!item || state.current !== number) return;
  state.item = item;
  showItem();
  relist();
  await look();
  for (const next of following(2)) prefetch(next);
}

function showItem() {
  const { item } = state;
  const { decision } = item;
  by("desk").dataset.item = item.item_id;
  by("note").value = localStorage.getItem(draft()) ?? decision?.note ?? "";
  for (const one of document.querySelectorAll("[data-verdict]")) one.classList.toggle("chosen", one.dataset.verdict === decision?.verdict);
  for (const one of document.querySelectorAll("[data-reason]")) one.classList.toggle("chosen", one.dataset.reason === decision?.reason);
  by("undo").disabled = !state.last;
  showFacts(state.words, item, by("facts"));
  showPlace(state.words, item, by("place"), (text) => status("copied", { text }));
  showSaid(state.words, item, by("said"));
  showChips();
}

const draft = () => `minewatch-review-note:${state.desk.review_id}:${state.reviewer}:${state.current}`;

/** @param {number} count @returns {number[]} */
function following(count) {
  const at = state.shown.findIndex((one) => one.number === state.current);
  return state.shown.slice(at + 1, at + 1 + count).map((one) => one.number);
}

/** @param {string} path @param {object} body */
async function send(path, body) {
  state.busy = true;
  const saved = await pending.send(pending.keep(path, body), tell);
  state.busy = false;
  if (saved) state.last = saved;
  return saved;
}

/** @param {string} verdict @param {string | null} [reason] */
async function decide(verdict, reason = null) {
  if (state.done) return status("all_done");
  if (state.busy || !state.item) return status("not_yet");
  const { number } = state.item;
  const note = by("note").value.trim().replace(/[\t\r]/g, " ");
  const drafted = draft();
  const saved = await send("/api/decisions", { uid: newUid(), number, item_id: state.item.item_id, verdict, reason, note, reviewer: state.reviewer, shown: shown() });
  if (!saved) return;
  localStorage.removeItem(drafted);
  const brief = state.items.find((one) => one.number === number);
  Object.assign(brief, { n_reviewers: brief.n_reviewers + (brief.verdict ? 0 : 1), verdict, reason });
  const told = reason ? ["saved_because", { verdict, reason: `reason_${reason}` }] : ["saved_as", { verdict }];
  status(...told);
  const at = state.shown.findIndex((one) => one.number === number);
  const later = [...state.shown.slice(at + 1), ...state.shown.slice(0, Math.max(at, 0))];
  const next = by("filter").value === "todo" ? later.find((one) => !one.verdict) : state.shown[at + 1];
  if (next) return open(next.number);
  status("all_done");
  await open(number, true);
}

/** @param {{longitude: number, latitude: number}} place */
async function drawAt(place) {
  if (state.busy) return;
  const { number } = state.item;
  setDrawing(false); // one at a time: a second click, or Enter, draws nothing by itself
  const saved = await send("/api/points", { uid: newUid(), number, item_id: state.item.item_id, ...place, note: "", reviewer: state.reviewer, shown: shown() });
  if (!saved) return;
  if (state.current === number) state.item.points.push({ number: saved.number, ...place, note: "" });
  status("point_saved");
  by("undo").disabled = false;
  layout();
}

async function undo() {
  if (state.busy || !state.last) return;
  state.busy = true;
  const undone = await guarded(() => write("/api/undo", { reviewer: state.reviewer, number: state.last.number }));
  state.busy = false;
  if (!undone) return;
  await reread();
  refilter();
  status("undone");
  await open(undone.item || state.current);
}

/** @param {() => Promise<any>} act */
async function guarded(act) {
  try {
    const got = await act();
    alarm(null);
    return got;
  } catch (problem) {
    tell(problem.message, problem instanceof Refused ? problem.status : 0);
    return null;
  }
}

/** @param {string | null} problem @param {number} code */
function tell(problem, code) {
  if (problem === null) alarm(null);
  else if (code === 401) alarm(state.words.say("old_token"));
  else if (code === 0) alarm(state.words.say("no_answer"));
  else alarm(state.words.say("refused", { why: problem }));
}

/** @param {string | null} text */
function alarm(text) {
  by("alarm").hidden = text === null;
  by("alarm").textContent = text ?? "";
}

/**
 * Say something for a while; values that are words of the page are said in its language.
 * @param {string} key @param {Record<string, string>} [values]
 */
function status(key, values = {}) {
  state.told = [key, values];
  const own = Object.entries(values).map(([name, one]) => [name, state.words.knows(one) ? state.words.say(one) : one]);
  by("status").textContent = state.words.say(key, Object.fromEntries(own));
  clearTimeout(state.fade);
  if (key !== "all_done") state.fade = setTimeout(hush, 2500);
}

function hush() {
  state.told = null;
  by("status").textContent = "";
}

/** @param {number} by_ */
function move(by_) {
  const at = state.shown.findIndex((one) => one.number === state.current);
  const next = at < 0 ? state.shown[0] : state.shown[at + by_];
  if (next) open(next.number);
}

/** @param {boolean} on */
function setDrawing(on) {
  if (on && (!state.item || state.desk.kind === "sample")) return;
  state.drawing = on;
  by("draw").setAttribute("aria-pressed", String(on));
  by("panels").classList.toggle("drawing", on);
  state.cursor = on ? { longitude: state.item.longitude, latitude: state.item.latitude } : null;
  if (on) status("draw_words");
  layout();
}

function askName() {
  by("who-name").value = state.reviewer || state.desk.reviewer;
  by("who").showModal();
  by("who-name").select();
}

async function showProgressNow() {
  const progress = await guarded(() => read(`/api/progress?reviewer=${encodeURIComponent(state.reviewer)}&compare=true`));
  if (!progress) return;
  showProgress(state.words, progress, by("progress-body"));
  by("progress").showModal();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {KeyboardEvent} event @param {string} key @returns {boolean} Whether the key was for the cross. */
function drawingKey(event, key) {
  if (!state.drawing) return false;
  if (event.key in ARROWS) {
    const step = event.shiftKey ? 10 : 1;
    nudge(ARROWS[event.key][0] * step, ARROWS[event.key][1] * step);
  } else if (event.key === "Enter") drawAt(state.cursor);
  else if (event.key === "Escape" || key === "p") setDrawing(false);
  else return false;
  return true;
}

const ACTIONS = {
  z: undo, Backspace: undo, ArrowLeft: () => move(-1), k: () => move(-1), ArrowRight: () => move(1), j: () => move(1),
  c: () => choose(state.set + 1), "+": () => rescale(state.scale - 1), "=": () => rescale(state.scale - 1),
  "-": () => rescale(state.scale + 1), o: () => toggle("outlines"), m: () => toggle("mapped"),
  p: () => setDrawing(true), e: () => by("note").focus(), "?": () => by("help").showModal(),
  t: () => (state.desk.periods.length > 1 ? flash(true) : status("one_period")),
  "/": () => {
    by("list-box").open = true;
    by("search").focus();
  },
};

/** @param {KeyboardEvent} event */
function keyDown(event) {
  const { target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (target instanceof Element && target.matches("input, textarea, select")) {
    if (event.key === "Escape") /** @type {HTMLElement} */ (target).blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // Caps Lock or not
  const verdict = Object.keys(KEYS).find((one) => KEYS[one] === key);
  const at = "1234567890".indexOf(key);
  if (!state.item) {
    if (verdict || at >= 0) status("not_yet");
    return;
  }
  const onButton = target instanceof Element && target.matches("button, a, summary");
  if (onButton && (event.key === "Enter" || event.key === " ")) return;
  if (drawingKey(event, key)) event.preventDefault();
  else if (event.repeat && (verdict || at >= 0 || key === "z")) event.preventDefault();
  else if (verdict) decide(verdict);
  else if (at >= 0 && at < state.desk.reasons.length) decide("not_mine", state.desk.reasons[at]);
  else if (key in ACTIONS) {
    event.preventDefault();
    ACTIONS[key]();
  }
}

function listen() {
  whenDrawn(drawAt);
  document.addEventListener("keydown", keyDown);
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "t" && flash(false));
  addEventListener("resize", layout);
  by("undo").addEventListener("click", undo);
  by("draw").addEventListener("click", () => setDrawing(!state.drawing));
  by("before").addEventListener("click", () => move(-1));
  by("after").addEventListener("click", () => move(1));
  by("who-open").addEventListener("click", askName);
  by("help-open").addEventListener("click", () => by("help").showModal());
  by("progress-open").addEventListener("click", showProgressNow);
  by("note").addEventListener("input", () => localStorage.setItem(draft(), by("note").value));
  by("filter").addEventListener("change", async () => {
    if (by("filter").value === "conflicts") await guarded(reread);
    refilter();
    goIn();
  });
  by("sort").addEventListener("change", refilter);
  for (const id of ["search", "least"]) by(id).addEventListener("input", refilter);
  by("language").addEventListener("change", () => {
    state.words.choose(by("language").value);
    label();
    relist();
    look();
    if (state.told) status(...state.told);
  });
  by("who").addEventListener("close", async () => {
    const name = by("who-name").value.trim().replace(/\s+/g, " ");
    if (!name) return askName();
    state.reviewer = name;
    localStorage.setItem(NAME, name);
    return load();
  });
  by("list-box").open = innerWidth > 704;
}

begin();
