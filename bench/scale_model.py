"""A deployment, simulated: orders come, are accepted, queued, worked on and told of.

Where AWS says how it scales, this does so, and the page is named; the rest is assumed, and says so.
"""

import math
import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

import simpy

from .scale_parts import Bucket, Cores, Limits, Seen, Times

# AWS Lambda Developer Guide, "Lambda scaling behavior": 1,000 environments a function each ten
# seconds, refilled all the time.
STARTS_PER_SECOND: Final = 100.0
STARTS_AT_ONCE: Final = 1_000
# The same, "Configuring scaling behavior for SQS event source mappings".
FIRST_POLLERS: Final = 5
POLLERS_PER_SECOND: Final = 300 / 60
MOST_POLLERS: Final = 1_250
# Amazon API Gateway Developer Guide, "Amazon API Gateway quotas".
GATEWAY_AT_ONCE: Final = 5_000
# REROUTE_SECONDS of sluice.engine, and the rest that sluice.markets.rpc gives a server that asks
# for one; a market is known for SLOT_SECONDS of sluice.markets.snapshot.
REROUTE_SECONDS: Final = (1, 2, 4)
REST_SECONDS: Final = 1.0
SLOT_SECONDS: Final = 0.4
# The first patience of sluice.orders.received with a database that is gone.
DATABASE_GONE_SECONDS: Final = 2.0
# Assumed: AWS only says "in seconds". From half an ACU to eight takes a minute.
ACU_DOUBLES_SECONDS: Final = 15.0
GROWS_ABOVE: Final = 0.7
BUSY: Final = 0.95
LATE_SECONDS: Final = 1.0
"""An order or a status change that waits longer feels a limit."""
OTHERS: Final = 3
"""Connections of the sweeper, the migrations and who makes API keys."""

API_GATEWAY: Final = "API Gateway requests/s"
STAGE: Final = "RequestsPerSecond"
API: Final = "ApiConcurrency"
STARTS: Final = "Lambda starts/s"
ACCOUNT: Final = "Lambda account concurrency"
POLLERS: Final = "SQS pollers/min"
WORKERS: Final = "MaximumConcurrency"
CONNECTIONS: Final = "Postgres connections"
GROWTH: Final = "Aurora's growth"
ACU: Final = "Aurora's maximum ACU"
RPC: Final = "RPC requests/s"
RELAYS: Final = "RelayShards"

Wait = Generator[simpy.Event, None, None]


@dataclass(slots=True)
class _Worker:
    """A process: since when it knows the market, and until when it must not ask."""

    asked_at: float = -math.inf
    rests_until: float = 0.0


@dataclass(slots=True)
class _Order:
    arrived: float
    queued: float
    attempts: int = 0


