"""The way of an order, from claimed to settled, for a whole batch at once."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Protocol
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit

from sluice.config import WorkerConfig
from sluice.errors import DatabaseUnavailable, FailReason, StoreRefused
from sluice.markets.catalog import Catalog, Pair, catalog
from sluice.markets.live import live_market
from sluice.markets.snapshot import Market, Snapshot
from sluice.observability import by_reason, by_venue, logger, metrics
from sluice.orders.database import Database
from sluice.orders.model import Order, OrderEvent, OrderStatus, OrderTerms, Outcome, execution_price
from sluice.orders.port import Claim, Execution, OrderStore, Postponed
from sluice.orders.store import PostgresStore
from sluice.routing.guard import refused_by_terms
from sluice.routing.route import Routed, Wanted
from sluice.routing.router import Router
from sluice.secret import made_of
from sluice.settlement.base import Filled, RoutedOrder, Settlement
from sluice.settlement.paper import PaperSettlement
from sluice.streaming.publish import Publisher, ValkeyPublisher
from sluice.streaming.reserved import ReservedKeys
from sluice.streaming.valkey import connect
from sluice.venues.base import VenueName


class Clock(Protocol):
    """Wall time, for what is recorded."""

    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Keys(Protocol):
    """What the door remembers of idempotency keys."""

    async def correct(self, orders: Sequence[OrderTerms]) -> None:
        """Never raises: it is known of `orders` that their keys are theirs, or it is not."""
        ...


class Deadline:
    """When a batch must be done: the invocation's end less the time to record and answer."""

    MARGIN_SECONDS = 10.0
    """For recording, telling and handing back, each waited for as long as it may take: a stall of
    Postgres, Valkey or SQS at the end is still answered."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is what remains of the invocation."""
        self._monotonic = monotonic
        self._end = monotonic() + seconds - self.MARGIN_SECONDS

    def left(self) -> float:
        """Seconds left to work in, never negative."""
        return max(0.0, self._end - self._monotonic())


REROUTE_SECONDS = (1, 2, 4)
"""How long an order waits for its next routing, at least; when the last was in vain it fails."""


_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Again:
    """Why an order must come again, and in how many seconds.

    None leaves it to the one who knows how often it came. What is `broken` is given up in the end:
    handling it went wrong, and may go wrong each time.
    """

    why: str
    seconds: float | None = None
    broken: bool = False


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """Which orders of a batch are through, and which must come again."""

    done: frozenset[UUID]
    retry: dict[UUID, Again]


class _Late(Enum):
    """What an order comes to that expired before it could be settled."""

    LATE = "expired"


@dataclass(frozen=True, slots=True)
class _Vain:
    """Why an order was not filled; `passing` if it may be another time."""

    reason: FailReason
    passing: bool


_Result = Filled | _Vain | _Late


