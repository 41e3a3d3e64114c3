"""The way of an order, from claimed to settled, for a whole batch at once."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit

from sluice.config import WorkerConfig
from sluice.errors import FailReason, StoreRefused
from sluice.markets.catalog import Catalog, catalog
from sluice.markets.live import live_market
from sluice.markets.snapshot import Market
from sluice.observability import logger, metrics
from sluice.orders.database import Database
from sluice.orders.model import Order, OrderStatus, OrderTerms, Outcome, execution_price
from sluice.orders.store import Claim, Execution, OrderStore, PostgresStore
from sluice.routing.guard import refused_by_terms
from sluice.routing.route import Routed, Wanted
from sluice.routing.router import Router
from sluice.settlement.base import Filled, RoutedOrder, Settlement
from sluice.settlement.paper import PaperSettlement
from sluice.streaming.publish import Publisher, ValkeyPublisher
from sluice.streaming.valkey import connect


class Clock(Protocol):
    """Wall time, for what is recorded."""

    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Deadline:
    """When a batch must be done: the invocation's end less the time to record and answer."""

    MARGIN_SECONDS = 6.0
    """More than Postgres is waited for: a stall at the end is still answered."""

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`seconds` is what remains of the invocation."""
        self._monotonic = monotonic
        self._end = monotonic() + seconds - self.MARGIN_SECONDS

    def left(self) -> float:
        """Seconds left to work in, never negative."""
        return max(0.0, self._end - self._monotonic())


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """Which orders of a batch are through, and which must come again with why."""

    done: frozenset[UUID]
    retry: dict[UUID, str]


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
        lease_seconds: int,
    ) -> None:
        self._store = store
        self._market = market
        self._router = router
        self._tokens = tokens
        self._settlement = settlement
        self._publisher = publisher
        self._clock = clock
        self._lease_seconds = lease_seconds

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome:
        """Takes each order to a final status, or says why it must come again.

        Raises `DatabaseUnavailable` when nothing was recorded: then the whole batch comes again.
        """
        try:
            claim = await self._store.claim(terms, self._clock.now(), self._lease_seconds)
        except StoreRefused as refused:
            return await self._one_by_one(terms, deadline, refused)
        wanted = {order.terms.id: Wanted.of(order.terms) for order in claim.orders}
        pairs = {pair for each in wanted.values() for pair in self._router.pairs(each)}
        snapshot, _ = await asyncio.gather(
            self._market.snapshot(pairs, deadline.left()), self._publisher.publish(claim.events)
        )
        routed = [
            (order, self._router.route(wanted[order.terms.id], snapshot)) for order in claim.orders
        ]
        settled = await self._settle(routed, deadline)
        # Venues that were given no time did not fail: that is no verdict on an order.
        untried = None if deadline.left() else FailReason.VENUES_UNAVAILABLE
        executions = [
            self._execution(order, found, result)
            for order, found in routed
            if (result := settled[order.terms.id]) is not untried
        ]
        recorded = await self._record(executions)
        events = [e for x in executions if x.order.terms.id in recorded for e in x.events]
        await self._publisher.publish(events)
        for status, count in Counter(event.status for event in events).items():
            metrics.add_metric(f"Orders{status.title()}", MetricUnit.Count, count)
        return _outcome(claim, recorded)

    async def _one_by_one(
        self, terms: Sequence[OrderTerms], deadline: Deadline, refused: StoreRefused
    ) -> BatchOutcome:
        """A batch that Postgres refuses as a whole: the others must not fall with the one."""
        if len(terms) == 1:
            return BatchOutcome(frozenset(), {terms[0].id: str(refused)})
        done: frozenset[UUID] = frozenset()
        retry: dict[UUID, str] = {}
        for one in terms:
            outcome = await self.execute([one], deadline)
            done, retry = done | outcome.done, retry | outcome.retry
        return BatchOutcome(done, retry)

    async def _record(self, executions: Sequence[Execution]) -> frozenset[UUID]:
        """Records the batch, or each by itself if one of them is refused."""
        try:
            return await self._store.record(executions)
        except StoreRefused as refused:
            if len(executions) == 1:
                order_id = str(executions[0].order.terms.id)
                logger.error("not stored", extra={"order_id": order_id}, exc_info=refused)
                return frozenset()
        alone = [await self._record([execution]) for execution in executions]
        return frozenset().union(*alone)

    async def _settle(
        self, routed: Sequence[tuple[Order, Routed]], deadline: Deadline
    ) -> dict[UUID, Filled | FailReason]:
        """What each order comes to: its fills, or why it has none."""
        results: dict[UUID, Filled | FailReason] = {}
        accepted = []
        for order, found in routed:
            route = found.route
            if isinstance(route, FailReason):
                results[order.terms.id] = route
            elif reason := self._refused(order, route.amount_in, route.amount_out):
                results[order.terms.id] = reason
            else:
                accepted.append(RoutedOrder(order, route))
        for one in await self._settlement.settle(accepted, deadline.left()):
            result = one.result
            if isinstance(result, Filled):
                result = self._refused(one.order, result.amount_in, result.amount_out) or result
            results[one.order.terms.id] = result
        return results

    def _refused(self, order: Order, amount_in: int, amount_out: int) -> FailReason | None:
        return refused_by_terms(order.terms, amount_in, amount_out, *self._decimals(order))

    def _execution(self, order: Order, found: Routed, result: Filled | FailReason) -> Execution:
        now = self._clock.now()
        if isinstance(result, FailReason):
            _, failed = order.advance(OrderStatus.FAILED, now, Outcome(reason=result))
            return Execution(order, (failed,), found.quotes)
        largest = max(result.fills, key=lambda fill: (-fill.hop, fill.amount_in))
        sent = Outcome(venue=largest.venue, tx_hash=result.reference)
        submitted_order, submitted = order.advance(OrderStatus.SUBMITTED, now, sent)
        filled = replace(
            sent,
            amount_in=result.amount_in,
            amount_out=result.amount_out,
            execution_price=self._price(order, result),
        )
        _, confirmed = submitted_order.advance(OrderStatus.CONFIRMED, now, filled)
        return Execution(order, (submitted, confirmed), found.quotes, result.fills)

    def _price(self, order: Order, filled: Filled) -> Decimal:
        decimals_in, decimals_out = self._decimals(order)
        return execution_price(
            order.terms.side, filled.amount_in, decimals_in, filled.amount_out, decimals_out
        )

    def _decimals(self, order: Order) -> tuple[int, int]:
        token_in = self._tokens.by_mint(order.terms.token_in)
        return token_in.decimals, self._tokens.by_mint(order.terms.token_out).decimals


def _outcome(claim: Claim, recorded: frozenset[UUID]) -> BatchOutcome:
    unrecorded = {order.terms.id for order in claim.orders} - recorded
    retry = dict.fromkeys(claim.busy, "leased by another worker")
    retry |= dict.fromkeys(unrecorded, "out of time, or its lease was lost, or it was not stored")
    return BatchOutcome(claim.finished | recorded, retry)


def bootstrap(config: WorkerConfig) -> Engine:
    """The engine of a process, from its environment; connects to nothing yet."""
    tokens = catalog(config.MARKETS)
    market = live_market(tokens, config.SOLANA_RPC_URL, config.VENUE_TIMEOUT_MS / 1000)
    return Engine(
        store=PostgresStore(Database(config.DATABASE_URL)),
        market=market,
        router=Router(tokens, config.LEG_COST_LAMPORTS),
        tokens=tokens,
        settlement=PaperSettlement(market),
        publisher=ValkeyPublisher(connect(config.VALKEY_URL)),
        clock=SystemClock(),
        lease_seconds=config.LEASE_SECONDS,
    )
