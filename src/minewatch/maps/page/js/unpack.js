// @ts-check
// What the page holds packed: text, the map library, and shapes.

/**
 * Unpack a text of the page.
 * @param {string} name
 * @returns {Promise<string>}
 */
export async function unpackText(name) {
  const held = document.getElementById(`packed-${name}`);
  if (held === null) throw new Error(`the page holds no ${name}`);
  const bytes = Uint8Array.from(atob((held.textContent ?? "").trim()), (one) => one.charCodeAt(0));
  held.remove();
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/**
 * Give text an address of this page.
 * @param {string} text
 */
export function addressOf(text) {
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

/**
 * Read whole numbers, each told from the one before, as degrees.
 * @param {number[]} steps
 */
function degrees(steps) {
  const values = new Float64Array(steps.length);
  let sum = 0;
  for (let i = 0; i < steps.length; i++) {
    sum += steps[i];
    values[i] = sum / 1e5;
  }
  return values;
}

/**
 * Unpack polygons: for each shape a MultiPolygon's coordinates.
 * @param {{x: number[], y: number[], rings: number[], polygons: number[], shapes: number[]}} packed
 * @returns {number[][][][][]}
 */
export function unpackAreas(packed) {
  const x = degrees(packed.x);
  const y = degrees(packed.y);
  let point = 0;
  let ring = 0;
  let polygon = 0;
  return packed.shapes.map((nPolygons) =>
    Array.from({ length: nPolygons }, () =>
      Array.from({ length: packed.polygons[polygon++] }, () =>
        Array.from({ length: packed.rings[ring++] }, () => [x[point], y[point++]]),
      ),
    ),
  );
}

/**
 * Unpack lines: for each shape a MultiLineString's coordinates.
 * @param {{x: number[], y: number[], lines: number[], shapes: number[]}} packed
 * @returns {number[][][][]}
 */
export function unpackLines(packed) {
  const x = degrees(packed.x);
  const y = degrees(packed.y);
  let point = 0;
  let line = 0;
  return packed.shapes.map((nLines) =>
    Array.from({ length: nLines }, () =>
      Array.from({ length: packed.lines[line++] }, () => [x[point], y[point++]]),
    ),
  );
}

/**
 * Say whether a point lies in a MultiPolygon, by the even-odd rule.
 * @param {number[]} at longitude, latitude
 * @param {number[][][][]} shape
 */
export function isInside([x, y], shape) {
  let inside = false;
  for (const polygon of shape) {
    for (const ring of polygon) {
      for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
        const [x1, y1] = ring[i];
        const [x2, y2] = ring[j];
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
      }
    }
  }
  return inside;
}
