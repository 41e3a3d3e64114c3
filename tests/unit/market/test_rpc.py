"""The simulated market answers as a Solana node would."""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from local.market.genesis import POOLS, address_of
from local.market.rpc import application
from local.market.state import CLOCK, Market
from sluice.markets.accounts import SourceUnavailable
from sluice.markets.rpc import RpcAccounts
from sluice.venues.base import Address

SLOT = 400_000_000
POOL = address_of(POOLS[0])
ABSENT = Address("1" * 32)
ROOT = Path(__file__).parents[3]

Client = TestClient[Any, Any]
Answer = dict[str, Any]


@pytest_asyncio.fixture
async def market() -> Market:
    return Market(seed=1, slot=SLOT, unix_time=1_780_000_000)


@pytest_asyncio.fixture
async def client(market: Market) -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(market, trading=False))) as client:
        yield client


def request(method: str, *params: object, number: int = 1) -> Answer:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


async def call(client: Client, method: str, *params: object) -> Answer:
    answer: Answer = await (await client.post("/", json=request(method, *params))).json()
    return answer


async def test_accounts_come_in_base64_with_their_slot(client: Client, market: Market) -> None:
    options = {"encoding": "base64", "commitment": "confirmed"}
    result = (await call(client, "getMultipleAccounts", [POOL, ABSENT], options))["result"]
    assert result["context"]["slot"] == SLOT
    first, second = result["value"]
    assert second is None
    assert first["data"] == [base64.b64encode(market.accounts[POOL].data).decode(), "base64"]
    assert first["owner"] == market.accounts[POOL].owner
    assert first["space"] == len(market.accounts[POOL].data)


async def test_a_data_slice_is_cut_out(client: Client, market: Market) -> None:
    options = {"encoding": "base64", "dataSlice": {"offset": 8, "length": 32}}
    value = (await call(client, "getAccountInfo", POOL, options))["result"]["value"]
    assert base64.b64decode(value["data"][0]) == market.accounts[POOL].data[8:40]


async def test_100_keys_are_answered_and_101_are_not(client: Client) -> None:
    full = await call(client, "getMultipleAccounts", [ABSENT] * 100)
    assert full["result"]["value"] == [None] * 100
    beyond = await call(client, "getMultipleAccounts", [ABSENT] * 101)
    assert beyond["error"] == {"code": -32602, "message": "Too many inputs provided; max 100"}


@pytest.mark.parametrize(
    ("method", "result"),
    [("getSlot", SLOT), ("getBlockHeight", SLOT), ("getHealth", "ok")],
)
async def test_plain_questions_are_answered(client: Client, method: str, result: object) -> None:
    assert await call(client, method) == {"jsonrpc": "2.0", "result": result, "id": 1}


async def test_epoch_and_version_are_told(client: Client) -> None:
    epoch = (await call(client, "getEpochInfo"))["result"]
    assert (epoch["absoluteSlot"], epoch["epoch"], epoch["slotIndex"]) == (SLOT, 925, 400_000)
    assert "solana-core" in (await call(client, "getVersion"))["result"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", -32700),
        ("3", -32600),
        ("[]", -32600),
        ('{"jsonrpc": "1.0", "id": 1, "method": "getSlot"}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": 4}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": "sendBread"}', -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": {"a": 1}}', -32602),
    ],
)
async def test_a_malformed_request_gets_its_own_code(client: Client, body: str, code: int) -> None:
    answer = await (await client.post("/", data=body)).json()
    assert answer["error"]["code"] == code


@pytest.mark.parametrize(
    "params",
    [
        [],
        ["not base58: 0OIl"],
        [4],
        [POOL, 4],
        [POOL, {"encoding": "jsonParsed"}],
        [POOL, {"commitment": "hopeful"}],
        [POOL, {"dataSlice": {"offset": -1, "length": 1}}],
        [POOL, {"dataSlice": 4}],
        [POOL, {"minContextSlot": "now"}],
    ],
)
async def test_wrong_parameters_are_refused(client: Client, params: list[object]) -> None:
    assert (await call(client, "getAccountInfo", *params))["error"]["code"] == -32602


