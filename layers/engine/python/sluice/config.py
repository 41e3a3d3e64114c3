"""The environment, read here and nowhere else: one typed model per function. Powertools has
variables of its own, which `observability.py` sees to.

A variable that ends in `_URL` holds either the URL itself or the ARN of a Secrets Manager secret
that holds it, so that a URL with a password in it never stands in a function's environment on AWS.
One that ends in `_LOGIN` is the ARN of a secret with the username and password of a URL that has
none. Secrets are asked for when their URL is first needed: most cold starts need one of three.

Typed as dataclasses and made of nothing: pydantic would cost the functions that need it for nothing
else a third of their cold start, and what `dataclass` compiles for each class costs each of them.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar, dataclass_transform, get_type_hints
from urllib.parse import quote, urlsplit, urlunsplit

from sluice.errors import SecretUnavailable
from sluice.secret import secret_text


class ConfigInvalid(Exception):
    """What is wrong with the environment, each variable named."""


def _text(value: str) -> str:
    if not value:
        raise ValueError("is empty")
    return value


def _truth(value: str) -> bool:
    if value.lower() not in ("0", "1", "false", "true"):
        raise ValueError("is neither true nor false")
    return value.lower() in ("1", "true")


def _positive(value: str) -> float:
    seconds = float(value)
    if not seconds > 0:
        raise ValueError("is not more than 0")
    return seconds


def _whole(least: int, most: int = 2**31) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not least <= number <= most:
            raise ValueError(f"is not in {least} to {most}")
        return number

    return parse


# How a variable is read stands beside its type; one without is taken as it is.
Text = Annotated[str, _text]
Shards = Annotated[int, _whole(1, 256)]


def _revealed(reference: str, login: str = "", *, fresh: bool = False) -> str:
    """The URL that `reference` is or names, with what `login` names put into it."""
    url = secret_text(reference, fresh=fresh) if reference.startswith("arn:") else reference
    if not login:
        return url
    try:
        known = json.loads(secret_text(login, fresh=fresh))
        name, password = (quote(known[part], safe="") for part in ("username", "password"))
    except (ValueError, TypeError, KeyError) as error:
        # Without its words: they may be of the secret.
        raise SecretUnavailable("a login is no username and password") from error
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{parts.netloc}"))


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _Environment:
    """Base of what `load` makes."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is what the environment says")


class _WithDatabase(_Environment):
    DATABASE_URL: Text
    DATABASE_LOGIN: str = ""

    def database_url(self, *, fresh: bool = False) -> str:
        """Where Postgres is, login included; `fresh`: asked for anew, should it have changed.

        Raises `SecretUnavailable`.
        """
        return _revealed(self.DATABASE_URL, self.DATABASE_LOGIN, fresh=fresh)


class _WithValkey(_Environment):
    VALKEY_URL: Text
    VALKEY_LOGIN: str = ""

    def valkey_url(self) -> str:
        """Where Valkey is, login included. Raises `SecretUnavailable`."""
        return _revealed(self.VALKEY_URL, self.VALKEY_LOGIN)


class _WithRpc(_Environment):
    SOLANA_RPC_URL: Text

    def rpc_url(self) -> str:
        """Where Solana is, keys included, or several places. Raises `SecretUnavailable`."""
        return _revealed(self.SOLANA_RPC_URL)


class ApiConfig(_WithDatabase, _WithValkey, _WithRpc):
    """`functions/api`."""

    ORDERS_QUEUE_URL: Text
    MARKETS: str = "mainnet"
    RATE_LIMIT_PER_SECOND: Annotated[int, _whole(0, 10_000)] = 50
    """Orders and quotes that an account may ask for, on average; 0 is no limit."""
    RATE_LIMIT_BURST: Annotated[int, _whole(1, 1_000_000)] = 100
    """And how many at once."""
    VENUE_TIMEOUT_MS: Annotated[int, _whole(1)] = 1500
    LEG_COST_LAMPORTS: Annotated[int, _whole(0)] = 5000
    WEBSOCKET_URL: str | None = None
    """Where the console listens; without it, it asks again and again."""
    TRACING: Annotated[bool, _truth] = False
    """Whether X-Ray follows an order through the queue."""

    def trace(self) -> str | None:
        """The trace of the invocation at work, for whoever goes on with it; None if none wants it.

        Lambda sets it anew for each invocation.
        """
        return os.environ.get("_X_AMZN_TRACE_ID") if self.TRACING else None


