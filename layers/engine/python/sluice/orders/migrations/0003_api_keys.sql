-- API keys, beside the tokens of an issuer. A key itself is nowhere, only its SHA-256.

CREATE TYPE scope AS ENUM ('orders:read', 'orders:write');

CREATE TABLE api_keys (
    id         uuid PRIMARY KEY,
    account    text NOT NULL CHECK (account ~ '^[!-~]{1,128}$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes     scope[] NOT NULL CHECK (cardinality(scopes) > 0),
    hash       bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    -- To the day, so that using a key hardly ever writes.
    last_used  date
);
