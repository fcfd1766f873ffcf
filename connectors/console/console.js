// The staff console: log-in, live queue, alarms. It decides nothing: every button is a request, and what the
// server then says is shown. No dependency, no inline script, text only by textContent.

import { $, api, arrange, drafts, el, local, now, page, renew, setText, span, t, when } from "/console/page.js";
import { Case, headline, tone } from "/console/case.js";
import { T } from "/console/texts.js";

const GROUPS = ["emergency", "urgent", "routine"];
const FILTERS = { all: () => true, free: (i) => !i.claimed_by, mine: (i) => i.claimed_by === page.me.id };
const POLL_MS = 20000;
const LOST_MS = 6000;
const DELIVERY_CHECKS = [1000, 3000, 8000, 31000];
const state = { queue: null, filter: "all", open: null, view: null, announced: new Set(), opened: new Set(), rows: new Map(), lost: null, down: false };

function words() {
  document.documentElement.lang = page.lang === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-t]")) setText(node, t(node.dataset.t));
  $("lang").value = page.lang;
  if (page.me) { setText($("who"), page.me.name); setText($("clinic"), local(page.me.clinic)); }
}
function showLogin() {
  page.csrf = null; page.me = null; Object.assign(state, { queue: null, open: null, view: null });
  state.announced.clear(); state.opened.clear(); state.rows.clear(); stopListening();
  $("case").replaceChildren(); $("groups").replaceChildren();
  document.querySelector(".bar").hidden = true; $("desk").hidden = true; $("login").hidden = false; $("alarm-bar").hidden = true;
  alarms([]); for (const id of ["alarm-text", "alarm", "announce", "who"]) setText($(id), "");
  fault(""); document.body.classList.remove("reading");
  document.querySelector("#login input").focus();
}
async function enter(me) {
  page.me = me; page.csrf = me.csrf;
  document.querySelector(".bar").hidden = false; $("desk").hidden = false; $("login").hidden = true;
  $("choose").hidden = false; $("case").hidden = true;
  words(); listen(); drawQueue();
  await refresh();
  $("queue-title").focus();
}

// -- live ---------------------------------------------------------------------------------------------------
let events = null; let pending = null;
function listen() {
  stopListening();
  events = new EventSource("/console/api/events");
  events.onopen = () => connection(true);
  events.onerror = () => connection(false);
  events.onmessage = (message) => {
    const event = JSON.parse(message.data);
    if (event.type === "ended") { ended(); return; }
    soon(event);
  };
}
function stopListening() { if (events) events.close(); events = null; clearTimeout(state.lost); state.lost = null; $("lost").hidden = true; }
async function ended() {
  stopListening();
  try { const me = await renew(); if (page.me && me.id === page.me.id) listen(); else showLogin(); } catch { listen(); }
}
function connection(up) {
  $("link").dataset.t = up ? "live" : "away"; setText($("link"), t($("link").dataset.t)); $("link").className = up ? "pill on" : "pill off";
  if (state.down === up) { state.down = !up; document.body.classList.toggle("down", !up); drawQueue(); }
  if (up) { clearTimeout(state.lost); state.lost = null; $("lost").hidden = true; refresh().catch(quietly); }
  else state.lost ??= setTimeout(() => { $("lost").hidden = false; }, LOST_MS);
  // a refused stream is not tried again by the browser itself
  if (!up && events && events.readyState === EventSource.CLOSED) { events = null; setTimeout(() => { if (page.me && !events) ended(); }, 2000); }
}
let touched = new Set();
function soon(event) {
  touched.add(event.conversation || "*");
  clearTimeout(pending); pending = setTimeout(() => refresh().catch(quietly), 60);
}
async function refresh() {
  const which = touched; touched = new Set();
  const data = await api("GET", "queue");
  if (!page.me) return;
  page.clock = Date.parse(data.now) - Date.now(); state.queue = data.items;
  setText($("duty"), data.duty ? t("on_duty", local(data.duty)) : t("off_duty")); $("duty").className = data.duty ? "pill" : "pill off";
  drawQueue();
  const open = state.view?.d;
  if (open && (which.size === 0 || which.has("*") || which.has(open.conversation))) await load();
}

