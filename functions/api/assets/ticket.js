// The ticket: a quote that follows what is typed, and an order under a key of its own.

import { ask, Refused } from "./api.js";
import { decimal, isDecimal, shown, shownPrice, units } from "./decimal.js";
import { $, el, say } from "./dom.js";
import { bps, feesIn, Venues } from "./routes.js";
import { clock, whyFailed } from "./words.js";

const TYPING_MS = 250;
const AGAIN_MS = 2_000;
const TRIES = 4;
const FIELDS = ["amount", "slippageBps", "maxSplits", "limitPrice"];

export class Ticket {
  #quote = null;
  #asking = null;
  #next = 0;
  #busy = false;
  // What was sent and not answered for: sent again, it goes under the same key and stays one order.
  #unsure = null;

  // `quoted` gets each quote with its pair and side, `placed` each order that was accepted.
  constructor({ decimals, quoted, placed, paired }) {
    Object.assign(this, { decimals, quoted, placed, paired });
    this.form = $("ticket");
    this.venues = new Venues($("venues"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.form.addEventListener("input", ({ target }) => this.#edited(target));
    document.addEventListener("visibilitychange", () => this.#soon(0));
  }

  // The listed pairs, and those of two bases that a common quote token connects.
  offer(markets) {
    const listed = markets.map(({ pair }) => pair.split("/"));
    const crossed = listed.flatMap(([base, quote], place) =>
      listed.slice(place + 1).filter(([, other]) => other === quote).map(([other]) => [other, base]),
    );
    const option = (pair) => el("option", { value: pair.join("/"), text: pair.join(" / ") });
    $("pair").replaceChildren(...[...listed, ...crossed].map(option));
    this.#labels();
    this.paired(this.pair);
    this.#soon(0);
  }

  again() {
    if (this.pair) this.#soon(0);
  }

  get pair() {
    return $("pair").value;
  }

  get #side() {
    return new FormData(this.form).get("side");
  }

  get #tokens() {
    const [base, quote] = this.pair.split("/");
    return this.#side === "BUY" ? [quote, base] : [base, quote];
  }

  get #mode() {
    return $("mode").value || "EXACT_IN";
  }

  #edited(target) {
    if (target.name === "side") {
      // The amount stays what it is: 5,000 USDC to spend become 5,000 USDC to receive.
      $("mode").value = this.#mode === "EXACT_IN" ? "EXACT_OUT" : "EXACT_IN";
    }
    if (target.name === "mode") this.#convert();
    if (target.name === "pair") {
      $("amount").value = "";
      this.paired(this.pair);
    }
    if (["side", "pair"].includes(target.name)) this.#drop();
    this.#labels();
    this.#check();
    say($("ticket-fault"), "");
    say($("ticket-status"), "");
    this.#soon(TYPING_MS);
  }

