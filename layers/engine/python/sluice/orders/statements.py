"""The SQL, but for the functions that a worker calls for a batch:
`migrations/0004_events_of_account.sql`.

Each handles a whole batch as a set, and is told its ids beside its rows: by them Postgres finds
its orders through the index, however many it guesses that there are.
"""

from datetime import timedelta

MAX_CLAIMS = 12
"""An order that was claimed so often and came to no end is a fault of ours: it fails."""

GRACE = timedelta(seconds=15)
"""How long a lease is over before the sweeper sees to its order; then twice as long each time."""

ACCEPT = "SELECT accept_orders(%(terms)s)"

CLAIM = f"""
SELECT * FROM claim_orders(%(terms)s, %(ids)s, %(now)s, %(lease_seconds)s, {MAX_CLAIMS})
"""

RECORD = """
SELECT record_orders(%(steps)s, %(later)s, %(quotes)s, %(fills)s, %(ids)s) AS order_id
"""

ORDERS_OF = "SELECT * FROM orders WHERE id = ANY(%(ids)s) ORDER BY id"

EVENTS_OF = """
SELECT * FROM order_events WHERE order_id = ANY(%(ids)s) ORDER BY order_id, seq
"""

CANCEL = """
WITH cancelled AS (
    UPDATE orders SET status = 'CANCELLED', seq = seq + 1, updated_at = %(now)s
    WHERE id = %(id)s AND account = %(account)s AND status = 'PENDING' AND fence = 0
    RETURNING id, account, seq, updated_at
)
INSERT INTO order_events (order_id, account, seq, status, at)
SELECT id, account, seq, 'CANCELLED', updated_at FROM cancelled
"""

SWEEP = """
WITH stuck AS (
    SELECT id, expires_at <= %(now)s AS late FROM orders
    WHERE status IN ('PENDING', 'ROUTING') AND lease_until < now() - %(grace)s
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
    INSERT INTO order_events (order_id, account, seq, status, at)
    SELECT id, account, seq, status, updated_at FROM swept WHERE status = 'EXPIRED'
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

_COMMITTED_BETWEEN = """
    xid >= pg_snapshot_xmin(%(since)s) AND NOT pg_visible_in_snapshot(xid, %(since)s)
      AND xid < pg_snapshot_xmax(%(until)s) AND pg_visible_in_snapshot(xid, %(until)s)
      AND xid >= %(xid)s AND (xid, order_id, seq) > (%(xid)s, %(order_id)s, %(seq)s)
"""

FOLLOWED = f"""
SELECT *, true AS wanted, count(*) OVER () AS looked_at FROM (
    SELECT * FROM order_events
    WHERE (account, xid) >= (%(account)s, greatest(pg_snapshot_xmin(%(since)s), %(xid)s))
      AND (account, xid) < (%(account)s, pg_snapshot_xmax(%(until)s)) AND {_COMMITTED_BETWEEN}
    ORDER BY account, xid, order_id, seq LIMIT %(limit)s
) AS own ORDER BY xid, order_id, seq
"""
"""So many events of one account, through its own index.

A range rather than `account =`, so that no other index gives the order: from statistics of when the
account had all that there was, Postgres would walk everybody's events in the order of `xid`.
"""

FOLLOWED_BY_MANY = f"""
WITH looked_at AS (
    SELECT * FROM order_events WHERE {_COMMITTED_BETWEEN}
    ORDER BY xid, order_id, seq LIMIT %(limit)s
), last AS (
    SELECT order_id, seq FROM looked_at ORDER BY xid DESC, order_id DESC, seq DESC LIMIT 1
)
SELECT e.*, account = ANY(%(accounts)s) AS wanted,
       (SELECT count(*) FROM looked_at) AS looked_at
FROM looked_at e
WHERE account = ANY(%(accounts)s) OR (order_id, seq) = (SELECT order_id, seq FROM last)
ORDER BY xid, order_id, seq
"""
"""So many events at a time of whomever, so that a page of some accounts among many costs no more.

The last is there even if nobody asked for it: the next page begins behind it.
"""

MOMENT = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS settled,
       -- By the column, not by what is selected: that is text, sorted as such and in no index.
       (SELECT e.xid::text FROM order_events e WHERE e.recorded_at < %(at)s AND e.xid >= %(since)s
        ORDER BY e.xid DESC LIMIT 1) AS before
"""

OVER = """
SELECT id FROM orders
WHERE id = ANY(%(ids)s) AND account = %(account)s
  AND status = ANY(%(final)s::order_status[])
"""

EVENTS_OF_ONE = """
SELECT e.*, o.status AS order_status
FROM orders o LEFT JOIN order_events e ON e.order_id = o.id AND e.seq > %(seq)s
WHERE o.id = %(id)s AND o.account = %(account)s ORDER BY e.seq
"""
