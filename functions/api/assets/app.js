// The wiring: what each part is told by the others, and by the API.

import { ask, keepToken, Refused, takeTokenFromAddress, token } from "./api.js";
import { Blotter, pairOf } from "./blotter.js";
import { known, learn } from "./catalog.js";
import { PriceChart } from "./chart.js";
import { shownPrice } from "./decimal.js";
import { $, say } from "./dom.js";
import { Live } from "./live.js";
import { OrderPanel } from "./order.js";
import { Ticket } from "./ticket.js";
import { FINAL, shortId, whyFailed } from "./words.js";

const PAGE = 50;
const GATHER_MS = 300;
const POLL_MS = 5_000;
const TOLD_MS = 8_000;

const own = new Set();
const troubles = new Map();
let live = null;
let state = "connecting";
let gathering = 0;
let again = 0;

const chart = new PriceChart($("chart"));
const panel = new OrderPanel((id) => {
  blotter.mark(null);
  blotter.focus(id);
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
      trouble("cancel", error.message);
      setTimeout(() => trouble("cancel", ""), TOLD_MS);
    }
    soon();
  },
});
const ticket = new Ticket({
  quoted(pair, side, quote) {
    if (!quote.executionPrice) return;
    chart.quoted(pair, side, quote.executionPrice);
    const [base, unit] = pair.split("/");
    const verb = side === "BUY" ? "buy" : "sell";
    say($("price-now"), `${shownPrice(quote.executionPrice)} ${unit} to ${verb} 1 ${base}`);
  },
  placed(orderId, order) {
    own.add(orderId);
    const at = new Date().toISOString();
    const pending = { seq: 1, status: "PENDING", createdAt: at, updatedAt: at, fills: [] };
    blotter.placed({ orderId, ...pending, ...order });
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
    for (const order of orders) drawn(order, order.updatedAt);
    trouble("orders", "");
  } catch (error) {
    trouble("orders", error.message);
  }
}

function drawn(order, at) {
  if (order.executionPrice) chart.filled(pairOf(order), at, order.executionPrice, order.orderId);
}

function opened() {
  trouble("live", "");
  readOrders();
}

function take(frame) {
  if (frame.type === "error") return trouble("live", frame.message);
  if (frame.type !== "order") return;
  trouble("live", "");
  const before = blotter.get(frame.orderId)?.seq ?? 0;
  const known = blotter.event(frame);
  if (!known || FINAL.has(frame.status) || frame.orderId === panel.id) soon();
  if (known) drawn(blotter.get(frame.orderId), frame.at);
  if (own.has(frame.orderId) && frame.seq > before && FINAL.has(frame.status)) announce(frame);
}

function announce({ orderId, status, executionPrice, reason }) {
  const price = executionPrice ? ` at ${shownPrice(executionPrice)}` : "";
  const why = reason ? ` ${whyFailed(reason)}` : "";
  say($("ticket-status"), `Order ${shortId(orderId)} ${status.toLowerCase()}${price}.${why}`);
}

function shownState(now) {
  state = now;
  $("live").dataset.state = now;
  say($("live-text"), now);
}

async function begin() {
  clearTimeout(again);
  try {
    const [{ websocket }, catalog] = await Promise.all([
      ask("GET", "console/config.json"),
      ask("GET", "api/markets"),
    ]);
    learn(catalog);
    ticket.offer(catalog.markets);
    trouble("begin", "");
    if (websocket) listen(websocket);
    else shownState("polling");
    await readOrders();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    trouble("begin", error.message);
    // Without a token that is good, asking again changes nothing.
    if (error.unsure) again = setTimeout(begin, POLL_MS);
    else shownState("signed out");
  }
}

function listen(address) {
  const url = () => (token() ? `${address}?token=${encodeURIComponent(token())}` : address);
  live ??= new Live(url, { opened, frame: take, state: shownState });
  live.start();
}

// Someone else may be looking now: nothing that was told to the one before stays.
function another() {
  live?.stop();
  shownState("connecting");
  own.clear();
  ticket.forget();
  blotter.forget();
  chart.forget();
  if (panel.id !== null) panel.close();
  troubles.clear();
  trouble("begin", "");
  begin();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken($("token").value.trim());
  $("token").value = "";
  another();
});
addEventListener("hashchange", () => takeTokenFromAddress() && another());

takeTokenFromAddress();
// What the socket does not bring now is asked for.
setInterval(() => {
  if (state !== "live" && known() && document.visibilityState === "visible") readOrders();
}, POLL_MS);
begin();
