// What the patient sees. Builds elements, never HTML text: everything that came from outside is set as textContent.
// Knows nothing of the server; it calls the hooks that main.js hands in.

/** An element with properties (class, text, on…, attributes) and children. */
function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  chat: "M4 5.5A2.5 2.5 0 0 1 6.5 3h11A2.5 2.5 0 0 1 20 5.5v8a2.5 2.5 0 0 1-2.5 2.5H11l-4.6 4.1A.85.85 0 0 1 5 19.5V16a2 2 0 0 1-1-1.8z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M4.5 12h13M12 5.5l6.5 6.5-6.5 6.5",
  phone: "M6.6 3.5l2.7-.5 1.9 4.4-2 1.6a12.5 12.5 0 0 0 5.8 5.8l1.6-2 4.4 1.9-.5 2.7a2.6 2.6 0 0 1-2.8 2.1C10.4 18.9 5.1 13.6 4.5 6.3a2.6 2.6 0 0 1 2.1-2.8z",
  heart: "M12 20s-7.5-4.6-7.5-10.2A4.3 4.3 0 0 1 12 7.2a4.3 4.3 0 0 1 7.5 2.6C19.5 15.4 12 20 12 20z",
  file: "M7 3h7l4 4v13.5a.5.5 0 0 1-.5.5h-10.5a.5.5 0 0 1-.5-.5v-17a.5.5 0 0 1 .5-.5zM14 3v4h4M12 11v6M9.5 14.5l2.5 2.5 2.5-2.5",
  down: "M12 5v13M6 12.5l6 6 6-6",
  exit: "M10 4H6a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h4M14 8l4 4-4 4M18 12H9",
};

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A public https or http address, or "" for anything else (javascript:, data:, nonsense). */
function publicAddress(url) {
  try {
    const parsed = new URL(url);
    return ["https:", "http:"].includes(parsed.protocol) ? parsed.href : "";
  } catch (error) {
    return "";
  }
}

/** The address of a file on our own server, or "" for a path that leads anywhere else. */
function ownAddress(path) {
  const parsed = new URL(String(path), SERVER);
  return String(path).startsWith("/") && parsed.origin === SERVER ? parsed.href : "";
}

/** Text as paragraphs and lists; "[1]" becomes a raised mark where a source of that number is given.
 *  A numbered list of nothing but the reply's own buttons is class "asked": it rests while the buttons are there. */
function paragraphs(text, sources, titles = []) {
  const blocks = [];
  for (const line of text.split("\n")) {
    const bullet = line.match(/^\s*[-•*]\s+(.*)$/);
    const numbered = line.match(/^\s*(\d{1,2})[.)、]\s*(\S.*)$/);
    const kind = bullet ? "ul" : numbered ? "ol" : line.trim() ? "p" : "";
    const last = blocks[blocks.length - 1];
    const item = bullet ? bullet[1] : numbered ? numbered[2] : line;
    if (last && last.kind === kind) last.items.push(item);
    else blocks.push({ kind, items: [item], start: numbered ? numbered[1] : null });
  }
  return blocks.filter((block) => block.kind).map(({ kind, items, start }) => {
    if (kind === "p") return el("p", {}, ...marked(items.join("\n"), sources));
    const asked = kind === "ol" && items.every((item) => titles.includes(item.trim()));
    return el(kind, { start, class: asked ? "asked" : null }, ...items.map((item) => el("li", {}, ...marked(item, sources))));
  });
}

function marked(text, sources) {
  return text.split(/(\[\d{1,2}\])/).map((part) => {
    const number = part.match(/^\[(\d{1,2})\]$/);
    return number && Number(number[1]) <= sources ? el("sup", { text: number[1] }) : document.createTextNode(part);
  });
}

const SHORT_QUOTE = 120; // characters; a longer passage is folded, so that the answer itself stays in view

function sourceList(citations, t) {
  const items = citations.map((source) => {
    const address = publicAddress(source.url);
    const name = address
      ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer", text: source.title })
      : el("span", { text: source.title });
    const quote = source.quote ? el("blockquote", { text: source.quote }) : null;
    const folded = quote && source.quote.length > SHORT_QUOTE ? el("details", {}, el("summary", { text: t("quote") }), quote) : quote;
    return el("li", {}, name, folded);
  });
  return el("div", { class: "sources" }, el("p", { class: "sources-title", text: t("sources") }), el("ol", {}, ...items));
}

