"""Splitting an amount over pools so that it pays most, in exact quotes.

What a pool pays is concave in the amount, up to rounding: the next unit never pays more than the
one before. So handing out equal parts one by one, each to the pool that pays most for it, is best
on that grid; and moving ever smaller amounts between two pools, while that pays, ends at the best.
What is left is which few of the pools to use at all, because a route has a limit of legs and each
leg costs something: of the likely ones, all small sets are tried.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from itertools import combinations, product

from sluice.errors import Refusal, SwapRefused
from sluice.markets.snapshot import LivePool
from sluice.routing.ask import ask
from sluice.venues.base import Address, Quote, SwapKind, Trade

GRID = 16
"""Parts that an amount is handed out in to a set of pools."""
RANKING_GRID = 64
"""Parts when all pools are at the table, to see which of them matter."""
ASIDE_UNITS = (1, 2, 3, 5, 8, 13, 21, 34)
ASIDE_SHIFTS = (12, 10, 8, 7, 6, 5, 4, 3)
"""How far aside of an amount to look, in units and in halvings of it, for one that is filled."""
FINEST = 1 << 11
"""An amount is moved between pools down to one part in so many."""
FALLBACK_GRIDS = (RANKING_GRID, 512)
"""Finer parts for an amount that the pools can take only when they are filled to the brim."""
LIKELY = 7
"""Pools of which all small sets are tried."""
TRIED_SETS = 3
"""The largest sets that are all tried."""
REFINED_SETS = 3
"""How many of the best sets are worked out in detail."""


@dataclass(slots=True)
class Asked:
    """One pool and what it has answered so far, for one direction and kind of swap."""

    pool: LivePool
    token_in: Address
    kind: SwapKind
    _values: dict[int, int | None] = field(default_factory=lambda: {0: 0})
    _quotes: dict[int, Quote] = field(default_factory=dict)
    _odd: set[int] = field(default_factory=set)

    def value(self, amount: int) -> int | None:
        """What `amount` is worth here: base units out, or minus base units in; None if refused."""
        if amount not in self._values:
            try:
                self._values[amount] = self._worth(ask(self.pool, self._trade(amount)))
            except SwapRefused as refused:
                self._values[amount] = None
                if refused.refusal is Refusal.UNSUPPORTED:
                    self._odd.add(amount)
        return self._values[amount]

    def whole(self, amount: int) -> int | None:
        """`value` of all that is wanted: its quote is kept, as it is told whatever the split."""
        with suppress(SwapRefused):
            self.quote(amount)
        return self.value(amount)

    def about(self, amount: int) -> int | None:
        """`value`, or what a little more is worth, scaled, where just this amount cannot be filled.

        DLMM refuses an exact amount out that limit orders on the way cannot be rounded to: single
        amounts, and whole ranges.
        """
        # Most amounts are asked for many times, so what is known is answered at once.
        value = self._values.get(amount)
        if value is not None:
            return value
        value = self.value(amount)
        if value is not None or amount not in self._odd:
            return value
        for more in aside(amount):
            value = self.value(amount + more)
            if value is not None:
                return value * amount // (amount + more)
        return None

    def quote(self, amount: int) -> Quote:
        """The pool's answer; raises `SwapRefused`."""
        if amount not in self._quotes:
            quote = ask(self.pool, self._trade(amount))
            self._quotes[amount], self._values[amount] = quote, self._worth(quote)
        return self._quotes[amount]

    def _trade(self, amount: int) -> Trade:
        return Trade(self.token_in, amount, self.kind)

    def _worth(self, quote: Quote) -> int:
        return quote.amount_out if self.kind is SwapKind.EXACT_IN else -quote.amount_in


Shares = dict[int, int]
"""Amounts by the index of their pool."""


@dataclass(frozen=True, slots=True)
class Split:
    """An amount divided over pools, and its worth net of what the legs cost."""

    shares: Shares
    worth: int


def best_split(asked: Sequence[Asked], amount: int, max_legs: int, leg_cost: int) -> Split | None:
    """The split of `amount` over at most `max_legs` of the pools that is worth most.

    Never worth less than the best single pool. `leg_cost` is in the units of `Asked.value`. None
    if the pools cannot take the amount.
    """
    singles = [
        Split({place: amount}, worth - leg_cost)
        for place, one in enumerate(asked)
        if (worth := one.whole(amount)) is not None
    ]
    found = sorted(singles, key=_worth)
    if max_legs > 1 and amount >= GRID and len(asked) > 1:
        found += _splits(asked, amount, max_legs, leg_cost, found)
    return max(found, key=_worth, default=None)


def _worth(split: Split) -> int:
    return split.worth


