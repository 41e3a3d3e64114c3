"""Where raw accounts come from: the `AccountSource` port."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from sluice.venues.base import Accounts, Address


class SourceUnavailable(Exception):
    """The accounts could not be had: no answer, an error, or one that makes no sense.

    `retry_after` is how many seconds the server asked to be left alone, 0 if it did not.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Fetched:
    """Accounts as of `slot`, the oldest slot of the calls that brought them."""

    slot: int
    accounts: Accounts


class AccountSource(Protocol):
    """Raw accounts by address."""

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """Every address asked for, None where the chain has no account.

        Raises `SourceUnavailable`.
        """
        ...
