"""Where raw accounts come from: the `AccountSource` port, and Solana JSON-RPC behind it."""

import asyncio
import base64
import binascii
import json
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import aiohttp

from sluice.venues.base import Account, Accounts, Address

MAX_KEYS = 100
"""getMultipleAccounts takes no more keys a call."""


class SourceUnavailable(Exception):
    """The accounts could not be had: no answer, an error, or one that makes no sense."""


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


class RpcAccounts:
    """`AccountSource` over `getMultipleAccounts`, one kept-alive session per process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None
        self._ids = count(1)

    async def fetch(self, addresses: Collection[Address]) -> Fetched:
        """As the port says; calls of at most 100 keys go out in parallel."""
        wanted = sorted(addresses)
        chunks = [wanted[start : start + MAX_KEYS] for start in range(0, len(wanted), MAX_KEYS)]
        answers = await asyncio.gather(*map(self._get_multiple_accounts, chunks))
        accounts: dict[Address, Account | None] = {}
        for answer in answers:
            accounts.update(answer.accounts)
        return Fetched(min((answer.slot for answer in answers), default=0), accounts)

    async def health(self) -> None:
        """Raises `SourceUnavailable` unless the server calls itself healthy."""
        await self._call("getHealth", [])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get_multiple_accounts(self, addresses: list[Address]) -> Fetched:
        options = {"encoding": "base64", "commitment": "confirmed"}
        result: Any = await self._call("getMultipleAccounts", [addresses, options])
        try:
            slot, values = result["context"]["slot"], result["value"]
            return Fetched(
                int(slot),
                {
                    address: None if value is None else _account(value)
                    for address, value in zip(addresses, values, strict=True)
                },
            )
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise SourceUnavailable(f"malformed answer to getMultipleAccounts: {error}") from error

    async def _call(self, method: str, params: list[object]) -> object:
        if self._session is None:
            self._session = aiohttp.ClientSession(json_serialize=json.dumps)
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            async with self._session.post(self._url, json=request) as response:
                if not response.ok:
                    raise SourceUnavailable(f"HTTP {response.status}")
                answer = json.loads(await response.read())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceUnavailable(f"{type(error).__name__}: {error}") from error
        if not isinstance(answer, dict) or "result" not in answer:
            raise SourceUnavailable(f"{method}: no result but {str(answer)[:200]}")
        return answer["result"]


def _account(value: dict[str, Any]) -> Account:
    data, encoding = value["data"]
    if encoding != "base64":
        raise ValueError(f"data encoded as {encoding}")
    return Account(Address(value["owner"]), base64.b64decode(data, validate=True))
