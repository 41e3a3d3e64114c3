// One order: what became of it and when, and why it took this route.

import { ask } from "./api.js";
import { bpsBetween, shown, shownPrice, sum } from "./decimal.js";
import { $, el } from "./dom.js";
import { bestOf, bps, feesIn, hopsOf, legsOf, Venues } from "./routes.js";
import { clock, shortPool, stepOf, venueName, whyFailed } from "./words.js";

export class OrderPanel {
  #id = null;

  // `closed` is called with the id of the order that was open.
  constructor({ decimals, closed }) {
    Object.assign(this, { decimals, closed });
    $("order-close").addEventListener("click", () => this.close());
    $("order").addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
  }

  get id() {
    return this.#id;
  }

  async open(id) {
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
    $("order").hidden = true;
    this.closed(id);
  }

  async refresh() {
    const id = this.#id;
    if (id === null) return;
    try {
      const [order, timeline] = await Promise.all([
        ask("GET", `api/orders/${id}`),
        ask("GET", `api/orders/${id}/events`),
      ]);
      if (this.#id === id) this.#show(order, timeline);
    } catch (error) {
      if (this.#id === id) $("order-body").replaceChildren(el("p", { className: "fault", text: error.message }));
    }
  }

  #show(order, { events, quotes, conflicts }) {
    $("order-title").textContent = `${order.side === "BUY" ? "Buy" : "Sell"} ${order.side === "BUY" ? order.tokenOut : order.tokenIn}`;
    const parts = [this.#facts(order), el("h3", { text: "Timeline" }), this.#events(order, events)];
    if (conflicts.length)
      parts.push(el("p", { className: "said", text: `Something else was asked for under its key ${conflicts.length} times, and refused.` }));
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
      ["Fees", feesIn(order.fills.flatMap((fill) => fill.fees), this.decimals)],
      ["Transaction", order.txHash],
    ];
    const list = el("dl", { className: "sums" });
    for (const [name, text] of facts) if (text) list.append(el("dt", { text: name }), el("dd", { text }));
    return list;
  }

  #events(order, events) {
    const [first] = events;
    const list = el("ol", { className: "timeline" });
    for (const event of events) {
      const after = Date.parse(event.at) - Date.parse(first.at);
      const when = el("time", { datetime: event.at, title: event.at, text: event === first ? time(event.at) : `+ ${after} ms` });
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
      .map((hop) => because(hop, order, this.decimals))
      .filter(Boolean)
      .join(" ");
    const tries = last > 1 ? ` It was routed ${last} times; this is the last.` : "";
    const tables = el("div");
    const reading = { side: order.side, swapMode: order.swapMode, decimals: this.decimals };
    new Venues(tables).show(latest, reading);
    const why = sentence || "No route was taken.";
    return [el("h3", { text: "Why this route" }), el("p", { className: "said", text: why + tries }), tables];
  }
}

const time = (at) => `${clock(at)}.${at.slice(20, 23)}`;

function asked({ swapMode, amount, tokenIn, tokenOut, slippageBps, maxSplits, limitPrice, minAmountOut }) {
  const what = swapMode === "EXACT_IN" ? `to spend ${shown(amount)} ${tokenIn}` : `to receive ${shown(amount)} ${tokenOut}`;
  const limits = [`slippage ${slippageBps} bps`, `at most ${maxSplits} pools a hop`];
  if (limitPrice) limits.push(`limit price ${shown(limitPrice)}`);
  if (minAmountOut) limits.push(`at least ${shown(minAmountOut)} ${tokenOut}`);
  return `${what}; ${limits.join(", ")}`;
}

function told({ tokenIn, tokenOut }, { detail }) {
  const { venue, amountIn, amountOut, executionPrice, reason } = detail;
  if (reason) return whyFailed(reason);
  if (amountOut) return `${shown(amountIn)} ${tokenIn} for ${shown(amountOut)} ${tokenOut}, at ${shownPrice(executionPrice)}`;
  return venue ? `most of it on ${venueName(venue)}` : "";
}

// Why the legs of a hop were chosen: what they pay together, and what the next best would have paid.
function because(hop, { swapMode }, decimals) {
  const legs = legsOf(hop);
  if (!legs.length) return "";
  const { tokenIn, tokenOut } = hop[0];
  const gives = swapMode === "EXACT_IN";
  const [field, leg, token] = gives ? ["amountOut", "legOut", tokenOut] : ["amountIn", "legIn", tokenIn];
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
  return `${chosen}; ${other}, ${venueName(next.venue)} ${shortPool(next.pool)}, would be ${shown(next[field])}, ${bps(Math.abs(gap))} ${verdict}.`;
}