// -- alarms: to be seen, never heard ------------------------------------------------------------------------
function alarms(items) {
  const fresh = items.filter((i) => !state.announced.has(i.id));
  if (fresh.length) { setText($("alarm"), t("new_alarm", headline(fresh[0]))); fresh.forEach((i) => state.announced.add(i.id)); }
  document.title = items.length ? `(${items.length}!) ${t("alarm", items.length)} · ${t("title")}` : t("title");
  $("icon").href = items.length ? "/console/alarm.svg" : "/console/icon.svg";
  const bar = $("alarm-bar"); bar.hidden = !items.length;
  if (!items.length) return;
  const first = items.find((i) => !state.opened.has(i.id)) || items[0];
  bar.classList.toggle("fresh", !state.opened.has(first.id));
  setText($("alarm-text"), t("alarm_line", items.length, headline(first), span(first.waiting_since || first.created_at)));
  setText($("alarm-open"), t("alarm_open")); $("alarm-open").onclick = () => open(first.id);
}

// -- the queue ----------------------------------------------------------------------------------------------
const late = (i) => Boolean(i.due_at) && Date.parse(i.due_at) < now();
function drawQueue() {
  const all = state.queue; $("loading").hidden = all !== null;
  if (!all) return;
  const shown = all.filter(FILTERS[state.filter]);
  setText($("count"), String(all.length));
  const overdue = all.filter(late).length;
  setText($("late"), t("late_count", overdue)); $("late").hidden = !overdue;
  // without a connection nobody knows that the queue is empty
  $("empty").hidden = all.length > 0 || state.down; $("empty-filter").hidden = !all.length || shown.length > 0;
  for (const button of document.querySelectorAll("[data-filter]")) button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
  const nodes = [];
  for (const group of GROUPS) {
    const items = shown.filter((i) => tone(i.level) === group);
    if (!items.length) continue;
    const head = row(`h-${group}`, () => el("h2", { class: group }));
    setText(head, `${t(group)} (${items.length})`);
    nodes.push(head, ...items.map(line));
  }
  const kept = new Set(nodes);
  for (const [key, node] of state.rows) if (!kept.has(node)) state.rows.delete(key);
  arrange($("groups"), nodes);
  alarms(all.filter((i) => i.level === "emergency" && !i.claimed_by));
}
function row(key, make) {
  if (!state.rows.has(key)) state.rows.set(key, make());
  return state.rows.get(key);
}
function line(i) {
  const node = row(i.id, () => el("button", { "data-id": i.id, onclick: () => open(i.id) },
    el("span", { class: "why" }), el("time", {}), el("span", { class: "meta" }, el("span", { class: "holder" }), el("span", { class: "badge discreet" }), el("span", { class: "clock" }))));
  const [why, time, meta] = node.children; const [holder, discreet, clock] = meta.children;
  const mine = i.claimed_by === page.me.id;
  const looks = `item ${tone(i.level)}${i.claimed_by ? " held" : ""}${i.level === "emergency" && !i.claimed_by && !state.opened.has(i.id) ? " fresh" : ""}`;
  if (node.className !== looks) node.className = looks;
  node.setAttribute("aria-current", String(i.id === state.open));
  setText(why, headline(i)); setText(time, i.waiting_since ? t("waiting_for", span(i.waiting_since)) : t("answered")); time.setAttribute("datetime", i.waiting_since || i.created_at);
  setText(holder, `${i.claimed_by ? t("held", mine ? t("you") : i.claimed_name || "") : t("unseen")} · ${i.channel}`);
  discreet.hidden = !i.discreet; setText(discreet, t("discreet"));
  clock.hidden = !i.due_at; clock.className = late(i) ? "clock late" : "clock"; setText(clock, i.due_at ? (late(i) ? t("late") : t("due", when(i.due_at))) : "");
  return node;
}
function arrows(event) {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || !event.target.matches(".item")) return;
  const items = [...$("groups").querySelectorAll(".item")]; const at = items.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
  if (items[at]) { event.preventDefault(); items[at].focus(); }
}

