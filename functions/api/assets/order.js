// One order: what became of it and when, and why it took this route.

import { ask } from "./api.js";
import { decimals } from "./catalog.js";
import { bpsBetween, shown, shownPrice, sum } from "./decimal.js";
import { $, el, say } from "./dom.js";
import { bestOf, bps, feesIn, hopsOf, legsOf, Venues } from "./routes.js";
import { clock, shortPool, stepOf, venueName, whyFailed } from "./words.js";

export class OrderPanel {
  #id = null;
  #asked = 0;
  #taken = 0;

  // `closed` is called with the id of the order that was open.
  constructor(closed) {
    this.closed = closed;
    $("order-close").addEventListener("click", () => this.close());
    $("order").addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
  }

  get id() {
    return this.#id;
  }

  async open(id) {
    if (id !== this.#id) this.#empty();
    this.#id = id;
    $("order").hidden = false;
    await this.refresh();
    if (this.#id !== id) return;
    $("order-title").focus({ preventScroll: true });
    $("order").scrollIntoView({ block: "nearest" });
  }

  close() {
    const id = this.#id;
    this.#id = null;
    this.#empty();
    $("order").hidden = true;
    this.closed(id);
  }

  async refresh() {
    const id = this.#id;
    if (id === null) return;
    const turn = (this.#asked += 1);
    try {
      const [order, timeline] = await Promise.all([
        ask("GET", `api/orders/${id}`),
        ask("GET", `api/orders/${id}/events`),
      ]);
      // Answers overtake each other: an older one would undo what a newer one told.
      if (turn <= this.#taken) return;
      this.#taken = turn;
      this.#show(order, timeline);
      say($("order-fault"), "");
    } catch (error) {
      if (turn > this.#taken) say($("order-fault"), error.message);
    }
  }

  // Nor is anything taken of what was asked before.
  #empty() {
    this.#taken = this.#asked;
    say($("order-title"), "Order");
    say($("order-fault"), "");
    $("order-body").replaceChildren();
  }

  #show(order, { events, quotes, conflicts }) {
    const title = order.side === "BUY" ? `Buy ${order.tokenOut}` : `Sell ${order.tokenIn}`;
    say($("order-title"), title);
    const parts = [this.#facts(order), el("h3", { text: "Timeline" }), this.#events(order, events)];
    const times = conflicts.length;
    const others = `Something else was asked for under its key ${times} times, and refused.`;
    if (times) parts.push(el("p", { className: "said", text: others }));
    if (quotes.length) parts.push(...this.#why(order, quotes));
    $("order-body").replaceChildren(...parts);
  }

  #facts(order) {
    const facts = [
      ["Order", order.orderId],
      ["Asked", asked(order)],
      ["Spent", order.amountIn && `${shown(order.amountIn)} ${order.tokenIn}`],
      ["Received", order.amountOut && `${shown(order.amountOut)} ${order.tokenOut}`],
      ["Price", order.executionPrice && shown(order.executionPrice)],
      ["Fees", feesIn(order.fills.flatMap((fill) => fill.fees))],
      ["Transaction", order.txHash],
    ];
    const list = el("dl", { className: "sums" });
    for (const [name, text] of facts)
      if (text) list.append(el("dt", { text: name }), el("dd", { text }));
    return list;
  }

  #events(order, events) {
    const [first] = events;
    const list = el("ol", { className: "timeline" });
    for (const event of events) {
      const after = Date.parse(event.at) - Date.parse(first.at);
      const text = event === first ? time(event.at) : `+ ${after} ms`;
      const when = el("time", { datetime: event.at, title: event.at, text });
      const detail = told(order, event);
      const what = el("div", {}, el("b", { text: stepOf(event.status) }));
      if (detail) what.append(el("span", { text: detail }));
      list.append(el("li", { "data-status": event.status }, when, what));
    }
    return list;
  }

  #why(order, quotes) {
    const last = Math.max(...quotes.map((quote) => quote.attempt));
    const latest = quotes.filter((quote) => quote.attempt === last);
    const sentence = hopsOf(latest)
      .map((hop) => because(hop, order))
      .filter(Boolean)
      .join(" ");
    const tries = last > 1 ? ` It was routed ${last} times; this is the last.` : "";
    const tables = el("div");
    new Venues(tables).show(latest, order.swapMode);
    const why = sentence || "No route was taken.";
    const told = el("p", { className: "said", text: why + tries });
    return [el("h3", { text: "Why this route" }), told, tables];
  }
}

const time = (at) => `${clock(at)}.${at.slice(20, 23)}`;

function asked(order) {
  const { swapMode, amount, tokenIn, tokenOut, limitPrice, minAmountOut } = order;
  const [verb, token] = swapMode === "EXACT_IN" ? ["spend", tokenIn] : ["receive", tokenOut];
  const what = `to ${verb} ${shown(amount)} ${token}`;
  const limits = [`slippage ${order.slippageBps} bps`, `at most ${order.maxSplits} pools a hop`];
  if (limitPrice) limits.push(`limit price ${shown(limitPrice)}`);
  if (minAmountOut) limits.push(`at least ${shown(minAmountOut)} ${tokenOut}`);
  return `${what}; ${limits.join(", ")}`;
}

function told({ tokenIn, tokenOut }, { detail }) {
  const { venue, amountIn, amountOut, executionPrice, reason } = detail;
  if (reason) return whyFailed(reason);
  if (amountOut) {
    const swapped = `${shown(amountIn)} ${tokenIn} for ${shown(amountOut)} ${tokenOut}`;
    return `${swapped}, at ${shownPrice(executionPrice)}`;
  }
  return venue ? `most of it on ${venueName(venue)}` : "";
}

// Why the legs of a hop were chosen: what they pay together, and what the next best would have.
function because(hop, { swapMode }) {
  const legs = legsOf(hop);
  if (!legs.length) return "";
  const { tokenIn, tokenOut } = hop[0];
  const gives = swapMode === "EXACT_IN";
  const [field, leg] = gives ? ["amountOut", "legOut"] : ["amountIn", "legIn"];
  const token = gives ? tokenOut : tokenIn;
  const together = sum(legs.map((each) => each[leg]), decimals(token));
  const verb = gives ? "pay" : "cost";
  const one = legs.length === 1;
  const chosen = one
    ? `${venueName(legs[0].venue)} ${shortPool(legs[0].pool)} ${verb}s ${shown(together)} ${token}`
    : `Split over ${legs.length} pools, which together ${verb} ${shown(together)} ${token}`;
  const next = bestOf(one ? hop.filter((quote) => quote !== legs[0]) : hop, swapMode);
  if (!next) return `${chosen}; no other pool could take it.`;
  const gap = bpsBetween(next[field], together, decimals(token)) * (gives ? -1 : 1);
  const other = one ? "the next best" : "the best alone";
  const verdict = gap >= 0 ? "worse" : "better before what another leg costs";
  const its = `${venueName(next.venue)} ${shortPool(next.pool)}`;
  const far = `${bps(Math.abs(gap))} ${verdict}`;
  return `${chosen}; ${other}, ${its}, would be ${shown(next[field])}, ${far}.`;
}
