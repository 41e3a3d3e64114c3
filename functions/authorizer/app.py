"""The authorizer of both APIs: who calls, told by a token of the issuer or by an API key.

What is refused, API Gateway remembers as long as what is let in. So where it cannot be told, for
want of the issuer or of Postgres, this raises: the client gets a 500, and may try again.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from sluice.access.caller import Caller, Scope, context_of
from sluice.access.issuer import IssuerKeys
from sluice.access.keys import PREFIX, KeyHolders
from sluice.access.tokens import Tokens
from sluice.config import AuthorizerConfig, KeysConfig, load
from sluice.errors import AccessRefused
from sluice.observability import logger

Event = dict[str, Any]
NOBODY = "nobody"

config = cache(lambda: load(AuthorizerConfig))


def handler(event: Event, context: LambdaContext) -> dict[str, Any]:
    """HTTP is answered simply, by payload format 2.0; a WebSocket's `$connect` by a policy."""
    is_socket = "methodArn" in event
    try:
        caller = _caller(_presented_to_socket(event) if is_socket else _presented(event))
        if is_socket and Scope.READ not in caller.scopes:
            raise AccessRefused(f"{caller.account} may not listen without the scope {Scope.READ}")
    except AccessRefused as refused:
        logger.info("refused", extra={"socket": is_socket, "why": str(refused)})
        return _policy(event, None) if is_socket else {"isAuthorized": False}
    logger.info("let in", extra={"socket": is_socket, "account": caller.account})
    if is_socket:
        return _policy(event, caller)
    return {"isAuthorized": True, "context": context_of(caller)}


def _presented(event: Event) -> str:
    # In lower case on AWS, as they came in emulators.
    headers = {name.lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    scheme, _, credential = headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def _presented_to_socket(event: Event) -> str:
    # Browsers can give a WebSocket no header.
    return str((event.get("queryStringParameters") or {}).get("token", ""))


def _caller(credential: str) -> Caller:
    if config().ACCOUNT:
        return Caller(config().ACCOUNT, frozenset(Scope))
    if not credential:
        raise AccessRefused("nothing was presented")
    if credential.startswith(PREFIX):
        return key_holders().caller(credential)
    return tokens().caller(credential)


@cache
def tokens() -> Tokens:
    """The process's own: the issuer's keys are kept as long as it lives."""
    issuer = config().OIDC_ISSUER
    if not issuer:
        raise AccessRefused("there is no issuer, only API keys are good")
    return Tokens(issuer, config().OIDC_AUDIENCE, config().ACCOUNT_CLAIM, IssuerKeys(issuer))


@cache
def key_holders() -> KeyHolders:
    # Imported here: who only ever sees tokens does not pay for Postgres.
    import asyncio

    from sluice.access.stored_keys import StoredKeys
    from sluice.orders.database import Database

    loop = asyncio.new_event_loop()
    # Kept, on its loop: keys that are made up cost Postgres a look each, and no connection.
    stored = StoredKeys(Database(load(KeysConfig).database_url))
    return KeyHolders(lambda key_hash: loop.run_until_complete(stored.holder(key_hash)))


def _policy(event: Event, caller: Caller | None) -> dict[str, Any]:
    return {
        "principalId": caller.account if caller else NOBODY,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if caller else "Deny",
                    "Resource": event["methodArn"],
                }
            ],
        },
        "context": context_of(caller) if caller else {},
    }
