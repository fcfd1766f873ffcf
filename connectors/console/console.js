// The staff console: log-in, live queue, one case at a time. No dependency, no inline script, text only by
// textContent. It decides nothing: every button is a request, and what the server then says is shown.

const T = {
  en: {
    skip: "Skip to content", language: "Language", logout: "Log out", login_title: "Staff log-in", login_name: "Login",
    login_password: "Password", login_button: "Log in", queue: "Queue", empty: "Nobody is waiting.",
    choose: "Choose somebody on the left.", emergency: "Emergency", urgent: "Today", routine: "Routine",
    on_duty: (who) => `On duty: ${who}`, off_duty: "Nobody on duty", live: "Live", away: "Connection lost, trying again",
    claim: "Claim", takeover: "Take over", release: "Release", handback: "Hand back to the assistant", close: "Close",
    reply: "Send to the patient", reply_label: "Your message to the patient", own_words: "The patient's own words",
    why: "Why this is here", transcript: "Conversation", patient: "Patient", assistant: "Assistant", staff: "Staff",
    system: "Note", waiting: "waiting", held: (who) => `held by ${who}`, you: "you", late: "overdue",
    due: (t) => `answer by ${t}`, source: "Source", triage: "Triage rule", person_request: "Wants a person",
    callback: "Wants a call back", new_alarm: "New emergency in the queue", sent: "Sent", unseen: "nobody has it yet",
    close_ask: "Why is this closed?", close_handled: "Dealt with", close_called_back: "Called back", close_emergency_services: "Emergency services involved", close_no_answer: "No answer", close_not_needed: "Not needed", close_duplicate: "Duplicate", fault: "That did not work: ", ruleset: "Ruleset",
    phone: "Call-back number", earlier: "Said earlier", not_reviewed: "rule not yet clinically reviewed",
  },
  zh: {
    skip: "跳到正文", language: "语言", logout: "退出", login_title: "工作人员登录", login_name: "账号",
    login_password: "密码", login_button: "登录", queue: "队列", empty: "现在没有人在等。",
    choose: "请在左边选择一位。", emergency: "急症", urgent: "今天处理", routine: "常规",
    on_duty: (who) => `值班：${who}`, off_duty: "无人值班", live: "实时", away: "连接断开，正在重试",
    claim: "认领", takeover: "接手", release: "放回队列", handback: "交还给助手", close: "结束",
    reply: "发给患者", reply_label: "给患者的话", own_words: "患者原话",
    why: "为什么在这里", transcript: "对话", patient: "患者", assistant: "助手", staff: "工作人员",
    system: "备注", waiting: "等待", held: (who) => `${who}处理中`, you: "您", late: "已超时",
    due: (t) => `请在${t}前回复`, source: "来源", triage: "分诊规则", person_request: "要找人工",
    callback: "请求回电", new_alarm: "队列里有新的急症", sent: "已发送", unseen: "还没有人接",
    close_ask: "结束原因", close_handled: "已处理", close_called_back: "已回电", close_emergency_services: "已联系急救", close_no_answer: "无人接听", close_not_needed: "不需要", close_duplicate: "重复", fault: "没有成功：", ruleset: "规则版本",
    phone: "回电号码", earlier: "之前说过", not_reviewed: "规则尚未经临床审核",
  },
};
const state = { lang: localStorage.getItem("careline-console-lang") || (navigator.language.startsWith("zh") ? "zh" : "en"),
  csrf: null, me: null, queue: [], open: null, detail: null, seen: new Set(), clock: 0 };
