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
    if (await pending.send(waiting, tell)) say("sent_again");
  }
  state.reviewer = localStorage.getItem(NAME) ?? state.reviewer;
  listen();
  if (state.reviewer) await load();
  else askName();
}

async function load() {
  const who = encodeURIComponent(state.reviewer);
  [state.items, state.last] = await Promise.all([
    read(`/api/items?reviewer=${who}`),
    read(`/api/progress?reviewer=${who}`).then((one) => one.last),
  ]);
  by("desk").hidden = false;
  label();
  refilter();
  await open((state.shown[0] ?? state.items[0])?.number);
}

/** Write all words anew, in the language chosen. */
function label() {
  const { desk } = state;
  state.words.fill();
  document.title = `${desk.title} – minewatch review`;
  by("title").textContent = desk.title;
  by("question").textContent = state.words.say(desk.kind === "detections" ? "question_detection" : "question_square");
  by("hint").hidden = desk.kind !== "detections";
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

/** @param {number | undefined} number */
async function open(number) {
  if (!number) return;
  state.current = number;
  state.cursor = null;
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
  showPlace(state.words, item, by("place"), (text) => status(state.words.say("copied", { text })));
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
  if (state.busy || !state.item) return;
  const { number } = state.item;
  const note = by("note").value.trim().replace(/[\t\r]/g, " ");
  const drafted = draft();
  const saved = await send("/api/decisions", { uid: newUid(), number, item_id: state.item.item_id, verdict, reason, note, reviewer: state.reviewer, shown: shown() });
  if (!saved) return;
  localStorage.removeItem(drafted);
  const brief = state.items.find((one) => one.number === number);
  Object.assign(brief, { n_reviewers: brief.n_reviewers + (brief.verdict ? 0 : 1), verdict, reason });
  const why = reason ? ` (${state.words.say(`reason_${reason}`)})` : "";
  status(`${state.words.say("saved")}: ${state.words.say(verdict)}${why}`);
  const at = state.shown.findIndex((one) => one.number === number);
  const later = [...state.shown.slice(at + 1), ...state.shown.slice(0, Math.max(at, 0))];
  const next = by("filter").value === "todo" ? later.find((one) => !one.verdict) : state.shown[at + 1];
  if (next) await open(next.number);
  else {
    status(state.words.say("all_done"));
    await open(number);
  }
}

/** @param {{longitude: number, latitude: number}} place */
async function drawAt(place) {
  if (state.busy) return;
  const { number } = state.item;
  const saved = await send("/api/points", { uid: newUid(), number, item_id: state.item.item_id, ...place, note: "", reviewer: state.reviewer, shown: shown() });
  if (!saved) return;
  if (state.current === number) state.item.points.push({ number: saved.number, ...place, note: "" });
  status(state.words.say("point_saved"));
  by("undo").disabled = false;
  layout();
}

async function undo() {
  if (state.busy || !state.last) return;
  state.busy = true;
  const undone = await guarded(() => write("/api/undo", { reviewer: state.reviewer, number: state.last.number }));
  state.busy = false;
  if (!undone) return;
  const who = encodeURIComponent(state.reviewer);
  [state.items, state.last] = await Promise.all([
    read(`/api/items?reviewer=${who}`), read(`/api/progress?reviewer=${who}`).then((one) => one.last),
  ]);
  refilter();
  status(state.words.say("undone"));
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

/** @param {string} text */
function status(text) {
  by("status").textContent = text;
  clearTimeout(state.fade);
  state.fade = setTimeout(() => (by("status").textContent = ""), 2500);
}

/** @param {string} key */
const say = (key) => status(state.words.say(key));

/** @param {number} by_ */
function move(by_) {
  const at = state.shown.findIndex((one) => one.number === state.current);
  const next = at < 0 ? state.shown[0] : state.shown[at + by_];
  if (next) open(next.number);
}

/** @param {boolean} on */
function setDrawing(on) {
  if (!state.item) return;
  state.drawing = on;
  by("draw").setAttribute("aria-pressed", String(on));
  by("panels").classList.toggle("drawing", on);
  state.cursor = on ? { longitude: state.item.longitude, latitude: state.item.latitude } : null;
  if (on) say("draw_words");
  layout();
}

function askName() {
  by("who-name").value = state.reviewer || state.desk.reviewer;
  by("who").showModal();
  by("who-name").select();
}

async function showProgressNow() {
  const progress = await guarded(() => read(`/api/progress?reviewer=${encodeURIComponent(state.reviewer)}`));
  if (!progress) return;
  showProgress(state.words, progress, by("progress-body"));
  by("progress").showModal();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {KeyboardEvent} event @returns {boolean} Whether the key was for the cross. */
function drawingKey(event) {
  if (!state.drawing) return false;
  if (event.key in ARROWS) {
    const step = event.shiftKey ? 10 : 1;
    nudge(ARROWS[event.key][0] * step, ARROWS[event.key][1] * step);
  } else if (event.key === "Enter") drawAt(state.cursor);
  else if (event.key === "Escape" || event.key === "p") setDrawing(false);
  else return false;
  return true;
}

const ACTIONS = {
  z: undo, Backspace: undo, ArrowLeft: () => move(-1), k: () => move(-1), ArrowRight: () => move(1), j: () => move(1),
  c: () => choose(state.set + 1), "+": () => rescale(state.scale - 1), "=": () => rescale(state.scale - 1),
  "-": () => rescale(state.scale + 1), o: () => toggle("outlines"), m: () => toggle("mapped"),
  p: () => setDrawing(true), e: () => by("note").focus(), "?": () => by("help").showModal(),
  t: () => flash(true),
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
  if (!state.item) return;
  const onButton = target instanceof Element && target.matches("button, a, summary");
  if (onButton && (event.key === "Enter" || event.key === " ")) return;
  const verdict = Object.keys(KEYS).find((one) => KEYS[one] === event.key);
  const at = "1234567890".indexOf(event.key);
  if (drawingKey(event)) event.preventDefault();
  else if (event.repeat && (verdict || at >= 0 || event.key === "z")) event.preventDefault();
  else if (verdict) decide(verdict);
  else if (at >= 0 && at < state.desk.reasons.length) decide("not_mine", state.desk.reasons[at]);
  else if (event.key in ACTIONS) {
    event.preventDefault();
    ACTIONS[event.key]();
  }
}

function listen() {
  whenDrawn(drawAt);
  document.addEventListener("keydown", keyDown);
  document.addEventListener("keyup", (event) => event.key === "t" && flash(false));
  addEventListener("resize", layout);
  by("undo").addEventListener("click", undo);
  by("draw").addEventListener("click", () => setDrawing(!state.drawing));
  by("before").addEventListener("click", () => move(-1));
  by("after").addEventListener("click", () => move(1));
  by("who-open").addEventListener("click", askName);
  by("help-open").addEventListener("click", () => by("help").showModal());
  by("progress-open").addEventListener("click", showProgressNow);
  by("note").addEventListener("input", () => localStorage.setItem(draft(), by("note").value));
  for (const id of ["filter", "sort"]) by(id).addEventListener("change", refilter);
  for (const id of ["search", "least"]) by(id).addEventListener("input", refilter);
  by("language").addEventListener("change", () => {
    state.words.choose(by("language").value);
    label();
    relist();
    look();
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