/** A number to tap; it is written out where the label does not say it, for whoever calls from another phone. */
function callLink(label, number) {
  const said = label.replace(/[^0-9+]/g, "").includes(number.replace(/[^0-9+]/g, ""));
  return el("a", { class: "call", href: telephone(number) }, icon("phone"), el("span", { text: said ? label : `${label} ${number}` }));
}

/** Language and region for times: the browser's region where it speaks the same language ("en-GB": 18:30). */
function timeLocale(lang) {
  return (navigator.languages || []).find((tag) => knownLanguage(tag) === lang) || langTag(lang);
}

/** One line of the conversation. `line`: {mine, author?, text, at, reply?, pending?, lang} */
function message(line, t) {
  const reply = line.reply;
  const kind = reply ? reply.kind : "mine";
  const citations = reply ? reply.citations : [];
  const titles = reply ? reply.buttons.map((button) => button.title.trim()) : [];
  const who = line.mine ? t("you") : line.author || t("assistant");
  const at = new Date(line.at);
  const time = el("time", {
    datetime: at.toISOString(),
    text: at.toLocaleTimeString(timeLocale(t.lang), { hour: "2-digit", minute: "2-digit" }),
  });
  const bubble = el("div", { class: "bubble", lang: langTag(line.lang || t.lang) }, ...paragraphs(line.text, citations.length, titles));
  if (reply && reply.phones.length) {
    bubble.append(el("div", { class: "calls" }, ...reply.phones.map((phone) => callLink(phone.label, phone.number))));
  }
  if (citations.length) bubble.append(sourceList(citations, t));
  const file = reply && reply.attachment && ownAddress(reply.attachment.path);
  if (file) {
    bubble.append(el("a", { class: "file", href: file, download: true }, icon("file"), el("span", { text: reply.attachment.title })));
  }
  return el(
    "div",
    { class: `line ${line.mine ? "mine" : "theirs"} kind-${kind}` },
    el("p", { class: "who" }, el("span", { text: who }), " ", time),
    bubble,
    line.mine ? el("p", { class: "pending", text: t("pending"), hidden: !line.pending }) : null,
  );
}

const UNASKED_AFTER_MS = 4000; // what comes so long after the line before it is news, and is shown from its top

class View {
  /** @param hooks {send(text, shownAs), open(), close(), language(lang), person(), clear(), exit()} */
  constructor(hooks) {
    this.hooks = hooks;
    this.host = el("careline-widget", {});
    this.shadow = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.shadow.adoptedStyleSheets = [sheet];
    this.opened = false;
    this.build();
    document.body.append(this.host);
  }

