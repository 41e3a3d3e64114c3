"""Solana JSON-RPC over the simulated market, as far as reading accounts needs it.

Errors carry the codes and words of a real node: JSON-RPC's own, and for a slot not yet reached
agave's -32016.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiohttp import web
from backports import zstd
from pydantic import ValidationError

from sluice.venues.addresses import address_of, raw_address
from sluice.venues.base import Account, Address

from .faults import Faults, Weather
from .state import SLOTS_PER_EPOCH, Market

SLOT_SECONDS: Final = 0.4
MAX_KEYS: Final = 100
PLAIN, PACKED = "base64", "base64+zstd"
COMMITMENTS: Final = ("processed", "confirmed", "finalized")
VERSION: Final = "2.2.0"
RENT_EXEMPT: Final = 2**64 - 1
LAMPORTS: Final = 10**9

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
MIN_SLOT_NOT_REACHED: Final = -32016

MARKET: Final = web.AppKey("market", Market)
WEATHER: Final = web.AppKey("weather", Weather)


@dataclass(frozen=True, slots=True)
class View:
    """The market as one caller sees it through the faults of the moment."""

    market: Market
    faults: Faults

    @property
    def slot(self) -> int:
        return self.market.slot - self.faults.lag_slots

    @property
    def epoch(self) -> int:
        return self.slot // SLOTS_PER_EPOCH

    def account(self, address: Address) -> Account | None:
        """The account at `address`, unless it is dropped, as of the view's slot."""
        if address in self.faults.drop:
            return None
        return self.market.account(address, self.faults.lag_slots)


S = TypeVar("S")
Method = Callable[[S, list[Any]], Any]


