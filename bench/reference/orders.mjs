// Orders in Postgres. A status and its event are written together or not at all.

export async function placed(pool, { id, account, side, tokenIn, tokenOut, amount }) {
  await pool.query(
    `INSERT INTO reference.orders (id, account, side, token_in, token_out, amount, status)
     VALUES ($1, $2, $3, $4, $5, $6, 'PENDING')`,
    [id, account, side, tokenIn, tokenOut, amount],
  );
}

export async function routing(pool, id) {
  await transaction(pool, async (client) => {
    await client.query(
      "UPDATE reference.orders SET status = 'ROUTING', updated_at = now() WHERE id = $1",
      [id],
    );
    await event(client, id, "ROUTING");
  });
}

export async function submitted(pool, id, venue) {
  await transaction(pool, async (client) => {
    await client.query(
      "UPDATE reference.orders SET status = 'SUBMITTED', venue = $2, updated_at = now() WHERE id = $1",
      [id, venue],
    );
    await event(client, id, "SUBMITTED", { venue });
  });
}

export async function confirmed(pool, id, { venue, price, amountIn, amountOut, txHash }) {
  await transaction(pool, async (client) => {
    await client.query(
      `UPDATE reference.orders
       SET status = 'CONFIRMED', execution_price = $2, tx_hash = $3, updated_at = now()
       WHERE id = $1`,
      [id, price, txHash],
    );
    await client.query(
      `INSERT INTO reference.fills (order_id, venue, amount_in, amount_out, tx_hash)
       VALUES ($1, $2, $3, $4, $5)`,
      [id, venue, amountIn, amountOut, txHash],
    );
    await event(client, id, "CONFIRMED", { venue, price, txHash });
  });
}

async function event(client, id, status, detail = {}) {
  await client.query(
    "INSERT INTO reference.order_events (order_id, status, detail) VALUES ($1, $2, $3)",
    [id, status, detail],
  );
}

async function transaction(pool, work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await work(client);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}
