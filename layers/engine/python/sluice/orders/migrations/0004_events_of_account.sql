-- What an account has missed is read by its own events alone, in the order of their transactions.

ALTER TABLE order_events ADD COLUMN account text;

-- The one change of what happened: it says besides whose it was.
ALTER TABLE order_events DISABLE TRIGGER order_events_append_only;
UPDATE order_events e SET account = o.account FROM orders o WHERE o.id = e.order_id;
ALTER TABLE order_events ENABLE TRIGGER order_events_append_only;
ALTER TABLE order_events ALTER COLUMN account SET NOT NULL;

-- Of whoever does not say it: the release before goes on for a while, and knows no such column.
CREATE FUNCTION take_account_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.account := (SELECT account FROM orders WHERE id = NEW.order_id);
    RETURN NEW;
END;
$$;

CREATE TRIGGER order_events_account BEFORE INSERT ON order_events
    FOR EACH ROW WHEN (NEW.account IS NULL) EXECUTE FUNCTION take_account_of_order();

CREATE INDEX order_events_of_account ON order_events (account, xid);

-- The functions of before, which say it: to look for it would cost a tenth of their time. What they
-- plan is kept as long as a connection lives, also if `orders` was small then: a batch knows its
-- ids, so it is never read by a scan.

-- Stores what is new of the orders asked for, PENDING; the ids of those.
CREATE OR REPLACE FUNCTION accept_orders(asked jsonb) RETURNS uuid[]
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    accepted_ids uuid[];
BEGIN
    WITH accepted AS (
        INSERT INTO orders (id, account, type, side, token_in, token_out, swap_mode, amount,
                            slippage_bps, max_splits, limit_price, min_amount_out, expires_at,
                            accepted_at, status, seq, updated_at)
        SELECT id, account, type, side, token_in, token_out, swap_mode, amount,
               slippage_bps, max_splits, limit_price, min_amount_out, expires_at,
               accepted_at, 'PENDING', 1, accepted_at
        FROM jsonb_to_recordset(asked) AS t (
            id uuid, account text, type order_type, side order_side, token_in text, token_out text,
            swap_mode swap_mode, amount u64, slippage_bps int, max_splits int, limit_price numeric,
            min_amount_out u64, expires_at timestamptz, accepted_at timestamptz)
        -- In one order everywhere: two workers with overlapping batches must not deadlock.
        ORDER BY id, accepted_at
        ON CONFLICT (id) DO NOTHING
        RETURNING id, account, accepted_at
    ), begun AS (
        INSERT INTO order_events (order_id, account, seq, status, at)
        SELECT id, account, 1, 'PENDING', accepted_at FROM accepted
    )
    SELECT array_agg(id) INTO accepted_ids FROM accepted;
    RETURN accepted_ids;
END;
$$;

CREATE OR REPLACE FUNCTION claim_orders(
    asked jsonb, ids uuid[], moment timestamptz, lease_seconds float8, max_claims integer
) RETURNS TABLE (
    order_id uuid, status order_status, seq integer, fence integer, attempts integer,
    fresh boolean, ours boolean, lease_left float8, conflicting boolean
) LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    accepted_ids uuid[];
    leased_ids uuid[];
    conflicting_ids uuid[];
BEGIN
    accepted_ids := accept_orders(asked);

    -- Some were there before, or came twice: are they still what was asked for?
    IF coalesce(cardinality(accepted_ids), 0) < jsonb_array_length(asked) THEN
        WITH different AS (
            INSERT INTO conflicts (order_id, accepted_at, terms)
            -- A message may come twice in a batch.
            SELECT DISTINCT ON (t.id, t.accepted_at) t.id, t.accepted_at, to_jsonb(t)
            FROM jsonb_to_recordset(asked) AS t (
                id uuid, account text, type order_type, side order_side, token_in text,
                token_out text, swap_mode swap_mode, amount u64, slippage_bps int, max_splits int,
                limit_price numeric, min_amount_out u64, expires_at timestamptz,
                accepted_at timestamptz)
            JOIN orders o ON o.id = t.id
            WHERE o.id = ANY(ids)
              AND (t.type, t.side, t.token_in, t.token_out, t.swap_mode, t.amount, t.slippage_bps,
                   t.max_splits, t.limit_price, t.min_amount_out, t.expires_at)
                  IS DISTINCT FROM
                  (o.type, o.side, o.token_in, o.token_out, o.swap_mode, o.amount, o.slippage_bps,
                   o.max_splits, o.limit_price, o.min_amount_out, o.expires_at)
            ON CONFLICT (order_id, accepted_at) DO UPDATE SET terms = excluded.terms
            RETURNING order_id
        )
        SELECT array_agg(order_id) INTO conflicting_ids FROM different;
    END IF;

    WITH free AS (
        SELECT id, status AS was,
               CASE WHEN expires_at <= moment THEN 'EXPIRED'
                    WHEN fence >= max_claims THEN 'FAILED'
                    ELSE 'ROUTING' END::order_status AS becomes
        FROM orders
        WHERE id = ANY(ids) AND status IN ('PENDING', 'ROUTING') AND lease_until < now()
        ORDER BY id FOR NO KEY UPDATE
    ), leased AS (
        UPDATE orders o
        SET status = free.becomes, seq = o.seq + (free.was <> free.becomes)::int,
            reason = CASE WHEN free.becomes = 'FAILED' THEN 'INTERNAL'::fail_reason END,
            fence = o.fence + 1, lease_until = now() + make_interval(secs => lease_seconds),
            revive_at = 'epoch', updated_at = moment
        FROM free WHERE o.id = free.id AND o.id = ANY(ids)
        RETURNING o.id, o.account, o.seq, o.status, o.reason, free.was
    ), begun AS (
        INSERT INTO order_events (order_id, account, seq, status, detail, at)
        SELECT id, account, seq, status,
               jsonb_strip_nulls(jsonb_build_object('reason', reason)), moment
        FROM leased WHERE was <> status
    )
    SELECT array_agg(id) INTO leased_ids FROM leased WHERE status = 'ROUTING';

    RETURN QUERY
    SELECT id, status, seq, fence, attempts,
           coalesce(id = ANY(accepted_ids), false), coalesce(id = ANY(leased_ids), false),
           extract(epoch FROM lease_until - now())::float8,
           coalesce(id = ANY(conflicting_ids), false)
    FROM orders WHERE id = ANY(ids);
