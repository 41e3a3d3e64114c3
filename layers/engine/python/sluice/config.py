"""The environment, read here and nowhere else: one typed model per function.

A variable that ends in `_URL` holds either the URL itself or the ARN of a Secrets Manager secret
that holds it, so that a URL with a password in it never stands in a function's environment on AWS.
"""

import os
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SECRET_MAX_AGE_SECONDS = 300


def _revealed(reference: str) -> str:
    """The URL that `reference` names; a secret is fetched once and kept for a while."""
    if not reference.startswith("arn:"):
        return reference
    # Imported here: it brings boto3, which a function given plain URLs does not need.
    from aws_lambda_powertools.utilities import parameters

    value: str = parameters.get_secret(reference, max_age=SECRET_MAX_AGE_SECONDS)
    return value


Url = Annotated[str, Field(min_length=1), AfterValidator(_revealed)]


class _Environment(BaseModel):
    # Of all these models a process uses one, and building them all would slow each cold start.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class ApiConfig(_Environment):
    """`functions/api`."""

    ORDERS_QUEUE_URL: str = Field(min_length=1)
    VALKEY_URL: Url
    DATABASE_URL: Url
    SOLANA_RPC_URL: Url
    MARKETS: str = "mainnet"
    RATE_LIMIT_PER_SECOND: int = Field(default=50, ge=0, le=10_000)
    """Orders and quotes that an account may ask for, on average; 0 is no limit."""
    RATE_LIMIT_BURST: int = Field(default=100, ge=1, le=1_000_000)
    """And how many at once."""
    VENUE_TIMEOUT_MS: int = Field(default=1500, gt=0)
    LEG_COST_LAMPORTS: int = Field(default=5000, ge=0)
    WEBSOCKET_URL: str | None = None
    """Where the console listens; without it, it asks again and again."""


class WorkerConfig(_Environment):
    """`functions/worker`; the rest of what the engine needs."""

    ORDERS_QUEUE_URL: str = Field(min_length=1)
    DEAD_LETTER_QUEUE_URL: str = Field(min_length=1)
    DATABASE_URL: Url
    VALKEY_URL: Url
    SOLANA_RPC_URL: Url
    MARKETS: str = "mainnet"
    VENUE_TIMEOUT_MS: int = Field(default=1500, gt=0)
    LEASE_SECONDS: float = Field(default=30, gt=0)
    """Longer than an invocation works: what dies is missed soon after."""
    LEG_COST_LAMPORTS: int = Field(default=5000, ge=0)
    """What one more pool in a route costs its owner: about a signature and its priority fee."""


class SweeperConfig(_Environment):
    """`functions/sweeper`."""

    DATABASE_URL: Url
    VALKEY_URL: Url
    ORDERS_QUEUE_URL: str = Field(min_length=1)


class ConnectionsConfig(_Environment):
    """`functions/stream/connections.py`."""

    VALKEY_URL: Url
    RELAY_FUNCTION: str = Field(min_length=1)
    WEBSOCKET_ENDPOINT: str = Field(min_length=1)
    """Where `@connections` is served: https://{api}.execute-api.{region}.amazonaws.com/{stage}."""
    AWS_REGION: str
    RELAY_SHARDS: int = Field(default=1, ge=1, le=256)


class RelayConfig(_Environment):
    """`functions/stream/relay.py`."""

    VALKEY_URL: Url
    DATABASE_URL: Url
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


class KeysConfig(_Environment):
    """What the authorizer needs beside, once an API key is presented: the secret is not free."""

    DATABASE_URL: Url


class MigrationsConfig(_Environment):
    """`functions/migrations`."""

    DATABASE_URL: Url


Model = TypeVar("Model", bound=_Environment)


def load(model: type[Model], environ: Mapping[str, str] = os.environ) -> Model:
    """`model` from the environment; raises pydantic's ValidationError naming each variable."""
    return model.model_validate(dict(environ))
