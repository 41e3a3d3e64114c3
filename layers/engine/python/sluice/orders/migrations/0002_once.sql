-- What it takes that an order is executed once, and never stuck.

-- A fault of ours, never of the market.
ALTER TYPE fail_reason ADD VALUE 'INTERNAL';

ALTER TABLE orders
    ADD COLUMN expires_at timestamptz CHECK (expires_at > accepted_at),
    -- How often it was routed in vain; the count of its claims is `fence`.
    ADD COLUMN attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- When the sweeper may put it back in the queue once more.
    ADD COLUMN revive_at timestamptz NOT NULL DEFAULT 'epoch',
    -- Never leased; what is no time at all (-infinity) cannot be read by every client.
    ALTER COLUMN lease_until SET DEFAULT 'epoch';

-- What the sweeper looks through: orders that somebody should be at work on.
CREATE INDEX orders_open ON orders (lease_until) WHERE status IN ('PENDING', 'ROUTING');

-- Requests that came under the idempotency key of another order: refused, and kept to be shown.
CREATE TABLE conflicts (
    order_id    uuid NOT NULL REFERENCES orders (id),
    accepted_at timestamptz NOT NULL,
    terms       jsonb NOT NULL,
    PRIMARY KEY (order_id, accepted_at)
);
