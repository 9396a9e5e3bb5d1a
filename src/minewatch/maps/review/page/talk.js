// What is said to the server: every request bears the token, every decision is sent until it is there.

const TOKEN = "minewatch-review-token";
const PATIENCE_MS = 20_000;

/** A refusal, with the server's own words. */
export class Refused extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Take the token out of the address, so that it stands in no history. @returns {string} */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(TOKEN, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN) ?? "";
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options = {}) {
  const headers = { "X-Minewatch-Token": sessionStorage.getItem(TOKEN) ?? "", ...options.headers };
  const answer = await fetch(path, { ...options, headers, credentials: "omit" });
  if (answer.ok) return answer;
  let detail = answer.statusText;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    // The words are lost; the status is not.
  }
  throw new Refused(answer.status, String(detail));
}

/** @param {string} path @returns {Promise<any>} */
export async function read(path) {
  return (await ask(path)).json();
}

/** @param {string} path @returns {Promise<ImageBitmap>} */
export async function picture(path) {
  return createImageBitmap(await (await ask(path)).blob());
}

/** @param {string} path @param {object} body @returns {Promise<any>} */
export async function write(path, body) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS), // sent again, it is one: rather that than wait for ever
  };
  return (await ask(path, options)).json();
}

/** @returns {string} A name that no other decision bears. */
export function newUid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

/** @typedef {{path: string, body: any, at: number}} Waiting */

/** What was decided and is not known to be on disk, kept in the browser: each by its uid, for several tabs share it. */
export class Pending {
  /** @param {string} name */
  constructor(name) {
    this.prefix = `minewatch-review-pending:${name}:`;
  }

  /** @returns {Waiting[]} In the order in which they were decided. */
  all() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
    const found = keys.flatMap((key) => {
      try {
        return [JSON.parse(localStorage.getItem(key) ?? "")];
      } catch {
        return []; // sent by another tab meanwhile
      }
    });
    return found.sort((one, other) => one.at - other.at);
  }

  /** @param {string} path @param {any} body It bears a uid. @returns {Waiting} */
  keep(path, body) {
    const waiting = { path, body, at: Date.now() };
    localStorage.setItem(this.prefix + body.uid, JSON.stringify(waiting));
    return waiting;
  }

  /** @param {Waiting} waiting */
  drop(waiting) {
    localStorage.removeItem(this.prefix + waiting.body.uid);
  }

  /**
   * Send one until the server has it. Sent twice, or by two tabs, it is one decision, by its uid.
   * @param {Waiting} waiting
   * @param {(problem: string | null, status: number) => void} tell
   * @returns {Promise<any>} The server's answer; null if it was refused.
   */
  async send(waiting, tell) {
    for (let wait = 500; ; wait = Math.min(wait * 2, 5000)) {
      try {
        const saved = await write(waiting.path, waiting.body);
        this.drop(waiting);
        tell(null, 200);
        return saved;
      } catch (problem) {
        const status = problem instanceof Refused ? problem.status : 0;
        if (status === 404 || status === 413 || status === 422) {
          this.drop(waiting);
          tell(problem.message, status);
          return null;
        }
        tell(problem.message, status);
      }
      await new Promise((go) => setTimeout(go, wait));
    }
  }
}
