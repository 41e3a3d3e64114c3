// The worker: each order is routed to the better of two venues and recorded step by step.

import { Worker } from "bullmq";
import { confirmed, routing, submitted } from "./orders.mjs";

const CONCURRENCY = 50;

// Quote per base, after the fee.
const PRICES = { RAYDIUM: 142.31, METEORA: 142.27 };

export function worker(queueName, connection, pool, publisher) {
  async function publish(order, status, detail = {}) {
    const news = { type: "order", orderId: order.id, status, at: new Date().toISOString(), ...detail };
    await publisher.publish(`reference:orders:${order.account}`, JSON.stringify(news));
  }

  async function execute({ data: order }) {
    await routing(pool, order.id);
    await publish(order, "ROUTING");

    const { venue, price } = best(order.side);
    await submitted(pool, order.id, venue);
    await publish(order, "SUBMITTED", { venue });

    const txHash = `paper-${order.id}`;
    const amountOut = order.side === "BUY" ? order.amount / price : order.amount * price;
    await confirmed(pool, order.id, { venue, price, amountIn: order.amount, amountOut, txHash });
    await publish(order, "CONFIRMED", { venue, price, txHash });
  }

  return new Worker(queueName, execute, { connection, concurrency: CONCURRENCY, autorun: false });
}

function best(side) {
  const quotes = Object.entries(PRICES).map(([venue, price]) => ({ venue, price }));
  const cheapestFirst = quotes.sort((a, b) => a.price - b.price);
  return side === "BUY" ? cheapestFirst[0] : cheapestFirst.at(-1);
}
