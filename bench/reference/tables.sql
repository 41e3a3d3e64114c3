CREATE SCHEMA reference;

CREATE TABLE reference.orders (
    id              uuid PRIMARY KEY,
    account         text NOT NULL,
    side            text NOT NULL,
    token_in        text NOT NULL,
    token_out       text NOT NULL,
    amount          numeric NOT NULL,
    status          text NOT NULL,
    venue           text,
    execution_price numeric,
    tx_hash         text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reference.order_events (
    id       bigserial PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES reference.orders (id),
    status   text NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}',
    at       timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX order_events_order ON reference.order_events (order_id);

CREATE TABLE reference.fills (
    id         bigserial PRIMARY KEY,
    order_id   uuid NOT NULL REFERENCES reference.orders (id),
    venue      text NOT NULL,
    amount_in  numeric NOT NULL,
    amount_out numeric NOT NULL,
    tx_hash    text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
