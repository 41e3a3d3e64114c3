"""`AccountSource` over Solana JSON-RPC."""

import asyncio
import base64
import binascii
import json
from collections.abc import Collection
from http import HTTPStatus
from itertools import count
from typing import Any

import aiohttp

from sluice.markets.accounts import Fetched, SourceUnavailable
from sluice.venues.base import Account, Address

MAX_KEYS = 100
"""getMultipleAccounts takes no more keys a call."""

MAX_ACCOUNT_BYTES = 10 * 1024 * 1024
"""An account of Solana is never larger: nothing unpacks to more."""

INVALID_PARAMS = -32602
DEFAULT_RETRY_AFTER_SECONDS = 1.0
PLAIN, PACKED = "base64", "base64+zstd"


class Session:
    """Connections that are kept alive, of any number of servers; made on first use."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @property
    def client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class RpcAccounts:
    """One server."""

    def __init__(self, url: str, session: Session | None = None) -> None:
        """Without a `session` it has its own, and is closed by whoever is done with it."""
        self._url = url
        self._session = session or Session()
        self._ids = count(1)
        # Pool accounts are mostly zeros: packed, they travel in a tenth of the bytes.
        self._encoding = PACKED

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
        await self._result("getHealth", [])

    async def close(self) -> None:
        await self._session.close()

    async def _get_multiple_accounts(self, addresses: list[Address]) -> Fetched:
        encoding = self._encoding
        options = {"encoding": encoding, "commitment": "confirmed"}
        answer = await self._call("getMultipleAccounts", [addresses, options])
        if encoding is PACKED and _error_code(answer) == INVALID_PARAMS:
            self._encoding = PLAIN
            return await self._get_multiple_accounts(addresses)
        result: Any = _result(answer)
        try:
            accounts = {
                address: None if value is None else _account(value)
                for address, value in zip(addresses, result["value"], strict=True)
            }
            return Fetched(int(result["context"]["slot"]), accounts)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise SourceUnavailable(f"malformed answer to getMultipleAccounts: {error}") from error

    async def _result(self, method: str, params: list[object]) -> object:
        return _result(await self._call(method, params))

    async def _call(self, method: str, params: list[object]) -> object:
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            async with self._session.client.post(
                self._url, json=request, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise SourceUnavailable(f"HTTP {response.status}", _retry_after(response))
                return json.loads(await response.read())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Only its kind: clients see this, and the text may hold a URL with a key in it.
            raise SourceUnavailable(type(error).__name__) from error


def _error_code(answer: object) -> object:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error.get("code") if isinstance(error, dict) else None


def _result(answer: object) -> object:
    if not isinstance(answer, dict) or "result" not in answer:
        raise SourceUnavailable(f"no result but {str(answer)[:200]}")
    return answer["result"]


def _retry_after(response: aiohttp.ClientResponse) -> float:
    if response.status != HTTPStatus.TOO_MANY_REQUESTS:
        return 0.0
    told = response.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else DEFAULT_RETRY_AFTER_SECONDS


def _account(value: dict[str, Any]) -> Account:
    text, encoding = value["data"]
    data = base64.b64decode(text, validate=True)
    if encoding == PACKED:
        data = _unpacked(data)
    elif encoding != PLAIN:
        raise ValueError(f"data encoded as {encoding}")
    return Account(Address(value["owner"]), data)


def _unpacked(data: bytes) -> bytes:
    # Imported here: a server that packs nothing needs no unpacker.
    from backports import zstd

    decompressor = zstd.ZstdDecompressor()
    try:
        unpacked = decompressor.decompress(data, MAX_ACCOUNT_BYTES)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof:
        raise ValueError("packed data that does not end")
    return unpacked