class RpcError(Exception):
    """What the caller did wrong, as JSON-RPC tells it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def application(market: Market, *, trading: bool = True) -> web.Application:
    """An app that answers at `/`; with `trading` the market moves on every 400 ms."""
    app = web.Application(client_max_size=2**20)
    app[MARKET] = market
    app[WEATHER] = Weather()
    app.router.add_post("/", _answer)
    if trading:
        app.cleanup_ctx.append(_trade)
    return app


async def _trade(app: web.Application) -> AsyncIterator[None]:
    task = asyncio.create_task(_slots(app[MARKET]))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _slots(market: Market) -> None:
    due = time.monotonic()
    while True:
        due = max(due + SLOT_SECONDS, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
        market.advance(int(time.time()))


async def _answer(request: web.Request) -> web.Response:
    market, weather = request.app[MARKET], request.app[WEATHER]
    try:
        body = json.loads(await request.read())
    except ValueError:
        return web.json_response(_failure(None, RpcError(PARSE_ERROR, "Parse error")))
    if isinstance(body, dict) and body.get("method") in WEATHER_METHODS:
        return web.json_response(_call(weather, body, WEATHER_METHODS))
    faults = weather.faults
    await asyncio.sleep(faults.delay_ms / 1000)
    if faults.status is not None:
        told = {} if faults.retry_after is None else {"Retry-After": str(faults.retry_after)}
        return web.Response(status=faults.status, headers=told)
    view = View(market, faults)
    if not isinstance(body, list):
        return web.json_response(_call(view, body, METHODS))
    if not body:
        return web.json_response(_failure(None, RpcError(INVALID_REQUEST, "Invalid request")))
    return web.json_response([_call(view, call, METHODS) for call in body])


def _call(subject: S, call: object, methods: Mapping[str, Method[S]]) -> dict[str, Any]:
    identity = call.get("id") if isinstance(call, dict) else None
    try:
        name, params = _parsed(call)
        if name not in methods:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return {"jsonrpc": "2.0", "result": methods[name](subject, params), "id": identity}
    except RpcError as error:
        return _failure(identity, error)


def _failure(identity: object, error: RpcError) -> dict[str, Any]:
    told = {"code": error.code, "message": str(error)}
    return {"jsonrpc": "2.0", "error": told, "id": identity}


def _parsed(call: object) -> tuple[str, list[Any]]:
    if not isinstance(call, dict) or call.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "Invalid request")
    name = call.get("method")
    if not isinstance(name, str):
        raise RpcError(INVALID_REQUEST, "Invalid request")
    params = call.get("params") or []
    if not isinstance(params, list):
        raise RpcError(INVALID_PARAMS, "Invalid params: expected a list")
    return name, params


def _multiple_accounts(market: View, params: list[Any]) -> dict[str, Any]:
    keys = params[0] if params else None
    if not isinstance(keys, list):
        raise RpcError(INVALID_PARAMS, "Invalid params: expected a list of pubkeys")
    if len(keys) > MAX_KEYS:
        raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {MAX_KEYS}")
    options = _options(market, params)
    values = [_account(market, key, options) for key in keys]
    return {"context": _context(market), "value": values}


def _account_info(market: View, params: list[Any]) -> dict[str, Any]:
    if not params:
        raise RpcError(INVALID_PARAMS, "Invalid params: expected a pubkey")
    options = _options(market, params)
    return {"context": _context(market), "value": _account(market, params[0], options)}


def _options(market: View, params: list[Any]) -> dict[str, Any]:
    options = params[1] if len(params) > 1 and params[1] is not None else {}
    if not isinstance(options, dict):
        raise RpcError(INVALID_PARAMS, "Invalid params: expected a configuration object")
    if options.get("encoding", PLAIN) not in (PLAIN, PACKED):
        raise RpcError(INVALID_PARAMS, "Invalid params: only base64 and base64+zstd are served")
    if options.get("commitment", COMMITMENTS[0]) not in COMMITMENTS:
        raise RpcError(INVALID_PARAMS, "Invalid params: unknown commitment")
    least = options.get("minContextSlot", 0)
    if not isinstance(least, int) or isinstance(least, bool):
        raise RpcError(INVALID_PARAMS, "Invalid params: minContextSlot")
    if least > market.slot:
        raise RpcError(MIN_SLOT_NOT_REACHED, "Minimum context slot has not been reached")
    return options


def _account(market: View, key: object, options: dict[str, Any]) -> dict[str, Any] | None:
    account = market.account(_address(key))
    if account is None:
        return None
    return _rendered(account, options.get("dataSlice"), options.get("encoding", PLAIN))


def _address(key: object) -> Address:
    if not isinstance(key, str):
        raise RpcError(INVALID_PARAMS, "Invalid params: expected a string")
    try:
        return address_of(raw_address(Address(key)))
    except ValueError as error:
        raise RpcError(INVALID_PARAMS, "Invalid param: Invalid") from error


def _rendered(account: Account, data_slice: object, encoding: str) -> dict[str, Any]:
    data = account.data if data_slice is None else _sliced(account.data, data_slice)
    if encoding == PACKED:
        data = zstd.compress(data, 1)
    return {
        "data": [base64.b64encode(data).decode(), encoding],
        "executable": False,
        "lamports": LAMPORTS,
        "owner": account.owner,
        "rentEpoch": RENT_EXEMPT,
        "space": len(account.data),
    }


def _sliced(data: bytes, data_slice: object) -> bytes:
    bounds = data_slice if isinstance(data_slice, dict) else {}
    start, length = bounds.get("offset"), bounds.get("length")
    if not (isinstance(start, int) and isinstance(length, int) and min(start, length) >= 0):
        raise RpcError(INVALID_PARAMS, "Invalid params: dataSlice")
    return data[start : start + length]


def _context(market: View) -> dict[str, Any]:
    return {"apiVersion": VERSION, "slot": market.slot}


def _epoch_info(market: View, _: list[Any]) -> dict[str, Any]:
    return {
        "absoluteSlot": market.slot,
        "blockHeight": market.slot,
        "epoch": market.epoch,
        "slotIndex": market.slot % SLOTS_PER_EPOCH,
        "slotsInEpoch": SLOTS_PER_EPOCH,
        "transactionCount": market.slot,
    }


METHODS: Final[dict[str, Method[View]]] = {
    "getMultipleAccounts": _multiple_accounts,
    "getAccountInfo": _account_info,
    "getSlot": lambda market, _: market.slot,
    "getBlockHeight": lambda market, _: market.slot,
    "getHealth": lambda market, _: "ok",
    "getVersion": lambda market, _: {"feature-set": 0, "solana-core": VERSION},
    "getEpochInfo": _epoch_info,
}


def _set_faults(weather: Weather, params: list[Any]) -> dict[str, Any]:
    try:
        weather.faults = Faults.model_validate(params[0] if params else {})
    except ValidationError as error:
        raise RpcError(INVALID_PARAMS, f"Invalid params: {error}") from error
    return _get_faults(weather, [])


def _get_faults(weather: Weather, _: list[Any]) -> dict[str, Any]:
    return weather.faults.model_dump(mode="json", by_alias=True)


WEATHER_METHODS: Final[dict[str, Method[Weather]]] = {
    "market_setFaults": _set_faults,
    "market_getFaults": _get_faults,
}
"""Answered in any weather."""
