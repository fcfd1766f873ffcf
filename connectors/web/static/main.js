// Joins the parts: what the patient does, what the server says, and what to do when it says nothing.

class Widget {
  constructor() {
    this.lang = firstLanguage(store.read("lang"));
    this.seq = 0;
    this.shown = new Set(); // ids of replies and of own messages that are in the log
    this.nodes = new Map(); // own message id → its line
    this.titles = new Map(); // payload → title, to show a pressed button by its title after a reload
    this.unsent = store.unsent();
    this.timers = new Map();
    this.unread = 0;
    this.state = "bot";
    this.outage = false;
    this.view = new View({
      send: (text, shownAs) => this.send(text, shownAs),
      open: () => (this.view.opened ? this.close() : this.open(true)),
      close: () => this.close(),
      language: (lang) => this.setLanguage(lang),
      person: () => this.send(this.t("person_message"), this.t("person_message")),
      clear: () => this.reset(),
      exit: () => this.exit(),
    });
    this.link = new Link({
      hello: () => ({ token: store.read("token") || undefined, lang: this.lang, after_seq: this.seq }),
      seq: () => this.seq,
      frame: (frame) => this.frame(frame),
      up: () => this.up(),
      down: () => this.down(),
    });
    this.retranslate();
  }

  retranslate() {
    this.t = Object.assign((key, fields) => sentence(this.lang, key, this.fields(fields)), { lang: this.lang });
    this.view.translate(this.t);
  }

  fields(more) {
    const numbers = CONFIG.numbers;
    return { number: numbers.emergency, phone: CONFIG.phone, clinic: CONFIG.clinic[this.lang], ...more };
  }

  open(focus) {
    const before = document.activeElement;
    this.opener = focus && before !== document.body && before !== this.view.host ? before : null;
    this.unread = 0;
    this.view.setOpen(true, focus);
    store.keepOpen(true);
    this.link.start();
    if (!this.welcomed) this.welcome();
  }

  close() {
    this.view.setOpen(false, true);
    if (this.opener?.isConnected) this.opener.focus({ preventScroll: true });
    store.keepOpen(false);
  }

  /** What is said before anything was said; not part of the conversation. */
  welcome() {
    this.welcomed = true;
    if (store.read("token") || this.unsent.length) return;
    this.showWelcome();
  }

  showWelcome() {
    this.view.addNotice(this.t("welcome"));
    this.view.setQuick(CONFIG.texts[this.lang].starters.map((text) => ({ title: text, payload: text })));
  }

  /** The patient chose a language; it is kept and told to the server. */
  setLanguage(lang) {
    store.write("lang", lang);
    this.link.send({ type: "lang", lang });
    this.speak(lang);
  }

  tellLanguage(known) {
    if (known !== this.lang) this.link.send({ type: "lang", lang: this.lang });
  }

  /** Show the interface in a language. */
  speak(lang) {
    if (lang === this.lang) return;
    this.lang = lang;
    this.retranslate();
    if (this.shown.size === 0 && this.view.opened) {
      this.view.clear();
      this.showWelcome();
    }
    this.showState(this.state, this.staffName);
    if (this.alarm) this.raise(this.alarm);
  }

  send(text, shownAs) {
    this.view.setFault("");
    if (text.length > MAX_TEXT_CHARS) return this.view.setFault(this.t("too_long"));
    // without a choice of the patient's the words themselves say in which language they are
    const item = { id: newId(), text, lang: store.read("lang") || undefined, at: Date.now(), title: shownAs };
    this.view.setQuick([]);
    this.unsent.push(item);
    store.keepUnsent(this.unsent);
    this.showOwn(item, true);
    this.link.start();
    this.deliver(item);
    this.watch(item);
  }

  showOwn(item, pending) {
    if (this.shown.has(item.id)) return;
    this.shown.add(item.id);
    const text = item.title || this.titles.get(item.text) || item.text;
    this.nodes.set(item.id, this.view.add({ mine: true, text, at: item.at, lang: item.lang, pending }));
  }

  deliver(item) {
    if (this.link.send({ type: "say", id: item.id, text: item.text, lang: item.lang })) {
      this.view.setPending(this.nodes.get(item.id), false);
    }
  }

  /** Law 3: if nothing answers a likely emergency within seconds, this answers it. */
  watch(item) {
    const alarming = likelyAlarm(item.text) || likelyAlarm(item.title || "");
    const wait = alarming ? (this.link.broken ? 300 : ALONE_AFTER_MS) : UNSENT_AFTER_MS;
    const timer = setTimeout(() => this.alone(item, alarming, "unreached"), wait);
    this.timers.set(item.id, { alarming, item, timer });
  }

