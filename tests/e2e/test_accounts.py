"""Who may see what, at the public doors of a deployed stack."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
import psycopg
import pytest
import urllib3
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cli.app import main
from local import http as plain
from local import ministack
from local.chaos.scene import Scene
from local.deploy import STACK_NAME
from local.function_logs import function_log
from local.home import Home
from local.http import bearer, listening
from local.issuer import key as issuer_key
from local.issuer import part as issuer
from local.processes import find
from local.settings import Settings
from local.stack import Stack
from local.waiting import until
from sluice.access.keys import hash_of, new_key
from tests.tokens import Signer

pytestmark = pytest.mark.e2e

ORDER = {"type": "MARKET", "side": "BUY", "tokenIn": "USDC", "tokenOut": "SOL", "amount": 1}
WAY = ["PENDING", "ROUTING", "SUBMITTED", "CONFIRMED"]
SECONDS = 10
UNKNOWN = "01992f3a-7c00-7000-8000-00000000ffff"
GUARDED = [
    ("POST", "/api/orders/execute"),
    ("GET", "/api/orders"),
    ("GET", f"/api/orders/{UNKNOWN}"),
    ("GET", f"/api/orders/{UNKNOWN}/events"),
    ("DELETE", f"/api/orders/{UNKNOWN}"),
    ("POST", "/api/quotes"),
    ("GET", "/api/markets"),
    ("GET", "/api/nosuch"),
]
OPEN = ["/", "/health", "/docs", "/openapi.json", "/console"]

TokenOf = Callable[..., str]


@pytest.fixture
def token_of(stack: Stack, stack_home: Home) -> TokenOf:
    """Makes tokens of the stack's own issuer: of an account, for scopes, for seconds."""
    settings = Settings.read(stack_home)
    assert settings is not None
    url = issuer.url(settings.ports.issuer)
    key = issuer_key.read(issuer_key.path(stack_home))

    def token(account: str, scopes: str = issuer_key.SCOPES, seconds: int = 60) -> str:
        return key.token(url, account, scopes, seconds)

    return token


def call(
    stack: Stack, method: str, path: str, token: str | None, body: object = None
) -> tuple[int, Any]:
    return plain.call(method, f"{stack.http}{path}", body, token)


async def refusal(stack: Stack, token: str | None) -> int:
    """The status that a WebSocket is refused with; 101 when it is not."""
    try:
        async with connect(listening(stack.websocket, token)):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_who_does_not_say_who_it_is_gets_no_further_than_the_gateway(
    stack: Stack, method: str, path: str
) -> None:
    assert call(stack, method, path, None) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize("path", OPEN)
def test_what_belongs_to_nobody_is_open_to_all(stack: Stack, path: str) -> None:
    assert call(stack, "GET", path, None)[0] == 200


async def test_who_says_what_is_not_so_is_refused(stack: Stack, token_of: TokenOf) -> None:
    expired = token_of("alice", seconds=-120)
    stranger = Signer.of("ES256").token()

    for token in ("garbage", expired, stranger, f"slk_{'x' * 48}", new_key()):
        assert call(stack, "GET", "/api/orders", token) == (403, {"message": "Forbidden"})
        assert await refusal(stack, token) == 403
    assert await refusal(stack, None) == 401


SPELLINGS = ["/%61pi/orders", "/api%2Forders", "//api/orders", "/./api/orders", "/API/orders"]


@pytest.mark.parametrize("path", SPELLINGS)
def test_no_spelling_of_a_path_leads_past_the_authorizer(stack: Stack, path: str) -> None:
    status, answer = call(stack, "GET", path, None)

    assert status in {401, 404}
    assert "data" not in answer


def test_who_may_only_read_reads_and_changes_nothing(stack: Stack, token_of: TokenOf) -> None:
    token = token_of("alice", "orders:read")

    assert call(stack, "GET", "/api/orders", token)[0] == 200
    assert call(stack, "GET", "/api/markets", token)[0] == 200
    for method, path, body in (
        ("POST", "/api/orders/execute", ORDER),
        ("DELETE", f"/api/orders/{UNKNOWN}", None),
    ):
        status, answer = call(stack, method, path, token, body)
        assert (status, answer["code"]) == (403, "FORBIDDEN")


async def test_who_may_only_write_cannot_look(stack: Stack, token_of: TokenOf) -> None:
    token = token_of("alice", "orders:write")

    assert call(stack, "POST", "/api/orders/execute", token, ORDER)[0] == 201
    assert call(stack, "GET", "/api/orders", token)[0] == 403
    assert await refusal(stack, token) == 403