const $ = (id) => document.getElementById(id);
const t = (key, ...args) => { const v = (T[state.lang] || T.en)[key] ?? T.en[key] ?? key; return typeof v === "function" ? v(...args) : v; };
function el(tag, props = {}, ...kids) {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (v === undefined || v === null || v === false) continue;
    if (k === "class") node.className = v; else if (k.startsWith("on")) node.addEventListener(k.slice(2), v);
    else node.setAttribute(k, v === true ? "" : v);
  }
  node.append(...kids.filter((kid) => kid !== null && kid !== undefined));
  return node;
}
async function api(method, path, body) {
  const headers = { "Accept": "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (state.csrf) headers["X-CSRF-Token"] = state.csrf;
  const answer = await fetch(`/console/api/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const data = await answer.json().catch(() => ({}));
  if (answer.status === 401 && path !== "login") { showLogin(); }
  if (!answer.ok) throw new Error(data.error || `${answer.status}`);
  return data;
}
function words() {
  document.documentElement.lang = state.lang;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  $("lang").value = state.lang;
}
function showLogin() {
  state.csrf = null; state.me = null;
  document.querySelector(".bar").hidden = true; $("desk").hidden = true; $("login").hidden = false;
  document.querySelector("#login input").focus();
}
async function enter(me) {
  state.me = me; state.csrf = me.csrf;
  document.querySelector(".bar").hidden = false; $("desk").hidden = false; $("login").hidden = true;
  $("who").textContent = me.name; $("clinic").textContent = me.clinic[state.lang] || Object.values(me.clinic)[0];
  await refresh(); listen();
}
let events = null;
function listen() {
  if (events) events.close();
  events = new EventSource("/console/api/events");
  events.onopen = () => { $("link").textContent = t("live"); $("link").className = "pill"; refresh().catch(() => {}); };
  events.onerror = () => { $("link").textContent = t("away"); $("link").className = "pill off"; };
  events.onmessage = (event) => { const e = JSON.parse(event.data); schedule(e); };
}
let pending = null;
function schedule(event) {
  if (event.type === "hello") return;
  clearTimeout(pending); pending = setTimeout(() => refresh().catch(() => {}), 60);
}
async function refresh() {
  const data = await api("GET", "queue");
  state.queue = data.items; state.clock = Date.parse(data.now) - Date.now();
  $("duty").textContent = data.duty ? t("on_duty", data.duty[state.lang] || data.duty.en) : t("off_duty");
  $("duty").className = data.duty ? "pill" : "pill off";
  const fresh = data.items.filter((i) => i.level === "emergency" && !state.seen.has(i.id));
  if (fresh.length && state.seen.size + 1) { $("alarm").textContent = t("new_alarm"); document.title = `(${data.items.length}) Careline console`; }
  data.items.forEach((i) => state.seen.add(i.id));
  drawQueue();
  if (state.open) await openCase(state.open, false);
}
const CLOSE = ["handled", "called_back", "emergency_services", "no_answer", "not_needed", "duplicate"];
const GROUPS = ["emergency", "urgent", "routine"];
const group = (level) => (GROUPS.includes(level) ? level : "routine");
function ago(iso) {
  const s = Math.max(0, Math.round((Date.now() + state.clock - Date.parse(iso)) / 1000));
  if (s < 60) return `${s} s`; if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`; return `${Math.floor(s / 86400)} d`;
}
const hhmm = (iso) => new Date(iso).toLocaleTimeString(state.lang === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });
const reason = (r) => r[state.lang] || r.en || Object.values(r)[0] || "";
function drawQueue() {
  const box = $("groups"); const focused = document.activeElement?.dataset?.id; box.replaceChildren();
  $("count").textContent = String(state.queue.length); $("empty").hidden = state.queue.length > 0;
  for (const level of GROUPS) {
    const items = state.queue.filter((i) => group(i.level) === level);
    if (!items.length) continue;
    box.append(el("h2", { class: level }, `${t(level)} (${items.length})`));
    for (const i of items) {
      const late = i.due_at && Date.parse(i.due_at) < Date.now() + state.clock && i.status === "open";
      box.append(el("button", { class: `item ${level}`, "data-id": i.id, "aria-current": i.id === state.open ? "true" : "false",
        onclick: () => openCase(i.id, true).catch(fault) },
      el("span", { class: "why" }, i.reasons.length ? reason(i.reasons[0]) : t(i.kind)),
      el("time", { datetime: i.waiting_since }, ago(i.waiting_since)),
      el("span", { class: "meta" }, i.claimed_by ? t("held", i.claimed_by === state.me.id ? t("you") : i.claimed_name || "") : t("unseen"),
        ` · ${i.channel}`, late ? el("span", { class: "late" }, ` · ${t("late")}`) : i.due_at && i.status === "open" ? ` · ${t("due", hhmm(i.due_at))}` : "")));
    }
  }
  if (focused) box.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}
function marked(text, spans) {
  const quote = el("blockquote"); const chars = Array.from(text); let at = 0;
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (from < at || to > chars.length) continue;
    quote.append(chars.slice(at, from).join("")); quote.append(el("mark", {}, chars.slice(from, to).join(""))); at = to;
  }
  quote.append(chars.slice(at).join("")); return quote;
}
async function openCase(id, focus) {
  const d = await api("GET", `escalations/${encodeURIComponent(id)}`);
  state.open = id; state.detail = d;
  const draft = document.querySelector("form.say textarea")?.value || ""; const keepFocus = document.activeElement?.tagName === "TEXTAREA";
  const mine = d.status !== "closed" && d.claimed_by === state.me.id; const level = group(d.level); const box = $("case");
  const act = (name, body) => async (event) => { event.currentTarget.disabled = true; try { await api("POST", `escalations/${encodeURIComponent(id)}/${name}`, body ? body() : {}); await refresh(); } catch (e) { fault(e); await refresh().catch(() => {}); } };
  const why = el("select", { id: "close-reason", "aria-label": t("close_ask") }, ...CLOSE.map((c) => el("option", { value: c }, t(`close_${c}`))));
  box.replaceChildren(
    el("div", { class: "head" }, el("span", { class: `level ${level}` }, t(level)),
      el("h2", { id: "detail-title" }, d.reasons.length ? reason(d.reasons[0]) : t(d.kind)),
      el("span", { class: "pill" }, d.claimed_by ? t("held", mine ? t("you") : d.claimed_name || "") : t("unseen"))),
    el("div", { class: "actions" },
      !d.claimed_by && d.status !== "closed" ? el("button", { class: "primary", "data-act": "claim", onclick: act("claim") }, t("claim")) : null,
      d.status !== "closed" && d.claimed_by && !mine ? el("button", { "data-act": "takeover", onclick: act("takeover") }, t("takeover")) : null,
      mine ? el("button", { "data-act": "handback", onclick: act("handback") }, t("handback")) : null,
      mine ? el("button", { "data-act": "release", onclick: act("release") }, t("release")) : null,
      d.status !== "closed" ? el("span", { class: "closing" }, why, el("button", { "data-act": "close", onclick: act("close", () => ({ reason: why.value })) }, t("close"))) : null),
    el("section", { class: `card why-card ${level}` }, el("h3", {}, t("own_words")),
      ...d.words.map((w) => marked(w.text, w.spans)),
      d.phone ? el("p", {}, el("strong", {}, `${t("phone")}: `), el("a", { href: `tel:${d.phone}` }, d.phone)) : null,
      d.rules.length ? el("h3", {}, t("why")) : null,
      d.rules.length ? el("ul", { class: "rules" }, ...d.rules.map((r) => el("li", {}, `${reason(r.reason)} `,
        el("span", { class: "src" }, `${r.id} · ${t("source")}: ${r.source}${r.review === "not_reviewed" ? ` · ${t("not_reviewed")}` : ""}`)))) : null,
      d.summary ? el("p", { class: "src" }, d.summary) : null,
      d.ruleset ? el("p", { class: "src" }, `${t("ruleset")} ${d.ruleset.slice(0, 12)}`) : null),
    el("h3", {}, t("transcript")),
    el("ol", { class: "log", role: "log", "aria-label": t("transcript") }, ...d.messages.map((m) => el("li", { class: m.author, lang: m.lang || undefined },
      el("span", { class: "by" }, `${m.name || t(m.author)} · ${hhmm(m.at)}`), m.text))),
    mine ? sayForm(d, draft) : "");
  $("choose").hidden = true; box.hidden = false; drawQueue();
  if (keepFocus) box.querySelector("textarea")?.focus(); else if (focus) document.querySelector(".detail").focus();
}
let sendKey = crypto.randomUUID();
function sayForm(d, draft) {
  const area = el("textarea", { name: "text", maxlength: "4000", "aria-label": t("reply_label"), placeholder: t("reply_label"), required: true });
  area.value = draft; const error = el("p", { class: "error", role: "alert" });
  const form = el("form", { class: "say" }, area, el("button", { class: "primary", "data-act": "send" }, t("reply")), error);
  form.addEventListener("submit", async (event) => {
    event.preventDefault(); const text = area.value.trim(); if (!text) return;
    try { await api("POST", `conversations/${encodeURIComponent(d.conversation)}/reply`, { text, key: sendKey }); sendKey = crypto.randomUUID();
      area.value = ""; $("announce").textContent = t("sent"); await refresh(); } catch (e) { error.textContent = t("fault") + e.message; }
  });
  area.addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) form.requestSubmit(); });
  return form;
}
function fault(error) { $("alarm").textContent = t("fault") + error.message; }
document.querySelector("#login form").addEventListener("submit", async (event) => {
  event.preventDefault(); const form = event.currentTarget; const error = form.querySelector(".error"); error.textContent = "";
  try { await enter(await api("POST", "login", { login: form.login.value, password: form.password.value })); form.reset(); }
  catch (e) { error.textContent = e.message; }
});
$("logout").addEventListener("click", async () => { await api("POST", "logout", {}).catch(() => {}); if (events) events.close(); showLogin(); });
$("lang").addEventListener("change", (e) => { state.lang = e.target.value; localStorage.setItem("careline-console-lang", state.lang); words(); if (state.me) { $("clinic").textContent = state.me.clinic[state.lang] || Object.values(state.me.clinic)[0]; refresh().catch(fault); } });
setInterval(() => { if (state.me) drawQueue(); }, 15000);
words();
api("GET", "me").then((me) => (me.id ? enter(me) : showLogin())).catch(showLogin);
