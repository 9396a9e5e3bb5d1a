// The pictures of the place that is judged: which, how large, and what is drawn over them.

import { make } from "./cards.js";
import { by, state } from "./state.js";
import { Refused } from "./talk.js";
import { FEATURES, OTHER_FEATURES, Panel, Scenes } from "./view.js";

const SETS = [["true_colour", "swir"], ["infrared", "swir"], ["true_colour"], ["swir"], ["infrared"]];
const NARROW_PX = 704;
const scenes = new Scenes();
/** @type {(place: {longitude: number, latitude: number}) => void} */
let drawAt = () => {};

/** Say what becomes of a place that was clicked. @param {typeof drawAt} act */
export function whenDrawn(act) {
  drawAt = act;
}

/** @param {number} number */
export async function prefetch(number) {
  for (const period of chosenPeriods()) {
    try {
      const scene = await scenes.scene(number, period);
      for (const one of SETS[state.set]) if (one in scene.pictures) await scenes.picture(number, period, one);
    } catch {
      return; // it is asked for again when it is its turn, and then says why
    }
  }
}

/** The first and the last period: before and after. */
function chosenPeriods() {
  const n = state.desk.periods.length;
  if (n < 2) return n ? [0] : [];
  return [0, n - 1];
}

/** Show the pictures of the item, each when it comes. */
export async function look() {
  const { current } = state;
  const periods = chosenPeriods();
  const combinations = SETS[state.set];
  state.fitted = false;
  state.panels = combinations.flatMap((one) => periods.map((period) => new Panel(period, one)));
  by("panels").replaceChildren(...state.panels.map((one) => one.figure));
  if (!periods.length) by("panels").replaceChildren(make("p", { className: "quiet" }, state.words.say("no_imagery")));
  for (const panel of state.panels) {
    panel.blank(state.words.say("loading"));
    point(panel);
  }
  credit();
  layout();
  await Promise.all(state.panels.map((panel) => fill(panel, current)));
}

/** @param {Panel} panel @param {number} number */
async function fill(panel, number) {
  const name = state.desk.periods[panel.period];
  try {
    const scene = await scenes.scene(number, panel.period);
    if (!(panel.combination in scene.pictures)) {
      panel.blank(state.words.say("no_bands", { combination: state.words.say(panel.combination) }));
      return;
    }
    const image = await scenes.picture(number, panel.period, panel.combination);
    if (state.current !== number) return;
    panel.show(scene, image);
    measure(scene);
    const short = innerWidth > NARROW_PX ? "" : "short_";
    panel.caption.textContent = `${name} · ${state.words.say(short + panel.combination)}`;
    panel.canvas.setAttribute("role", "img");
    panel.canvas.setAttribute("aria-label", `${state.words.say(panel.combination)}, ${scene.days}`);
    credit();
    legend();
    showChips();
    layout();
  } catch (problem) {
    const missing = problem instanceof Refused && problem.status === 404;
    panel.blank(missing ? state.words.say("nothing_seen", { period: name }) : state.words.say("no_picture", { why: problem.message }));
  }
}

/** @param {any} scene */
function measure(scene) {
  const whole = Math.min(...scene.size_px) * scene.resolution_m;
  const square = scene.square[2] - scene.square[0];
  const wanted = [square * scene.resolution_m, 2 * square * scene.resolution_m, whole];
  const next = [...new Set(wanted.map((one) => Math.round(Math.min(one, whole) / 10) * 10))].sort((a, b) => a - b);
  state.scales = next;
  if (state.fitted) return;
  state.fitted = true;
  const holds = next.findIndex((one) => one >= reach(scene));
  const least = holds < 0 ? next.length - 1 : holds;
  state.scale = Math.min(Math.max(state.wanted, least), next.length - 1);
  const beyond = holds < 0 ? "outline_beyond" : "square_words";
  by("hint").dataset.say = beyond;
  by("hint").textContent = state.words.say(beyond);
  showChips();
}

/** How wide a picture has to be to hold the outline, metres; 0 without one. @param {any} scene */
function reach(scene) {
  const away = scene.rings.flat().map(([x, y]) => Math.max(Math.abs(x - scene.point[0]), Math.abs(y - scene.point[1])));
  return away.length ? 2 * Math.max(...away) * scene.resolution_m : 0;
}

function credit() {
  const own = [...new Set(state.panels.flatMap((one) => (one.scene ? [one.scene.credit] : [])))];
  const days = [...new Set(state.panels.flatMap((one) => {
    if (!one.scene) return [];
    const n = one.scene.n_scenes === null ? "" : `, ${state.words.say("n_scenes", { n: one.scene.n_scenes })}`;
    return [`${state.desk.periods[one.period]}: ${one.scene.level} ${one.scene.days}${n}`];
  }))];
  const credits = [...own, ...state.desk.attribution].flatMap((one) => one.split("; ")).filter(Boolean);
  const open = state.panels.some((one) => one.scene?.seen < 1) ? [state.words.say("hatched")] : [];
  by("credit").textContent = [...open, ...days, ...new Set(credits)].join(" · ");
}