  build() {
    this.launcher = el("button", { class: "launcher", type: "button", "aria-expanded": "false", "aria-controls": "panel", onclick: () => this.hooks.open() }, icon("chat"));
    this.launcherLabel = el("span", { class: "launcher-label" });
    this.unread = el("span", { class: "unread", hidden: true, "aria-hidden": "true" });
    this.launcher.append(this.launcherLabel, this.unread);
    this.title = el("h2", { id: "title" });
    this.subtitle = el("p", { class: "subtitle" });
    this.languages = el("div", { class: "languages", role: "group" });
    this.closeButton = el("button", { class: "icon-button", type: "button", onclick: () => this.hooks.close() }, icon("close"));
    this.exitBar = el("div", { class: "exit-bar", hidden: true });
    this.exitButton = el("button", { class: "exit", type: "button", onclick: () => this.hooks.exit() });
    this.exitBar.append(this.exitButton);
    this.banner = el("div", { class: "banner", role: "alert" });
    this.state = el("div", { class: "state", role: "status" });
    this.log = el("div", { class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions" });
    this.stream = el("div", { class: "stream", "aria-hidden": "true" });
    this.typing = el("div", { class: "typing", role: "status" });
    this.quick = el("div", { class: "quick", role: "group" });
    this.scroll = el("div", { class: "scroll", tabindex: "0", role: "region" }, this.log, this.stream, this.typing, this.quick);
    this.jump = el("button", { class: "jump", type: "button", hidden: true, onclick: () => this.toBottom() }, icon("down"), el("span", { class: "hidden-label" }));
    this.buildForm();
    this.personButton = el("button", { class: "text-button", type: "button", onclick: () => this.hooks.person() });
    this.clearButton = el("button", { class: "text-button", type: "button", onclick: () => this.hooks.clear() });
    const mark = el("span", { class: "mark", "aria-hidden": "true" }, icon("heart"));
    this.panel = el(
      "section",
      { class: "panel", id: "panel", role: "dialog", "aria-modal": "false", "aria-labelledby": "title", hidden: true },
      el("header", {}, mark, el("div", { class: "names" }, this.title, this.subtitle), this.languages, this.closeButton),
      this.exitBar,
      this.banner,
      this.state,
      el("div", { class: "middle" }, this.scroll, this.jump),
      this.form,
      el("footer", {}, this.personButton, this.clearButton),
    );
    this.root = el("div", { class: "root" + (OPTIONS.left ? " left" : "") }, this.launcher, this.panel);
    this.shadow.append(this.root);
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) this.hooks.close();
    });
    this.anchor = null; // the line that stays in view: what the patient said last, or what came unasked after it
    this.sticky = true; // whether the patient reads where the conversation goes on
    let height = 0; // a scroll event that comes with a new height is the layout's doing and not the patient's
    this.scroll.addEventListener("scroll", () => {
      if (this.scroll.clientHeight === height) this.sticky = this.atEnd();
      this.jump.hidden = this.atBottom();
    });
    new ResizeObserver(() => {
      height = this.scroll.clientHeight;
      this.follow();
    }).observe(this.scroll);
  }

  buildForm() {
    this.label = el("label", { class: "hidden-label", for: "text" });
    this.input = el("textarea", { id: "text", rows: "1", maxlength: String(MAX_TEXT_CHARS), autocomplete: "off", enterkeyhint: "send" });
    this.sendButton = el("button", { class: "send", type: "submit" }, icon("send"));
    this.fault = el("p", { class: "fault", role: "alert" });
    this.form = el("form", { onsubmit: (event) => this.submit(event) }, this.label, this.input, this.sendButton, this.fault);
    this.input.addEventListener("input", () => this.fit());
    this.input.addEventListener("keydown", (event) => {
      // isComposing: Enter that picks a Chinese character in the input method does not send
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit(event);
    });
  }

  submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text) return;
    this.input.value = "";
    this.fit();
    this.hooks.send(text, text);
  }

  fit() {
    this.input.style.height = "auto";
    this.input.style.height = Math.min(this.input.scrollHeight, 132) + "px";
  }

  /** Write every sentence of the interface in the language of `t`. */
  translate(t) {
    this.t = t;
    const set = (node, key, fields) => (node.textContent = t(key, fields));
    this.root.lang = langTag(t.lang);
    this.launcherLabel.textContent = t("launcher");
    this.launcher.setAttribute("aria-label", t("open"));
    this.title.textContent = CONFIG.clinic[t.lang];
    set(this.subtitle, "subtitle");
    this.closeButton.setAttribute("aria-label", t("close"));
    set(this.exitButton, "exit");
    this.exitButton.prepend(icon("exit"));
    this.log.setAttribute("aria-label", t("log_label"));
    this.scroll.setAttribute("aria-label", t("log_label"));
    this.quick.setAttribute("aria-label", t("quick_label"));
    set(this.label, "input_label");
    this.input.placeholder = t("placeholder");
    this.sendButton.setAttribute("aria-label", t("send"));
    set(this.personButton, "person");
    set(this.clearButton, "clear");
    set(this.jump.lastChild, "new_message");
    this.languages.setAttribute("aria-label", t("language_label"));
    this.languages.replaceChildren(
      ...CONFIG.languages.filter((lang) => lang !== t.lang).map((lang) =>
        el("button", { type: "button", lang: langTag(lang), text: CONFIG.texts[lang].language_name, onclick: () => this.hooks.language(lang) })),
    );
  }

  setOpen(open, focus) {
    this.opened = open;
    this.panel.hidden = !open;
    this.launcher.setAttribute("aria-expanded", String(open));
    this.root.classList.toggle("open", open);
    if (open) {
      this.setUnread(0);
      this.toBottom();
    }
    if (focus) (open ? this.input : this.launcher).focus({ preventScroll: true });
  }

  setUnread(count) {
    this.unread.hidden = count === 0;
    this.unread.textContent = String(count);
    this.launcher.setAttribute("aria-label", count ? this.t("open_unread", { count }) : this.t("open"));
  }

  add(line) {
    const now = Date.now();
    const node = message(line, this.t);
    this.log.append(node);
    if (line.mine || now - this.addedAt > UNASKED_AFTER_MS) this.anchor = node;
    this.addedAt = now;
    if (line.mine) this.sticky = true;
    this.follow();
    return node;
  }

  /** Put lines of the past there without having them all read out. */
  quietly(action) {
    this.log.setAttribute("aria-live", "off");
    action();
    setTimeout(() => this.log.setAttribute("aria-live", "polite"), 1000);
  }

  setPending(node, pending) {
    node.querySelector(".pending").hidden = !pending;
  }

  /** The answer so far; hidden from screen readers, which read the finished answer once. */
  showPartial(text, lang) {
    const line = message({ mine: false, text, at: Date.now(), lang, reply: null }, this.t);
    this.stream.replaceChildren(line);
    this.addedAt = Date.now();
    this.follow();
  }

  endPartial() {
    this.stream.replaceChildren();
  }

  setTyping(on) {
    const dots = el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.typing.replaceChildren(...(on ? [dots, el("span", { class: "hidden-label", text: this.t("typing") })] : []));
    this.follow();
  }

  /** Quick replies of the last question; empty removes them. */
  setQuick(buttons) {
    const held = this.quick.contains(this.shadow.activeElement);
    this.quick.replaceChildren(
      ...buttons.map((button) =>
        el("button", { type: "button", text: button.title, onclick: () => this.hooks.send(button.payload, button.title) })),
    );
    if (held) (matchMedia("(pointer: coarse)").matches ? this.scroll : this.input).focus({ preventScroll: true });
    const asked = [...this.log.querySelectorAll(".asked")];
    asked.forEach((list) => (list.hidden = buttons.length > 0 && this.log.lastElementChild.contains(list)));
    this.follow();
  }

  /** The card above the conversation that does not scroll away. `calls`: [{label, number}] */
  setBanner(kind, title, text, calls) {
    const body = el("div", { class: "banner-body" }, text ? el("p", { text }) : null);
    const links = el("div", { class: "calls" }, ...calls.map((call) => callLink(call.label, call.number)));
    const small = el("button", { class: "text-button", type: "button", "aria-expanded": "true", text: this.t("smaller"), onclick: () => this.shrinkBanner(small) });
    this.banner.className = `banner is-${kind}`;
    this.banner.replaceChildren(el("p", { class: "banner-title" }, icon(kind === "emergency" ? "phone" : "heart"), el("span", { text: title })), body, links, small);
  }

  shrinkBanner(button) {
    const small = this.banner.classList.toggle("is-small");
    button.textContent = this.t(small ? "larger" : "smaller");
    button.setAttribute("aria-expanded", String(!small));
  }

  clearBanner() {
    this.banner.className = "banner";
    this.banner.replaceChildren();
  }

  setState(text, kind = "") {
    this.state.className = "state " + kind;
    this.state.replaceChildren(...(text ? [el("span", { text })] : []));
  }

  setFault(text) {
    this.fault.textContent = text;
  }

  /** A hint in the conversation that nobody wrote. */
  addNotice(text) {
    this.log.append(el("p", { class: "notice", text }));
    this.follow();
  }

  clear() {
    this.log.replaceChildren();
    this.endPartial();
    this.setQuick([]);
    this.setTyping(false);
  }

  bottom() {
    return this.scroll.scrollHeight - this.scroll.clientHeight;
  }

  /** Where the end of the conversation is read from: its end, or the anchor's top where more follows than fits. */
  end() {
    return this.anchor ? Math.min(this.bottom(), this.anchor.offsetTop - 8) : this.bottom();
  }

  atBottom() {
    return this.bottom() - this.scroll.scrollTop < 80;
  }

  atEnd() {
    return this.end() - this.scroll.scrollTop < 80;
  }

  /** Keep the end in view where the patient reads it; else offer to go there. */
  follow() {
    if (this.sticky) this.scroll.scrollTop = this.end();
    this.jump.hidden = this.atBottom();
  }

  toBottom() {
    this.sticky = true;
    this.scroll.scrollTop = this.bottom();
    this.jump.hidden = true;
  }
}
