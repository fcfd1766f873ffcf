// Options of the script tag, the language, and the sentences of the interface. Knows nothing of the page's layout.
// <script src="https://clinic.example/widget.js" async data-lang="en" data-open="true" data-position="left"></script>

const SCRIPT = document.currentScript;
const SERVER = new URL(SCRIPT ? SCRIPT.src : location.href).origin;
const OPTIONS = {
  lang: SCRIPT?.dataset.lang || "",
  open: SCRIPT?.dataset.open === "true",
  left: SCRIPT?.dataset.position === "left",
};

const MAX_TEXT_CHARS = 20000; // what the server takes; the same figure as MAX_TEXT_CHARS there
const ALONE_AFTER_MS = 4000; // a likely emergency without an answer for this long is answered here
const SLOW_AFTER_MS = 8000; // the same, where the server took the message and its rules have read it
const UNSENT_AFTER_MS = 6000; // any other message not taken by the server for this long: say so
const BANNER_HOURS = 24; // an emergency of the last day is shown again after a reload

/** The language of ours for a tag such as "zh-Hans-CN", or "" for none. */
function knownLanguage(tag) {
  const primary = String(tag || "").toLowerCase().split("-")[0];
  return CONFIG.languages.includes(primary) ? primary : "";
}

function firstLanguage(stored) {
  const wishes = [stored, OPTIONS.lang, document.documentElement.lang, ...(navigator.languages || [])];
  return wishes.map(knownLanguage).find(Boolean) || CONFIG.languages[0];
}

/** The sentence of the interface in a language, its {fields} filled in as plain text. */
function sentence(lang, key, fields = {}) {
  const text = (CONFIG.texts[lang] || CONFIG.texts[CONFIG.languages[0]])[key];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in fields ? fields[name] : whole));
}

/** "en" → "en", "zh" → "zh-Hans": what goes into lang attributes. */
const langTag = (lang) => (lang === "zh" ? "zh-Hans" : lang);

const newId = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return "w_" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};
