"""A random schedule: two workers, and what can happen to them and to their messages."""

import random
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from .checks import faults, faults_of_claims, faults_of_the_dead, unfinished
from .mapping import BATCH, EventSourceMapping, Hand, Queue, Record, last_receive
from .market import HIGH, LOW
from .orders import random_book
from .servers import LEASE_SECONDS, House
from .steps import Step
from .workers import Plan

END_SECONDS = 180
"""A schedule that has not come to its end by then is stuck. Most take a few seconds; a message that
its fifth worker could not finish waits for two minutes."""
POLL_SECONDS = 1
MOST_BLOWS = 5
OFTEN, MOSTLY = 0.3, 0.6
"""Chances."""

Pile = list[Record]


@dataclass(frozen=True, slots=True)
class Played:
    """How a schedule went: what was wrong at its end, and what it was like."""

    seed: int
    faults: Sequence[str]
    orders: int
    deaths: int
    stalls: int
    twice: int


@dataclass
class Chaos:
    """Decides what happens, by the seed alone; what comes of it is also a matter of timing."""

    dice: random.Random
    blows: int = field(init=False)
    stalls: int = 0
    twice: int = 0

    def __post_init__(self) -> None:
        self.blows = self.dice.randint(0, MOST_BLOWS)

    def prices(self) -> list[int]:
        """A market in which about one order in six slips."""
        return [self.dice.choice((HIGH, HIGH, LOW)) for _ in range(64)]

    def deal(self, records: Sequence[Record], old: Sequence[Record]) -> tuple[list[Hand], Pile]:
        """What either worker gets, and what is held back; an old message may come once more."""
        shuffled = list(records)
        self.dice.shuffle(shuffled)
        piles: tuple[Pile, Pile, Pile] = ([], [], [])
        for record in shuffled:
            chosen = self.dice.choice(((0,), (0,), (1,), (1,), (0, 1), (2,)))
            for pile in chosen:
                piles[pile].append(record)
            self.twice += len(chosen) > 1
        first, second, held = piles
        if old and len(first) < BATCH and self.dice.random() < OFTEN:
            first.append(self.dice.choice(old))
            self.twice += 1
        if not first and not second:
            first, held = held, first
        return [Hand(pile, self._plan(pile)) for pile in (first, second) if pile], held

    def _plan(self, records: Sequence[Record]) -> Plan:
        """Whoever has a message that SQS would not hand out again is spared: see the steps."""
        dies_at: Step | None = None
        stalls = {}
        if self.blows and self.dice.random() < MOSTLY and not any(map(last_receive, records)):
            self.blows -= 1
            dies_at = self.dice.choice(list(Step))
        if self.blows and self.dice.random() < OFTEN:
            self.blows -= 1
            self.stalls += 1
            stalls[self.dice.choice(list(Step))] = LEASE_SECONDS * self.dice.uniform(0.5, 2)
        return Plan(dies_at, stalls)


class Schedule:
    """Hands out what there is, round by round, until nothing is left to do."""

    def __init__(
        self, queue: Queue, mapping: EventSourceMapping, chaos: Chaos, poison: Collection[str]
    ) -> None:
        self._queue = queue
        self._mapping = mapping
        self._chaos = chaos
        self._poison = poison
        self._held: Pile = []
        self._old: Pile = []

    def round(self) -> bool:
        """Whether there was anything."""
        records = self._held or self._queue.receive(POLL_SECONDS)
        if records:
            hands, self._held = self._chaos.deal(records, self._old)
            self._mapping.run(*hands, back_after=self._chaos.dice.choice((0, 0, 1)))
            # It would wait for minutes between its five times.
            self._queue.come_back([r for r in records if r["body"] in self._poison])
            self._old += records
        return bool(records)

    def hurry(self) -> bool:
        """Has what still waits for its time come now; whether there is any."""
        if self._queue.depth().there:
            self._queue.come_back(self._old)
            return True
        return False


def play(house: House, seed: int) -> Played:
    """Plays the schedule of `seed` to its end."""
    account = f"schedule-{seed}"
    dice = random.Random(seed)
    chaos = Chaos(dice)
    book = random_book(account, dice)
    orders = book.accepted.orders
    queue = house.queue(account)
    with (
        closing(house.mapping(queue, chaos.prices())) as mapping,
        psycopg.connect(house.postgres, autocommit=True) as connection,
    ):
        schedule = Schedule(queue, mapping, chaos, book.accepted.poison)
        queue.send(book.bodies)
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            if not schedule.round() and not unfinished(connection, orders) and not schedule.hurry():
                break
        wrong = faults(connection, book.accepted, house.follower)
    wrong += faults_of_claims(mapping.claims)
    wrong += faults_of_the_dead(queue.dead(), book.accepted)
    return Played(seed, wrong, len(orders), mapping.deaths, chaos.stalls, chaos.twice)
