// One case. Its frame is built once and then only brought up to date, so that nothing that somebody is
// typing, has focused or has opened is lost when the patient writes.

import { $, api, arrange, drafts, el, has, local, newKey, now, page, setText, t, when } from "/console/page.js";

export const CLOSE = ["handled", "called_back", "emergency_services", "no_answer", "not_needed", "duplicate"];
const GRAVE = ["emergency", "urgent"];
const LIMIT = 4000;
const LATE_MS = 30000;
const closeText = (code) => (has(`close_${code}`) ? t(`close_${code}`) : code || "");
const language = (code) => (has(`lang_${code}`) ? t(`lang_${code}`) : code || t("unknown"));
const level = (name) => (has(name) ? name : "none");
export const tone = (name) => (["emergency", "urgent"].includes(name) ? name : "routine");
export const headline = (item) => (item.reasons.length ? local(item.reasons[0]) : t(item.kind));

export class Case {
  constructor(id, { changed, failed }) {
    this.id = id; this.changed = changed; this.failed = failed; this.step = null; this.nodes = new Map();
    this.parts = Object.fromEntries(["head", "notices", "actions", "strip", "why", "foot"].map((name) => [name, el("div", { class: name })]));
    this.log = el("ol", { class: "log", role: "log", "aria-labelledby": "log-title" });
    this.logTitle = el("h3", { id: "log-title" });
    this.say = null; this.note = null; this.drawn = {};
    const p = this.parts;
    this.box = el("div", { class: "case" }, p.head, p.notices, p.actions, el("div", { class: "columns" },
      el("div", { class: "side" }, p.strip, p.why), el("div", { class: "talk" }, this.logTitle, this.log, p.foot)));
  }
  update(d) {
    this.d = d; this.mine = d.status !== "closed" && d.claimed_by === page.me.id;
    this.part("head", [d.level, d.claimed_by, d.status, headline(d), d.seen_at], () => this.head());
    this.part("notices", [d.discreet, d.degraded, d.status, d.close_reason], () => this.notices());
    this.part("actions", [d.status, d.claimed_by, d.seen_at, this.step], () => this.actions());
    this.part("strip", [d.profile, d.stated, d.lang, d.channel, d.phone, d.when], () => this.strip());
    this.part("why", [d.words, d.summaries, d.rules, d.ruleset], () => this.why());
    setText(this.logTitle, t("transcript"));
    this.thread();
    this.foot();
  }
  part(name, facts, make) {
    const mark = JSON.stringify([page.lang, facts]);
    if (this.drawn[name] === mark) return;
    this.drawn[name] = mark; this.parts[name].replaceChildren(...make().filter(Boolean));
  }
  head() {
    const d = this.d;
    const who = d.status === "closed" ? t("closed") : d.claimed_by ? t("held", this.mine ? t("you") : d.claimed_name || "") : t("unseen");
    return [el("span", { class: `level ${tone(d.level)}` }, t(level(d.level))),
      el("h2", { id: "detail-title", tabindex: "-1" }, headline(d)),
      el("span", { class: `pill ${d.claimed_by ? "" : "off"}` }, who), d.seen_at ? el("span", { class: "soft" }, t("seen_at", when(d.seen_at))) : null];
  }
  notices() {
    const d = this.d;
    return [d.discreet ? el("p", { class: "notice discreet" }, el("strong", {}, t("discreet")), " ", t("discreet_long")) : null,
      d.degraded.length ? el("p", { class: "notice" }, t("degraded")) : null,
      d.status === "closed" ? el("p", { class: "notice" }, t("closed_as", closeText(d.close_reason))) : null];
  }
  // -- what can be done ------------------------------------------------------------------------------------
  actions() {
    const d = this.d;
    if (d.status === "closed") return [];
    if (this.step) return [this.stepForm(this.step)];
    const button = (name, primary) => el("button", { class: primary ? "primary" : "", "data-act": name, onclick: (e) => this.act(name, {}, e.currentTarget) }, t(name));
    const opens = (name) => el("button", { "data-step": name, onclick: () => this.show(name) }, t(name));
    return [!d.claimed_by ? button("claim", true) : null, d.claimed_by && !this.mine ? opens("takeover") : null,
      this.mine ? button("handback") : null, this.mine ? opens("release") : null, !d.seen_at && !this.mine ? button("acknowledge") : null,
      !d.claimed_by || this.mine ? opens("close") : null];
  }
  show(step) {
    this.step = step; this.update(this.d);
    (this.parts.actions.querySelector("input:checked, input[name=reason]") || this.parts.actions.querySelector(`button`))?.focus();
  }
  stepForm(step) {
    const field = step === "close"
      ? el("fieldset", {}, el("legend", {}, t("close_ask")), CLOSE.map((code, at) => el("label", { class: "choice" },
        el("input", { type: "radio", name: "reason", value: code, checked: at === 0 }), closeText(code))))
      : el("label", {}, t("why_optional"), el("input", { name: "reason", maxlength: "500", autocomplete: "off" }));
    const form = el("form", { class: `step ${step}` }, field, el("div", { class: "row" },
      el("button", { class: "primary", "data-act": step }, t(`${step}_now`)),
      el("button", { type: "button", "data-cancel": true, onclick: () => this.leave(step) }, t("cancel"))));
    form.addEventListener("submit", (event) => {
      event.preventDefault(); this.act(step, { reason: new FormData(form).get("reason") || "" }, form.querySelector(".primary"));
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); this.leave(step); } });
    return form;
  }
  leave(step) { this.step = null; this.update(this.d); this.parts.actions.querySelector(`[data-step=${step}]`)?.focus(); }
  async act(name, body, button) {
    if (button) button.disabled = true;
    try {
      await api("POST", `escalations/${encodeURIComponent(this.id)}/${name}`, body);
      this.step = null; setText($("announce"), t("done"));
    } catch (error) { this.failed(error); if (error.status === 409) this.step = null; }
    this.drawn.actions = null;
    await this.changed();
    if (name === "claim" || name === "takeover") (this.say || this.parts.head).querySelector("textarea, h2")?.focus();
    else if (document.activeElement === document.body) this.parts.head.querySelector("h2")?.focus();
  }
  // -- whom and why ----------------------------------------------------------------------------------------
  strip() {
    const d = this.d; const p = d.profile;
    const facts = [["age", age(p)], ["sex", has(p.sex) ? t(p.sex) : null], ["pregnancy", pregnancy(p)],
      ["conditions", stated(d.stated.conditions)], ["medicines", stated(d.stated.medicines)]];
    const rows = facts.map(([name, value]) => el("div", {}, el("dt", {}, t(name)), el("dd", { class: value ? "" : "soft" }, value || t("unknown"))));
    rows.push(el("div", {}, el("dt", {}, t("writes_in")), el("dd", {}, `${language(d.lang)} · ${d.channel}`)));
    if (d.phone) rows.push(el("div", { class: "phone" }, el("dt", {}, t("phone")), el("dd", {}, el("a", { href: `tel:${d.phone}` }, d.phone))));
    if (d.when) rows.push(el("div", {}, el("dt", {}, t("when")), el("dd", {}, d.when)));
    return [el("section", { class: "card about" }, el("h3", {}, t("about")), el("dl", {}, rows))];
  }
  why() {
    const d = this.d; const grave = d.rules.filter((r) => GRAVE.includes(r.level)); const rest = d.rules.filter((r) => !GRAVE.includes(r.level));
    const words = [...d.words].reverse();
    const said = (w, at) => el("figure", {}, marked(w), el("figcaption", { class: "soft" }, at === 1 ? `${t("earlier")} · ` : "", `${when(w.at)} · ${language(w.lang)}`));
    return [el("section", { class: `card why-card ${tone(d.level)}` },
      words.length ? [el("h3", {}, t("own_words")), words.map((w, at) => said(w, Math.min(at, 1)))] : null,
      d.summaries.length ? [el("h3", {}, t("summary")), d.summaries.map((s) => el("pre", { class: "summary" }, s.text))] : null,
      el("h3", {}, t("why")), d.rules.length ? null : el("p", { class: "soft" }, t("no_rule")),
      grave.length ? el("ul", { class: "rules" }, grave.map(rule)) : null,
      rest.length ? el("details", { class: "also" }, el("summary", {}, t("also", rest.length)), el("ul", { class: "rules" }, rest.map(rule))) : null,
      d.ruleset ? el("p", { class: "soft small" }, `${t("ruleset")} ${d.ruleset.slice(0, 12)}`) : null)];
  }
  // -- the conversation ------------------------------------------------------------------------------------
  thread() {
    const entries = [...this.d.messages.map((m) => ({ key: `m${m.seq}`, at: m.at, m })),
      ...this.d.history.filter((e) => e.kind === "note" || has(`ev_${e.kind}`)).map((e) => ({ key: e.id, at: e.at, e }))];
    entries.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const end = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60; let added = false;
    const nodes = entries.map((entry) => {
      const mark = JSON.stringify([page.lang, entry.m ? [entry.m.delivered_at, this.lateness(entry.m)] : 0]);
      let kept = this.nodes.get(entry.key);
      if (!kept) { kept = { node: el("li"), mark: null }; this.nodes.set(entry.key, kept); added = true; }
      if (kept.mark !== mark) { kept.mark = mark; (entry.m ? this.message : this.event).call(this, kept.node, entry.m || entry.e); }
      return kept.node;
    });
    arrange(this.log, nodes);
    if (added && end) this.log.scrollTop = this.log.scrollHeight;
  }
  lateness(m) { return m.author === "staff" && !m.delivered_at ? now() - Date.parse(m.at) > LATE_MS : null; }
  message(node, m) {
    const late = this.lateness(m);
    const sent = m.author !== "staff" ? null : m.delivered_at ? el("span", { class: "delivery" }, ` · ${t("sent_at", when(m.delivered_at))}`)
      : el("span", { class: `delivery ${late ? "late" : ""}` }, ` · ${t(late ? "not_sent" : "sending")}`);
    node.className = ["patient", "assistant", "staff"].includes(m.author) ? m.author : "system";
    node.replaceChildren(el("span", { class: "by" }, `${m.name ? `${m.name} (${t("staff")})` : t(m.author)} · ${when(m.at)}`, sent),
      el("span", { class: "text", lang: m.lang }, m.text));
  }
  event(node, e) {
    if (e.kind === "note") {
      node.className = "note";
      node.replaceChildren(el("span", { class: "by" }, `${t("note")} · ${e.by || ""} · ${when(e.at)}`), el("span", { class: "text" }, e.text || ""));
      return;
    }
    const what = t(`ev_${e.kind}`, t(level(e.level)), closeText(e.text));
    const why = e.text && ["taken_over", "released"].includes(e.kind) ? ` (${e.text})` : "";
    node.className = "activity"; node.replaceChildren(`${e.by ? `${e.by} ` : ""}${what}${why} · ${when(e.at)}`);
  }
  // -- writing ---------------------------------------------------------------------------------------------
  foot() {
    const d = this.d; const state = d.status === "closed" ? "closed" : this.mine ? "mine" : d.claimed_by ? "other" : "free";
    const mark = `${page.lang} ${state} ${d.claimed_name}`;
    if (this.drawn.foot === mark) return;
    this.drawn.foot = mark;
    const open = this.note ? this.note.open : false;
    this.note = this.noteForm(); this.note.open ||= open;
    this.say = this.mine ? this.sayForm() : null;
    // one place to write at a time: a note must not be taken for a reply, nor a reply for a note
    const one = () => { if (this.say) this.say.hidden = this.note.open; };
    this.note.addEventListener("toggle", one); one();
    const hint = state === "free" ? t("claim_to_write") : state === "other" ? t("other_writes", d.claimed_name || "") : null;
    this.parts.foot.replaceChildren(...[hint ? el("p", { class: "soft hint" }, hint) : null, this.say, this.note].filter(Boolean));
  }
  sayForm() {
    const area = this.area("reply", this.d.conversation, t("reply_label"));
    const form = el("form", { class: "say" }, el("label", { class: "grow" }, el("span", {}, t("reply_label"), " ", el("span", { class: "soft" }, t("in_lang", language(this.d.lang)))), area.field),
      el("button", { class: "primary", "data-act": "send" }, t("reply")), el("p", { class: "soft small help" }, t("reply_help"), " ", area.left), el("p", { class: "error", role: "alert" }));
    let key = newKey();
    this.sends(form, area, async (text) => {
      await api("POST", `conversations/${encodeURIComponent(this.d.conversation)}/reply`, { text, key });
      key = newKey(); setText($("announce"), t("sent"));
    });
    return form;
  }
  noteForm() {
    const area = this.area("note", this.id, t("note_label"));
    const form = el("form", { class: "note-form" }, el("label", { class: "grow" }, el("span", {}, t("note_label")), area.field),
      el("button", { "data-act": "note" }, t("note_save")), el("p", { class: "soft small help" }, t("note_help"), " ", area.left), el("p", { class: "error", role: "alert" }));
    this.sends(form, area, async (text) => {
      await api("POST", `escalations/${encodeURIComponent(this.id)}/note`, { text }); setText($("announce"), t("saved")); this.note.open = false;
    });
    return el("details", { class: "noting", open: Boolean(area.field.value) }, el("summary", {}, t("note_add")), form);
  }
  area(kind, id, label) {
    const field = el("textarea", { name: "text", maxlength: String(LIMIT), rows: "3", "aria-label": label, required: true });
    const left = el("span", { class: "left" }); field.value = drafts.get(kind, id);
    const count = () => setText(left, field.value.length > LIMIT - 500 ? t("chars_left", LIMIT - field.value.length) : "");
    field.addEventListener("input", () => { drafts.set(kind, id, field.value); count(); });
    return { field, left, done: () => { field.value = ""; drafts.set(kind, id, ""); count(); } };
  }
  sends(form, area, send) {
    const error = form.querySelector(".error"); const button = form.querySelector("button");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = area.field.value.trim();
      if (!text || button.disabled) return;
      button.disabled = true; error.textContent = "";
      try { await send(text); area.done(); await this.changed(); } catch (e) { error.textContent = e.message; } finally { button.disabled = false; }
    });
    area.field.addEventListener("keydown", (e) => { if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && !e.isComposing) form.requestSubmit(); });
  }
}

