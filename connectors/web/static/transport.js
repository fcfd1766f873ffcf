// The WebSocket to the server: opens, says hello, pings, comes back after a break. It knows frames, not their meaning.

const BACKOFF_MS = [400, 1000, 2000, 4000, 8000, 15000];
const CONNECT_TIMEOUT_MS = 8000;
const PING_MS = 20000;
const PONG_TIMEOUT_MS = 10000;

class Link {
  /** @param hooks {hello(): object, seq(): number, frame(object), up(), down()} */
  constructor(hooks) {
    this.hooks = hooks;
    this.socket = null;
    this.attempts = 0;
    this.wanted = false;
    this.ready = false;
    this.broken = false;
    addEventListener("online", () => this.retryNow());
    addEventListener("pageshow", () => this.retryNow());
    document.addEventListener("visibilitychange", () => !document.hidden && this.retryNow());
  }

  start() {
    if (this.wanted) return;
    this.wanted = true;
    this.connect();
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.retryTimer);
    if (this.socket) this.socket.close(1000);
    this.lost();
  }

  retryNow() {
    if (!this.wanted || this.socket) return;
    clearTimeout(this.retryTimer);
    this.connect();
  }

  send(frame) {
    if (!this.ready) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  connect() {
    const socket = new WebSocket(SERVER.replace(/^http/, "ws") + "/widget/ws");
    this.socket = socket;
    const timer = setTimeout(() => socket.close(), CONNECT_TIMEOUT_MS);
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", ...this.hooks.hello() }));
    socket.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      if (frame.type === "ready") {
        clearTimeout(timer);
        this.ready = true;
        this.broken = false;
        this.attempts = 0;
        this.schedulePing();
      }
      if (frame.type === "pong") clearTimeout(this.pongTimer);
      this.hooks.frame(frame);
      if (frame.type === "ready") this.hooks.up();
    };
    socket.onclose = () => {
      clearTimeout(timer);
      if (this.socket === socket) this.lost();
    };
  }

  lost() {
    this.socket = null;
    this.ready = false;
    clearInterval(this.pingTimer);
    clearTimeout(this.pongTimer);
    if (!this.wanted) return;
    this.broken = true;
    this.hooks.down();
    const wait = BACKOFF_MS[Math.min(this.attempts, BACKOFF_MS.length - 1)];
    this.attempts += 1;
    this.retryTimer = setTimeout(() => this.connect(), wait * (0.7 + 0.6 * Math.random()));
  }

  schedulePing() {
    clearInterval(this.pingTimer);
    this.pingTimer = setInterval(() => {
      this.send({ type: "ping", after_seq: this.hooks.seq() });
      clearTimeout(this.pongTimer);
      this.pongTimer = setTimeout(() => this.socket?.close(), PONG_TIMEOUT_MS);
    }, PING_MS);
  }
}
