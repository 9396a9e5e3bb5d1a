// What is said to the server: every request bears the token, every decision is sent until it is there.

const TOKEN = "minewatch-review-token";

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
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await ask(path, options)).json();
}

/** @returns {string} A name that no other decision bears. */
export function newUid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

/** What was decided and is not known to be on disk: one thing at most, kept in the browser. */
export class Pending {
  /** @param {string} name */
  constructor(name) {
    this.key = `minewatch-review-pending:${name}`;
  }

  /** @returns {{path: string, body: any} | null} */
  get() {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "null");
    } catch {
      return null;
    }
  }

  /** @param {string} path @param {object} body */
  set(path, body) {
    localStorage.setItem(this.key, JSON.stringify({ path, body }));
  }

  clear() {
    localStorage.removeItem(this.key);
  }

  /**
   * Send what is pending until the server has it. Sent twice it is one decision, by its uid.
   * @param {(problem: string | null, status: number) => void} tell
   * @returns {Promise<any>} The server's answer; null if there was nothing, or it was refused.
   */
  async send(tell) {
    for (let wait = 500; ; wait = Math.min(wait * 2, 5000)) {
      const waiting = this.get();
      if (!waiting) return null;
      try {
        const saved = await write(waiting.path, waiting.body);
        this.clear();
        tell(null, 200);
        return saved;
      } catch (problem) {
        const status = problem instanceof Refused ? problem.status : 0;
        if (status === 404 || status === 413 || status === 422) {
          this.clear();
          tell(problem.message, status);
          return null;
        }
        tell(problem.message, status);
      }
      await new Promise((go) => setTimeout(go, wait));
    }
  }
}