  // The other end of the last quote, when there is one: the amount means another token now.
  #convert() {
    const end = this.#mode === "EXACT_OUT" ? "amountOut" : "amountIn";
    $("amount").value = this.#quote?.[end] ?? "";
  }

  #labels() {
    const [tokenIn, tokenOut] = this.#tokens;
    const [base, quote] = this.pair.split("/");
    const mode = this.#mode;
    const option = (value, text) => el("option", { value, text });
    $("mode").replaceChildren(option("EXACT_IN", `${tokenIn} to spend`), option("EXACT_OUT", `${tokenOut} to receive`));
    $("mode").value = mode;
    say($("limit-unit"), `(${quote} per ${base})`);
    if (!this.#busy) say($("submit"), `${this.#side === "BUY" ? "Buy" : "Sell"} ${base}`);
    $("submit").dataset.side = this.#side;
  }

  // What can be told without asking; true when there is nothing to complain of.
  #check() {
    const faults = {};
    const amount = $("amount").value.trim();
    const limit = $("limitPrice").value.trim();
    if (amount && !isDecimal(amount)) faults.amount = "Not a number: write it like 1250.5";
    if (limit && !isDecimal(limit)) faults.limitPrice = "Not a number: write it like 142.5";
    for (const name of ["slippageBps", "maxSplits"])
      if (!/^\d{1,5}$/.test($(name).value.trim())) faults[name] = "Not a whole number";
    this.#complain(faults);
    return Object.keys(faults).length === 0;
  }

  #complain(faults) {
    for (const name of FIELDS) {
      say($(`${name}-fault`), faults[name] ?? "");
      $(name).setAttribute("aria-invalid", String(name in faults));
      if (name !== "amount" && name in faults) this.form.querySelector(".limits").open = true;
    }
  }

  #asked() {
    const [tokenIn, tokenOut] = this.#tokens;
    return {
      side: this.#side,
      tokenIn,
      tokenOut,
      swapMode: this.#mode,
      amount: $("amount").value.trim(),
      maxSplits: Number($("maxSplits").value),
    };
  }

  #soon(milliseconds) {
    clearTimeout(this.#next);
    if (document.visibilityState === "visible") this.#next = setTimeout(() => this.#ask(), milliseconds);
  }

  async #ask() {
    this.#asking?.abort();
    if (!this.pair) return;
    if (!$("amount").value.trim() || !this.#check()) return this.#drop();
    const asking = new AbortController();
    this.#asking = asking;
    const [pair, body] = [this.pair, this.#asked()];
    let wait = AGAIN_MS;
    try {
      const quote = await ask("POST", "api/quotes", { body, signal: asking.signal });
      if (asking.signal.aborted) return;
      this.#complain({});
      this.#show(quote, body);
      this.quoted(pair, body.side, quote);
    } catch (error) {
      if (!(error instanceof Refused)) return;
      this.#drop(error.status === 400 ? "" : error.message);
      if (error.status === 400) this.#complain(error.faults);
      wait = Math.max(2 * AGAIN_MS, error.retryAfter * 1000);
    }
    if (this.#asking === asking) this.#soon(wait);
  }

  #drop(why = "") {
    this.#quote = null;
    this.venues.clear();
    $("sums").replaceChildren();
    say($("venues-age"), why);
  }

  #show(quote, { side, swapMode }) {
    this.#quote = quote;
    const { tokenIn, tokenOut } = quote;
    this.venues.show(quote.quotes, { side, swapMode, decimals: this.decimals });
    say($("venues-age"), `at ${clock(Date.now())}`);
    if (quote.reason) return $("sums").replaceChildren(el("dt", { text: "No quote" }), el("dd", { text: whyFailed(quote.reason) }));
    const legs = quote.hops.flatMap((hop) => hop.legs);
    const impacts = quote.hops.map((hop) => Math.max(...hop.legs.map((leg) => Number(leg.impactBps))));
    const exactIn = swapMode === "EXACT_IN";
    const rows = [
      exactIn ? ["You receive", `${shown(quote.amountOut)} ${tokenOut}`] : ["You spend", `${shown(quote.amountIn)} ${tokenIn}`],
      [exactIn ? "At least" : "At most", exactIn ? `${shown(this.#worst(quote.amountOut, tokenOut, -1n))} ${tokenOut}` : `${shown(this.#worst(quote.amountIn, tokenIn, 1n))} ${tokenIn}`],
      ["Price", shownPrice(quote.executionPrice)],
      ["Fees", feesIn(legs.flatMap((leg) => leg.fees), this.decimals)],
      ["Impact", `up to ${bps(impacts.reduce((total, impact) => total + impact, 0))}`],
      ["Route", [tokenIn, ...quote.hops.map((hop) => hop.tokenOut)].join(" → ") + (legs.length > 1 ? `, ${legs.length} pools` : "")],
    ];
    this.#sums(rows);
  }

  // Rows are kept and only their figures change: they may be read, or selected, meanwhile.
  #sums(rows) {
    const list = $("sums");
    const names = rows.map(([name]) => name).join();
    if ([...list.querySelectorAll("dt")].map((dt) => dt.textContent).join() !== names)
      list.replaceChildren(...rows.flatMap(([name]) => [el("dt", { text: name }), el("dd")]));
    list.querySelectorAll("dd").forEach((dd, place) => say(dd, rows[place][1]));
  }

  // The quote less, or plus, the slippage that is allowed, rounded to what is still allowed.
  #worst(amount, token, sign) {
    const places = this.decimals(token);
    const scaled = units(amount, places) * (10_000n + sign * BigInt($("slippageBps").value.trim()));
    return decimal(sign < 0n ? (scaled + 9_999n) / 10_000n : scaled / 10_000n, places);
  }

  async #submit() {
    if (this.#busy) return;
    say($("ticket-fault"), "");
    say($("ticket-status"), "");
    if (!$("amount").value.trim()) this.#complain({ amount: "How much?" });
    else if (this.#check()) return this.#place();
    this.form.querySelector("[aria-invalid=true]")?.focus();
  }

  async #place() {
    const body = { type: "MARKET", ...this.#asked(), slippageBps: Number($("slippageBps").value) };
    const limit = $("limitPrice").value.trim();
    if (limit) body.limitPrice = limit;
    const text = JSON.stringify(body);
    const key = this.#unsure?.text === text ? this.#unsure.key : crypto.randomUUID();
    this.#unsure = { text, key };
    this.#work(true);
    try {
      const { orderId } = await this.#insist(body, key);
      this.#unsure = null;
      say($("ticket-status"), "Accepted.");
      this.placed(orderId, body);
    } catch (error) {
      if (!error.unsure) this.#unsure = null;
      this.#complain(error.faults);
      const hint = error.unsure ? " Whether it was accepted is not known: press again, it stays one order." : "";
      const fields = Object.keys(error.faults).filter((name) => FIELDS.includes(name));
      say($("ticket-fault"), fields.length ? "" : error.message + hint);
      if (fields.length) $(fields[0]).focus();
    } finally {
      this.#work(false);
    }
  }

  async #insist(body, key) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask("POST", "api/orders/execute", { body, key });
      } catch (error) {
        if (!error.unsure || attempt === TRIES) throw error;
        say($("ticket-status"), `${error.message} Trying again…`);
        const wait = Math.max(error.retryAfter * 1000, 400 * 2 ** attempt);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  #work(busy) {
    this.#busy = busy;
    $("submit").setAttribute("aria-disabled", String(busy));
    if (busy) say($("submit"), "Placing…");
    else this.#labels();
  }
}