// -- one case -----------------------------------------------------------------------------------------------
async function open(id) {
  state.open = id; state.opened.add(id); drawQueue();
  try {
    const view = new Case(id, { changed: () => refresh().catch(failed), failed });
    const d = await api("GET", `escalations/${encodeURIComponent(id)}`);
    if (state.open !== id) return;
    state.view = view; $("case").replaceChildren(view.box); view.update(d); show(d); fault("");
    view.log.scrollTop = view.log.scrollHeight;
    document.body.classList.add("reading"); $("choose").hidden = true; $("case").hidden = false;
    $("detail-title").focus({ preventScroll: true }); document.querySelector(".detail").scrollTop = 0;
  } catch (error) { failed(error); }
}
async function load() {
  const view = state.view;
  const d = await api("GET", `escalations/${encodeURIComponent(view.id)}`);
  if (state.view === view) { view.update(d); show(d); }
}
let checks = [];
function show(d) {
  checks.forEach(clearTimeout); checks = [];
  const waits = d.messages.filter((m) => m.author === "staff" && !m.delivered_at);
  if (!waits.length) return;
  const age = now() - Date.parse(waits.at(-1).at);
  checks = DELIVERY_CHECKS.filter((ms) => ms > age).slice(0, 1).map((ms) => setTimeout(() => load().catch(failed), ms - age));
}
function back() {
  document.body.classList.remove("reading"); const id = state.open;
  Object.assign(state, { open: null, view: null }); $("case").replaceChildren(); $("case").hidden = true; $("choose").hidden = false; drawQueue();
  (document.querySelector(`[data-id="${CSS.escape(id || "")}"]`) || $("queue-title")).focus();
}
function fault(text) { setText($("fault-text"), text); $("fault").hidden = !text; }
function failed(error) { if (error.code !== "log_in") fault(error.message); }
function quietly(error) { if (error.code !== "offline") failed(error); } // nobody asked: the bar says it already

// -- wiring -------------------------------------------------------------------------------------------------
document.querySelector("#login form").addEventListener("submit", async (event) => {
  event.preventDefault(); const form = event.currentTarget; const error = form.querySelector(".error"); const button = form.querySelector("button");
  error.textContent = ""; button.disabled = true;
  try { const me = await api("POST", "login", { login: form.login.value, password: form.password.value }); form.reset(); await enter(me); }
  catch (e) { error.textContent = e.message; form.password.select(); } finally { button.disabled = false; }
});
$("logout").addEventListener("click", async () => { try { await api("POST", "logout", {}); } catch (e) { failed(e); return; } drafts.clear(); showLogin(); });
$("lang").addEventListener("change", (event) => {
  page.lang = event.target.value in T ? event.target.value : "en"; localStorage.setItem("careline-console-lang", page.lang);
  words(); drawQueue(); if (state.view) state.view.update(state.view.d); if (page.me) refresh().catch(failed);
});
for (const button of document.querySelectorAll("[data-filter]")) button.addEventListener("click", () => { state.filter = button.dataset.filter; drawQueue(); });
$("groups").addEventListener("keydown", arrows);
$("back").addEventListener("click", back);
$("fault-close").addEventListener("click", () => fault(""));
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.open && !event.target.matches("textarea")) back(); });
document.addEventListener("logged-out", showLogin);
document.addEventListener("visibilitychange", () => { if (!document.hidden && page.me) refresh().catch(() => {}); });
setInterval(() => { if (page.me) drawQueue(); }, 5000);
setInterval(() => { if (page.me && events?.readyState !== EventSource.OPEN) refresh().catch(() => {}); }, POLL_MS);
document.title = t("title"); words();
renew().then((me) => (me.id ? enter(me) : showLogin())).catch((error) => { showLogin(); setText(document.querySelector("#login .error"), error.message); });
