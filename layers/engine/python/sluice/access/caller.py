"""Who calls, and how the authorizer tells the functions behind it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

ACCOUNT: Final = re.compile(r"[!-~]{1,128}")
"""The name of an account: printable ASCII without spaces, as an SQS message group has to be."""


class Scope(StrEnum):
    """What a caller may be allowed; the Postgres enum `scope` holds the same names."""

    READ = "orders:read"
    """Orders, their events and their stream; quotes and markets."""
    WRITE = "orders:write"
    """To place and to cancel orders."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that a request is made for, and what it may do."""

    account: str
    scopes: frozenset[Scope]
    until: int | None = None
    """When this is no longer true, in Unix seconds: API Gateway keeps what it was told longer."""

    def over(self, now: float) -> bool:
        """Whether it was true only before `now`, in Unix seconds."""
        return self.until is not None and now >= self.until


def context_of(caller: Caller) -> dict[str, str]:
    """`caller` for API Gateway to hand on; strings alone pass both kinds of API unchanged."""
    context = {"account": caller.account, "scopes": " ".join(sorted(caller.scopes))}
    return context if caller.until is None else context | {"until": str(caller.until)}


def caller_of(context: Mapping[str, Any] | None) -> Caller | None:
    """The caller of whom the authorizer told; None where it was not asked."""
    if not context or not context.get("account"):
        return None
    until = context.get("until")
    return Caller(
        str(context["account"]),
        granted(str(context.get("scopes", "")).split()),
        None if until is None else int(until),
    )


def granted(names: object) -> frozenset[Scope]:
    """Those scopes in a list of names that mean anything here."""
    if not isinstance(names, list):
        return frozenset()
    return frozenset(scope for scope in Scope if scope in names)
