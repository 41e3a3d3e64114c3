// The HTTP side: an order is validated, inserted and queued.

import { randomUUID } from "node:crypto";
import Fastify from "fastify";
import { placed } from "./orders.mjs";

const TOKENS = ["SOL", "USDC", "JUP"];

const ORDER = {
  type: "object",
  additionalProperties: false,
  required: ["type", "side", "tokenIn", "tokenOut", "amount"],
  properties: {
    type: { const: "MARKET" },
    side: { enum: ["BUY", "SELL"] },
    tokenIn: { enum: TOKENS },
    tokenOut: { enum: TOKENS },
    swapMode: { enum: ["EXACT_IN", "EXACT_OUT"] },
    amount: { type: "number", exclusiveMinimum: 0 },
    slippageBps: { type: "integer", minimum: 0, maximum: 10000 },
    maxSplits: { type: "integer", minimum: 1, maximum: 5 },
  },
};

export function server(pool, queue) {
  const app = Fastify();

  app.post("/api/orders/execute", { schema: { body: ORDER } }, async (request, reply) => {
    const order = { id: randomUUID(), account: "local", ...request.body };
    await placed(pool, order);
    await queue.add("execute", order);
    reply.code(201).header("Location", `/api/orders/${order.id}`);
    return { status: "success", data: { orderId: order.id, status: "PENDING" } };
  });

  return app;
}