export function showChips() {
  const chip = (text, pressed, act) => {
    const one = make("button", { type: "button", aria: { pressed: String(pressed) } }, text);
    one.addEventListener("click", act);
    return one;
  };
  const sets = SETS.map((set, at) => chip(set.map((one) => state.words.say(`short_${one}`)).join(" + "), state.set === at, () => choose(at)));
  const known = state.scales.length ? state.scales : [480, 960, 1920]; // room for them: nothing jumps
  const scales = known.map((metres, at) => chip(state.words.length(metres), state.scale === at, () => rescale(at)));
  const gap = () => make("span", { className: "gap" });
  const outlines = chip(state.words.say("outlines"), state.outlines, () => toggle("outlines"));
  const mapped = chip(state.words.say("mapped"), state.mapped, () => toggle("mapped"));
  const any = state.panels.some((one) => one.scene?.features.length);
  for (const one of scales) one.classList.toggle("room", !state.scales.length);
  mapped.classList.toggle("room", !any && !state.mapped);
  by("chips").replaceChildren(...sets, gap(), ...scales, gap(), outlines, mapped);
}

/** Say which colour is what, of what is mapped in the pictures. */
function legend() {
  const layers = [...new Set(state.panels.flatMap((one) => one.scene?.features.map((feature) => feature.layer) ?? []))];
  by("legend").hidden = !state.mapped || !layers.length;
  by("legend").replaceChildren(...layers.map((layer) => {
    const swatch = make("i");
    swatch.style.background = FEATURES[layer] ?? OTHER_FEATURES;
    return make("span", {}, swatch, state.words.knows(`layer_${layer}`) ? state.words.say(`layer_${layer}`) : layer);
  }));
}

/** @param {number} at */
export function choose(at) {
  state.set = (at + SETS.length) % SETS.length;
  showChips();
  look();
}

/** @param {number} at */
export function rescale(at) {
  state.scale = state.wanted = Math.min(Math.max(at, 0), Math.max(state.scales.length - 1, 0));
  showChips();
  layout();
}

/** @param {"outlines" | "mapped"} name */
export function toggle(name) {
  state[name] = !state[name];
  showChips();
  legend();
  layout();
}

/** Give the panels their size, and draw them. */
export function layout() {
  const box = by("panels");
  const columns = Math.max(chosenPeriods().length > 1 ? chosenPeriods().length : SETS[state.set].length, 1);
  const rows = Math.max(Math.ceil(state.panels.length / columns), 1);
  const room = innerWidth > NARROW_PX ? Math.max(innerHeight - box.getBoundingClientRect().top - scrollY - 60, 240) : Infinity;
  const side = Math.floor(Math.min((box.clientWidth - 8 * (columns - 1)) / columns, (room - 8 * (rows - 1)) / rows, 720));
  box.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
  const points = [...(state.item?.points ?? [])];
  for (const panel of state.panels) {
    const twin = state.flash ? state.panels.find((one) => one.combination === panel.combination && one.period !== panel.period) : null;
    const [scene, image] = [panel.scene, panel.image];
    if (twin?.image) [panel.scene, panel.image] = [twin.scene, twin.image];
    panel.draw({ side, scale: state.scales[state.scale] ?? 960, outlines: state.outlines, mapped: state.mapped, points, cursor: state.drawing ? state.cursor : null });
    [panel.scene, panel.image] = [scene, image];
  }
}

/** @param {Panel} panel */
function point(panel) {
  panel.canvas.addEventListener("pointermove", (event) => {
    if (!state.drawing) return;
    state.cursor = panel.under(event) ?? state.cursor;
    layout();
  });
  panel.canvas.addEventListener("click", (event) => {
    const place = state.drawing && panel.under(event);
    if (place) drawAt(place);
  });
}

/** What was on the screen. */
export function shown() {
  const pictures = state.panels.flatMap((one) => (one.scene && one.image
    ? [{ period: state.desk.periods[one.period], combination: one.combination, digest: one.scene.pictures[one.combination] }] : []));
  return { pictures, scale_m: state.scales[state.scale] ?? null, outlines: state.outlines, mapped: state.mapped };
}

/** Move the cross by pixels of 10 m. @param {number} column @param {number} row */
export function nudge(column, row) {
  const panel = state.panels.find((one) => one.scene);
  if (!panel) return;
  const [x, y] = panel.pixel(state.cursor);
  const [width, height] = panel.scene.size_px;
  state.cursor = panel.place([Math.min(Math.max(x + column, 0), width), Math.min(Math.max(y + row, 0), height)]);
  layout();
}

/** @param {boolean} on */
export function flash(on) {
  state.flash = on;
  layout();
}