async def test_another_accounts_order_is_none(stack: Stack, token_of: TokenOf) -> None:
    alice, bob = token_of("alice"), token_of("bob")
    async with (
        connect(listening(stack.websocket, alice)) as hers,
        connect(listening(stack.websocket, bob)) as his,
        aiohttp.ClientSession(headers=bearer(alice)) as session,
        asyncio.timeout(SECONDS),
    ):
        async with session.post(f"{stack.http}/api/orders/execute", json=ORDER) as response:
            order_id = (await response.json())["data"]["orderId"]
        # Before any worker has it, too.
        waiting = call(stack, "GET", f"/api/orders/{order_id}", bob)
        heard: list[str] = []
        while len(heard) < len(WAY):
            event = json.loads(await hers.recv())
            if event.get("orderId") == order_id:
                heard.append(event["status"])
        # Whatever there was for him came before the answer to his question.
        await his.send('{"action": "ping"}')
        assert json.loads(await his.recv()) == {"type": "pong"}

    assert heard == WAY
    no_order = [
        waiting,
        call(stack, "GET", f"/api/orders/{order_id}", bob),
        call(stack, "GET", f"/api/orders/{order_id}/events", bob),
        call(stack, "DELETE", f"/api/orders/{order_id}", bob),
    ]
    assert [(status, answer["code"]) for status, answer in no_order] == [(404, "NOT_FOUND")] * 4
    assert call(stack, "GET", "/api/orders", bob)[1]["data"]["orders"] == []
    assert call(stack, "GET", f"/api/orders/{order_id}", alice)[1]["data"]["status"] == "CONFIRMED"


@pytest.fixture
def aws(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of who has rights in the account of the tests' stack, and no Postgres."""
    gateway = urlsplit(stack.http)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{gateway.scheme}://{gateway.netloc}")
    for name, value in ministack.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture(params=["by Postgres", "by the stack's function"])
def keys(
    request: pytest.FixtureRequest,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., Any]]:
    """`sluice keys` on the tests' stack."""
    if request.param == "by Postgres":
        monkeypatch.setenv("DATABASE_URL", stack.database)
    else:
        request.getfixturevalue("aws")
        monkeypatch.setenv("SLUICE_STACK", STACK_NAME)

    def run(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            main(["keys", *arguments, "--json"])
        assert not ended.value.code
        return json.loads(capsys.readouterr().out)

    yield run
    with psycopg.connect(stack.database, autocommit=True) as connection:
        connection.execute("TRUNCATE api_keys")


def test_an_api_key_opens_both_doors_until_it_is_revoked(
    stack: Stack, stack_home: Home, keys: Callable[..., Any]
) -> None:
    made = keys("create", "carol", "--name", "bot")
    key = made["key"]
    status, answer = call(stack, "POST", "/api/orders/execute", key, ORDER)
    assert status == 201
    path = f"/api/orders/{answer['data']['orderId']}"
    assert call(stack, "GET", path, key)[0] == 200
    assert asyncio.run(refusal(stack, key)) == 101

    keys("revoke", made["id"])

    # The gateway remembers for five minutes what it was told of this very header, and a process of
    # the authorizer what it knew of the key for one. Both are asked anew.
    assert forget(stack_home)
    spelled_otherwise = {"authorization": f"bearer {key}"}
    url = f"{stack.http}{path}"
    # A request that a process was killed over gets a 500.
    assert until(
        lambda: urllib3.request("GET", url, headers=spelled_otherwise).status == 403, SECONDS
    )
    assert asyncio.run(refusal(stack, key)) == 403
    (listed,) = keys("list", "--account", "carol")
    assert listed["revokedAt"]
    assert listed["lastUsed"]


@pytest.mark.usefixtures("aws")
def test_a_key_of_a_stack_is_in_no_log_and_neither_is_its_hash(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "create", "dave", "--name", "logged", "--stack", STACK_NAME])
    assert not ended.value.code
    key = capsys.readouterr().out.strip()

    log = "\n".join(function_log(scene.settings.ports.gateway, "keys"))
    assert "key changed" in log
    assert "dave" in log
    for secret in (key, hash_of(key).hex(), "logged"):
        assert secret not in log


@pytest.mark.usefixtures("aws")
def test_a_stack_that_is_not_there_has_no_keys_and_that_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "list", "--stack", "nowhere"])

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nowhere" in line


def forget(home: Home) -> int:
    """Ends the processes of the authorizer; how many there were."""
    gateway = find(home, "gateway")
    assert gateway is not None
    ended = 0
    for process in psutil.Process(gateway.pid).children():
        with suppress(psutil.Error):
            if "-AuthorizerFunction-" in process.environ().get("AWS_LAMBDA_FUNCTION_NAME", ""):
                process.kill()
                ended += 1
    return ended


def test_the_stacks_own_token_is_of_the_account_local(stack: Stack) -> None:
    status, answer = call(stack, "GET", "/api/orders", stack.token)

    assert status == 200
    assert answer["data"]["total"] >= 1
