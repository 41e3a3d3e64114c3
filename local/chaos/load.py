"""The clients: they post at a steady pace, and try again under the same key until they are sure."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from .plan import Body, Kind, Planned

CONNECTIONS: Final = 8
"""As many requests at once. The emulated Lambda starts a process for each, as AWS would, and a
laptop has few cores to start them on."""
ANSWER_SECONDS: Final = 15
"""More than the API function's timeout: who is answered at all is answered by then."""
HANG_UP_SECONDS: Final = 0.005
"""The request is on its way by then, and hardly ever answered."""
PATIENCE_SECONDS: Final = 60
"""Longer than any fault lasts, several times over: what is not accepted by then is a fault of
ours."""
BACKOFF: Final = wait_random_exponential(multiplier=0.1, max=2)
EXECUTE: Final = "/api/orders/execute"
CONFLICT: Final = "IDEMPOTENCY_CONFLICT"

POSTS, ACCEPTED = "requests to post", "orders accepted (201)"
HUNG_UP, BROKEN, SERVER_ERRORS, THROTTLED = (
    "answers not waited for, asked again",
    "answers broken off or late, asked again",
    "answers 5xx, asked again",
    "answers 429, waited out",
)
REPEATED, CONFLICTS, FORGOTTEN = (
    "second posts that gave an order",
    "second bodies refused (409)",
    "second bodies taken for the first (201)",
)
CANCELLED, TOO_LATE = "cancellations (200)", "cancellations too late (409)"
EXPIRED_AT_THE_DOOR, UNEXPECTED = "orders refused as expired (400)", "unexpected answers"
EVERY: Final = (
    *(POSTS, ACCEPTED, HUNG_UP, BROKEN, SERVER_ERRORS, THROTTLED, REPEATED, CONFLICTS, FORGOTTEN),
    *(CANCELLED, TOO_LATE, EXPIRED_AT_THE_DOOR, UNEXPECTED),
)
"""What is tallied, in the order in which it is shown."""

Headers = Mapping[str, str]


