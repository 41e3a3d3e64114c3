// The WebSocket: comes back whenever it breaks, and asks for what was missed meanwhile.

const FIRST_MS = 500;
const LONGEST_MS = 20_000;
// Whoever lost the register of its clients knows us again by a ping.
const PING_MS = 30_000;
const PONG_MS = 10_000;
// A command without an answer is lost: a relay may die with it.
const ANSWER_MS = 10_000;

export class Live {
  #wanted = false;
  #socket = null;
  #cursor = null;
  #resuming = false;
  #failures = 0;
  #timers = [];

  // `url` gives the address for each attempt; `opened`, `frame` and `state` are told what happens.
  constructor(url, { opened, frame, state }) {
    Object.assign(this, { url, opened, frame, state });
    addEventListener("online", () => this.#wanted && this.#begin());
    // Browsers are slow to notice that a socket leads nowhere, but know that the network is gone.
    addEventListener("offline", () => this.#wanted && this.#lost());
  }

  start() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#begin();
  }

  // To whoever starts it next, the cursor of the one before means nothing.
  stop() {
    this.#wanted = false;
    this.#cursor = null;
    this.#drop();
  }

  #begin() {
    this.#failures = 0;
    this.#connect();
  }

  #connect() {
    this.#drop();
    this.state(this.#failures ? "reconnecting" : "connecting");
    const socket = new WebSocket(this.url());
    this.#socket = socket;
    socket.onopen = () => {
      this.#failures = 0;
      if (this.#cursor !== null) this.#resume();
      this.#timers.push(setInterval(() => this.#ping(), PING_MS));
      this.state("live");
      this.opened();
    };
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => this.#lost();
  }

  #take(frame) {
    if (frame.code === "CURSOR_INVALID") {
      this.#cursor = null;
      this.#resuming = false;
    }
    if (frame.type === "subscribed") this.#resuming = false;
    // What comes before that has a cursor beyond what was missed.
    if (frame.cursor && !this.#resuming) this.#cursor = frame.cursor;
    if (frame.type === "pong") clearTimeout(this.pong);
    else if (frame.type === "resync") {
      this.#cursor = frame.cursor;
      this.#resume();
      this.opened();
    } else this.frame(frame);
  }

  #resume() {
    this.#resuming = true;
    this.#send({ action: "subscribe", after: this.#cursor });
    this.#timers.push(setTimeout(() => this.#resuming && this.#resume(), ANSWER_MS));
  }

  #ping() {
    this.#send({ action: "ping" });
    this.pong = setTimeout(() => this.#lost(), PONG_MS);
    this.#timers.push(this.pong);
  }

  #send(command) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  #lost() {
    this.#drop();
    this.#failures += 1;
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.#failures - 1));
    // Jitter: clients that were dropped together must not come back together.
    const wait = longest * (0.5 + Math.random() / 2);
    this.state(navigator.onLine ? "reconnecting" : "offline");
    this.#timers.push(setTimeout(() => this.#connect(), wait));
  }

  #drop() {
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#resuming = false;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