  /** The server has the message: only a likely emergency is still watched, for longer. */
  watchTaken(id) {
    const watched = this.timers.get(id);
    this.unwatch(id);
    if (!watched?.alarming) return;
    const timer = setTimeout(() => this.alone(watched.item, watched.alarming, "slow"), SLOW_AFTER_MS - ALONE_AFTER_MS);
    this.timers.set(id, { ...watched, taken: true, timer });
  }

  unwatch(id) {
    clearTimeout(this.timers.get(id)?.timer);
    this.timers.delete(id);
  }

  /** Something was answered: whatever waited for an answer has got one. */
  answered() {
    for (const id of [...this.timers.keys()]) this.unwatch(id);
  }

  /** Nobody answered. `kind`: what it may be ("emergency", "crisis" or ""); `why`: "unreached" or "slow". */
  alone(item, kind, why) {
    this.timers.delete(item.id);
    if (kind) {
      this.raise({ kind, alone: why });
      this.view.addNotice(this.t(`${why}_${kind}`));
    } else {
      this.view.setPending(this.nodes.get(item.id), true);
      if (!this.outage) this.view.addNotice(this.t("alone_other"));
      this.outage = true;
    }
  }

  /** Show the card that stays: kind emergency or crisis, numbers from the reply or, alone, from the clinic's file. */
  raise(alarm) {
    this.alarm = alarm;
    const numbers = CONFIG.numbers;
    const own = alarm.kind === "crisis" ? this.crisisCalls() : [{ label: this.t("call"), number: numbers.emergency }];
    const calls = alarm.phones?.length ? alarm.phones : own;
    const number = calls[0].number;
    const title = this.t(alarm.kind === "crisis" ? "crisis_title" : "emergency_title", { number });
    this.view.setBanner(alarm.kind, title, this.t(`${alarm.alone || alarm.kind}_short`), calls);
  }

  crisisCalls() {
    const { crisis, crisis_name: name, emergency } = CONFIG.numbers;
    const calls = [{ label: this.t("call"), number: emergency }];
    if (crisis) calls.unshift({ label: this.t("call_name", { name: name?.[this.lang] || crisis, number: crisis }), number: crisis });
    return calls;
  }

  frame(frame) {
    const act = {
      ready: () => this.ready(frame),
      ack: () => this.acked(frame),
      typing: () => this.typing(frame.on),
      partial: () => this.partial(frame),
      reply: () => this.reply(frame.reply, frame.seq),
      lines: () => this.lines(frame.history),
      state: () => this.showState(frame.state, frame.name),
      error: () => this.refused(frame),
    }[frame.type];
    if (act) act();
  }

  ready(frame) {
    if (frame.fresh && this.seq > 0) {
      this.seq = 0; // the token had expired or the conversation was deleted: begin anew, keep what is unsent
      this.shown.clear();
      this.view.clear();
      this.view.clearBanner();
      for (const item of this.unsent) this.showOwn(item, true);
    }
    store.write("token", frame.token);
    if (store.read("lang")) this.tellLanguage(frame.lang);
    else if (!frame.fresh && knownLanguage(frame.lang)) this.speak(knownLanguage(frame.lang));
    this.view.quietly(() => this.lines(frame.history));
    if (this.state !== frame.state) this.showState(frame.state, null);
    if (this.shown.size === 0 && !this.view.quick.childElementCount) this.showWelcome();
  }

  up() {
    this.outage = false;
    this.view.setState(this.stateText(), this.state);
    for (const item of this.unsent) {
      this.showOwn(item, true);
      this.deliver(item);
      if (!this.timers.has(item.id)) this.watch(item);
    }
  }

  down() {
    this.view.setTyping(false);
    this.view.setState(this.t("offline"), "offline");
    for (const item of this.unsent) {
      const node = this.nodes.get(item.id);
      if (node) this.view.setPending(node, true);
      const watched = this.timers.get(item.id);
      if (watched?.alarming) {
        this.unwatch(item.id);
        this.alone(item, watched.alarming, "unreached");
      }
    }
  }

  acked(frame) {
    this.unsent = this.unsent.filter((item) => item.id !== frame.id);
    store.keepUnsent(this.unsent);
    if (frame.seq) this.advance(frame.seq);
    const node = this.nodes.get(frame.id);
    if (node) this.view.setPending(node, false);
    this.watchTaken(frame.id);
  }

  advance(seq) {
    // only the next number: a gap means that lines are missing, and the next ping fetches them
    if (seq === this.seq + 1) this.seq = seq;
  }

