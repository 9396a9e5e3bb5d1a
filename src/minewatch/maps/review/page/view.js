// Pictures of a place: several dates and band combinations, all of the same ground, north up.

import { picture, read } from "./talk.js";

const KEPT = 60;
export const FEATURES = {
  waterway: "#39c5ff", natural: "#9be8c6", highway: "#ffe45c", aeroway: "#ffa14a",
  place: "#ff9df2", building: "#ff9df2", boundary: "#c9b8ff", power: "#ffffff", target: "#ff6b4a",
};

export const OTHER_FEATURES = "#d9ffd6";

/** Scenes and their pictures, kept for a while; each is asked for once. */
export class Scenes {
  constructor() {
    /** @type {Map<string, Promise<any>>} */
    this.kept = new Map();
  }

  /** @param {number} number @param {number} period */
  scene(number, period) {
    return this.#once(`${number}/${period}`, () => read(`/api/items/${number}/scenes/${period}`));
  }

  /** @param {number} number @param {number} period @param {string} combination */
  picture(number, period, combination) {
    const path = `/api/items/${number}/scenes/${period}/${combination}`;
    return this.#once(path, () => picture(path));
  }

  /** @param {string} key @param {() => Promise<any>} get */
  #once(key, get) {
    let found = this.kept.get(key);
    if (!found) {
      found = get();
      found.catch(() => this.kept.delete(key)); // asked again the next time
      this.kept.set(key, found);
      while (this.kept.size > KEPT * 6) this.kept.delete(this.kept.keys().next().value);
    }
    return found;
  }
}

/** One picture on the page. */
export class Panel {
  /** @param {number} period @param {string} combination */
  constructor(period, combination) {
    this.period = period;
    this.combination = combination;
    this.figure = document.createElement("figure");
    this.figure.className = "panel";
    this.canvas = document.createElement("canvas");
    this.caption = document.createElement("figcaption");
    this.wait = document.createElement("div");
    this.wait.className = "wait";
    this.figure.append(this.canvas, this.caption, this.wait);
    this.scene = null;
    this.image = null;
    this.window = null;
  }

  /** @param {any} scene @param {ImageBitmap} image */
  show(scene, image) {
    this.scene = scene;
    this.image = image;
    this.wait.hidden = true;
  }

  /** @param {string} words */
  blank(words) {
    this.scene = this.image = this.window = null;
    this.wait.textContent = words;
    this.wait.hidden = false;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /**
   * Draw the picture and what lies in it.
   * @param {{side: number, scale: number, outlines: boolean, mapped: boolean, points: any[], cursor: any}} how
   */
  draw(how) {
    const ratio = window.devicePixelRatio || 1;
    this.figure.style.width = this.figure.style.height = `${how.side}px`;
    const side = Math.max(Math.round(how.side * ratio), 1);
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    if (!this.image) return;
    const pen = this.canvas.getContext("2d");
    const { scene } = this;
    const span = Math.min(how.scale / scene.resolution_m, Math.max(...scene.size_px));
    const keep = (middle, whole) => Math.min(Math.max(middle - span / 2, 0), Math.max(whole - span, 0));
    const left = keep(scene.point[0], scene.size_px[0]);
    const top = keep(scene.point[1], scene.size_px[1]);
    const zoom = side / span;
    this.window = { left, top, zoom, ratio };
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, side, side);
    hatch(pen, side, ratio);
    pen.drawImage(this.image, left, top, span, span, 0, 0, side, side);
    const at = ([column, row]) => [(column - left) * zoom, (row - top) * zoom];
    if (how.mapped) for (const one of scene.features) this.#feature(pen, one, at, ratio);
    if (how.outlines) {
      const [west, north, east, south] = scene.square;
      const square = [[west, north], [east, north], [east, south], [west, south], [west, north]];
      for (const ring of scene.rings) stroke(pen, ring.map(at), "#ffb000", 2 * ratio, []);
      stroke(pen, square.map(at), "#ffffff", 1.5 * ratio, [6 * ratio, 4 * ratio]);
    }
    for (const point of how.points) this.#cross(pen, at(this.pixel(point)), "#ff5ca8", 8 * ratio, ratio);
    if (how.cursor) this.#cross(pen, at(this.pixel(how.cursor)), "#ffffff", 12 * ratio, ratio);
    bar(pen, side, zoom / scene.resolution_m, ratio);
  }

