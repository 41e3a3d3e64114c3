"""What a run came to: the figures, what must hold, and whether the rate was held."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from local.chaos.invariants import INVARIANTS, Violation, violation

from . import figures
from .drive import Observed
from .figures import FINAL, Life, Span, Spread

ONE_END_HEARD: Final = "one end heard"
HEARD_ONCE: Final = "every accepted order's end came to its client, and no second one"
PROMISES: Final = (
    *((invariant.name, invariant.sentence) for invariant in INVARIANTS),
    (ONE_END_HEARD, HEARD_ONCE),
)
"""All that must hold of each accepted order, by name and in words."""

ACCEPTING: Final = "accepting: due to answered"
EXECUTING: Final = "executing: accepted to its end"
DELIVERING: Final = "delivery lag: changed to heard"
ALTOGETHER: Final = "altogether: due to its end heard"


@dataclass(frozen=True, slots=True)
class Summary:
    """Rates are a second, of what came in time; spreads are in seconds."""

    asked: float
    rates: Mapping[str, float]
    held: bool
    not_sent: int
    """Orders given up, because too many waited."""
    answers: Mapping[str, int]
    ends: Mapping[str, int]
    spreads: Mapping[str, Spread]
    late: Spread | None
    """By how much orders were sent later than they were due."""
    oldest: float
    deepest: int
    repeats: int
    connects: int
    violations: Sequence[Violation]

    def rendered(self) -> dict[str, Any]:
        """For a program to read."""
        broken = [
            asdict(each) | {"examples": list(map(str, each.examples))} for each in self.violations
        ]
        return asdict(self) | {"violations": broken}


def spans(observed: Observed, known: Mapping[str, Life]) -> dict[str, list[Span]]:
    """Everything whose length counts, by what is measured."""
    return {
        ACCEPTING: figures.accepting(observed.sent),
        EXECUTING: figures.executing(known.values()),
        DELIVERING: figures.delivering(observed.heard),
        ALTOGETHER: figures.altogether(observed.sent, known),
    }


def moments(observed: Observed, known: Mapping[str, Life]) -> dict[str, list[float]]:
    """When each order was sent, was accepted and ended, and when its client heard of that."""
    return {
        "sent": [each.sent for each in observed.sent],
        "accepted": [each.answered for each in observed.sent if each.accepted],
        "ended": [life.ended_at for life in known.values() if life.ended_at is not None],
        "heard": [life.end_heard for life in known.values() if life.end_heard is not None],
    }


def ages(
    observed: Observed, known: Mapping[str, Life], width: float = 1.0
) -> list[tuple[float, float]]:
    """How old the oldest order got in each window that had been accepted and had not ended."""
    looks = [depth.at for depth in observed.depths]
    return figures.peaks(known.values(), looks, observed.schedule, width)


def raw(observed: Observed) -> dict[str, Any]:
    """Every request, message and look at the queue, for a program to read; times are Unix's."""
    return {
        "requests": [asdict(each) for each in observed.sent],
        "messages": [asdict(each) for each in observed.heard],
        "queue": [asdict(each) for each in observed.depths],
    }


def summary(observed: Observed, broken: Sequence[Violation]) -> Summary:
    """Of the whole run; `broken` are the invariants that do not hold in Postgres."""
    schedule, sent = observed.schedule, observed.sent
    known = figures.lives(observed.heard)
    rates = {
        name: figures.in_time(each, schedule) for name, each in moments(observed, known).items()
    }
    spreads = {
        name: Spread.of(span.seconds for span in each)
        for name, each in spans(observed, known).items()
    }
    return Summary(
        schedule.rate,
        rates,
        figures.held(rates.values(), schedule),
        schedule.count - len(sent),
        dict(Counter(each.outcome for each in sent)),
        dict(Counter(life.end or "without an end" for life in known.values())),
        {name: spread for name, spread in spreads.items() if spread},
        Spread.of(each.sent - each.due for each in sent),
        max((age for _, age in ages(observed, known)), default=0.0),
        max((depth.messages for depth in observed.depths), default=0),
        observed.repeats,
        observed.connects,
        [*broken, *_not_heard_once(observed)],
    )


def _not_heard_once(observed: Observed) -> list[Violation]:
    accepted = {each.order_id for each in observed.sent if each.order_id}
    ends = Counter(heard.order_id for heard in observed.heard if heard.status in FINAL)
    wrong = [UUID(order_id) for order_id in accepted if ends[order_id] != 1]
    return [violation(ONE_END_HEARD, HEARD_ONCE, wrong)] if wrong else []
