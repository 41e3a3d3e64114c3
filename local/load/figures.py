"""The arithmetic: from what was noted to what is shown. Times and spans are seconds."""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sluice.orders.model import OrderStatus

from .records import Heard, Sent
from .schedule import Schedule

FINAL: Final = frozenset(status.value for status in OrderStatus if status.final)
GRACE_SECONDS: Final = 1.0
"""What came so long after the end is in time: a latency, not a backlog."""
INSTANT: Final = 1e-6
HELD: Final = 0.99
"""The part of what was asked for that must have come in time for the rate to be held."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of some spans; each is one that really was."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, spans: Iterable[float]) -> "Spread | None":
        """None where there are no spans."""
        ordered = sorted(spans)
        if not ordered:
            return None
        nearest = (ordered[math.ceil(part * len(ordered)) - 1] for part in (0.5, 0.95, 0.99, 1.0))
        return cls(len(ordered), *nearest)


@dataclass(frozen=True, slots=True)
class Span:
    """How long something took that began at `at`."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Life:
    """What the service told of one order, with the moments as it gave them."""

    accepted_at: float
    ended_at: float | None = None
    end_heard: float | None = None
    end: str | None = None


def windows(spans: Iterable[Span], schedule: Schedule, width: float) -> list[tuple[float, Spread]]:
    """The spread of what began in each window of `width`, with the window's middle.

    Moments count from the first order's; a window in which nothing began is left out.
    """
    found: dict[int, list[float]] = defaultdict(list)
    for span in spans:
        found[math.floor((span.at - schedule.began) / width)].append(span.seconds)
    spreads = ((number, Spread.of(found[number])) for number in sorted(found))
    return [((number + 0.5) * width, spread) for number, spread in spreads if spread]


def rates(moments: Iterable[float], schedule: Schedule, width: float) -> list[tuple[float, float]]:
    """How many there were a second in each window, from the first order to the last moment."""
    numbers = Counter(math.floor((moment - schedule.began) / width) for moment in moments)
    last = max(numbers, default=-1)
    return [((number + 0.5) * width, numbers[number] / width) for number in range(last + 1)]


def in_time(moments: Iterable[float], schedule: Schedule) -> float:
    """How many a second there were before the end of the run and a moment of grace."""
    end = schedule.began + schedule.seconds + GRACE_SECONDS
    return sum(moment <= end for moment in moments) / schedule.count * schedule.rate


def held(per_second: Iterable[float], schedule: Schedule) -> bool:
    """Whether each of the rates is what was asked for, as good as."""
    return all(rate >= HELD * schedule.rate for rate in per_second)


def lives(heard: Iterable[Heard]) -> dict[str, Life]:
    """What was heard, by order; without those whose beginning was not heard."""
    begun: dict[str, Life] = {}
    for change in sorted(heard, key=lambda each: each.seq):
        if change.seq == 1:
            begun[change.order_id] = Life(change.at)
        elif change.status in FINAL and change.order_id in begun:
            accepted_at = begun[change.order_id].accepted_at
            begun[change.order_id] = Life(accepted_at, change.at, change.heard, change.status)
    return begun


def accepting(sent: Iterable[Sent]) -> list[Span]:
    """From when each request was due, whatever came of it, to its answer."""
    return [Span(each.due, each.answered - each.due) for each in sent]


def executing(known: Iterable[Life]) -> list[Span]:
    """From when the API accepted an order to its end, by the service's own clock."""
    return [
        Span(life.accepted_at, life.ended_at - life.accepted_at)
        for life in known
        if life.ended_at is not None
    ]


def delivering(heard: Iterable[Heard]) -> list[Span]:
    """From when each status change was made, just before its commit, to its coming."""
    return [Span(change.at, change.heard - change.at) for change in heard]


def altogether(sent: Iterable[Sent], known: Mapping[str, Life]) -> list[Span]:
    """From when each order was due to its client's hearing of its end."""
    return [
        Span(each.due, heard - each.due)
        for each in sent
        if each.order_id and (heard := known.get(each.order_id, Life(0.0)).end_heard) is not None
    ]


def oldest(known: Iterable[Life], moments: Iterable[float]) -> list[float]:
    """How old the oldest order was that was accepted and had not ended, at moments that ascend."""
    waiting = deque(sorted(known, key=lambda life: life.accepted_at))
    ages = []
    for moment in moments:
        while waiting and waiting[0].ended_at is not None and waiting[0].ended_at <= moment:
            waiting.popleft()
        ages.append(max(0.0, moment - waiting[0].accepted_at) if waiting else 0.0)
    return ages


def peaks(
    known: Collection[Life], looks: Iterable[float], schedule: Schedule, width: float
) -> list[tuple[float, float]]:
    """The greatest age of the oldest order in each window, with the window's middle.

    It is greatest just before an order ends, and at the last of the `looks` at one that does not.
    """
    ends = (life.ended_at - INSTANT for life in known if life.ended_at is not None)
    moments = sorted((*ends, *looks))
    greatest: dict[int, float] = defaultdict(float)
    for moment, age in zip(moments, oldest(known, moments), strict=True):
        window = math.floor((moment - schedule.began) / width)
        greatest[window] = max(greatest[window], age)
    return [((window + 0.5) * width, age) for window, age in sorted(greatest.items())]