def _splits(
    asked: Sequence[Asked], amount: int, max_legs: int, leg_cost: int, singles: Sequence[Split]
) -> list[Split]:
    """The best splits over several pools; none if nothing but one pool comes into question."""
    hopeful = _hopeful(asked, amount, singles)
    if len(hopeful) < 2:
        return []
    everywhere = _handed_out(asked, hopeful, amount, RANKING_GRID)
    ranked = sorted(hopeful, key=lambda place: -everywhere.get(place, 0))
    # A deep pool that is a little dearer than many small ones: the first choice when legs are few.
    alone = [place for single in singles[:-4:-1] for place in single.shares]
    likely = list(dict.fromkeys(ranked[: LIKELY - 2] + alone + ranked))[:LIKELY]
    sets = _sets(likely, max_legs)
    if max_legs > TRIED_SETS:
        sets.append(tuple(ranked[:max_legs]))
    for grid in (GRID, *FALLBACK_GRIDS):
        coarse = [
            (_split(shares, worth, leg_cost), places)
            for places in sets
            if (shares := _mended(asked, _handed_out(asked, places, amount, grid)))
            and (worth := _total(asked, shares)) is not None
        ]
        if coarse or singles:
            break
    # Of equals the larger set: what a coarse part is too much for may be worth a finer one.
    coarse.sort(key=lambda tried: (tried[0].worth, len(tried[1])), reverse=True)
    return [
        _refined(asked, places, split, amount, leg_cost) for split, places in coarse[:REFINED_SETS]
    ]


def _hopeful(asked: Sequence[Asked], amount: int, singles: Sequence[Split]) -> list[int]:
    """Pools whose first part pays better than the last part of the best single pool.

    The others cannot be in a best split: whatever they got would be worth more in that pool.
    """
    places = range(len(asked))
    if not singles:
        return list(places)
    (leader,) = singles[-1].shares
    part = amount // RANKING_GRID
    whole, without = asked[leader].value(amount), asked[leader].value(amount - part)
    if whole is None or without is None:
        return list(places)
    last = whole - without
    return [
        place
        for place in places
        if place == leader or ((first := asked[place].about(part)) is not None and first > last)
    ]


def _sets(places: Sequence[int], max_legs: int) -> list[tuple[int, ...]]:
    sizes = range(2, min(max_legs, TRIED_SETS) + 1)
    return [chosen for size in sizes for chosen in combinations(places, size)]


def _handed_out(asked: Sequence[Asked], places: Iterable[int], amount: int, grid: int) -> Shares:
    """`amount` in `grid` parts, each to where it pays most; empty if nobody takes some part."""
    parts = dict.fromkeys(places, 0)
    # What the next part adds, the most first, and what its pool is then worth.
    heap = [
        (-worth, place, worth)
        for place in parts
        if (worth := asked[place].about(amount // grid)) is not None
    ]
    heapify(heap)
    for _ in range(grid):
        if not heap:
            return {}
        _, place, worth = heap[0]
        parts[place] += 1
        more = asked[place].about(amount * (parts[place] + 1) // grid)
        if more is None:
            heappop(heap)
        else:
            heapreplace(heap, (worth - more, place, more))
    return _exactly(parts, amount, grid)


def _exactly(parts: Shares, amount: int, grid: int) -> Shares:
    """Parts as amounts that add up to `amount`."""
    shares, given = {}, 0
    for place, count in parts.items():
        start, given = given, given + count
        shares[place] = amount * given // grid - amount * start // grid
    return shares


def aside(amount: int) -> Iterator[int]:
    """Distances from `amount`, rising."""
    yield from ASIDE_UNITS
    yield from (amount >> shift for shift in ASIDE_SHIFTS)


def _mended(asked: Sequence[Asked], shares: Shares) -> Shares:
    """`shares` with a little moved where a pool cannot fill just its amount."""
    for place in shares:
        if asked[place].value(shares[place]) is not None:
            continue
        for distance, other in product(aside(shares[place]), shares):
            for move in (distance, -distance):
                moved = {place: shares[place] + move, other: shares[other] - move}
                if other != place and min(moved.values()) > 0 and _total(asked, moved) is not None:
                    return _mended(asked, {**shares, **moved})
    return shares


def _total(asked: Sequence[Asked], shares: Shares) -> int | None:
    """What `shares` are worth together; None if a pool refuses its own."""
    return _sum(asked[place].value(share) for place, share in shares.items())


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _refined(
    asked: Sequence[Asked], places: Iterable[int], split: Split, amount: int, leg_cost: int
) -> Split:
    """`split` over the pools at `places`, improved by moving ever smaller amounts between them."""
    shares = dict.fromkeys(places, 0) | split.shares
    step = amount // (2 * GRID)
    while step >= max(1, amount // FINEST):
        if not any(
            _moved(asked, shares, source, target, step)
            for source in tuple(shares)
            for target in tuple(shares)
            if source != target
        ):
            step //= 2
    shares = _mended(asked, shares)
    worth = _total(asked, shares)
    refined = split if worth is None else _split(shares, worth, leg_cost)
    return max(split, refined, key=_worth)


def _split(shares: Shares, worth: int, leg_cost: int) -> Split:
    """A pool of the set that was given nothing is no leg of it."""
    used = {place: share for place, share in shares.items() if share}
    return Split(used, worth - leg_cost * len(used))


def _moved(asked: Sequence[Asked], shares: Shares, source: int, target: int, step: int) -> bool:
    """Moves `step` from one pool to another if that pays; whether it did."""
    from_one, to_other = shares[source], shares[target]
    less, more = from_one - step, to_other + step
    if less < 0:
        return False
    give, take = asked[source].about, asked[target].about
    before = _sum((give(from_one), take(to_other)))
    after = _sum((give(less), take(more)))
    if before is None or after is None or after <= before:
        return False
    shares[source], shares[target] = less, more
    return True