// The patient's text with what the rules read marked. Positions count characters, not UTF-16 units.
export function marked({ text, spans, lang }) {
  const quote = el("blockquote", { lang }); const chars = Array.from(text); let at = 0;
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    const start = Math.max(from, at);
    if (to <= start || to > chars.length) continue;
    quote.append(chars.slice(at, start).join(""), el("mark", {}, chars.slice(start, to).join(""))); at = to;
  }
  quote.append(chars.slice(at).join(""));
  return quote;
}
function rule(r) {
  return el("li", {}, el("span", { class: `dot ${tone(r.level)}` }, t(level(r.level))), " ", local(r.reason) || r.id, el("span", { class: "src" },
    `${r.id} · ${t("source")}: ${r.source}${r.date ? `, ${r.date}` : ""}${r.review === "not_reviewed" ? ` · ${t("not_reviewed")}` : ""}`));
}
function age(p) {
  const years = p.age_years;
  if (years !== undefined && years !== null) return years < 0.25 ? t("weeks", Math.round(years * 52.18)) : years < 2 ? t("months", Math.round(years * 12)) : t("years", Math.floor(years));
  const [least, most] = [p.age_min || 0, p.age_max ?? 200];
  if (p.age_min === undefined && p.age_max === undefined) return null;
  return least <= 0 ? t("under", most) : most >= 150 ? t("over", least) : t("between", least, most);
}
function pregnancy(p) {
  if (p.gestation_weeks) return t("gestation", Math.round(p.gestation_weeks));
  if (p.pregnant) return t("pregnant");
  if (p.postpartum) return t("postpartum");
  if (p.breastfeeding) return t("breastfeeding");
  return p.pregnant === false ? t("not_pregnant") : null;
}
function stated(entries) {
  if (!entries.length) return null;
  return el("ul", { class: "chips" }, entries.map((e) => el("li", { lang: e.lang }, e.words, e.person ? ` (${e.person})` : "", e.status === "possible" ? ` (${t("perhaps")})` : "")));
}