class WorkerConfig(_WithDatabase, _WithValkey, _WithRpc):
    """`functions/worker`; the rest of what the engine needs."""

    ORDERS_QUEUE_URL: Text
    DEAD_LETTER_QUEUE_URL: Text
    MARKETS: str = "mainnet"
    VENUE_TIMEOUT_MS: Annotated[int, _whole(1)] = 1500
    LEASE_SECONDS: Annotated[float, _positive] = 30
    """Longer than an invocation works: what dies is missed soon after."""
    LEG_COST_LAMPORTS: Annotated[int, _whole(0)] = 5000
    """What one more pool in a route costs its owner: about a signature and its priority fee."""


class SweeperConfig(_WithDatabase, _WithValkey):
    """`functions/sweeper`."""

    ORDERS_QUEUE_URL: Text
    RELAY_SHARDS: Shards = 1


class ConnectionsConfig(_WithValkey):
    """`functions/stream/connections.py`."""

    RELAY_FUNCTION: Text
    WEBSOCKET_ENDPOINT: Text
    """Where `@connections` is served: https://{api}.execute-api.{region}.amazonaws.com/{stage}."""
    AWS_REGION: str
    RELAY_SHARDS: Shards = 1
    CONNECTIONS_PER_ACCOUNT: Annotated[int, _whole(0, 10_000)] = 100
    """How many an account may have open at once; 0 is no limit."""


class RelayConfig(_WithDatabase, _WithValkey):
    """`functions/stream/relay.py`."""

    WEBSOCKET_ENDPOINT: Text
    AWS_REGION: str
    RELAY_SHARDS: Shards = 1
    """How many relays share the connections."""
    RELAY_LIFE_SECONDS: Annotated[float, _positive] = 890
    """After which another takes over, if the function's timeout does not come first."""


class AuthorizerConfig(_Environment):
    """`functions/authorizer`."""

    OIDC_ISSUER: str = ""
    """Whose tokens are good, as they name it in `iss`; empty: API keys alone are."""
    OIDC_AUDIENCE: str = "sluice"
    ACCOUNT_CLAIM: Text = "sub"
    ACCOUNT: str = ""
    """The account of everyone where nobody is asked who they are; empty everywhere else."""


class KeysConfig(_WithDatabase):
    """`functions/keys`; the authorizer's, too, once it sees an API key: the secret is not free."""


class MigrationsConfig(_WithDatabase):
    """`functions/migrations`."""


class SqsConfig(_Environment):
    """Where SQS is, by the variables of every AWS SDK."""

    AWS_DEFAULT_REGION: Text
    AWS_ENDPOINT_URL: str = ""
    AWS_ENDPOINT_URL_SQS: str = ""


class CredentialsConfig(_Environment):
    """Whom to sign for, likewise; what is empty is to be found elsewhere."""

    AWS_ACCESS_KEY_ID: str = ""
    AWS_SECRET_ACCESS_KEY: str = ""
    AWS_SESSION_TOKEN: str = ""


Model = TypeVar("Model", bound=_Environment)


def load(model: type[Model], environ: Mapping[str, str] = os.environ) -> Model:
    """`model` from the environment; raises `ConfigInvalid` naming each variable that is wrong."""
    make: Callable[..., Model] = model
    values: dict[str, object] = {}
    faults = []
    for name, annotation in get_type_hints(model, include_extras=True).items():
        if name in environ:
            try:
                values[name] = _parser(annotation)(environ[name])
            except ValueError as error:
                faults.append(f"{name}: {error}")
        elif not hasattr(model, name):
            faults.append(f"{name}: is not set")
    if faults:
        raise ConfigInvalid("; ".join(faults))
    return make(**values)


def _parser(annotation: object) -> Callable[[str], object]:
    noted: tuple[Callable[[str], object], ...] = getattr(annotation, "__metadata__", (str,))
    return noted[0]
