-- Orders, what happened to them, and why: everything that must survive.
-- Base-unit amounts are numeric(20,0): a u64 does not fit a bigint.

CREATE TYPE order_type AS ENUM ('MARKET');
CREATE TYPE order_side AS ENUM ('BUY', 'SELL');
CREATE TYPE order_status AS ENUM
    ('PENDING', 'ROUTING', 'SUBMITTED', 'CONFIRMED', 'FAILED', 'EXPIRED', 'CANCELLED');
CREATE TYPE swap_mode AS ENUM ('EXACT_IN', 'EXACT_OUT');
CREATE TYPE fail_reason AS ENUM (
    'NO_ROUTE', 'INSUFFICIENT_LIQUIDITY', 'SLIPPAGE_EXCEEDED', 'PRICE_LIMIT', 'VENUES_UNAVAILABLE'
);
CREATE TYPE venue AS ENUM (
    'RAYDIUM_AMM_V4', 'RAYDIUM_CPMM', 'RAYDIUM_CLMM',
    'METEORA_DLMM', 'METEORA_DAMM_V2', 'METEORA_DAMM_V1'
);

CREATE DOMAIN u64 AS numeric(20, 0) CHECK (VALUE >= 0 AND VALUE <= 18446744073709551615);

CREATE TABLE orders (
    id              uuid PRIMARY KEY,
    account         text NOT NULL CHECK (account <> ''),
    type            order_type NOT NULL,
    side            order_side NOT NULL,
    token_in        text NOT NULL,
    token_out       text NOT NULL CHECK (token_out <> token_in),
    swap_mode       swap_mode NOT NULL,
    amount          u64 NOT NULL CHECK (amount > 0),
    slippage_bps    integer NOT NULL CHECK (slippage_bps BETWEEN 0 AND 10000),
    max_splits      integer NOT NULL CHECK (max_splits >= 1),
    limit_price     numeric CHECK (limit_price > 0),
    min_amount_out  u64 CHECK (min_amount_out > 0),
    accepted_at     timestamptz NOT NULL,
    status          order_status NOT NULL,
    seq             integer NOT NULL CHECK (seq >= 1),
    -- Who may move the order: the claim numbered `fence`, until `lease_until`.
    fence           integer NOT NULL DEFAULT 0,
    lease_until     timestamptz NOT NULL DEFAULT '-infinity',
    venue           venue,
    tx_hash         text,
    amount_in       u64,
    amount_out      u64,
    execution_price numeric CHECK (execution_price > 0),
    reason          fail_reason,
    updated_at      timestamptz NOT NULL,
    CHECK ((status = 'FAILED') = (reason IS NOT NULL)),
    CHECK (status <> 'CONFIRMED' OR
           num_nonnulls(venue, tx_hash, amount_in, amount_out, execution_price) = 5)
);

-- The blotter: an account's orders, newest first.
CREATE INDEX orders_account_newest ON orders (account, accepted_at DESC, id DESC);

CREATE TABLE order_events (
    order_id    uuid NOT NULL REFERENCES orders (id),
    seq         integer NOT NULL CHECK (seq >= 1),
    status      order_status NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    at          timestamptz NOT NULL,
    -- When it was written: an order that waited in the queue has events older than this.
    recorded_at timestamptz NOT NULL DEFAULT now(),
    -- The committing transaction: the only order in which a follower may read without gaps.
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (order_id, seq)
);

CREATE INDEX order_events_recorded ON order_events (recorded_at);

CREATE TABLE quotes (
    order_id   uuid NOT NULL REFERENCES orders (id),
    fence      integer NOT NULL,
    hop        integer NOT NULL CHECK (hop >= 0),
    venue      venue NOT NULL,
    pool       text NOT NULL,
    token_in   text NOT NULL,
    token_out  text NOT NULL,
    slot       bigint,
    -- What the pool would do for the whole hop, and for its part of the chosen route.
    amount_in  u64,
    amount_out u64,
    leg_in     u64,
    leg_out    u64,
    fees       jsonb NOT NULL DEFAULT '[]',
    impact_ppm integer,
    error      text,
    PRIMARY KEY (order_id, fence, hop, pool),
    CHECK ((leg_in IS NULL) = (leg_out IS NULL)),
    CHECK ((error IS NULL) = (num_nonnulls(slot, amount_in, amount_out) = 3))
);

CREATE TABLE fills (
    order_id   uuid NOT NULL REFERENCES orders (id),
    leg        integer NOT NULL CHECK (leg >= 0),
    hop        integer NOT NULL CHECK (hop >= 0),
    venue      venue NOT NULL,
    pool       text NOT NULL,
    token_in   text NOT NULL,
    token_out  text NOT NULL,
    slot       bigint NOT NULL,
    amount_in  u64 NOT NULL CHECK (amount_in > 0),
    amount_out u64 NOT NULL CHECK (amount_out > 0),
    fees       jsonb NOT NULL DEFAULT '[]',
    reference  text NOT NULL,
    PRIMARY KEY (order_id, leg)
);

-- The same table as TRANSITIONS in sluice/orders/model.py; a test walks all pairs against both.
CREATE FUNCTION refuse_illegal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'PENDING' OR NEW.seq <> 1 THEN
            RAISE EXCEPTION 'order % must begin as PENDING with seq 1', NEW.id
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.status <> OLD.status THEN
        IF (OLD.status, NEW.status) NOT IN (
            ('PENDING', 'ROUTING'), ('PENDING', 'CANCELLED'),
            ('PENDING', 'EXPIRED'), ('PENDING', 'FAILED'),
            ('ROUTING', 'SUBMITTED'), ('ROUTING', 'FAILED'), ('ROUTING', 'EXPIRED'),
            ('SUBMITTED', 'CONFIRMED'), ('SUBMITTED', 'FAILED')
        ) OR NEW.seq <> OLD.seq + 1 THEN
            RAISE EXCEPTION 'order %: illegal transition % (%) -> % (%)',
                NEW.id, OLD.status, OLD.seq, NEW.status, NEW.seq
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.seq <> OLD.seq THEN
        RAISE EXCEPTION 'order %: seq moves only with the status', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER orders_transition BEFORE INSERT OR UPDATE OF status, seq ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_illegal_transition();

-- Append-only: what happened stays happened.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END;
$$;

CREATE TRIGGER order_events_append_only BEFORE UPDATE OR DELETE ON order_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