class Engine:
    """Executes batches. Built once per process by `bootstrap`, or by a test from its own parts."""

    def __init__(
        self,
        store: OrderStore,
        market: Market,
        router: Router,
        tokens: Catalog,
        settlement: Settlement,
        publisher: Publisher,
        clock: Clock,
        lease_seconds: float,
        jitter: Callable[[int], int] = _RANDOM.randrange,
        keys: Keys | None = None,
    ) -> None:
        """`jitter(n)` is any of 0 to n - 1; without `keys` nobody remembers any."""
        self._store = store
        self._market = market
        self._router = router
        self._tokens = tokens
        self._settlement = settlement
        self._publisher = publisher
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._jitter = jitter
        self._keys = keys

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome:
        """Takes each order to a final status, or says why it must come again.

        Raises `DatabaseUnavailable` when nothing was recorded: then the whole batch comes again.
        """
        if not deadline.left():
            return BatchOutcome(frozenset(), {order.id: Again("out of time", 0) for order in terms})
        now = self._clock.now()
        try:
            claim = await self._store.claim(terms, now, self._lease_seconds)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            return await self._one_by_one(terms, deadline, error)
        _report(claim.conflicts)
        # Told while we go on: who listens need not be waited for, only the order be kept.
        telling = asyncio.create_task(self._tell(claim))
        try:
            ends = await self._ends(claim.orders, deadline)
            recorded = await self._record(ends)
        finally:
            await telling
        events = [event for end in recorded for event in end.events]
        await self._publisher.publish(events)
        # The claim itself ends what expired in the queue, and what was claimed too often.
        _count([event for event in claim.events if event.status.final and event.at == now])
        _count(events)
        _count_quotes(recorded)
        return _outcome(claim, ends, recorded)

    async def _tell(self, claim: Claim) -> None:
        await self._publisher.publish(claim.events)
        if self._keys is not None:
            # Whoever placed the order may ask again: told that the key is another's, it would
            # place it anew.
            await self._keys.correct(claim.disputed)

    async def _ends(
        self, orders: Sequence[Order], deadline: Deadline
    ) -> list[Execution | Postponed]:
        """What each order comes to; one that breaks our code must not take its batch along."""
        try:
            return await self._worked_out(orders, deadline)
        except Exception as error:
            ids = [str(order.terms.id) for order in orders]
            logger.error("batch broke", extra={"order_ids": ids}, exc_info=error)
            if len(orders) > 1:
                return [end for order in orders for end in await self._ends([order], deadline)]
            why = _said(error)
            return [Postponed(order, 0, order.attempts, why, broken=True) for order in orders]

    async def _worked_out(
        self, orders: Sequence[Order], deadline: Deadline
    ) -> list[Execution | Postponed]:
        """What each order comes to, at one moment of the market for them all."""
        snapshot = await self._market.snapshot(self._pairs(orders), deadline.left())
        routed = [(order, self._route(order, snapshot)) for order in orders]
        results = await self._settle(routed, deadline)
        return [
            self._end(order, found, results[order.terms.id], deadline) for order, found in routed
        ]

    async def _one_by_one(
        self, terms: Sequence[OrderTerms], deadline: Deadline, error: Exception
    ) -> BatchOutcome:
        """A batch that cannot be claimed as a whole: the others must not fall with the one.

        It may be refused, or be claimed and not make sense: then the others come again when their
        leases are over, and are not given up.
        """
        if len(terms) == 1:
            extra = {"order_id": str(terms[0].id)}
            logger.error("not claimed", extra=extra, exc_info=error)
            why = str(error) if isinstance(error, StoreRefused) else _said(error)
            return BatchOutcome(frozenset(), {terms[0].id: Again(why, broken=True)})
        done: frozenset[UUID] = frozenset()
        retry: dict[UUID, Again] = {}
        for one in terms:
            outcome = await self.execute([one], deadline)
            done, retry = done | outcome.done, retry | outcome.retry
        return BatchOutcome(done, retry)

    def _pairs(self, orders: Sequence[Order]) -> set[Pair]:
        return {pair for o in orders for pair in self._router.pairs(Wanted.of(o.terms))}

    def _route(self, order: Order, snapshot: Snapshot) -> Routed:
        try:
            return self._router.route(Wanted.of(order.terms), snapshot)
        except Exception as error:
            logger.error("routing broke", extra=_about(order), exc_info=error)
            return Routed(FailReason.INTERNAL, (), passing_faults=True)

    async def _settle(
        self, routed: Sequence[tuple[Order, Routed]], deadline: Deadline
    ) -> dict[UUID, _Result]:
        """What each order comes to: its fills, or why it has none."""
        now = self._clock.now()
        results: dict[UUID, _Result] = {}
        accepted = []
        for order, found in routed:
            route = found.route
            if order.terms.expired(now):
                results[order.terms.id] = _Late.LATE
            elif isinstance(route, FailReason):
                results[order.terms.id] = _Vain(route, found.passing_faults)
            elif reason := self._refused(order, route.amount_in, route.amount_out):
                # A venue that could not be asked might have paid enough.
                results[order.terms.id] = (
                    _Vain(FailReason.VENUES_UNAVAILABLE, passing=True)
                    if found.passing_faults
                    else _Vain(reason, passing=False)
                )
            else:
                accepted.append(RoutedOrder(order, route))
        for one in await self._settlement.settle(accepted, deadline.left()):
            result = one.result
            if isinstance(result, Filled):
                result = self._refused(one.order, result.amount_in, result.amount_out) or result
            # It was good when it was routed: the price moved, and may move back.
            results[one.order.terms.id] = (
                _Vain(result, passing=True) if isinstance(result, FailReason) else result
            )
        return results

    def _refused(self, order: Order, amount_in: int, amount_out: int) -> FailReason | None:
        return refused_by_terms(order.terms, amount_in, amount_out, *self._decimals(order))

    def _end(
        self, order: Order, found: Routed, result: _Result, deadline: Deadline
    ) -> Execution | Postponed:
        if isinstance(result, Filled):
            return self._filled(order, found, result)
        if isinstance(result, _Late):
            _, expired = order.advance(OrderStatus.EXPIRED, self._clock.now())
            return Execution(order, (expired,), found.quotes)
        if result.passing and not deadline.left():
            # Venues that were given no time did not fail: that is no verdict, and no attempt.
            return Postponed(order, 0, order.attempts, "out of time")
        if result.passing and order.attempts < len(REROUTE_SECONDS):
            least = REROUTE_SECONDS[order.attempts]
            seconds = least + self._jitter(least // 2 + 2)
            return Postponed(order, seconds, order.attempts + 1, result.reason, found.quotes)
        outcome = Outcome(reason=result.reason)
        _, failed = order.advance(OrderStatus.FAILED, self._clock.now(), outcome)
        return Execution(order, (failed,), found.quotes)

    def _filled(self, order: Order, found: Routed, filled: Filled) -> Execution:
        now = self._clock.now()
        largest = max(filled.fills, key=lambda fill: (-fill.hop, fill.amount_in))
        sent = Outcome(venue=largest.venue, tx_hash=filled.reference)
        submitted_order, submitted = order.advance(OrderStatus.SUBMITTED, now, sent)
        done = replace(
            sent,
            amount_in=filled.amount_in,
            amount_out=filled.amount_out,
            execution_price=self._price(order, filled),
        )
        _, confirmed = submitted_order.advance(OrderStatus.CONFIRMED, now, done)
        return Execution(order, (submitted, confirmed), found.quotes, filled.fills)

    async def _record(self, ends: Sequence[Execution | Postponed]) -> list[Execution | Postponed]:
        """Records the batch, or each by itself if one of them is refused; what was recorded."""
        executions = [end for end in ends if isinstance(end, Execution)]
        postponed = [end for end in ends if isinstance(end, Postponed)]
        try:
            stored = await self._store.record(executions, postponed)
            return [end for end in ends if end.order.terms.id in stored]
        except StoreRefused as refused:
            if len(ends) > 1:
                return [one for end in ends for one in await self._record([end])]
            (end,) = ends
            logger.error("not stored", extra=_about(end.order), exc_info=refused)
            if isinstance(end, Postponed):
                return []
            # Given back at once: it comes again before a lease would be over.
            back = Postponed(end.order, 0, end.order.attempts, str(refused), broken=True)
            return await self._record([back])

    def _price(self, order: Order, filled: Filled) -> Decimal:
        decimals_in, decimals_out = self._decimals(order)
        return execution_price(
            order.terms.side, filled.amount_in, decimals_in, filled.amount_out, decimals_out
        )

    def _decimals(self, order: Order) -> tuple[int, int]:
        token_in = self._tokens.by_mint(order.terms.token_in)
        return token_in.decimals, self._tokens.by_mint(order.terms.token_out).decimals


def _report(conflicts: frozenset[UUID]) -> None:
    if conflicts:
        ids = sorted(map(str, conflicts))
        logger.error("refused: the idempotency key is another order's", extra={"order_ids": ids})
        metrics.add_metric("OrdersConflicting", MetricUnit.Count, len(ids))


def _count(events: Sequence[OrderEvent]) -> None:
    for status, count in Counter(event.status for event in events).items():
        metrics.add_metric(f"Orders{status.title()}", MetricUnit.Count, count)
    for event in events:
        if event.status is OrderStatus.FAILED:
            reason = event.outcome.reason or FailReason.INTERNAL
            by_reason.of(reason)("OrdersFailed", MetricUnit.Count, 1)


def _count_quotes(ends: Sequence[Execution | Postponed]) -> None:
    """How many orders each venue gave a price for, and how many it got the largest part of."""
    given = Counter(v for end in ends for v in {q.venue for q in end.quotes if q.error is None})
    won = Counter(e.events[-1].outcome.venue for e in ends if isinstance(e, Execution) and e.fills)
    for venue, count in given.items():
        add = by_venue.of(venue)
        add("OrdersQuoted", MetricUnit.Count, count)
        add("OrdersWon", MetricUnit.Count, won[venue])


def _took(venue: VenueName, seconds: float) -> None:
    by_venue.of(venue)("QuoteLatency", MetricUnit.Milliseconds, seconds * 1000)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _about(order: Order) -> dict[str, str]:
    return {"order_id": str(order.terms.id)}


def _outcome(
    claim: Claim,
    ends: Sequence[Execution | Postponed],
    recorded: Sequence[Execution | Postponed],
) -> BatchOutcome:
    done = {end.order.terms.id for end in recorded if isinstance(end, Execution)}
    retry = {id_: Again("at work elsewhere, or waiting", left) for id_, left in claim.busy.items()}
    for end in ends:
        if end.order.terms.id not in done:
            retry[end.order.terms.id] = Again("its lease was lost")
    for end in recorded:
        if isinstance(end, Postponed):
            seconds = None if end.broken else end.seconds
            retry[end.order.terms.id] = Again(end.why, seconds, end.broken)
    return BatchOutcome(claim.finished | done, retry)


def bootstrap(config: WorkerConfig) -> Engine:
    """The engine of a process, from its environment; connects to nothing yet."""
    tokens = catalog(config.MARKETS)
    market = live_market(tokens, config.rpc_url, config.VENUE_TIMEOUT_MS / 1000, took=_took)
    valkey = made_of(config.valkey_url, connect)
    return Engine(
        store=PostgresStore(Database(config.database_url)),
        market=market,
        router=Router(tokens, config.LEG_COST_LAMPORTS),
        tokens=tokens,
        settlement=PaperSettlement(market),
        publisher=ValkeyPublisher(valkey),
        clock=SystemClock(),
        lease_seconds=config.LEASE_SECONDS,
        keys=ReservedKeys(valkey),
    )
