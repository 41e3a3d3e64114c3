"""AMM v4 pools made up here, and what swaps move in them, worked out apart from the engine.

The pools whose swaps the deployed program ran are not ours to publish. These stand in for them:
accounts from the layout tables, amounts from the invariant `coin * pc = k` in exact fractions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import ceil, floor
from random import Random
from typing import Final

from sluice.venues.addresses import address_of
from sluice.venues.base import Account, Accounts, Address, ChainClock, SwapKind, Trade
from sluice.venues.integers import U64_MAX
from sluice.venues.raydium_amm_v4_accounts import (
    AMM_INFO,
    PROGRAM,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
)
from sluice.venues.token import STATE_INITIALIZED, TOKEN_ACCOUNT, TOKEN_PROGRAM

CLOCK: Final = ChainClock(slot=400_000_000, unix_timestamp=1_780_000_000, epoch=926)
CHAIN_LENGTH: Final = 30

Swapped = tuple[ChainClock, Trade, tuple[int, int] | None]
"""When, what was asked, and what moved (in, out); None where the program refuses."""


@dataclass(frozen=True, slots=True)
class AmmV4Spec:
    """A pool: pairs are (coin, pc), `vaults` include what is `owed` to the protocol."""

    name: str
    vaults: tuple[int, int]
    owed: tuple[int, int] = (0, 0)
    fee: tuple[int, int] = (25, 10_000)
    status: int = STATUS_SWAP_ONLY
    open_time: int = 0

    @property
    def address(self) -> Address:
        return address_of(self._key("pool"))

    @property
    def mints(self) -> tuple[Address, Address]:
        return address_of(self._key("coin mint")), address_of(self._key("pc mint"))

    def accounts(self) -> dict[Address, Account]:
        """The pool and its vaults in their on-chain layout."""
        numerator, denominator = self.fee
        state = AMM_INFO.blank(
            {
                "status": self.status,
                "swap_fee_numerator": numerator,
                "swap_fee_denominator": denominator,
                "need_take_pnl_coin": self.owed[0],
                "need_take_pnl_pc": self.owed[1],
                "pool_open_time": self.open_time,
                "coin_vault": self._key("coin vault"),
                "pc_vault": self._key("pc vault"),
                "coin_vault_mint": self._key("coin mint"),
                "pc_vault_mint": self._key("pc mint"),
            }
        )
        return {
            self.address: Account(PROGRAM, bytes(state)),
            **dict(self._vault(token, held) for token, held in self._held()),
        }

    def _held(self) -> Iterator[tuple[str, int]]:
        return zip(("coin", "pc"), self.vaults, strict=True)

    def _vault(self, token: str, amount: int) -> tuple[Address, Account]:
        data = TOKEN_ACCOUNT.blank(
            {"mint": self._key(f"{token} mint"), "amount": amount, "state": STATE_INITIALIZED}
        )
        return address_of(self._key(f"{token} vault")), Account(TOKEN_PROGRAM, bytes(data))

    def _key(self, of: str) -> bytes:
        return sha256(f"sluice test AMM v4:{self.name}:{of}".encode()).digest()


SPECS: Final = (
    AmmV4Spec("deep", (2_100_000_000_012_345, 301_000_000_000_678)),
    AmmV4Spec("thin", (1_334_567, 186_543)),
    AmmV4Spec("owed", (5_100_000_000_007, 710_000_000_003), (134_567_890_123, 24_567_890_123)),
    AmmV4Spec("fee1pct", (5_200_000_000_007, 720_000_000_003), fee=(100, 10_000)),
    AmmV4Spec("free", (9_000_000_000_000, 1_300_000_000_000), fee=(0, 10_000)),
    AmmV4Spec("near_u64", (16_100_000_000_000_000_000, 15_100_000_000_000_000_000)),
    AmmV4Spec(
        "waiting",
        (3_000_000_000_000, 420_000_000_000),
        status=STATUS_WAITING_TRADE,
        open_time=CLOCK.unix_timestamp,
    ),
)


def amm_v4_pools() -> Iterator[tuple[AmmV4Spec, Accounts, list[Swapped], list[Swapped]]]:
    """Each pool with its accounts, swaps from its start, and swaps one after the other."""
    for spec in SPECS:
        yield spec, spec.accounts(), list(_cases(spec)), list(_chain(spec))


def _cases(spec: AmmV4Spec) -> Iterator[Swapped]:
    for side in (0, 1):
        reserves = _reserves(spec, spec.vaults)
        for kind in (SwapKind.EXACT_IN, SwapKind.EXACT_OUT):
            bound = reserves[side if kind is SwapKind.EXACT_IN else 1 - side]
            for amount in _amounts(bound):
                yield _swapped(spec, reserves, Trade(spec.mints[side], amount, kind))


def _chain(spec: AmmV4Spec) -> Iterator[Swapped]:
    rng, vaults = Random(spec.name), list(spec.vaults)
    for _ in range(CHAIN_LENGTH):
        side, kind = rng.randrange(2), rng.choice((SwapKind.EXACT_IN, SwapKind.EXACT_OUT))
        reserves = _reserves(spec, (vaults[0], vaults[1]))
        amount = rng.randrange(10, reserves[side if kind is SwapKind.EXACT_IN else 1 - side] // 40)
        swapped = _swapped(spec, reserves, Trade(spec.mints[side], amount, kind))
        _, _, moved = swapped
        if moved is None:
            continue
        vaults[side] += moved[0]
        vaults[1 - side] -= moved[1]
        yield swapped


def _reserves(spec: AmmV4Spec, vaults: tuple[int, int]) -> tuple[int, int]:
    return vaults[0] - spec.owed[0], vaults[1] - spec.owed[1]


def _amounts(bound: int) -> Iterator[int]:
    """From one base unit to a little more than the reserve, by factors of about three."""
    amount = 1
    while amount < bound:
        yield amount
        amount = amount * 3 + 1
    yield from (bound - 1, bound, min(bound + bound // 10, U64_MAX))


def _swapped(spec: AmmV4Spec, reserves: tuple[int, int], trade: Trade) -> Swapped:
    fee = Fraction(*spec.fee)
    into = spec.mints.index(trade.input)
    held_in, held_out = reserves[into], reserves[1 - into]
    k, amount = held_in * held_out, trade.amount
    if trade.kind is SwapKind.EXACT_IN:
        kept = amount - ceil(amount * fee)
        paid = floor(held_out - Fraction(k, held_in + kept))
        return CLOCK, trade, (amount, paid) if paid else None
    if amount >= held_out:
        return CLOCK, trade, None
    spent = ceil(ceil(Fraction(k, held_out - amount) - held_in) / (1 - fee))
    return CLOCK, trade, (spent, amount) if spent <= U64_MAX else None
