"""`getMultipleAccounts` against a server that misbehaves in every way."""

import base64
import json
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from backports import zstd

from sluice.markets.accounts import SourceUnavailable
from sluice.markets.rpc import RpcAccounts
from sluice.venues.base import Account, Address

OWNER = "11111111111111111111111111111111"
CUT_OFF = base64.b64encode(zstd.compress(b"state" * 2000)[:-8]).decode()


class Rpc:
    """A server on loopback that answers as it is told, and counts."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.encodings: list[str] = []
        self.packs = True
        self.slots = iter(range(100, 200))
        self.reply: Callable[[list[str]], web.Response] = self.accounts

    async def serve(self, request: web.Request) -> web.Response:
        keys, options = (await request.json())["params"]
        self.calls.append(keys)
        self.encodings.append(options["encoding"])
        if options["encoding"] == "base64+zstd" and not self.packs:
            return web.json_response({"error": {"code": -32602, "message": "Invalid params"}})
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


async def test_packed_accounts_are_asked_for_and_unpacked(rpc: tuple[Rpc, RpcAccounts]) -> None:
    server, source = rpc
    packed = base64.b64encode(zstd.compress(b"state" * 2000)).decode()
    server.reply = lambda keys: web.Response(
        text=result({"owner": OWNER, "data": [packed, "base64+zstd"]})
    )

    fetched = await source.fetch([Address("here")])

    assert fetched.accounts == {"here": Account(Address(OWNER), b"state" * 2000)}
    assert server.encodings == ["base64+zstd"]


async def test_a_server_that_packs_nothing_is_asked_for_plain_accounts_from_then_on(
    rpc: tuple[Rpc, RpcAccounts],
) -> None:
    server, source = rpc
    server.packs = False

    for _ in range(2):
        await source.fetch([Address("here")])

    assert server.encodings == ["base64+zstd", "base64", "base64"]


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, 1.0), ("Mon, 01", 1.0)])
async def test_too_many_requests_says_how_long_to_rest(
    rpc: tuple[Rpc, RpcAccounts], header: str | None, seconds: float
) -> None:
    server, source = rpc
    headers = {} if header is None else {"Retry-After": header}
    server.reply = lambda keys: web.Response(status=429, headers=headers)

    with pytest.raises(SourceUnavailable) as refused:
        await source.fetch([Address("here")])

    assert refused.value.retry_after == seconds


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
        (200, result({"owner": OWNER, "data": ["bm8genN0ZA==", "base64+zstd"]}), "malformed"),
        (200, result({"owner": OWNER, "data": [CUT_OFF, "base64+zstd"]}), "malformed"),
    ],
    ids=range(11),
)
async def test_an_answer_that_makes_no_sense_is_told_as_unavailable(
    rpc: tuple[Rpc, RpcAccounts], status: int, text: str, said: str
) -> None:
    server, source = rpc
    server.reply = lambda keys: web.Response(status=status, text=text)

    with pytest.raises(SourceUnavailable, match=said):
        await source.fetch([Address("here")])


async def test_an_error_never_tells_the_key_in_the_url(rpc: tuple[Rpc, RpcAccounts]) -> None:
    server, source = rpc
    server.reply = lambda keys: web.Response(status=302, headers={"Location": "/?api-key=SECRET"})

    with pytest.raises(SourceUnavailable) as told:
        await source.fetch([Address("here")])
    assert str(told.value) == "HTTP 302"
    with pytest.raises(SourceUnavailable) as told:
        await RpcAccounts("nohttp://127.0.0.1/?api-key=SECRET").fetch([Address("here")])
    assert "SECRET" not in str(told.value)


async def test_a_server_that_is_not_there_is_told_as_unavailable() -> None:
    source = RpcAccounts("http://127.0.0.1:1")

    with pytest.raises(SourceUnavailable, match="ClientConnectorError"):
        await source.fetch([Address("here")])
    with pytest.raises(SourceUnavailable):
        await source.health()
    await source.close()
