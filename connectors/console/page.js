// What every part of the page needs: the language, elements made of text only, times, and requests.

import { T } from "/console/texts.js";

export const page = { lang: first(), me: null, csrf: null, clock: 0 };
function first() {
  const kept = localStorage.getItem("careline-console-lang");
  return T[kept] ? kept : navigator.language.startsWith("zh") ? "zh" : "en";
}
export const $ = (id) => document.getElementById(id);
export function t(key, ...args) {
  const value = T[page.lang][key] ?? T.en[key] ?? key;
  return typeof value === "function" ? value(...args) : value;
}
export const has = (key) => key in T.en;

// Children are nodes or texts; a text is never read as HTML.
export function el(tag, props = {}, ...kids) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...kids.flat(Infinity).filter((kid) => kid !== null && kid !== undefined && kid !== false));
  return node;
}

// Make the children of a box those nodes, moving only what is not in its place: a click or a focus survives.
export function arrange(box, nodes) {
  const focused = document.activeElement;
  nodes.forEach((node, at) => { if (box.children[at] !== node) box.insertBefore(node, box.children[at] || null); });
  while (box.children.length > nodes.length) box.lastElementChild.remove();
  if (focused !== document.activeElement && box.contains(focused)) focused.focus({ preventScroll: true });
}
export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }

// randomUUID exists in secure contexts alone; a clinic may open this page over plain http in its own network.
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const now = () => Date.now() + page.clock;
export function span(iso) {
  const s = Math.max(0, Math.round((now() - Date.parse(iso)) / 1000));
  if (s < 60) return t("seconds", s);
  if (s < 3600) return t("minutes", Math.floor(s / 60));
  return s < 172800 ? t("hours", Math.floor(s / 3600)) : t("days", Math.floor(s / 86400));
}
export function when(iso) {
  const date = new Date(iso); const locale = page.lang === "zh" ? "zh-CN" : "en-GB";
  const time = date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date(now()).toDateString()) return time;
  return `${date.toLocaleDateString(locale, { day: "numeric", month: "short" })} ${time}`;
}
export const local = (texts) => (texts && (texts[page.lang] || texts.en || Object.values(texts)[0])) || "";

export class Refused extends Error {
  constructor(status, data) {
    const key = `err_${data.code || "refused"}`;
    super(has(key) ? t(key, data.name || "") : t("fault"));
    this.status = status; this.code = data.code;
  }
}
// Another tab of this browser may have renewed the session: then this page asks for its own values once more.
let renewing = null;
export function renew() {
  renewing ??= call("GET", "me").then((me) => { if (me.csrf) page.csrf = me.csrf; return me; })
    .finally(() => { renewing = null; });
  return renewing;
}
export async function api(method, path, body) {
  try { return await call(method, path, body); } catch (error) {
    if (path === "login" || !["log_in", "stale_page"].includes(error.code)) throw error;
    const me = await renew();
    if (page.me && me.id === page.me.id) return call(method, path, body);
    if (me.id) location.reload(); else document.dispatchEvent(new Event("logged-out"));
    throw error;
  }
}
async function call(method, path, body) {
  const headers = { "Accept": "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (page.csrf) headers["X-CSRF-Token"] = page.csrf;
  let answer;
  try {
    answer = await fetch(`/console/api/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch { throw new Refused(0, { code: "offline" }); }
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, data);
  return data;
}

// Half-written texts live as long as the tab, also over a reload, and end with the log-out.
export const drafts = {
  key: (kind, id) => `careline-draft:${page.me.id}:${kind}:${id}`,
  get: (kind, id) => sessionStorage.getItem(drafts.key(kind, id)) || "",
  set: (kind, id, text) => { text ? sessionStorage.setItem(drafts.key(kind, id), text) : sessionStorage.removeItem(drafts.key(kind, id)); },
  clear: () => { for (const key of Object.keys(sessionStorage)) if (key.startsWith("careline-draft:")) sessionStorage.removeItem(key); },
};
