// The words of the page in three languages, and numbers as each writes them.

const LANGUAGES = ["en", "es", "pt"];
const KEY = "minewatch-language";

export class Words {
  /** @param {Record<string, Record<string, string>>} strings */
  constructor(strings) {
    this.strings = strings;
    const wanted = localStorage.getItem(KEY) ?? navigator.language.slice(0, 2);
    this.language = LANGUAGES.includes(wanted) ? wanted : "en";
  }

  /** @param {string} language */
  choose(language) {
    this.language = LANGUAGES.includes(language) ? language : "en";
    localStorage.setItem(KEY, this.language);
  }

  /**
   * Say something; {name} stands for a value.
   * @param {string} key
   * @param {Record<string, string | number>} [values]
   */
  say(key, values = {}) {
    const text = this.strings[key]?.[this.language] ?? this.strings[key]?.en ?? key;
    return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }

  /** @param {string} key */
  knows(key) {
    return key in this.strings;
  }

  /** @param {number} value @param {number} [decimals] */
  number(value, decimals = 2) {
    return value.toLocaleString(this.language, { maximumFractionDigits: decimals });
  }

  /** @param {number} value @param {number} decimals */
  fixed(value, decimals) {
    return value.toLocaleString(this.language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  }

  /** @param {number} metres */
  length(metres) {
    return metres >= 1000 ? `${this.number(metres / 1000, 1)} km` : `${this.number(metres, 0)} m`;
  }

  /** Fill in all that the page says by itself. */
  fill() {
    document.documentElement.lang = this.language;
    for (const one of document.querySelectorAll("[data-say]")) one.textContent = this.say(one.dataset.say);
    for (const one of document.querySelectorAll("[data-label]")) one.setAttribute("aria-label", this.say(one.dataset.label));
  }
}