class Simulation:
    """One run; the same seed makes the same one."""

    def __init__(
        self,
        limits: Limits,
        times: Times,
        rate: float,
        *,
        lasts: float = math.inf,
        warm: bool = False,
        tick: float = 0.01,
        seed: int = 7,
    ) -> None:
        """`rate` orders a second come for so long as it `lasts`, in seconds.

        Cold, it starts with no process and the least ACU; warm, with all that it may have. Arrivals
        are looked at each `tick` seconds.
        """
        self.seen = Seen()
        self._limits, self._times, self._tick = limits, times, tick
        self._rate, self._lasts = rate, lasts
        self._random = random.Random(seed)
        self._env = simpy.Environment()
        self._stage = Bucket(limits.stage_per_second, limits.stage_burst)
        self._gateway = Bucket(limits.gateway_per_second, GATEWAY_AT_ONCE)
        self._rpc = Bucket(limits.rpc_per_second, max(1.0, limits.rpc_per_second))
        self._starts = Bucket(STARTS_PER_SECOND, STARTS_AT_ONCE)
        self._acu = limits.most_acu if warm else limits.least_acu
        self._postgres = Cores(self._acu * limits.vcpu_per_acu)
        self._relays = Cores(limits.relays)
        self._queue: deque[_Order] = deque()
        self._counted_at = 0.0
        self._api = limits.api_concurrency if warm else 0
        self._api_busy = 0
        self._most_pollers = min(limits.maximum_concurrency, MOST_POLLERS)
        self._pollers = float(self._most_pollers if warm else FIRST_POLLERS)
        self._idle = [_Worker() for _ in range(self._most_pollers if warm else 0)]
        self._working = 0

    def run(self, seconds: float) -> Seen:
        """Simulates so long. To be called once."""
        self._env.process(self._arrive())
        self._env.process(self._scale())
        self._env.run(until=seconds)
        self._count()
        self.seen.left = len(self._queue)
        self.seen.postgres_seconds = self._postgres.busy
        return self.seen

    # Accepting

    def _arrive(self) -> Wait:
        coming = self._next(0.0)
        while coming < math.inf:
            ticks = math.ceil((coming - self._env.now) / self._tick)
            yield self._env.timeout(max(1, ticks) * self._tick)
            arrived = []
            while coming <= self._env.now:
                arrived.append(coming)
                coming = self._next(coming)
            if arrived:
                self._admit(arrived)

    def _next(self, after: float) -> float:
        """When the next order comes, at random times that keep the rate."""
        at = after + self._random.expovariate(self._rate)
        return at if at < self._lasts else math.inf

    def _admit(self, arrived: list[float]) -> None:
        """Starts those that the gateway lets through and that Lambda has a process for."""
        self.seen.arrived += len(arrived)
        staged = self._stage.take(self._env.now, len(arrived))
        self._refuse(STAGE, len(arrived) - staged)
        through = self._gateway.take(self._env.now, staged)
        self._refuse(API_GATEWAY, staged - through)
        warm = min(through, self._api - self._api_busy)
        wanted = min(through - warm, self._limits.api_concurrency - self._api)
        self._refuse(API, through - warm - wanted)
        cold = self._starts.take(self._env.now, wanted)
        self._refuse(STARTS, wanted - cold)
        self._api += cold
        self._api_busy += warm + cold
        self.seen.most_api = max(self.seen.most_api, self._api_busy)
        self._connected()
        if warm:
            self._env.process(self._accept(arrived[:warm], 0.0))
        if cold:
            self._env.process(self._accept(arrived[warm : warm + cold], self._times.api_start))

    def _accept(self, arrived: list[float], start: float) -> Wait:
        yield self._env.timeout(start + self._times.accept)
        self._api_busy -= len(arrived)
        self.seen.accepted += len(arrived)
        self._enqueue([_Order(at, self._env.now) for at in arrived])

    def _refuse(self, limit: str, orders: int) -> None:
        if orders:
            self._feel(limit)
            self.seen.refused[limit] = self.seen.refused.get(limit, 0) + orders

    # Queue and workers

    def _enqueue(self, orders: list[_Order]) -> None:
        self._count()
        for order in orders:
            order.queued = self._env.now
        self._queue.extend(orders)
        self._dispatch()

    def _count(self) -> None:
        """Before the queue changes."""
        self.seen.queue_area += len(self._queue) * (self._env.now - self._counted_at)
        self._counted_at = self._env.now

    def _allowed(self) -> int:
        """How many batches may be at work now."""
        limits = self._limits
        taken = limits.api_concurrency + limits.authorizer_concurrency + limits.relays
        return max(0, min(int(self._pollers), limits.account_concurrency - taken))

    def _dispatch(self) -> None:
        """Shares the queue out among the free pollers.

        Assumed: each of them is given something before any is given a full batch. SQS hands out
        what the servers have that it happens to ask, which of a short queue is little.
        """
        self._count()
        while self._queue and (free := self._allowed() - self._working) > 0:
            size = min(self._limits.batch_size, math.ceil(len(self._queue) / free))
            orders = [self._queue.popleft() for _ in range(size)]
            self.seen.waited += [self._env.now - order.queued for order in orders]
            worker = self._idle.pop() if self._idle else None
            if worker is None and self._connections() >= self._limits.connections:
                self._feel(CONNECTIONS)
                self._again(orders, DATABASE_GONE_SECONDS)
                continue
            self._working += 1
            self.seen.most_workers = max(self.seen.most_workers, self._working)
            self._connected()
            self._env.process(self._work(worker, orders))

    def _work(self, idle: _Worker | None, orders: list[_Order]) -> Wait:
        env, times, began = self._env, self._times, self._env.now
        worker = idle or _Worker()
        if idle is None:
            yield env.timeout(times.worker_start)
        claiming = (times.postgres + times.postgres_order * len(orders)) / 2
        yield env.timeout(self._postgres.work(env.now, claiming))
        asking = self._ask(worker)
        own = times.batch + times.batch_order * len(orders) + times.round_trips
        yield env.timeout(own + (asking or 0.0))
        yield env.timeout(self._postgres.work(env.now, claiming))
        self.seen.batches += 1
        self.seen.batched += len(orders)
        self.seen.worker_ms += math.ceil((env.now - began) * 1000)
        if asking is None:
            self._in_vain(orders)
        else:
            self.seen.done += len(orders)
            self.seen.took += [env.now - order.arrived for order in orders]
        self._tell(len(orders))
        self._working -= 1
        self._idle.append(worker)
        self._dispatch()

    def _ask(self, worker: _Worker) -> float | None:
        """How long the market takes to learn; None if the RPC will not be asked."""
        now = self._env.now
        if now - worker.asked_at < SLOT_SECONDS:
            return 0.0
        if now < worker.rests_until or not self._rpc.take(now, 1):
            self._feel(RPC)
            worker.rests_until = max(worker.rests_until, now + REST_SECONDS)
            return None
        self.seen.snapshots += 1
        answer = self._random.lognormvariate(math.log(self._times.rpc), self._times.rpc_sigma)
        worker.asked_at = now + answer
        return self._times.snapshot + answer

    def _in_vain(self, orders: list[_Order]) -> None:
        for order in orders:
            if order.attempts == len(REROUTE_SECONDS):
                self.seen.failed += 1
                continue
            least = REROUTE_SECONDS[order.attempts]
            order.attempts += 1
            self._again([order], least + self._random.randrange(least // 2 + 2))

    def _again(self, orders: list[_Order], seconds: float) -> None:
        def come() -> Wait:
            yield self._env.timeout(seconds)
            self._enqueue(orders)

        self._env.process(come())

    def _tell(self, orders: int) -> None:
        posts = orders * self._times.deliveries_per_order
        if posts:
            through = self._gateway.owe(self._env.now, posts)
            posted = self._relays.work(self._env.now, posts * self._times.delivery)
            self.seen.told.append(max(through, posted))
            if max(through, posted) > LATE_SECONDS:
                self._feel(API_GATEWAY if through > posted else RELAYS)

    # What grows, and what is felt

    def _scale(self) -> Wait:
        """Each second: pollers and ACU grow where they have reason to."""
        busy = 0.0
        while True:
            yield self._env.timeout(1.0)
            use = (self._postgres.busy - busy) / self._postgres.cores
            busy = self._postgres.busy
            if self._queue:
                if self._env.now - self._queue[0].queued > LATE_SECONDS:
                    self._feel(self._blame(use))
                self._pollers = min(self._pollers + POLLERS_PER_SECOND, self._most_pollers)
            if use > GROWS_ABOVE:
                self._acu = min(self._acu * 2 ** (1 / ACU_DOUBLES_SECONDS), self._limits.most_acu)
                self._postgres.grow(self._acu * self._limits.vcpu_per_acu, self._env.now)
            self.seen.most_acu = max(self.seen.most_acu, self._acu)
            self._dispatch()

    def _blame(self, postgres_use: float) -> str:
        """Why the queue is late. A database that is full keeps all workers busy, so it is first."""
        if postgres_use > BUSY:
            return ACU if self._acu >= self._limits.most_acu else GROWTH
        if self._allowed() < int(self._pollers):
            return ACCOUNT
        return POLLERS if self._pollers < self._most_pollers else WORKERS

    def _feel(self, limit: str) -> None:
        self.seen.bound.setdefault(limit, self._env.now)

    def _connections(self) -> int:
        """One of each process that Lambda keeps; a relay has two while it hands over."""
        others = self._limits.authorizer_concurrency + 2 * self._limits.relays + OTHERS
        return self._working + len(self._idle) + self._api + others

    def _connected(self) -> None:
        self.seen.most_connections = max(self.seen.most_connections, self._connections())
