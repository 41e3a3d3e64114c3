// The ticket: a quote that follows what is typed, and an order under a key of its own.

import { ask, Refused } from "./api.js";
import { decimals } from "./catalog.js";
import { decimal, isDecimal, shown, shownPrice, units } from "./decimal.js";
import { $, el, say } from "./dom.js";
import { bps, feesIn, Venues } from "./routes.js";
import { clock, whyFailed } from "./words.js";

const TYPING_MS = 250;
const AGAIN_MS = 2_000;
const TRIES = 4;
// All of it, in bps.
const WHOLE = 10_000;
const FIELDS = ["amount", "slippageBps", "maxSplits", "limitPrice"];
const QUOTED = ["amount", "maxSplits"];

const UNSURE = "Whether it was accepted is not known: press again, it stays one order.";

export class Ticket {
  #quote = null;
  #asking = null;
  #next = 0;
  #busy = false;
  #placing = null;
  // What was sent and not answered for: sent again, it goes under the same key and stays one order.
  #unsure = null;

  // `quoted` gets each quote with its pair and side, `placed` each order that was accepted.
  constructor({ quoted, placed, paired }) {
    Object.assign(this, { quoted, placed, paired });
    this.form = $("ticket");
    this.venues = new Venues($("venues"));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.form.addEventListener("input", ({ target }) => this.#edited(target));
    document.addEventListener("visibilitychange", () => this.#soon(0));
  }

  // Someone else is looking: what is being placed is not theirs, nor is it sent again for them.
  forget() {
    this.#placing?.abort();
    this.#asking?.abort();
    clearTimeout(this.#next);
    this.#unsure = null;
    this.#drop();
    this.#complain({});
    say($("ticket-fault"), "");
    say($("ticket-status"), "");
    if (this.#busy) this.#work(false);
  }

  // The listed pairs, and those of two bases that a common quote token connects.
  offer(markets) {
    const listed = markets.map(({ pair }) => pair.split("/"));
    const crossed = listed.flatMap(([base, quote], place) =>
      listed
        .slice(place + 1)
        .filter(([, other]) => other === quote)
        .map(([other]) => [other, base]),
    );
    const chosen = this.pair;
    const option = (pair) => el("option", { value: pair.join("/"), text: pair.join(" / ") });
    $("pair").replaceChildren(...[...listed, ...crossed].map(option));
    if (chosen) $("pair").value = chosen;
    this.#labels();
    this.paired(this.pair);
    this.#soon(0);
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
    const spend = option("EXACT_IN", `${tokenIn} to spend`);
    $("mode").replaceChildren(spend, option("EXACT_OUT", `${tokenOut} to receive`));
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
    if (Number($("slippageBps").value) > WHOLE) faults.slippageBps = `At most ${WHOLE}`;
    this.#complain(faults);
    return Object.keys(faults).length === 0;
  }

  #complain(faults, fields = FIELDS) {
    for (const name of fields) {
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
    if (document.visibilityState !== "visible") return;
    this.#next = setTimeout(() => this.#ask(), milliseconds);
  }

  async #ask() {
    this.#asking?.abort();
    if (!this.pair) return;
    if (!$("amount").value.trim() || !this.#check()) return this.#drop();
    const asking = new AbortController();
    this.#asking = asking;
    const [pair, body] = [this.pair, this.#asked()];
    const slippage = Number($("slippageBps").value);
    let wait = AGAIN_MS;
    try {
      const quote = await ask("POST", "api/quotes", { body, signal: asking.signal });
      if (asking.signal.aborted) return;
      this.#complain({}, QUOTED);
      this.#show(quote, body.swapMode, slippage);
      this.quoted(pair, body.side, quote);
    } catch (error) {
      if (!(error instanceof Refused)) return;
      const told = QUOTED.some((name) => name in error.faults);
      this.#drop(told ? "" : error.message);
      if (told) this.#complain(error.faults, QUOTED);
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

  #show(quote, swapMode, slippage) {
    this.#quote = quote;
    const { tokenIn, tokenOut } = quote;
    this.venues.show(quote.quotes, swapMode);
    say($("venues-age"), `at ${clock(Date.now())}`);
    if (quote.reason) return this.#sums([["No quote", whyFailed(quote.reason)]]);
    const legs = quote.hops.flatMap((hop) => hop.legs);
    const impacts = quote.hops.map(({ legs: own }) =>
      Math.max(...own.map((leg) => Number(leg.impactBps))),
    );
    const path = [tokenIn, ...quote.hops.map((hop) => hop.tokenOut)].join(" → ");
    const [verb, amount, token, worst, sign] =
      swapMode === "EXACT_IN"
        ? ["receive", quote.amountOut, tokenOut, "At least", -1]
        : ["spend", quote.amountIn, tokenIn, "At most", 1];
    const rows = [
      [`You ${verb}`, `${shown(amount)} ${token}`],
      [worst, `${shown(slipped(amount, token, sign * slippage))} ${token}`],
      ["Price", shownPrice(quote.executionPrice)],
      ["Fees", feesIn(legs.flatMap((leg) => leg.fees))],
      ["Impact", `up to ${bps(impacts.reduce((total, impact) => total + impact, 0))}`],
      ["Route", legs.length > 1 ? `${path}, ${legs.length} pools` : path],
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
    const { signal } = (this.#placing = new AbortController());
    this.#work(true);
    try {
      const { orderId } = await this.#insist(body, key, signal);
      this.#unsure = null;
      say($("ticket-status"), "Accepted.");
      this.placed(orderId, body);
    } catch (error) {
      if (signal.aborted) return;
      if (!error.unsure) this.#unsure = null;
      this.#complain(error.faults);
      const hint = error.unsure ? ` ${UNSURE}` : "";
      const fields = Object.keys(error.faults).filter((name) => FIELDS.includes(name));
      say($("ticket-fault"), fields.length ? "" : error.message + hint);
      if (fields.length) $(fields[0]).focus();
    } finally {
      if (!signal.aborted) this.#work(false);
    }
  }

  async #insist(body, key, signal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask("POST", "api/orders/execute", { body, key, signal });
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

// An amount that is `bps` more or less than quoted, rounded to what is still allowed.
function slipped(amount, token, bps) {
  const [places, whole] = [decimals(token), BigInt(WHOLE)];
  const scaled = units(amount, places) * (whole + BigInt(bps));
  return decimal(bps < 0 ? (scaled + whole - 1n) / whole : scaled / whole, places);
}
