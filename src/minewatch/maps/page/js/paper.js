// @ts-check
// The page on paper: a picture of the map as it is, and all words.

import { byId, element } from "./dom.js";
import { page } from "./page.js";
import { say } from "./text.js";

/** Paper shows a picture of the map as it is, before all words. */
export function beforePrint() {
  afterPrint();
  const stage = byId("stage");
  stage.parentElement?.prepend(stage);
  page.closed = [...document.querySelectorAll("details:not([open])")].filter(
    (one) => !one.closest(".layers, .filters"),
  );
  for (const one of page.closed) one.open = true;
  const shown = [page.main, page.view.isComparing ? page.after : null].filter(Boolean);
  if (shown.length === 0) return;
  // What a map drew can only be read in the moment in which it draws.
  const canvases = shown.map((one) => copyOf(one.map.redraw().getCanvas()));
  const paper = document.createElement("canvas");
  paper.width = canvases[0].width;
  paper.height = canvases[0].height;
  const drawing = /** @type {CanvasRenderingContext2D} */ (paper.getContext("2d"));
  drawing.drawImage(canvases[0], 0, 0);
  if (canvases.length === 2) {
    const x = (Number(byId("swipe").getAttribute("aria-valuenow")) / 100) * paper.width;
    drawing.drawImage(canvases[1], x, 0, paper.width - x, paper.height, x, 0, paper.width - x, paper.height);
  }
  byId("maps").append(element("img", { id: "paper-map", alt: say("map"), src: paper.toDataURL() }));
}

/** @param {HTMLCanvasElement} canvas */
function copyOf(canvas) {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d")).drawImage(canvas, 0, 0);
  return copy;
}

export function afterPrint() {
  const stage = byId("stage");
  stage.parentElement?.append(stage);
  for (const one of page.closed ?? []) one.open = false;
  page.closed = [];
  document.getElementById("paper-map")?.remove();
}
