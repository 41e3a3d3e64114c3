"""A service that says what it is told to say, in the API's envelope, from a thread of its own."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

from aiohttp import WSMsgType, web

SECONDS = 10
ORDER_ID = "0193a0de-0000-7000-8000-000000000001"
OTHER_ID = "0193a0de-0000-7000-8000-000000000002"
TX_HASH = "paper-7683ddb298cdc00f"


@dataclass(frozen=True)
class Reply:
    """One answer. Told first are `frames`, to whoever listens; then, perhaps, all are hung up on.

    Without a status the connection is closed instead.
    """

    status: int | None = 200
    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    text: str | None = None
    frames: tuple[Mapping[str, Any], ...] = ()
    hangs_up: bool = False

    @property
    def body(self) -> str:
        if self.text is not None:
            return self.text
        if self.error is not None:
            return json.dumps({"status": "error", "details": [], "requestId": "1", **self.error})
        return json.dumps({"status": "success", "data": self.data})


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    what: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.text)
        return body


NO_ANSWER = Reply(status=None)


def refusal(status: int, code: str, message: str, **headers: str) -> Reply:
    return Reply(
        status,
        error={"code": code, "message": message},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


class Stub:
    """Answers each request with the next of its replies; the last one stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.tokens: list[str | None] = []
        self.commands: Queue[dict[str, Any]] = Queue()
        self.on_connect: list[Reply] = []
        """For each new connection in turn: what it is told at once."""
        self.on_command: list[Reply] = []
        """And for each command in turn."""
        self.http = self.websocket = ""
        self._replies: defaultdict[str, list[Reply]] = defaultdict(list)
        self._sockets: list[tuple[web.WebSocketResponse, web.Request]] = []

    def answers(self, what: str, *replies: Reply) -> None:
        self._replies[what] = list(replies)

    def count(self, what: str) -> int:
        return sum(asked.what == what for asked in self.asked)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/live", self._listen)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.path}"
        self.asked.append(Asked(what, dict(request.query), request.headers, await request.text()))
        replies = self._replies[what]
        if not replies:
            reply = refusal(404, "NOT_FOUND", f"{what}: Not Found")
        else:
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
        await self._tell(reply, self._sockets)
        if reply.status is None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return web.Response(
            status=reply.status,
            text=reply.body,
            content_type="application/json",
            headers=reply.headers,
        )

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.query.get("token"))
        reply = self.on_connect.pop(0) if self.on_connect else Reply()
        if reply.status != 200:
            return web.Response(status=reply.status or 500)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append((socket, request))
        await self._tell(reply, self._sockets[-1:])
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.commands.put(json.loads(message.data))
                if self.on_command:
                    await self._tell(self.on_command.pop(0), [(socket, request)])
        return socket

    async def _tell(
        self, reply: Reply, sockets: list[tuple[web.WebSocketResponse, web.Request]]
    ) -> None:
        for socket, request in list(sockets):
            for frame in reply.frames:
                await socket.send_json(frame)
            if reply.hangs_up:
                self._sockets.remove((socket, request))
                if request.transport is not None:
                    request.transport.abort()


def frame(seq: int, status: str, order_id: str = ORDER_ID, **more: object) -> dict[str, Any]:
    """A status change as the WebSocket tells it, `seq` milliseconds after noon."""
    return {
        "type": "order",
        "orderId": order_id,
        "seq": seq,
        "status": status,
        "txHash": None,
        "executionPrice": None,
        "venue": None,
        "reason": None,
        "at": f"2026-11-24T12:00:00.{seq:03}Z",
        **more,
    }


FILLED = {"txHash": TX_HASH, "venue": "RAYDIUM_CPMM"}
WAY = (
    frame(1, "PENDING"),
    frame(2, "ROUTING"),
    frame(3, "SUBMITTED", **FILLED),
    frame(4, "CONFIRMED", executionPrice="141.975757355480037", **FILLED),
)
STATUSES = [told["status"] for told in WAY]


def timeline(*frames: Mapping[str, Any]) -> Reply:
    """The same changes as `GET /api/orders/{id}/events` tells them."""
    names = ("txHash", "executionPrice", "venue", "reason")
    events = [
        {
            "seq": told["seq"],
            "status": told["status"],
            "at": told["at"],
            "detail": {name: told[name] for name in names if told[name] is not None},
        }
        for told in frames
    ]
    data = {"orderId": frames[0]["orderId"], "events": events, "quotes": [], "conflicts": []}
    return Reply(data=data)


def order(**more: object) -> dict[str, Any]:
    """An order as `GET /api/orders/{id}` tells it: filled, unless `more` says otherwise."""
    fill = {
        "venue": "RAYDIUM_CPMM",
        "pool": "FZFhQu4CyC4o5NCb9H5J39vyjheB8nR7Thmr17yHA9tT",
        "hop": 0,
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "amountIn": "100",
        "amountOut": "0.704345601",
        "fees": [{"kind": "trade", "token": "USDC", "amount": "0.05"}],
        "slot": 5,
        "reference": TX_HASH,
    }
    return {
        "orderId": ORDER_ID,
        "type": "MARKET",
        "side": "BUY",
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "swapMode": "EXACT_IN",
        "amount": "100",
        "slippageBps": 50,
        "maxSplits": 3,
        "limitPrice": None,
        "minAmountOut": None,
        "expiresAt": None,
        "status": "CONFIRMED",
        "seq": 4,
        "venue": "RAYDIUM_CPMM",
        "txHash": TX_HASH,
        "amountIn": "100",
        "amountOut": "0.704345601",
        "executionPrice": "141.975757355480037",
        "reason": None,
        "attempts": 0,
        "createdAt": "2026-11-24T12:00:00.001000Z",
        "updatedAt": "2026-11-24T12:00:00.004000Z",
        "fills": [fill],
        **more,
    }


def page(*orders: dict[str, Any], cursor: str | None = None, total: int | None = None) -> Reply:
    """A page of `GET /api/orders`."""
    count = len(orders) if total is None else total
    return Reply(data={"orders": list(orders), "cursor": cursor, "total": count})


def quote(
    venue: str, amount_in: str | None, amount_out: str | None, **more: object
) -> dict[str, Any]:
    """What a pool says for the whole of a hop."""
    return {
        "venue": venue,
        "pool": f"{venue[:4]}-a-pool-of-{venue[-4:]}",
        "hop": 0,
        "tokenIn": "USDC",
        "tokenOut": "SOL",
        "slot": 5,
        "amountIn": amount_in,
        "amountOut": amount_out,
        "legIn": None,
        "legOut": None,
        "fees": [{"kind": "trade", "token": "USDC", "amount": "0.05"}],
        "impactBps": "1.25",
        "error": None,
        **more,
    }
