"""`getMultipleAccounts` against a server that misbehaves in every way."""

import base64
import json
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sluice.markets.accounts import RpcAccounts, SourceUnavailable
from sluice.venues.base import Account, Address

OWNER = "11111111111111111111111111111111"


class Rpc:
    """A server on loopback that answers as it is told, and counts."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.slots = iter(range(100, 200))
        self.reply: Callable[[list[str]], web.Response] = self.accounts

    async def serve(self, request: web.Request) -> web.Response:
        keys = (await request.json())["params"][0]
        self.calls.append(keys)
        return self.reply(keys)

    def accounts(self, keys: list[str]) -> web.Response:
        data = [base64.b64encode(b"state").decode(), "base64"]
        value = [None if key == "absent" else {"owner": OWNER, "data": data} for key in keys]
        slot = next(self.slots)
        return web.json_response({"id": 1, "result": {"context": {"slot": slot}, "value": value}})


@pytest.fixture
async def rpc() -> AsyncIterator[tuple[Rpc, RpcAccounts]]:
    rpc = Rpc()
    app = web.Application()
    app.router.add_post("/", rpc.serve)
    async with TestServer(app) as server:
        source = RpcAccounts(str(server.make_url("/")))
        yield rpc, source
        await source.close()


async def test_accounts_come_raw_and_what_the_chain_lacks_is_none(
    rpc: tuple[Rpc, RpcAccounts],
) -> None:
    fetched = await rpc[1].fetch([Address("here"), Address("absent")])

    assert fetched.slot == 100
    assert fetched.accounts == {"here": Account(Address(OWNER), b"state"), "absent": None}


async def test_more_than_100_keys_are_asked_for_in_several_calls_and_the_oldest_slot_counts(
    rpc: tuple[Rpc, RpcAccounts],
) -> None:
    server, source = rpc
    keys = [Address(f"key{n}") for n in range(250)]

    fetched = await source.fetch(keys)

    assert sorted(len(call) for call in server.calls) == [50, 100, 100]
    assert fetched.accounts.keys() == set(keys)
    assert fetched.slot == 100


def result(*values: object) -> str:
    return json.dumps({"result": {"context": {"slot": 1}, "value": values}})


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (429, "", "HTTP 429"),
        (502, "<html>", "HTTP 502"),
        (200, "<html>", "JSONDecodeError"),
        (200, "[]", "no result"),
        (200, '{"error": {"code": -32005, "message": "behind"}}', "behind"),
        (200, '{"result": null}', "malformed"),
        (200, result(), "malformed"),
        (200, result({"owner": OWNER, "data": ["*", "jsonParsed"]}), "malformed"),
        (200, result({"owner": OWNER, "data": ["*", "base64"]}), "malformed"),
    ],
    ids=range(9),
)
async def test_an_answer_that_makes_no_sense_is_told_as_unavailable(
    rpc: tuple[Rpc, RpcAccounts], status: int, text: str, said: str
) -> None:
    server, source = rpc
    server.reply = lambda keys: web.Response(status=status, text=text)

    with pytest.raises(SourceUnavailable, match=said):
        await source.fetch([Address("here")])


async def test_a_server_that_is_not_there_is_told_as_unavailable() -> None:
    source = RpcAccounts("http://127.0.0.1:1")

    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:1"):
        await source.fetch([Address("here")])
    with pytest.raises(SourceUnavailable):
        await source.health()
    await source.close()
