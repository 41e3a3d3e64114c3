// The orders, newest first, each row moving as its order does.

import { shown, shownPrice } from "./decimal.js";
import { $, el, say } from "./dom.js";
import { clock, FINAL, shortId, venueName, whyFailed } from "./words.js";

const MOST = 100;
const WAY = ["PENDING", "ROUTING", "SUBMITTED", "CONFIRMED"];

export class Blotter {
  #orders = new Map();
  #rows = new Map();

  // `open` and `cancel` are called with the id of an order.
  constructor({ open, cancel }) {
    Object.assign(this, { open, cancel });
    this.body = $("orders");
  }

  get(id) {
    return this.#orders.get(id);
  }

  forget() {
    this.#orders.clear();
    this.#arrange();
    say($("blotter-count"), "");
    $("no-orders").hidden = true;
  }

  // A page of the API; what is known already and newer is kept.
  page(orders, total) {
    for (const order of orders) this.#merge(order);
    this.#arrange();
    say($("blotter-count"), total ? `${total} in all` : "");
    $("no-orders").hidden = this.#orders.size > 0;
  }

  placed(order) {
    this.#merge(order);
    this.#arrange();
    $("no-orders").hidden = true;
  }

  // What a frame tells; false when it is of an order that is not here. Repeats change nothing.
  event(frame) {
    const order = this.#orders.get(frame.orderId);
    if (!order) return false;
    if (frame.seq <= order.seq) return true;
    const { seq, status, txHash, executionPrice, venue, reason, at } = frame;
    Object.assign(order, { seq, status, reason, updatedAt: at });
    order.txHash = txHash ?? order.txHash;
    order.venue = venue ?? order.venue;
    order.executionPrice = executionPrice ?? order.executionPrice;
    this.#update(order, true);
    return true;
  }

  mark(id) {
    for (const [of, { row }] of this.#rows) row.classList.toggle("marked", of === id);
  }

  focus(id) {
    this.#rows.get(id)?.id.focus();
  }

  #merge(order) {
    const known = this.#orders.get(order.orderId);
    if (known && known.seq > order.seq) return;
    const moved = known !== undefined && known.seq < order.seq;
    this.#orders.set(order.orderId, order);
    if (!known) this.#rows.set(order.orderId, this.#row(order));
    this.#update(order, moved);
  }

  #arrange() {
    const newest = [...this.#orders.values()].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    for (const { orderId } of newest.slice(MOST)) this.#orders.delete(orderId);
    for (const id of this.#rows.keys()) {
      if (this.#orders.has(id)) continue;
      this.#rows.get(id).row.remove();
      this.#rows.delete(id);
    }
    // Only rows out of place are moved: moving one takes the focus away from it.
    newest.slice(0, MOST).forEach(({ orderId }, place) => {
      const { row } = this.#rows.get(orderId);
      const there = this.body.children[place] ?? null;
      if (there !== row) this.body.insertBefore(row, there);
    });
  }

  #row(order) {
    const id = order.orderId;
    const cell = (className = "") => el("td", { className });
    const cells = {
      time: el("button", { type: "button", className: "link", title: "Open this order" }),
      id: cell("extra mono"),
      side: cell("side"),
      pair: cell(),
      spent: cell("number"),
      received: cell("number extra"),
      price: cell("number more"),
      venue: cell("extra"),
      label: el("span"),
      why: el("small"),
      cancel: el("button", { type: "button", className: "quiet", text: "Cancel" }),
    };
    const track = el("span", { className: "track", "aria-hidden": "true" });
    track.append(...WAY.map(() => el("i")));
    cells.status = el("td", { className: "status" }, track, cells.label, " ", cells.why);
    cells.time.addEventListener("click", () => this.open(id));
    cells.cancel.addEventListener("click", () => this.cancel(id));
    cells.row = el("tr", { "data-order": id }, el("td", {}, cells.time));
    const { side, pair, spent, received, price, venue, status } = cells;
    cells.row.append(cells.id, side, pair, spent, received, price, venue, status);
    cells.row.append(el("td", {}, cells.cancel));
    cells.row.addEventListener("click", ({ target }) => target.closest("button") || this.open(id));
    return { row: cells.row, id: cells.time, cells };
  }

  #update(order, moved) {
    const { row, cells } = this.#rows.get(order.orderId);
    const buys = order.side === "BUY";
    const exactIn = order.swapMode === "EXACT_IN";
    const spent = order.amountIn ?? (exactIn ? order.amount : null);
    const received = order.amountOut ?? (exactIn ? null : order.amount);
    say(cells.time, clock(order.createdAt));
    const name = `order ${shortId(order.orderId)} of ${clock(order.createdAt)}`;
    cells.time.setAttribute("aria-label", `Open ${name}`);
    cells.cancel.setAttribute("aria-label", `Cancel ${name}`);
    say(cells.id, shortId(order.orderId));
    say(cells.side, buys ? "Buy" : "Sell");
    cells.side.dataset.side = order.side;
    say(cells.pair, pairOf(order));
    say(cells.spent, spent ? `${shown(spent, 6)} ${order.tokenIn}` : "–");
    say(cells.received, received ? `${shown(received, 6)} ${order.tokenOut}` : "–");
    say(cells.price, shownPrice(order.executionPrice));
    cells.price.title = order.executionPrice ?? "";
    say(cells.venue, order.venue ? venueName(order.venue) : "");
    say(cells.label, order.status.charAt(0) + order.status.slice(1).toLowerCase());
    say(cells.why, order.reason ? whyFailed(order.reason) : "");
    cells.status.title = cells.why.textContent;
    const late = order.status !== "PENDING";
    // A button that is hidden takes the focus with it, to the top of the page.
    if (late && document.activeElement === cells.cancel) cells.time.focus();
    cells.cancel.hidden = late;
    row.dataset.status = order.status;
    row.dataset.step = FINAL.has(order.status) ? WAY.length : WAY.indexOf(order.status) + 1;
    if (moved) flash(row);
  }
}

export const pairOf = ({ side, tokenIn, tokenOut }) =>
  side === "BUY" ? `${tokenOut}/${tokenIn}` : `${tokenIn}/${tokenOut}`;

function flash(row) {
  row.classList.remove("moved");
  // Read, so that the animation starts anew.
  void row.offsetWidth;
  row.classList.add("moved");
}
