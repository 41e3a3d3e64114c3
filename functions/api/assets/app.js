// The wiring: what each part is told by the others, and by the API.

import { ask, keepToken, Refused, takeTokenFromAddress, token } from "./api.js";
import { Blotter, pairOf } from "./blotter.js";
import { PriceChart } from "./chart.js";
import { shown, shownPrice } from "./decimal.js";
import { $, say } from "./dom.js";
import { Live } from "./live.js";
import { OrderPanel } from "./order.js";
import { Ticket } from "./ticket.js";
import { FINAL, shortId, whyFailed } from "./words.js";

const PAGE = 50;
const GATHER_MS = 300;
const POLL_MS = 5_000;

const decimalsOf = new Map();
const decimals = (symbol) => decimalsOf.get(symbol) ?? 9;
const own = new Set();
const troubles = new Map();
let live = null;
let state = "connecting";
let gathering = 0;

const chart = new PriceChart($("chart"));
const panel = new OrderPanel({
  decimals,
  closed(id) {
    blotter.mark(null);
    blotter.focus(id);
  },
});
const blotter = new Blotter({
  open(id) {
    blotter.mark(id);
    panel.open(id);
  },
  async cancel(id) {
    try {
      blotter.placed(await ask("DELETE", `api/orders/${id}`));
    } catch (error) {
      say($("news"), error.message);
    }
    soon();
  },
});
const ticket = new Ticket({
  decimals,
  quoted(pair, side, quote) {
    if (!quote.executionPrice) return;
    chart.quoted(pair, side, quote.executionPrice);
    const [base, unit] = pair.split("/");
    say($("price-now"), `${shownPrice(quote.executionPrice)} ${unit} to ${side === "BUY" ? "buy" : "sell"} 1 ${base}`);
  },
  placed(orderId, order) {
    own.add(orderId);
    const at = new Date().toISOString();
    blotter.placed({ orderId, seq: 1, status: "PENDING", createdAt: at, updatedAt: at, fills: [], ...order });
    soon();
  },
  paired(pair) {
    say($("price-pair"), pair);
    say($("price-now"), "");
    chart.show(pair);
  },
});

// What is wrong, in words, until it is not; the last thing that went wrong is told first.
function trouble(of, message) {
  troubles.delete(of);
  if (message) troubles.set(of, message);
  const last = [...troubles.values()].pop();
  $("trouble").hidden = !last;
  say($("trouble"), last ?? "");
}

// Several events may ask for the orders at once.
function soon() {
  gathering ||= setTimeout(async () => {
    gathering = 0;
    await Promise.all([readOrders(), panel.refresh()]);
  }, GATHER_MS);
}

async function readOrders() {
  try {
    const { orders, total } = await ask("GET", `api/orders?limit=${PAGE}`);
    blotter.page(orders, total);
    for (const order of orders)
      if (order.executionPrice) chart.filled(pairOf(order), order.updatedAt, order.executionPrice, order.orderId);
    trouble("orders", "");
  } catch (error) {
    trouble("orders", error.message);
  }
}

function take(frame) {
  if (frame.type === "error") return trouble("live", frame.message);
  if (frame.type !== "order") return;
  trouble("live", "");
  const before = blotter.get(frame.orderId)?.seq ?? 0;
  const known = blotter.event(frame);
  if (!known || FINAL.has(frame.status) || frame.orderId === panel.id) soon();
  if (frame.executionPrice && known)
    chart.filled(pairOf(blotter.get(frame.orderId)), frame.at, frame.executionPrice, frame.orderId);
  if (own.has(frame.orderId) && frame.seq > before && FINAL.has(frame.status)) announce(frame);
}

function announce({ orderId, status, executionPrice, reason }) {
  const end = status === "CONFIRMED" ? `confirmed at ${shown(executionPrice, 4)}` : status.toLowerCase();
  const message = `Order ${shortId(orderId)} ${end}.${reason ? ` ${whyFailed(reason)}` : ""}`;
  say($("news"), message);
  say($("ticket-status"), message);
}

function shownState(now) {
  state = now;
  $("live").dataset.state = now;
  say($("live-text"), now);
}

async function begin() {
  try {
    const [{ websocket }, { tokens, markets }] = await Promise.all([
      ask("GET", "console/config.json"),
      ask("GET", "api/markets"),
    ]);
    for (const { symbol, decimals: places } of tokens) decimalsOf.set(symbol, places);
    ticket.offer(markets);
    trouble("begin", "");
    if (websocket) listen(websocket);
    else shownState("polling");
    await readOrders();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble("begin", error.message);
    // Without a token that is good, asking again changes nothing.
    if (error.unsure) setTimeout(begin, POLL_MS);
    else shownState("signed out");
  }
}

function listen(address) {
  const url = () => (token() ? `${address}?token=${encodeURIComponent(token())}` : address);
  live = new Live(url, { opened: readOrders, frame: take, state: shownState });
  live.restart();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  $("token").value = "";
  blotter.forget();
  if (panel.id !== null) panel.close();
  troubles.clear();
  if (!live) return begin();
  live.restart();
  ticket.again();
  return readOrders();
});

takeTokenFromAddress();
addEventListener("hashchange", () => {
  takeTokenFromAddress();
  live?.restart();
});
// What the socket does not bring now is asked for.
setInterval(() => {
  if (state !== "live" && decimalsOf.size && document.visibilityState === "visible") readOrders();
}, POLL_MS);
begin();
