"""The environment, read here and nowhere else: one typed model per function.

A variable that ends in `_URL` holds either the URL itself or the ARN of a Secrets Manager secret
that holds it, so that a URL with a password in it never stands in a function's environment on AWS.
One that ends in `_LOGIN` is the ARN of a secret with the username and password of a URL that has
none. Secrets are asked for when their URL is first needed: most cold starts need one of three.
"""

import json
import os
from collections.abc import Mapping
from typing import Annotated, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field

from sluice.secret import secret_text

Url = Annotated[str, Field(min_length=1)]


def _revealed(reference: str, login: str = "", *, fresh: bool = False) -> str:
    """The URL that `reference` is or names, with what `login` names put into it."""
    url = secret_text(reference, fresh=fresh) if reference.startswith("arn:") else reference
    if not login:
        return url
    known = json.loads(secret_text(login, fresh=fresh))
    name, password = (quote(known[part], safe="") for part in ("username", "password"))
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.netloc}"))


class _Environment(BaseModel):
    # Of all these models a process uses one, and building them all would slow each cold start.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class _WithDatabase(_Environment):
    DATABASE_URL: Url
    DATABASE_LOGIN: str = ""

    def database_url(self, *, fresh: bool = False) -> str:
        """Where Postgres is, login included; `fresh`: asked for anew, should it have changed.

        Raises `SecretUnavailable`.
        """
        return _revealed(self.DATABASE_URL, self.DATABASE_LOGIN, fresh=fresh)


class _WithValkey(_Environment):
    VALKEY_URL: Url
    VALKEY_LOGIN: str = ""

    def valkey_url(self) -> str:
        """Where Valkey is, login included. Raises `SecretUnavailable`."""
        return _revealed(self.VALKEY_URL, self.VALKEY_LOGIN)


class _WithRpc(_Environment):
    SOLANA_RPC_URL: Url

    def rpc_url(self) -> str:
        """Where Solana is, keys included, or several places. Raises `SecretUnavailable`."""
        return _revealed(self.SOLANA_RPC_URL)


class ApiConfig(_WithDatabase, _WithValkey, _WithRpc):
    """`functions/api`."""

    ORDERS_QUEUE_URL: str = Field(min_length=1)
    MARKETS: str = "mainnet"
    RATE_LIMIT_PER_SECOND: int = Field(default=50, ge=0, le=10_000)
    """Orders and quotes that an account may ask for, on average; 0 is no limit."""
    RATE_LIMIT_BURST: int = Field(default=100, ge=1, le=1_000_000)
    """And how many at once."""
    VENUE_TIMEOUT_MS: int = Field(default=1500, gt=0)
    LEG_COST_LAMPORTS: int = Field(default=5000, ge=0)
    WEBSOCKET_URL: str | None = None
    """Where the console listens; without it, it asks again and again."""
    TRACING: bool = False
    """Whether X-Ray follows an order through the queue."""

    def trace(self) -> str | None:
        """The trace of the invocation at work, for whoever goes on with it; None if none wants it.

        Lambda sets it anew for each invocation.
        """
        return os.environ.get("_X_AMZN_TRACE_ID") if self.TRACING else None


class WorkerConfig(_WithDatabase, _WithValkey, _WithRpc):
    """`functions/worker`; the rest of what the engine needs."""

    ORDERS_QUEUE_URL: str = Field(min_length=1)
    DEAD_LETTER_QUEUE_URL: str = Field(min_length=1)
    MARKETS: str = "mainnet"
    VENUE_TIMEOUT_MS: int = Field(default=1500, gt=0)
    LEASE_SECONDS: float = Field(default=30, gt=0)
    """Longer than an invocation works: what dies is missed soon after."""
    LEG_COST_LAMPORTS: int = Field(default=5000, ge=0)
    """What one more pool in a route costs its owner: about a signature and its priority fee."""


class SweeperConfig(_WithDatabase, _WithValkey):
    """`functions/sweeper`."""

    ORDERS_QUEUE_URL: str = Field(min_length=1)
    RELAY_SHARDS: int = Field(default=1, ge=1, le=256)


class ConnectionsConfig(_WithValkey):
    """`functions/stream/connections.py`."""

    RELAY_FUNCTION: str = Field(min_length=1)
    WEBSOCKET_ENDPOINT: str = Field(min_length=1)
    """Where `@connections` is served: https://{api}.execute-api.{region}.amazonaws.com/{stage}."""
    AWS_REGION: str
    RELAY_SHARDS: int = Field(default=1, ge=1, le=256)


class RelayConfig(_WithDatabase, _WithValkey):
    """`functions/stream/relay.py`."""

    WEBSOCKET_ENDPOINT: str = Field(min_length=1)
    AWS_REGION: str
    RELAY_SHARDS: int = Field(default=1, ge=1, le=256)
    """How many relays share the connections."""
    RELAY_LIFE_SECONDS: float = Field(default=890, gt=0)
    """After which another takes over, if the function's timeout does not come first."""


class AuthorizerConfig(_Environment):
    """`functions/authorizer`."""

    OIDC_ISSUER: str = ""
    """Whose tokens are good, as they name it in `iss`; empty: API keys alone are."""
    OIDC_AUDIENCE: str = "sluice"
    ACCOUNT_CLAIM: str = Field(default="sub", min_length=1)
    ACCOUNT: str = ""
    """The account of everyone where nobody is asked who they are; empty everywhere else."""


class KeysConfig(_WithDatabase):
    """What the authorizer needs beside, once an API key is presented: the secret is not free."""


class MigrationsConfig(_WithDatabase):
    """`functions/migrations`."""


Model = TypeVar("Model", bound=_Environment)


def load(model: type[Model], environ: Mapping[str, str] = os.environ) -> Model:
    """`model` from the environment; raises pydantic's ValidationError naming each variable."""
    return model.model_validate(dict(environ))