  /** Longitude and latitude of a pixel. @param {[number, number]} pixel */
  place([column, row]) {
    const [one, right, , below] = this.scene.corners;
    const [width, height] = this.scene.size_px;
    const mix = (at) => one[at] + ((right[at] - one[at]) * column) / width + ((below[at] - one[at]) * row) / height;
    return { longitude: mix(0), latitude: mix(1) };
  }

  /** The pixel of a longitude and latitude. @param {{longitude: number, latitude: number}} place */
  pixel({ longitude, latitude }) {
    const [one, right, , below] = this.scene.corners;
    const [width, height] = this.scene.size_px;
    const [a, b] = [(right[0] - one[0]) / width, (below[0] - one[0]) / height];
    const [c, d] = [(right[1] - one[1]) / width, (below[1] - one[1]) / height];
    const [east, north] = [longitude - one[0], latitude - one[1]];
    const whole = a * d - b * c;
    return [(d * east - b * north) / whole, (a * north - c * east) / whole];
  }

  /** Longitude and latitude below the pointer; null outside. @param {PointerEvent} event */
  under(event) {
    if (!this.window || !this.image) return null;
    const box = this.canvas.getBoundingClientRect();
    const { left, top, zoom, ratio } = this.window;
    const column = left + ((event.clientX - box.left) * ratio) / zoom;
    const row = top + ((event.clientY - box.top) * ratio) / zoom;
    const [width, height] = this.scene.size_px;
    return column < 0 || row < 0 || column > width || row > height ? null : this.place([column, row]);
  }

  #feature(pen, feature, at, ratio) {
    const colour = FEATURES[feature.layer] ?? OTHER_FEATURES;
    for (const line of feature.lines) {
      if (line.length === 1) this.#cross(pen, at(line[0]), colour, 5 * ratio, ratio);
      else stroke(pen, line.map(at), colour, 1.5 * ratio, []);
    }
  }

  #cross(pen, [x, y], colour, size, ratio) {
    stroke(pen, [[x - size, y], [x + size, y]], colour, 2 * ratio, []);
    stroke(pen, [[x, y - size], [x, y + size]], colour, 2 * ratio, []);
  }
}

/** Hatch what the picture will leave open: ground without imagery. */
function hatch(pen, side, ratio) {
  const path = new Path2D();
  for (let at = -side; at < side; at += 9 * ratio) {
    path.moveTo(at, side);
    path.lineTo(at + side, 0);
  }
  pen.setLineDash([]);
  pen.lineWidth = 1.5 * ratio;
  pen.strokeStyle = "rgba(128,128,128,.55)";
  pen.stroke(path);
}

/** Draw a line that can be told from any ground: dark around, the colour within. */
function stroke(pen, points, colour, width, dash) {
  const path = new Path2D();
  points.forEach(([x, y], at) => (at ? path.lineTo(x, y) : path.moveTo(x, y)));
  pen.lineJoin = "round";
  for (const [style, wide, own] of [["rgba(0,0,0,.65)", width * 2.2, []], [colour, width, dash]]) {
    pen.setLineDash(own);
    pen.lineWidth = wide;
    pen.strokeStyle = style;
    pen.stroke(path);
  }
}

/** Draw a bar of a round length, with its length. */
function bar(pen, side, pixelsPerMetre, ratio) {
  const most = (side / pixelsPerMetre) * 0.4;
  const metres = [50, 100, 200, 500, 1000, 2000, 5000].filter((one) => one <= most).pop() ?? 20;
  const [x, y, long] = [10 * ratio, side - 10 * ratio, metres * pixelsPerMetre];
  stroke(pen, [[x, y - 5 * ratio], [x, y], [x + long, y], [x + long, y - 5 * ratio]], "#ffffff", 2 * ratio, []);
  pen.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  pen.lineWidth = 3 * ratio;
  pen.setLineDash([]);
  pen.strokeStyle = "rgba(0,0,0,.8)";
  pen.fillStyle = "#ffffff";
  const words = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
  pen.strokeText(words, x + long + 5 * ratio, y + 2 * ratio);
  pen.fillText(words, x + long + 5 * ratio, y + 2 * ratio);
}
