"""What the authorizer tells of a caller is what the functions behind it are told."""

from typing import Any

import pytest

from sluice.access.caller import Caller, Scope, caller_of, context_of


@pytest.mark.parametrize(
    "caller",
    [
        Caller("alice", frozenset(Scope), 1_800_000_000),
        Caller("auth0|7", frozenset({Scope.READ})),
        Caller("x", frozenset()),
    ],
)
def test_a_caller_is_told_in_strings_and_understood(caller: Caller) -> None:
    context = context_of(caller)

    assert all(isinstance(value, str) for value in context.values())
    assert caller_of(context) == caller


@pytest.mark.parametrize("context", [None, {}, {"scopes": "orders:read"}, {"account": ""}])
def test_without_an_account_there_is_no_caller(context: dict[str, Any] | None) -> None:
    assert caller_of(context) is None


def test_a_caller_is_over_when_its_token_is() -> None:
    token = Caller("alice", frozenset(), 1_000)

    assert [token.over(now) for now in (999.9, 1_000.0)] == [False, True]
    assert not Caller("alice", frozenset()).over(9e9)
