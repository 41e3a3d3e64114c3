"""The SQL. Each statement handles a whole batch as a set, and is told its ids beside its rows:
by them Postgres finds its orders through the index, however many it guesses that there are.
"""

from datetime import timedelta

MAX_CLAIMS = 12
"""An order that was claimed so often and came to no end is a fault of ours: it fails."""

FIRST_LOOK = timedelta(seconds=15)
"""How long a lease is over before the sweeper sees to its order; then twice as long each time."""

TERMS = """jsonb_to_recordset(%(terms)s) AS t (
        id uuid, account text, type order_type, side order_side, token_in text, token_out text,
        swap_mode swap_mode, amount u64, slippage_bps int, max_splits int, limit_price numeric,
        min_amount_out u64, expires_at timestamptz, accepted_at timestamptz)"""

ACCEPT = f"""
WITH accepted AS (
    INSERT INTO orders (id, account, type, side, token_in, token_out, swap_mode, amount,
                        slippage_bps, max_splits, limit_price, min_amount_out, expires_at,
                        accepted_at, status, seq, updated_at)
    SELECT id, account, type, side, token_in, token_out, swap_mode, amount,
           slippage_bps, max_splits, limit_price, min_amount_out, expires_at,
           accepted_at, 'PENDING', 1, accepted_at
    FROM {TERMS}
    -- In one order everywhere: two workers with overlapping batches must not deadlock.
    ORDER BY id, accepted_at
    ON CONFLICT (id) DO NOTHING
    RETURNING id, accepted_at
)
INSERT INTO order_events (order_id, seq, status, at)
SELECT id, 1, 'PENDING', accepted_at FROM accepted
"""

# A statement after `ACCEPT`, so that it sees what another worker accepted at the same moment.
CONFLICTS = f"""
INSERT INTO conflicts (order_id, accepted_at, terms)
SELECT t.id, t.accepted_at, to_jsonb(t) FROM {TERMS} JOIN orders o ON o.id = t.id
WHERE o.id = ANY(%(ids)s)
  AND (t.type, t.side, t.token_in, t.token_out, t.swap_mode, t.amount, t.slippage_bps,
       t.max_splits, t.limit_price, t.min_amount_out, t.expires_at)
      IS DISTINCT FROM
      (o.type, o.side, o.token_in, o.token_out, o.swap_mode, o.amount, o.slippage_bps,
       o.max_splits, o.limit_price, o.min_amount_out, o.expires_at)
ON CONFLICT (order_id, accepted_at) DO UPDATE SET terms = excluded.terms
RETURNING order_id
"""

LEASE = f"""
WITH free AS (
    SELECT id, status AS was,
           CASE WHEN expires_at <= %(now)s THEN 'EXPIRED'
                WHEN fence >= {MAX_CLAIMS} THEN 'FAILED'
                ELSE 'ROUTING' END::order_status AS becomes
    FROM orders
    WHERE id = ANY(%(ids)s) AND status IN ('PENDING', 'ROUTING') AND lease_until < now()
    ORDER BY id FOR UPDATE
), leased AS (
    UPDATE orders o
    SET status = free.becomes, seq = o.seq + (free.was <> free.becomes)::int,
        reason = CASE WHEN free.becomes = 'FAILED' THEN 'INTERNAL'::fail_reason END,
        fence = o.fence + 1, lease_until = now() + make_interval(secs => %(lease_seconds)s),
        revive_at = 'epoch', updated_at = %(now)s
    FROM free WHERE o.id = free.id AND o.id = ANY(%(ids)s)
    RETURNING o.*, free.was
), begun AS (
    INSERT INTO order_events (order_id, seq, status, detail, at)
    SELECT id, seq, status, jsonb_strip_nulls(jsonb_build_object('reason', reason)), updated_at
    FROM leased WHERE was <> status
)
SELECT * FROM leased WHERE status = 'ROUTING'
"""

EVENTS_OF = """
SELECT e.*, o.account, o.status AS order_status,
       extract(epoch FROM o.lease_until - now())::float8 AS lease_left
FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.order_id = ANY(%(ids)s) ORDER BY e.order_id, e.seq
"""

POSTPONE = """
WITH later AS (
    SELECT * FROM jsonb_to_recordset(%(postponed)s) AS p (
        order_id uuid, fence int, seconds float8, attempts int)
)
UPDATE orders o
SET attempts = p.attempts, lease_until = now() + make_interval(secs => p.seconds)
FROM later p
WHERE o.id = p.order_id AND o.id = ANY(%(ids)s) AND o.fence = p.fence
RETURNING o.id AS order_id
"""