  lines(history) {
    for (const line of history) {
      if (line.direction === "in") {
        const id = line.id || `seq:${line.seq}`;
        this.acked({ id });
        this.showOwn({ id, text: line.text, at: line.at }, false);
      } else if (line.reply) {
        this.reply(line.reply, null, true);
      }
      this.seq = Math.max(this.seq, line.seq);
    }
    const last = history[history.length - 1];
    if (last && last.direction === "in") this.view.setQuick([]);
  }

  typing(on) {
    this.view.setTyping(on);
    // a turn that ended without a word is one that staff hold: the rules have read the message, nothing is missing
    if (!on) for (const [id, watched] of [...this.timers]) if (watched.taken) this.unwatch(id);
  }

  partial(frame) {
    if (this.shown.has(frame.reply_id)) return;
    this.answered();
    this.view.showPartial(frame.text, frame.lang);
  }

  reply(reply, seq, old = false) {
    if (seq) this.advance(seq);
    if (this.shown.has(reply.id)) return;
    this.shown.add(reply.id);
    this.answered();
    // the card of an emergency must be in the language in which the patient writes and is answered
    if (!store.read("lang") && reply.author === "assistant" && knownLanguage(reply.lang)) this.speak(knownLanguage(reply.lang));
    this.view.endPartial();
    this.view.add({ mine: false, author: this.author(reply), text: reply.text, at: reply.at, lang: reply.lang, reply });
    for (const button of reply.buttons) this.titles.set(button.payload, button.title);
    this.view.setQuick(reply.buttons);
    if (reply.kind === "discreet") this.view.exitBar.hidden = false;
    const recent = Date.now() - new Date(reply.at).getTime() < BANNER_HOURS * 3600e3;
    if ((reply.kind === "emergency" || reply.kind === "crisis") && recent) this.raise({ kind: reply.kind, phones: reply.phones });
    if (!this.view.opened && !old) this.view.setUnread((this.unread += 1));
  }

  /** Who says it, in words; null for the assistant. The bare role "staff" gets the name that joined, or a word. */
  author(reply) {
    if (reply.author === "assistant") return null;
    return reply.author === "staff" ? this.staffName || this.t("staff") : reply.author;
  }

  stateText() {
    if (this.state === "waiting") return this.t("state_waiting");
    if (this.state === "staff") return this.staffName ? this.t("state_staff", { name: this.staffName }) : this.t("state_staff_unnamed");
    return this.state === "closed" ? this.t("state_closed") : "";
  }

  showState(state, name) {
    const changed = state !== this.state;
    this.state = state;
    this.staffName = name || null;
    if (!this.link.broken) this.view.setState(this.stateText(), state);
    if (changed && state === "staff") this.view.setTyping(false);
    if (changed && state === "bot") this.view.addNotice(this.t("state_bot"));
  }

  refused(frame) {
    if (frame.id) {
      this.unwatch(frame.id);
      this.unsent = this.unsent.filter((item) => item.id !== frame.id);
      store.keepUnsent(this.unsent);
    }
    const key = frame.retry_after ? "error_busy" : frame.field === "text" ? "error_text" : "error_other";
    this.view.setFault(this.t(key, { seconds: frame.retry_after }));
  }

  /** Forget this conversation on this device (it stays with the clinic). */
  reset() {
    this.link.stop();
    this.answered();
    store.forget();
    this.seq = 0;
    this.unsent = [];
    this.alarm = null;
    this.shown.clear();
    this.nodes.clear();
    this.view.clear();
    this.view.clearBanner();
    this.view.exitBar.hidden = true;
    this.state = "bot";
    this.view.setState("");
    this.view.setFault("");
    this.showWelcome();
    if (this.view.opened) this.open(true);
  }

  /** Quick exit: forget, show nothing, and put another page into this one's place in the browser's history. */
  exit() {
    this.link.stop();
    store.forget();
    this.view.host.remove();
    document.title = "";
    location.replace(CONFIG.exit_url);
  }
}

function begin() {
  const widget = new Widget();
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-careline-open]");
    if (opener) widget.open(true);
    const language = event.target.closest?.("[data-careline-lang]");
    if (language) store.write("lang", knownLanguage(language.dataset.carelineLang));
  });
  if (OPTIONS.open || store.wasOpen()) widget.open(false);
  window.Careline = Object.freeze({
    open: () => widget.open(true),
    close: () => widget.close(),
    reset: () => widget.reset(),
    setLanguage: (lang) => knownLanguage(lang) && widget.setLanguage(knownLanguage(lang)),
  });
}

if (!window.Careline) {
  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
}
