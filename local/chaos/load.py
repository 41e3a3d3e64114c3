"""The clients: they begin at a steady pace, and each sees its order through."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from .exchange import (
    BROKEN,
    CONNECTIONS,
    REQUESTS,
    SERVER_ERRORS,
    THROTTLED,
    Again,
    Answer,
    Exchange,
    Headers,
)
from .plan import Body, Kind, Planned

HANG_UP_SECONDS: Final = 0.005
"""The request is on its way by then, and hardly ever answered."""
EXECUTE: Final = "/api/orders/execute"
CONFLICT: Final = "IDEMPOTENCY_CONFLICT"

ACCEPTED: Final = "orders accepted (201)"
HUNG_UP: Final = "answers not waited for, asked again"
REPEATED: Final = "second posts that gave an order"
CONFLICTS: Final = "second bodies refused (409)"
FORGOTTEN: Final = "second bodies taken for the first (201)"
CANCELLED: Final = "cancellations (200)"
TOO_LATE: Final = "cancellations too late (409)"
# Valkey has forgotten the order, and no worker has stored it yet.
TOO_EARLY: Final = "cancellations too early (404)"
EXPIRED: Final = "orders refused as expired (400)"
UNEXPECTED: Final = "unexpected answers"
EVERY: Final = (
    *(REQUESTS, ACCEPTED, HUNG_UP, BROKEN, SERVER_ERRORS, THROTTLED, REPEATED, CONFLICTS),
    *(FORGOTTEN, CANCELLED, TOO_LATE, TOO_EARLY, EXPIRED, UNEXPECTED),
)
"""What is tallied, in the order in which it is shown."""

_CANCELLING: Final = {
    HTTPStatus.OK: CANCELLED,
    HTTPStatus.CONFLICT: TOO_LATE,
    HTTPStatus.NOT_FOUND: TOO_EARLY,
}


@dataclass(slots=True)
class Posted:
    """What a client knows of its order: the ids that it was told, and what it was promised.

    It is settled once every request of it got an answer that says what has become of it; who gave
    up got none for all its patience. Neither is who was cut off by the end of a run.
    """

    planned: Planned
    order_ids: list[UUID] = field(default_factory=list)
    cancelled: bool = False
    taken_for_first: bool = False
    """Whether its second body got a 201, too."""
    unexpected: list[str] = field(default_factory=list)
    settled: bool = False
    gave_up: bool = False

    @property
    def order_id(self) -> UUID | None:
        """The id that it was told first; None before it was accepted."""
        return self.order_ids[0] if self.order_ids else None


class Clients:
    """All clients of a run; `posted` and `tally` grow while they work."""

    def __init__(self, exchange: Exchange, tally: Counter[str]) -> None:
        self._exchange = exchange
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self.posted: Sequence[Posted] = ()
        self.tally = tally

    async def warm_up(self) -> None:
        """Has the API serve all connections at once: a first crowd is no fault to be looked at."""
        requests = (self._exchange.settled("GET", "/api/markets") for _ in range(CONNECTIONS))
        await asyncio.gather(*requests)

    async def place_all(self, orders: Sequence[Planned], seconds: float, at_most: float) -> None:
        """Begins one order after the other, evenly over `seconds`, and sees each one through.

        Where the API takes longer, so does this; what is not settled after `at_most` seconds is
        left so.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        self.posted = [Posted(planned) for planned in orders]
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most), asyncio.TaskGroup() as group:
                for number, posted in enumerate(self.posted):
                    await asyncio.sleep(began + number * seconds / len(orders) - clock())
                    await self._turns.acquire()
                    group.create_task(self._place(posted))

    async def _place(self, posted: Posted) -> None:
        try:
            await self._see_through(posted)
            posted.settled = True
        except Again:
            posted.gave_up = True

    async def _see_through(self, posted: Posted) -> None:
        planned = posted.planned
        body = planned.body(datetime.now(UTC))
        try:
            if planned.kind is Kind.HASTY:
                await self._hang_up(planned, body)
            answer = await self._post(posted, body)
        finally:
            self._turns.release()
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

    async def _hang_up(self, planned: Planned, body: Body) -> None:
        """Posts, and does not wait for what that comes to."""
        self.tally[HUNG_UP] += 1
        with suppress(TimeoutError, Again):
            async with asyncio.timeout(HANG_UP_SECONDS):
                await self._exchange.once("POST", EXECUTE, body, _headers(planned))

    async def _post(self, posted: Posted, body: Body) -> Answer:
        """What settles it; what a 201 tells is noted."""
        answer = await self._exchange.settled("POST", EXECUTE, body, _headers(posted.planned))
        if answer.order_id is not None:
            if not posted.order_ids:
                self.tally[ACCEPTED] += 1
            posted.order_ids.append(answer.order_id)
        return answer

    def _refused(self, posted: Posted, answer: Answer) -> None:
        """Only what has expired before it was accepted may be refused."""
        late = posted.planned.kind is Kind.EXPIRING and answer.status == HTTPStatus.BAD_REQUEST
        if late and "expiresAt" in str(answer.content):
            self.tally[EXPIRED] += 1
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
            posted.taken_for_first = True
            self.tally[FORGOTTEN] += 1
        elif answer.status == HTTPStatus.CONFLICT and answer.content.get("code") == CONFLICT:
            self.tally[CONFLICTS] += 1
        else:
            self._unexpected(posted, answer)

    async def _cancel(self, posted: Posted, order_id: UUID) -> None:
        answer = await self._exchange.settled("DELETE", f"/api/orders/{order_id}")
        posted.cancelled = answer.status == HTTPStatus.OK
        if answer.status in _CANCELLING:
            self.tally[_CANCELLING[HTTPStatus(answer.status)]] += 1
        else:
            self._unexpected(posted, answer)

    def _unexpected(self, posted: Posted, answer: Answer) -> None:
        posted.unexpected.append(str(answer))
        self.tally[UNEXPECTED] += 1


def _headers(planned: Planned) -> Headers:
    return {} if planned.key is None else {"Idempotency-Key": planned.key}
