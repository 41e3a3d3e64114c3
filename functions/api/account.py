"""Whose request this is, and whether it may be made."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from sluice.access.caller import Scope, caller_of
from sluice.errors import ErrorCode

from .errors import ApiError


def _allowed(needed: Scope) -> Callable[[Request], Awaitable[str]]:
    async def account(request: Request) -> str:
        return account_of(request, needed)

    return account


# As dependencies they come before all validation: strangers are not told what would be valid.
Reader = Annotated[str, Depends(_allowed(Scope.READ))]
"""The account of a caller who may read orders, quotes and markets."""
Writer = Annotated[str, Depends(_allowed(Scope.WRITE))]
"""The account of a caller who may place and cancel orders."""


def account_of(request: Request, needed: Scope) -> str:
    """The account that the authorizer named.

    Raises `ApiError` where it named none, and where it did not allow the account what is `needed`.
    """
    authorizer = request.scope.get("aws.event", {}).get("requestContext", {}).get("authorizer", {})
    caller = caller_of(authorizer.get("lambda"))
    # A request may come past the authorizer: to API Gateway `/%61pi/` is another path than `/api/`.
    if caller is None or caller.over(time.time()):
        raise ApiError(
            ErrorCode.UNAUTHORIZED,
            "Say who you are, by a token or an API key: `Authorization: Bearer ...`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if needed not in caller.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
        message = f"This needs the scope {needed}."
        raise ApiError(ErrorCode.FORBIDDEN, message, headers={"WWW-Authenticate": challenge})
    return caller.account
