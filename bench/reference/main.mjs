// One process with the server and the worker, told what to do by JSON lines on standard input; each
// is answered by one line.
//
// {"do": "fill", "orders": n}   inserts and queues them while the worker rests: {}
// {"do": "drain"}               the worker does all that is queued: {"seconds", "cpuSeconds"}
// {"do": "cpu"}                 CPU seconds of this process until now: {"cpuSeconds"}
// {"do": "clear"}               the queue is emptied: {}

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import { placed } from "./orders.mjs";
import { server } from "./server.mjs";
import { worker } from "./worker.mjs";

const QUEUE = "orders";

const { DATABASE_URL, VALKEY_URL } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 20 });
const publisher = new Redis(VALKEY_URL);
const queue = new Queue(QUEUE, {
  connection: new Redis(VALKEY_URL, { maxRetriesPerRequest: null }),
  defaultJobOptions: {
    attempts: 3,
    backoff: { type: "exponential", delay: 1000 },
    removeOnComplete: true,
  },
});
const works = worker(QUEUE, new Redis(VALKEY_URL, { maxRetriesPerRequest: null }), pool, publisher);
let began = false;

const COMMANDS = {
  async fill({ orders }) {
    const made = Array.from({ length: orders }, (_, n) => order(n));
    for (let n = 0; n < orders; n += 50) {
      await Promise.all(made.slice(n, n + 50).map((each) => placed(pool, each)));
    }
    await queue.addBulk(made.map((data) => ({ name: "execute", data })));
    return {};
  },

  async drain() {
    const orders = await queue.getWaitingCount();
    const cpu = process.cpuUsage();
    const start = performance.now();
    await new Promise((resolve, reject) => {
      let done = 0;
      works.on("completed", () => ++done === orders && resolve());
      works.on("failed", (_, error) => reject(error));
      if (began) works.resume();
      else works.run();
      began = true;
    });
    const seconds = (performance.now() - start) / 1000;
    const cpuSeconds = cpuSecondsOf(process.cpuUsage(cpu));
    works.removeAllListeners("completed");
    works.removeAllListeners("failed");
    await works.pause();
    return { seconds, cpuSeconds };
  },

  async cpu() {
    return { cpuSeconds: cpuSecondsOf(process.cpuUsage()) };
  },

  async clear() {
    await queue.drain();
    return {};
  },
};

function order(n) {
  const size = 1 + (n % 400);
  const asked =
    n % 2 === 0
      ? { side: "BUY", tokenIn: "USDC", tokenOut: "SOL", amount: size }
      : { side: "SELL", tokenIn: "SOL", tokenOut: "USDC", amount: size / 100 };
  return { id: randomUUID(), account: "local", type: "MARKET", ...asked };
}

function cpuSecondsOf({ user, system }) {
  return (user + system) / 1e6;
}

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

await pool.query(readFileSync(new URL("tables.sql", import.meta.url), "utf8"));
const app = server(pool, queue);
say({ url: await app.listen({ host: "127.0.0.1", port: 0 }) });

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  say(await COMMANDS[command.do](command));
}
process.exit(0);