ADVANCE = """
WITH step AS (
    SELECT * FROM jsonb_to_recordset(%(steps)s) AS s (
        order_id uuid, fence int, seq int, status order_status, at timestamptz, detail jsonb,
        venue venue, tx_hash text, amount_in u64, amount_out u64, execution_price numeric,
        reason fail_reason)
), moved AS (
    UPDATE orders o
    SET status = s.status, seq = s.seq, updated_at = s.at, reason = s.reason,
        venue = coalesce(s.venue, o.venue), tx_hash = coalesce(s.tx_hash, o.tx_hash),
        amount_in = coalesce(s.amount_in, o.amount_in),
        amount_out = coalesce(s.amount_out, o.amount_out),
        execution_price = coalesce(s.execution_price, o.execution_price)
    FROM step s
    -- The fence refuses a worker whose lease was lost; seq refuses a step out of turn.
    WHERE o.id = s.order_id AND o.id = ANY(%(ids)s) AND o.fence = s.fence AND o.seq = s.seq - 1
    RETURNING o.id
)
INSERT INTO order_events (order_id, seq, status, detail, at)
SELECT s.order_id, s.seq, s.status, s.detail, s.at FROM step s JOIN moved ON moved.id = s.order_id
RETURNING order_id
"""

WHY = """
WITH quoted AS (
    INSERT INTO quotes (order_id, fence, hop, venue, pool, token_in, token_out, slot,
                        amount_in, amount_out, leg_in, leg_out, fees, impact_ppm, error)
    SELECT q.order_id, q.fence, q.hop, q.venue, q.pool, q.token_in, q.token_out, q.slot,
           q.amount_in, q.amount_out, q.leg_in, q.leg_out, q.fees, q.impact_ppm, q.error
    FROM jsonb_to_recordset(%(quotes)s) AS q (
        order_id uuid, fence int, hop int, venue venue, pool text, token_in text, token_out text,
        slot bigint, amount_in u64, amount_out u64, leg_in u64, leg_out u64, fees jsonb,
        impact_ppm int, error text)
    JOIN orders o ON o.id = q.order_id AND o.id = ANY(%(ids)s) AND o.fence = q.fence
)
INSERT INTO fills (order_id, leg, hop, venue, pool, token_in, token_out, slot,
                   amount_in, amount_out, fees, reference)
SELECT f.order_id, f.leg, f.hop, f.venue, f.pool, f.token_in, f.token_out, f.slot,
       f.amount_in, f.amount_out, f.fees, f.reference
FROM jsonb_to_recordset(%(fills)s) AS f (
    order_id uuid, fence int, leg int, hop int, venue venue, pool text, token_in text,
    token_out text, slot bigint, amount_in u64, amount_out u64, fees jsonb, reference text)
JOIN orders o ON o.id = f.order_id AND o.id = ANY(%(ids)s) AND o.fence = f.fence
"""

CANCEL = """
WITH cancelled AS (
    UPDATE orders SET status = 'CANCELLED', seq = seq + 1, updated_at = %(now)s
    WHERE id = %(id)s AND account = %(account)s AND status = 'PENDING' AND fence = 0
    RETURNING id, seq, updated_at
)
INSERT INTO order_events (order_id, seq, status, at)
SELECT id, seq, 'CANCELLED', updated_at FROM cancelled
"""

SWEEP = """
WITH stuck AS (
    SELECT id, expires_at <= %(now)s AS late FROM orders
    WHERE status IN ('PENDING', 'ROUTING') AND lease_until < now() - %(first_look)s
      AND revive_at < now()
    ORDER BY lease_until LIMIT %(limit)s
    -- Another sweeper may be at work: what it looks at is left to it.
    FOR UPDATE SKIP LOCKED
), swept AS (
    UPDATE orders o
    SET status = CASE WHEN late THEN 'EXPIRED' ELSE o.status END,
        seq = o.seq + coalesce(late, false)::int,
        -- Whoever still is at work on an order that is over comes too late.
        fence = o.fence + coalesce(late, false)::int,
        revive_at = now() + least(now() - o.lease_until, '1 hour'),
        updated_at = CASE WHEN late THEN %(now)s ELSE o.updated_at END
    FROM stuck WHERE o.id = stuck.id
    RETURNING o.*
), over AS (
    INSERT INTO order_events (order_id, seq, status, at)
    SELECT id, seq, status, updated_at FROM swept WHERE status = 'EXPIRED'
)
SELECT * FROM swept
"""

ONE = """
SELECT o.*, coalesce((SELECT jsonb_agg(to_jsonb(f) ORDER BY f.leg) FROM fills f
                      WHERE f.order_id = o.id), '[]') AS fills
FROM orders o WHERE o.id = %(id)s AND o.account = %(account)s
"""

WISHED = """
FROM orders
WHERE account = %(account)s
  AND (%(statuses)s::order_status[] IS NULL OR status = ANY(%(statuses)s::order_status[]))
  AND (%(side)s::order_side IS NULL OR side = %(side)s::order_side)
  AND (%(token_in)s::text IS NULL OR token_in = %(token_in)s)
  AND (%(token_out)s::text IS NULL OR token_out = %(token_out)s)
  AND (%(since)s::timestamptz IS NULL OR accepted_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR accepted_at < %(until)s)
"""

LIST = f"""
SELECT * {WISHED}
  AND (%(before_at)s::timestamptz IS NULL
       OR (accepted_at, id) < (%(before_at)s, %(before_id)s::uuid))
ORDER BY accepted_at DESC, id DESC LIMIT %(limit)s
"""

COUNT = f"SELECT count(*) AS total {WISHED}"

SINCE = """
SELECT e.*, o.account FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.recorded_at >= %(since)s AND o.account = ANY(%(accounts)s) ORDER BY e.xid, e.order_id, e.seq
"""
