"""What goes into the queue: orders of every kind, copies of them, contradictions and rubbish."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sluice.orders.message import encode
from sluice.orders.model import OrderTerms, Side, SwapMode
from tests.builders import SOL, USDC, buy

from .checks import Accepted
from .market import BONK, ORCA

NEVER_SLIPS = 10_000
"""In bps: whatever the price does meanwhile, the order is filled."""


@dataclass(frozen=True, slots=True)
class Book:
    """The messages of a schedule in the order of sending, and what is to be expected of them."""

    bodies: Sequence[str]
    accepted: Accepted


def steady(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that is filled by the first worker that lives."""
    return replace(buy(id_, account, accepted_at=datetime.now(UTC)), slippage_bps=NEVER_SLIPS)


def touchy(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that is routed again when the price falls under it."""
    return replace(steady(account, id_), slippage_bps=50)


def hopping(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that takes two hops."""
    return replace(steady(account, id_), side=Side.SELL, token_in=BONK, token_out=USDC)


def exact_out(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that fixes what it pays out."""
    return replace(touchy(account, id_), swap_mode=SwapMode.EXACT_OUT)


def too_dear(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that fails for its price."""
    return replace(steady(account, id_), limit_price=Decimal("0.000001"))


def routeless(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that fails for want of a pool."""
    return replace(steady(account, id_), token_in=ORCA, token_out=SOL)


def late(account: str, id_: UUID | None = None) -> OrderTerms:
    """An order that expired in the queue."""
    order = steady(account, id_)
    before = order.accepted_at - timedelta(minutes=1)
    return replace(order, accepted_at=before, expires_at=before + timedelta(seconds=1))


def other_terms(order: OrderTerms) -> OrderTerms:
    """Another request under the id of `order`."""
    return replace(
        order, amount=order.amount + 1, accepted_at=order.accepted_at + timedelta(milliseconds=1)
    )


KINDS: Sequence[Callable[[str, UUID], OrderTerms]] = (
    *(steady, steady, touchy, touchy, hopping),
    *(exact_out, too_dear, routeless, late),
)


def random_book(account: str, dice: random.Random) -> Book:
    """Up to eight orders: some come twice, some expire soon, one may be disputed; and rubbish."""
    orders = [
        dice.choice(KINDS)(account, UUID(int=dice.getrandbits(128), version=4))
        for _ in range(dice.randint(2, 8))
    ]
    for place, order in enumerate(orders):
        if order.expires_at is None and dice.random() < 0.15:
            soon = timedelta(seconds=dice.uniform(0.05, 1.5))
            orders[place] = replace(order, expires_at=order.accepted_at + soon)
    sent = list(orders)
    disputed = frozenset[UUID]()
    if dice.random() < 0.3:
        order = dice.choice(orders)
        sent.append(other_terms(order))
        disputed = frozenset({order.id})
    sent += [order for order in sent if dice.random() < 0.2]
    poison = frozenset({f"no order, {account}"} if dice.random() < 0.3 else ())
    bodies = [*map(encode, sent), *poison]
    dice.shuffle(bodies)
    ids = frozenset(order.id for order in orders)
    return Book(bodies, Accepted(account, ids, disputed, poison))
