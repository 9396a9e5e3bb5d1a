// @ts-check
// Coordinates as people write them.

/**
 * @typedef {{longitude: number, latitude: number}} Place
 * @typedef {{degrees: number, axis: "latitude" | "longitude" | null}} Angle
 */

/**
 * Read coordinates: decimal degrees, or degrees, minutes and seconds; latitude first unless letters
 * say otherwise.
 * @param {string} text
 * @returns {Place | null} null if it is no place on earth
 */
export function readCoordinates(text) {
  const angles = readAngles(text);
  if (angles === null) return null;
  const [first, second] = angles;
  const isSwapped = first.axis === "longitude" || second.axis === "latitude";
  return isSwapped ? placeOf(second, first) : placeOf(first, second);
}

/**
 * Read coordinates whose longitude comes first, though no letter says so: as in files of maps.
 * @param {string} text
 * @returns {Place | null} null if it is no place on earth, or letters say which is which
 */
export function readSwapped(text) {
  const angles = readAngles(text);
  if (angles === null || angles.some((angle) => angle.axis !== null)) return null;
  return placeOf(angles[1], angles[0]);
}

/**
 * @param {Angle} latitude
 * @param {Angle} longitude
 * @returns {Place | null}
 */
function placeOf(latitude, longitude) {
  if (!(Math.abs(latitude.degrees) <= 90) || !(Math.abs(longitude.degrees) <= 180)) return null;
  return { longitude: longitude.degrees, latitude: latitude.degrees };
}

/**
 * @param {string} text
 * @returns {Angle[] | null} two of them
 */
function readAngles(text) {
  const whole = text.split("/").length === 2 ? text.replace("/", ";") : text;
  if (isAmbiguous(whole)) return null;
  const plain = whole.toUpperCase().replace(/[−–]/g, "-").replace(/(\d),(\d)/g, commaOf(whole));
  const angles = (splitInTwo(plain) ?? []).map(readAngle);
  const known = /** @type {Angle[]} */ (angles.filter((angle) => angle !== null));
  if (known.length !== 2 || (known[0].axis !== null && known[0].axis === known[1].axis)) return null;
  return known;
}

/**
 * Say what a comma between digits stands for: it is a decimal comma if there is one in both numbers.
 * @param {string} text
 */
function commaOf(text) {
  const commas = text.match(/\d,\d/g) ?? [];
  return commas.length === 2 || (commas.length === 1 && /[;\s]\s*-?\d+,\d/.test(text) && /[;]/.test(text))
    ? "$1.$2"
    : "$1 , $2";
}

/**
 * Say whether a comma may stand in a number or between two: in "12,5 15", where nothing else tells.
 * @param {string} text
 */
function isAmbiguous(text) {
  const isPlain = /^[\d\s.,+−–-]*$/.test(text);
  return isPlain && (text.match(/\d,\d/g) ?? []).length === 1 && (text.match(/\d+(\.\d*)?/g) ?? []).length > 2;
}

/** @param {string} text */
function splitInTwo(text) {
  const separated = text.split(/\s*[,;]\s*/).filter((part) => part.trim() !== "");
  if (separated.length === 2) return separated;
  if (separated.length > 2) return null;
  const lettered = text.match(/[^NSEWO]*[NSEWO](?![A-Z])/g);
  if (lettered !== null && lettered.length === 2 && /[NSEWO]\s*$/.test(text)) return lettered;
  const before = text.trim().match(/^([NSEWO][^NSEWO]*)([NSEWO][^NSEWO]*)$/);
  if (before !== null) return [before[1], before[2]];
  const bare = text.trim().split(/\s+/);
  return bare.length === 2 ? bare : null;
}

/**
 * Read one angle. O is west, as in oeste.
 * @param {string} text
 * @returns {Angle | null}
 */
function readAngle(text) {
  const letter = /[NSEWO]/.exec(text)?.[0] ?? null;
  if ((text.match(/[A-Z]/g) ?? []).length > (letter === null ? 0 : 1)) return null;
  const ofNumber = /-?\d+(\.\d*)?/g;
  const numbers = text.match(ofNumber) ?? [];
  if (text.replace(ofNumber, "").includes(".")) return null;
  if (numbers.length < 1 || numbers.length > 3) return null;
  if (/[^\d\s.\-+NSEWO°º'’′"”″]/.test(text)) return null;
  const [degrees, minutes = 0, seconds = 0] = numbers.map(Number);
  if (minutes < 0 || minutes >= 60 || seconds < 0 || seconds >= 60) return null;
  const size = Math.abs(degrees) + minutes / 60 + seconds / 3600;
  const isNegative = text.includes("-") || letter === "S" || letter === "W" || letter === "O";
  const axis = letter === null ? null : letter === "N" || letter === "S" ? "latitude" : "longitude";
  return { degrees: isNegative ? -size : size, axis };
}

/**
 * Write a place in decimal degrees, latitude first.
 * @param {Place} place
 */
export function decimalText({ longitude, latitude }) {
  return `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
}

/**
 * Write a place in degrees, minutes and seconds.
 * @param {Place} place
 */
export function sexagesimalText({ longitude, latitude }) {
  return `${angleText(latitude, "N", "S")} ${angleText(longitude, "E", "W")}`;
}

/**
 * @param {number} degrees
 * @param {string} positive
 * @param {string} negative
 */
function angleText(degrees, positive, negative) {
  const tenths = Math.round(Math.abs(degrees) * 36000);
  const minutes = Math.floor(tenths / 600) % 60;
  const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  const letter = degrees < 0 && tenths > 0 ? negative : positive;
  return `${Math.floor(tenths / 36000)}°${String(minutes).padStart(2, "0")}′${seconds}″${letter}`;
}

/**
 * Give the way to the same place in OpenStreetMap.
 * @param {Place} place
 */
export function osmAddress({ longitude, latitude }) {
  const at = [latitude.toFixed(5), longitude.toFixed(5)];
  return `https://www.openstreetmap.org/?mlat=${at[0]}&mlon=${at[1]}#map=15/${at[0]}/${at[1]}`;
}

/**
 * Give the way to the same place and days in the Copernicus Browser.
 * @param {Place} place
 * @param {string | null} start ISO date
 * @param {string | null} end ISO date
 */
export function copernicusAddress({ longitude, latitude }, start, end) {
  const asked = new URLSearchParams({
    zoom: "15",
    lat: latitude.toFixed(5),
    lng: longitude.toFixed(5),
    themeId: "DEFAULT-THEME",
    datasetId: "S2_L2A_CDAS",
    layerId: "1_TRUE_COLOR",
    cloudCoverage: "30",
    dateMode: start === end ? "SINGLE" : "TIME RANGE",
  });
  if (start && end) {
    asked.set("fromTime", `${start}T00:00:00.000Z`);
    asked.set("toTime", `${end}T23:59:59.999Z`);
  }
  return `https://browser.dataspace.copernicus.eu/?${asked}`;
}

/**
 * Measure how far two places are apart, on a sphere; metres, to 0.6 %.
 * @param {Place} one
 * @param {Place} other
 */
export function metresBetween(one, other) {
  const radians = Math.PI / 180;
  const dLat = (other.latitude - one.latitude) * radians;
  const dLon = (other.longitude - one.longitude) * radians;
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(one.latitude * radians) * Math.cos(other.latitude * radians) * Math.sin(dLon / 2) ** 2;
  return 2 * 6_371_000 * Math.asin(Math.min(1, Math.sqrt(h)));
}
