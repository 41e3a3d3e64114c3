// A route, how it is split, and every venue's quote behind it: on the ticket and of an order.

import { decimals, sells } from "./catalog.js";
import { bpsBetween, ratio, shown, shownPrice, sum, units } from "./decimal.js";
import { el, long, say } from "./dom.js";
import { shortPool, venueName, whyRefused } from "./words.js";

const EXACT = 18;
// The worst venue keeps a stub of a bar: what it offers is less, not nothing.
const SHORTEST = 0.12;

export const hopsOf = (quotes) => {
  const hops = new Map();
  for (const quote of quotes) {
    const name = `${quote.hop} ${quote.tokenIn} → ${quote.tokenOut}`;
    if (!hops.has(name)) hops.set(name, []);
    hops.get(name).push(quote);
  }
  return [...hops.values()];
};

export const legsOf = (quotes) => quotes.filter((quote) => quote.legIn !== null);

// The quote that is best for the whole of a hop, or undefined.
export function bestOf(quotes, swapMode) {
  const good = quotes.filter((quote) => quote.error === null && quote.amountOut && quote.amountIn);
  const better = (best, quote) => (behind(quote, best, swapMode) < 0 ? quote : best);
  return good.length ? good.reduce(better) : undefined;
}

// How many bps `quote` is worse than `best`; negative where it is better.
export function behind(quote, best, swapMode) {
  return swapMode === "EXACT_OUT"
    ? bpsBetween(quote.amountIn, best.amountIn, EXACT)
    : -bpsBetween(quote.amountOut, best.amountOut, EXACT);
}

export function share(leg, legs) {
  const whole = legs.reduce((total, { legIn }) => total + units(legIn, EXACT), 0n);
  return whole ? Number((units(leg.legIn, EXACT) * 1000n) / whole) / 10 : 0;
}

// What all fees come to, token by token: "2.18 USDC + 0.001 SOL".
export function feesIn(fees, places = 9) {
  const byToken = new Map();
  for (const { token, amount } of fees) byToken.set(token, [...(byToken.get(token) ?? []), amount]);
  const total = ([token, amounts]) => `${shown(sum(amounts, decimals(token)), places)} ${token}`;
  return [...byToken].map(total).join(" + ");
}

export function bps(number) {
  if (number > 0 && number < 0.1) return "less than 0.1 bps";
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} bps`;
}

// The tables of all hops; rows stay where they are from one quote to the next, so that bars move.
export class Venues {
  #rows = new Map();
  #shape = null;

  constructor(root) {
    this.root = root;
  }

  show(quotes, swapMode) {
    const hops = hopsOf(quotes);
    const shape = JSON.stringify(hops.map((hop) => hop.map((quote) => quote.pool)));
    if (shape !== this.#shape) this.#build(hops);
    this.#shape = shape;
    for (const hop of hops) this.#fill(hop, swapMode);
  }

  clear() {
    this.#shape = null;
    this.root.replaceChildren();
  }

  #build(hops) {
    this.#rows.clear();
    this.root.replaceChildren(
      ...hops.map((hop) => {
        const [{ tokenIn, tokenOut }] = hop;
        const split = el("div", { className: "split", "aria-hidden": "true" });
        const body = el("tbody");
        for (const quote of hop) body.append(this.#row(quote));
        const table = el(
          "table",
          { className: "quotes" },
          el("caption", { text: `${tokenIn} → ${tokenOut}` }),
          el("thead", {}, heads()),
          body,
        );
        this.#rows.set(keyOf(hop[0]), split);
        // The keyboard scrolls only what it can reach.
        const reached = { tabindex: "0", role: "region", "aria-label": `${tokenIn} → ${tokenOut}` };
        const scroll = el("div", { className: "scroll", ...reached }, table);
        return el("div", { className: "hop" }, split, scroll);
      }),
    );
  }

  #row(quote) {
    const bar = el("span", { className: "bar", "aria-hidden": "true" }, el("i"));
    const cells = {
      bar: bar.firstChild,
      best: el("b", { className: "best" }),
      price: el("span", { className: "figure" }),
      behind: el("td", { className: "number" }),
      fee: el("td", { className: "number extra" }),
      impact: el("td", { className: "number extra" }),
      share: el("td", { className: "number share" }),
    };
    const venue = el("th", { scope: "row", title: quote.pool }, venueName(quote.venue), " ");
    venue.append(el("small", { text: shortPool(quote.pool) }), cells.best);
    const price = el("td", {}, el("div", { className: "offer" }, bar, cells.price));
    cells.row = el("tr", {}, venue, price);
    cells.row.append(cells.behind, cells.fee, cells.impact, cells.share);
    this.#rows.set(rowKey(quote), cells);
    return cells.row;
  }

  #fill(hop, swapMode) {
    const best = bestOf(hop, swapMode);
    const legs = legsOf(hop);
    const lag = (quote) => (best && quote.error === null ? behind(quote, best, swapMode) : 0);
    const lags = hop.map(lag);
    const most = Math.max(...lags, 0.01);
    hop.forEach((quote, place) => {
      const cells = this.#rows.get(rowKey(quote));
      const leg = legs.includes(quote);
      cells.row.classList.toggle("chosen", leg);
      cells.row.classList.toggle("first", quote === best);
      cells.row.classList.toggle("refused", quote.error !== null);
      say(cells.best, quote === best ? "best" : "");
      say(cells.share, leg ? `${share(quote, legs)} %` : "");
      if (quote.error !== null) {
        long(cells.bar, 0);
        say(cells.price, whyRefused(quote.error));
        for (const cell of [cells.behind, cells.fee, cells.impact]) say(cell, "");
        return;
      }
      long(cells.bar, 1 - (1 - SHORTEST) * (lags[place] / most));
      say(cells.price, shownPrice(priceOf(quote)));
      say(cells.behind, quote === best ? "" : `−${bps(lags[place])}`);
      say(cells.fee, feesIn(quote.fees, 4));
      say(cells.impact, quote.impactBps === null ? "" : bps(Number(quote.impactBps)));
    });
    this.#split(this.#rows.get(keyOf(hop[0])), legs);
  }

  #split(root, legs) {
    while (root.children.length > legs.length) root.lastChild.remove();
    while (root.children.length < legs.length) root.append(el("i"));
    legs.forEach((leg, place) => {
      const part = share(leg, legs);
      const segment = long(root.children[place], part / 100);
      say(segment, part < 15 ? "" : `${part} % ${venueName(leg.venue)}`);
    });
  }
}

const keyOf = ({ hop, tokenIn, tokenOut }) => `${hop} ${tokenIn} ${tokenOut}`;
const rowKey = (quote) => `${keyOf(quote)} ${quote.pool}`;

const priceOf = ({ tokenIn, tokenOut, amountIn, amountOut }) =>
  sells(tokenIn, tokenOut) ? ratio(amountOut, amountIn) : ratio(amountIn, amountOut);

function heads() {
  const head = (text, className = "number") => el("th", { scope: "col", className, text });
  return el(
    "tr",
    {},
    head("Venue", ""),
    head("Price", ""),
    head("Behind"),
    head("Fee", "number extra"),
    head("Impact", "number extra"),
    head("Share"),
  );
}