@dataclass(slots=True)
class Posted:
    """What a client knows of its order: the ids that it was told, and what it was promised.

    It is settled once every request of it got an answer that says what has become of it.
    """

    planned: Planned
    order_ids: list[UUID] = field(default_factory=list)
    cancelled: bool = False
    refused: bool = False
    unexpected: list[str] = field(default_factory=list)
    settled: bool = False

    @property
    def order_id(self) -> UUID | None:
        """The id that it was told first; None before it was accepted."""
        return self.order_ids[0] if self.order_ids else None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that settles the matter, one way or the other."""

    status: int
    content: Any

    @property
    def order_id(self) -> UUID | None:
        """The order that a 201 tells of."""
        if self.status != HTTPStatus.CREATED:
            return None
        return UUID(self.content["data"]["orderId"])

    def __str__(self) -> str:
        return f"{self.status} {str(self.content)[:200]}"


class Again(Exception):
    """No answer, or one that leaves open what happened: the same request is sent again."""

    def __init__(self, after_seconds: float = 0.0) -> None:
        super().__init__(f"again after {after_seconds:g} s")
        self.after_seconds = after_seconds


class Clients:
    """All clients of a run; `posted` and `tally` grow while they work."""

    def __init__(self, url: str, patience: float = PATIENCE_SECONDS) -> None:
        """`patience` is in seconds: for how long a request is sent again."""
        self._url = url
        self._patience = patience
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            # Waiting for a free connection is the pace of the load, not a fault of the server.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=ANSWER_SECONDS),
        )
        self.posted: Sequence[Posted] = ()
        self.tally: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def place_all(self, orders: Sequence[Planned], seconds: float, at_most: float) -> None:
        """Begins one order after the other, evenly over `seconds`, and sees each one through.

        What is not settled after `at_most` seconds is left so: the machine is too slow.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        self.posted = [Posted(planned) for planned in orders]
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most), asyncio.TaskGroup() as group:
                for number, posted in enumerate(self.posted):
                    await asyncio.sleep(began + number * seconds / len(orders) - clock())
                    group.create_task(self._place(posted))

    async def _place(self, posted: Posted) -> None:
        with suppress(Again):
            await self._see_through(posted)
            posted.settled = True

    async def _see_through(self, posted: Posted) -> None:
        planned = posted.planned
        body = planned.body(datetime.now(UTC))
        if planned.kind is Kind.HASTY:
            await self._hang_up(posted, body)
        answer = await self._post(posted, body)
        if answer.order_id is None:
            self._refused(posted, answer)
        elif planned.kind is Kind.CANCELLED:
            await self._cancel(posted, answer.order_id)
        elif planned.kind is Kind.TWICE:
            await asyncio.sleep(planned.later)
            await self._repeat(posted, body)
        elif planned.kind is Kind.CONTRADICTED:
            await asyncio.sleep(planned.later)
            await self._contradict(posted)

    async def warm_up(self) -> None:
        """Has the API serve all connections at once: a first crowd is no fault to be looked at."""
        await asyncio.gather(
            *(self._settled("GET", "/api/markets") for _ in range(CONNECTIONS)),
        )

    async def _hang_up(self, posted: Posted, body: Body) -> None:
        """Posts, and does not wait for what that comes to."""
        self.tally[HUNG_UP] += 1
        with suppress(TimeoutError, Again):
            async with asyncio.timeout(HANG_UP_SECONDS):
                await self._exchange("POST", EXECUTE, body, _headers(posted.planned))

    async def _post(self, posted: Posted, body: Body) -> Answer:
        """The first answer that settles it; what a 201 tells is noted. Raises `Again` at last."""
        answer = await self._settled("POST", EXECUTE, body, _headers(posted.planned))
        if answer.order_id is not None:
            if not posted.order_ids:
                self.tally[ACCEPTED] += 1
            posted.order_ids.append(answer.order_id)
        return answer

    def _refused(self, posted: Posted, answer: Answer) -> None:
        """Only what has expired before it was accepted may be refused."""
        late = posted.planned.kind is Kind.EXPIRING and answer.status == HTTPStatus.BAD_REQUEST
        if late and "expiresAt" in str(answer.content):
            posted.refused = True
            self.tally[EXPIRED_AT_THE_DOOR] += 1
        else:
            self._unexpected(posted, answer)

    async def _repeat(self, posted: Posted, body: Body) -> None:
        answer = await self._post(posted, body)
        if answer.order_id is None:
            self._unexpected(posted, answer)
        else:
            self.tally[REPEATED] += 1

    async def _contradict(self, posted: Posted) -> None:
        answer = await self._post(posted, posted.planned.other_body())
        if answer.order_id is not None:
            self.tally[FORGOTTEN] += 1
        elif answer.status == HTTPStatus.CONFLICT and answer.content.get("code") == CONFLICT:
            self.tally[CONFLICTS] += 1
        else:
            self._unexpected(posted, answer)

    async def _cancel(self, posted: Posted, order_id: UUID) -> None:
        answer = await self._settled("DELETE", f"/api/orders/{order_id}")
        if answer.status == HTTPStatus.OK:
            posted.cancelled = True
            self.tally[CANCELLED] += 1
        elif answer.status == HTTPStatus.CONFLICT:
            self.tally[TOO_LATE] += 1
        else:
            self._unexpected(posted, answer)

    def _unexpected(self, posted: Posted, answer: Answer) -> None:
        posted.unexpected.append(str(answer))
        self.tally[UNEXPECTED] += 1

    async def _settled(
        self, method: str, path: str, body: Body | None = None, headers: Headers | None = None
    ) -> Answer:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Again),
            wait=pause,
            stop=stop_after_delay(self._patience),
            reraise=True,
        ):
            with attempt:
                return await self._exchange(method, path, body, headers)
        raise AssertionError("tenacity ends by an answer or by raising")

    async def _exchange(
        self, method: str, path: str, body: Body | None, headers: Headers | None
    ) -> Answer:
        self.tally[POSTS] += method == "POST"
        try:
            async with self._session.request(
                method,
                f"{self._url}{path}",
                json=body,
                headers=headers,
            ) as response:
                if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                    self.tally[THROTTLED] += 1
                    raise Again(retry_after(response.headers.get("Retry-After", "")))
                if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    self.tally[SERVER_ERRORS] += 1
                    raise Again(retry_after(response.headers.get("Retry-After", "")))
                return Answer(response.status, await response.json())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.tally[BROKEN] += 1
            raise Again from error


def _headers(planned: Planned) -> Headers:
    return {} if planned.key is None else {"Idempotency-Key": planned.key}


def retry_after(header: str) -> float:
    """The seconds that a `Retry-After` asks for; 0 where it says none."""
    return float(header) if header.isdecimal() else 0.0


def pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: with jitter, and no less than the server has asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_seconds if isinstance(error, Again) else 0.0
    return max(asked, BACKOFF(state))