END;
$$;

-- `steps` are waves of status changes, one change per order in each: the trigger sees each order
-- walk every step of its way. Returns the orders whose claim still held.
CREATE OR REPLACE FUNCTION record_orders(
    steps jsonb, later jsonb, quoted jsonb, filled jsonb, ids uuid[]
) RETURNS SETOF uuid LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    held uuid[];
    postponed_ids uuid[];
    moved_ids uuid[];
BEGIN
    -- In one order everywhere, as in claim_orders.
    PERFORM 1 FROM orders WHERE id = ANY(ids) ORDER BY id FOR NO KEY UPDATE;

    FOR wave IN 0 .. jsonb_array_length(steps) - 1 LOOP
        WITH step AS (
            SELECT * FROM jsonb_to_recordset(steps -> wave) AS s (
                order_id uuid, fence int, seq int, status order_status, at timestamptz,
                detail jsonb, venue venue, tx_hash text, amount_in u64, amount_out u64,
                execution_price numeric, reason fail_reason)
        ), moved AS (
            UPDATE orders o
            SET status = s.status, seq = s.seq, updated_at = s.at, reason = s.reason,
                venue = coalesce(s.venue, o.venue), tx_hash = coalesce(s.tx_hash, o.tx_hash),
                amount_in = coalesce(s.amount_in, o.amount_in),
                amount_out = coalesce(s.amount_out, o.amount_out),
                execution_price = coalesce(s.execution_price, o.execution_price)
            FROM step s
            -- The fence refuses a worker whose lease was lost; seq refuses a step out of turn.
            WHERE o.id = s.order_id AND o.id = ANY(ids) AND o.fence = s.fence
              AND o.seq = s.seq - 1 AND (wave = 0 OR o.id = ANY(held))
            RETURNING o.id, o.account, s.seq, s.status, s.detail, s.at
        ), told AS (
            INSERT INTO order_events (order_id, account, seq, status, detail, at)
            SELECT id, account, seq, status, detail, at FROM moved
        )
        SELECT array_agg(id) INTO moved_ids FROM moved;
        IF wave = 0 THEN
            held := moved_ids;
        END IF;
    END LOOP;

    IF jsonb_array_length(later) > 0 THEN
        WITH postponed AS (
            UPDATE orders o
            SET attempts = p.attempts, lease_until = now() + make_interval(secs => p.seconds)
            FROM jsonb_to_recordset(later) AS p (
                order_id uuid, fence int, seconds float8, attempts int)
            WHERE o.id = p.order_id AND o.id = ANY(ids) AND o.fence = p.fence
              AND o.status = 'ROUTING'
            RETURNING o.id
        )
        SELECT array_agg(id) INTO postponed_ids FROM postponed;
        held := held || postponed_ids;
    END IF;

    INSERT INTO quotes (order_id, fence, hop, venue, pool, token_in, token_out, slot,
                        amount_in, amount_out, leg_in, leg_out, fees, impact_ppm, error)
    SELECT order_id, fence, hop, venue, pool, token_in, token_out, slot,
           amount_in, amount_out, leg_in, leg_out, fees, impact_ppm, error
    FROM jsonb_to_recordset(quoted) AS q (
        order_id uuid, fence int, hop int, venue venue, pool text, token_in text, token_out text,
        slot bigint, amount_in u64, amount_out u64, leg_in u64, leg_out u64, fees jsonb,
        impact_ppm int, error text)
    WHERE order_id = ANY(held);

    INSERT INTO fills (order_id, leg, hop, venue, pool, token_in, token_out, slot,
                       amount_in, amount_out, fees, reference)
    SELECT order_id, leg, hop, venue, pool, token_in, token_out, slot,
           amount_in, amount_out, fees, reference
    FROM jsonb_to_recordset(filled) AS f (
        order_id uuid, leg int, hop int, venue venue, pool text, token_in text, token_out text,
        slot bigint, amount_in u64, amount_out u64, fees jsonb, reference text)
    WHERE order_id = ANY(held);

    RETURN QUERY SELECT unnest(held);
END;
$$;
