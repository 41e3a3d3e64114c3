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

from .config import WorkerConfig
from .errors import FailReason
from .markets.catalog import Catalog, Pair, catalog
from .markets.live import live_market
from .markets.snapshot import Market
from .observability import metrics
from .orders.database import Database
from .orders.model import Fill, Order, OrderStatus, OrderTerms, Outcome, execution_price
from .orders.store import Claim, Execution, OrderStore, PostgresStore
from .routing.best import Routed, best_route
from .settlement.base import RoutedOrder, Settlement
from .settlement.paper import PaperSettlement
from .streaming.publish import Publisher, ValkeyPublisher
from .streaming.valkey import connect
from .venues.base import Address


class Clock(Protocol):
    """Wall time, for what is recorded."""

    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Deadline:
    """When a batch must be done: the invocation's end less the time to record and answer."""

    MARGIN_SECONDS = 3.0

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
        tokens: Catalog,
        settlement: Settlement,
        publisher: Publisher,
        clock: Clock,
        lease_seconds: int,
    ) -> None:
        self._store = store
        self._market = market
        self._tokens = tokens
        self._settlement = settlement
        self._publisher = publisher
        self._clock = clock
        self._lease_seconds = lease_seconds

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome:
        """Takes each order to a final status, or says why it must come again.

        Raises `DatabaseUnavailable` when nothing was recorded: then the whole batch comes again.
        """
        claim = await self._store.claim(terms, self._clock.now(), self._lease_seconds)
        pairs = {_pair(order.terms) for order in claim.orders}
        snapshot, _ = await asyncio.gather(
            self._market.snapshot(pairs, deadline.left()), self._publisher.publish(claim.events)
        )
        routed = [(order, best_route(order.terms, snapshot)) for order in claim.orders]
        settled = await self._settle(routed, deadline)
        executions = [self._execution(o, found, settled[o.terms.id]) for o, found in routed]
        recorded = await self._store.record(executions)
        events = [e for x in executions if x.order.terms.id in recorded for e in x.events]
        await self._publisher.publish(events)
        for status, count in Counter(event.status for event in events).items():
            metrics.add_metric(f"Orders{status.title()}", MetricUnit.Count, count)
        return _outcome(claim, recorded)

    async def _settle(
        self, routed: Sequence[tuple[Order, Routed]], deadline: Deadline
    ) -> dict[UUID, Fill | FailReason]:
        """What each order comes to: its fill, or why it has none."""
        results = {
            order.terms.id: found.route
            for order, found in routed
            if isinstance(found.route, FailReason)
        }
        routes = [
            RoutedOrder(order, found.route)
            for order, found in routed
            if not isinstance(found.route, FailReason)
        ]
        settled = await self._settlement.settle(routes, deadline.left())
        return results | {one.order.terms.id: one.result for one in settled}

    def _execution(self, order: Order, found: Routed, result: Fill | FailReason) -> Execution:
        now = self._clock.now()
        if isinstance(result, FailReason):
            _, failed = order.advance(OrderStatus.FAILED, now, Outcome(reason=result))
            return Execution(order, (failed,), found.quotes)
        sent = Outcome(venue=result.venue, tx_hash=result.reference)
        submitted_order, submitted = order.advance(OrderStatus.SUBMITTED, now, sent)
        filled = replace(
            sent, amount_out=result.amount_out, execution_price=self._price(order, result)
        )
        _, confirmed = submitted_order.advance(OrderStatus.CONFIRMED, now, filled)
        return Execution(order, (submitted, confirmed), found.quotes, (result,))

    def _price(self, order: Order, fill: Fill) -> Decimal:
        terms = order.terms
        decimals_in = self._tokens.by_mint(terms.token_in).decimals
        decimals_out = self._tokens.by_mint(terms.token_out).decimals
        return execution_price(
            terms.side, fill.amount_in, decimals_in, fill.amount_out, decimals_out
        )


def _pair(terms: OrderTerms) -> Pair:
    return frozenset({Address(terms.token_in), Address(terms.token_out)})


def _outcome(claim: Claim, recorded: frozenset[UUID]) -> BatchOutcome:
    lost = {order.terms.id for order in claim.orders} - recorded
    retry = dict.fromkeys(claim.busy, "leased by another worker")
    retry |= dict.fromkeys(lost, "the lease was lost before the outcome was recorded")
    return BatchOutcome(claim.finished | recorded, retry)


def bootstrap(config: WorkerConfig) -> Engine:
    """The engine of a process, from its environment; connects to nothing yet."""
    tokens = catalog(config.MARKETS)
    market = live_market(tokens, config.SOLANA_RPC_URL, config.VENUE_TIMEOUT_MS / 1000)
    return Engine(
        store=PostgresStore(Database(config.DATABASE_URL)),
        market=market,
        tokens=tokens,
        settlement=PaperSettlement(market),
        publisher=ValkeyPublisher(connect(config.VALKEY_URL)),
        clock=SystemClock(),
        lease_seconds=config.LEASE_SECONDS,
    )