async def test_a_slot_not_yet_reached_is_refused(client: Client) -> None:
    answer = await call(client, "getAccountInfo", POOL, {"minContextSlot": SLOT + 1})
    assert answer["error"]["code"] == -32016


async def test_a_batch_is_answered_in_order(client: Client) -> None:
    calls = [request("getHealth", number=5), request("sendBread", number=6)]
    answers = await (await client.post("/", json=calls)).json()
    assert [answer["id"] for answer in answers] == [5, 6]
    assert answers[0]["result"] == "ok"
    assert answers[1]["error"]["code"] == -32601


async def test_the_engines_own_source_reads_it(market: Market) -> None:
    async with TestServer(application(market, trading=False)) as server:
        source = RpcAccounts(str(server.make_url("/")))
        try:
            fetched = await source.fetch([POOL, CLOCK, ABSENT])
        finally:
            await source.close()
    assert fetched.slot == SLOT
    assert fetched.accounts == {
        POOL: market.accounts[POOL],
        CLOCK: market.accounts[CLOCK],
        ABSENT: None,
    }


async def test_the_market_trades_while_it_serves(market: Market) -> None:
    async with TestServer(application(market)):
        for _ in range(100):
            await asyncio.sleep(0.02)
            if market.slot > SLOT:
                break
    assert market.slot > SLOT


async def test_the_process_says_where_it_listens_and_ends_on_sigterm() -> None:
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "engine" / "python")))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.market", "--port", "0", "--seed", "4"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
    source = RpcAccounts(line.split()[3].rstrip(","))
    try:
        assert (await source.fetch([POOL])).accounts[POOL] is not None
    except SourceUnavailable as error:
        raise AssertionError(line) from error
    finally:
        await source.close()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_packed_accounts_unpack_to_the_plain_ones(client: Client, market: Market) -> None:
    source = RpcAccounts(str(client.make_url("/")))
    fetched = await source.fetch(list(market.accounts))
    await source.close()
    assert fetched.accounts == market.accounts


async def test_a_bad_day_is_told_over_the_port_and_ends_the_same_way(client: Client) -> None:
    faults = {"delayMs": 1, "status": 429, "retryAfter": 7, "lagSlots": 0, "drop": []}
    assert (await call(client, "market_setFaults", faults))["result"] == faults
    assert (await call(client, "market_getFaults"))["result"] == faults
    response = await client.post("/", json=request("getSlot"))
    assert (response.status, response.headers["Retry-After"]) == (429, "7")

    await call(client, "market_setFaults", {})
    assert (await call(client, "getSlot"))["result"] == SLOT


async def test_a_dropped_pool_is_gone(client: Client) -> None:
    await call(client, "market_setFaults", {"drop": [POOL]})
    answer = await call(client, "getAccountInfo", POOL, {"encoding": "base64"})
    assert answer["result"]["value"] is None


async def test_a_lagging_node_shows_the_past(client: Client, market: Market) -> None:
    before = market.accounts[CLOCK]
    for second in range(30):
        market.advance(1_780_000_001 + second)
    await call(client, "market_setFaults", {"lagSlots": 30})
    answer = await call(client, "getAccountInfo", CLOCK, {"encoding": "base64"})
    assert answer["result"]["context"]["slot"] == SLOT
    assert base64.b64decode(answer["result"]["value"]["data"][0]) == before.data


@pytest.mark.parametrize("faults", [{"delayMs": -1}, {"status": 200}, {"weather": "fine"}, 7])
async def test_unknown_faults_are_refused(client: Client, faults: object) -> None:
    assert (await call(client, "market_setFaults", faults))["error"]["code"] == -32602
