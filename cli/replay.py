"""Replays the swaps of a vector against our own quotes, to the unit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import perf_counter_ns
from typing import TypeVar

from sluice.errors import AccountInvalid, SwapRefused
from sluice.venues.base import Account, Accounts, Address, Pool, Quote
from sluice.venues.raydium_clmm import PoolDrained

from .vectors import Observed, PoolVector

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refused:
    """No answer, and why: `crashed` tells a bug of ours from a refusal.

    `moved` is (amount in, amount out) of a swap that is let end where the liquidity does.
    """

    reason: str
    crashed: bool = False
    moved: tuple[int, int] | None = None


Answer = Quote | Refused


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A swap that was not answered as it happened; `where` counts from 0, as the file does."""

    where: str
    observed: Observed
    got: str


@dataclass(slots=True)
class Replay:
    """How one pool did so far."""

    vector: PoolVector
    swaps: int = 0
    matches: int = 0
    short: int = 0
    """Of the matches, those of which our refusal names the amounts: see `agrees`."""
    first_mismatch: Mismatch | None = None
    nanoseconds: list[int] = field(default_factory=list)

    @property
    def micros_per_quote(self) -> float | None:
        """The median of the quotes that paid, in microseconds; None where none did."""
        return round(median(self.nanoseconds) / 1000, 2) if self.nanoseconds else None

    def count(self, where: str, observed: Observed, *answers: Answer) -> None:
        """Counts one swap; it matches when every one of the ways it was computed does."""
        self.swaps += 1
        wrong = next((answer for answer in answers if not agrees(answer, observed)), None)
        if wrong is None:
            self.matches += 1
            self.short += observed.is_short
        elif self.first_mismatch is None:
            self.first_mismatch = Mismatch(where, observed, _told(wrong))


def replay(vector: PoolVector, step: Callable[[], None] = lambda: None) -> Replay:
    """All swaps of the pool; calls `step` after each."""
    done = Replay(vector)
    start = _attempt(lambda: vector.venue.decode(vector.address, vector.accounts))
    for number, observed in enumerate(vector.cases):
        done.count(f"case swap {number}", observed, _timed(start, observed, done.nanoseconds))
        step()
    _replay_chain(vector, start, done, step)
    return done


def agrees(answer: Answer, observed: Observed) -> bool:
    """Equal to the unit; where the program refused, refused or come to nothing.

    A swap that moved less than it asked for had a price limit, which our quotes know nothing of:
    they refuse it, and the refusal must name what moved.
    """
    if isinstance(answer, Refused):
        if observed.is_short:
            return answer.moved == observed.moved
        return observed.moved is None and not answer.crashed
    if observed.moved is None:
        return answer.amount_out == 0
    return (answer.amount_in, answer.amount_out) == observed.moved


def _replay_chain(
    vector: PoolVector, start: Pool | Refused, done: Replay, step: Callable[[], None]
) -> None:
    """Carries the state on twice: in the pool itself, and through the accounts it writes."""
    carried, accounts = start, dict(vector.accounts)
    for number, observed in enumerate(vector.chain):
        reread = _attempt(partial(vector.venue.decode, vector.address, accounts))
        again = _timed(reread, observed, [])
        answer, carried, written = _swapped(carried, observed, accounts)
        accounts |= written
        done.count(f"chain step {number}", observed, answer, again)
        step()


def _timed(pool: Pool | Refused, observed: Observed, nanoseconds: list[int]) -> Answer:
    """The quote; how long it took is added to `nanoseconds` unless it was refused."""
    if isinstance(pool, Refused):
        return pool

    def quote() -> Quote:
        began = perf_counter_ns()
        quote = pool.quote(observed.trade, observed.clock)
        nanoseconds.append(perf_counter_ns() - began)
        return quote

    return _attempt(quote)


def _swapped(
    pool: Pool | Refused, observed: Observed, accounts: Accounts
) -> tuple[Answer, Pool | Refused, Mapping[Address, Account]]:
    """The answer, the pool afterwards, and the accounts that it has changed."""
    if isinstance(pool, Refused):
        return pool, pool, {}

    def swap() -> tuple[Quote, Pool, Mapping[Address, Account]]:
        quote, after = pool.swap(observed.trade, observed.clock)
        return quote, after, after.encode(accounts)

    swapped = _attempt(swap)
    return (swapped, pool, {}) if isinstance(swapped, Refused) else swapped


def _attempt(action: Callable[[], T]) -> T | Refused:
    try:
        return action()
    except PoolDrained as drained:
        return Refused(str(drained), moved=(drained.amount_in, drained.amount_out))
    except (SwapRefused, AccountInvalid) as refused:
        return Refused(str(refused))
    except Exception as error:
        # A bug is a wrong answer to this swap and not the end of all that are still to come.
        return Refused(f"{type(error).__name__}: {error}", crashed=True)


def _told(answer: Answer) -> str:
    if isinstance(answer, Refused):
        return f"{'crashed' if answer.crashed else 'refused'}: {answer.reason}"
    return f"in {answer.amount_in}, out {answer.amount_out}"
