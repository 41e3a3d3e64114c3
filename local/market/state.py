"""The market as an RPC sees it: raw accounts that change with every slot."""

import struct
from collections import deque
from random import Random
from typing import Final

from sluice.venues.base import Account, Address, ChainClock
from sluice.venues.registry import VENUES

from . import trader
from .faults import MAX_LAG_SLOTS
from .genesis import POOLS, address_of, genesis

SLOTS_PER_EPOCH: Final = 432_000
CLOCK: Final = Address("SysvarC1ock11111111111111111111111111111111")
SYSVAR_OWNER: Final = Address("Sysvar1111111111111111111111111111111111111")
CLOCK_LAYOUT: Final = struct.Struct("<QqQQq")
"""solana-clock's `Clock`: slot, epoch start, epoch, next leader schedule's epoch, unix time."""


class Market:
    """Accounts, the pools in them, and who trades on them; the same seed makes the same trades."""

    def __init__(self, seed: int, slot: int, unix_time: int) -> None:
        self.slot = slot
        self.accounts: dict[Address, Account] = genesis(unix_time=unix_time)
        self._rng = Random(seed)
        self._state = trader.opening(
            {
                address_of(spec): VENUES[spec.venue].decode(address_of(spec), self.accounts)
                for spec in POOLS
            }
        )
        self._epoch_start = unix_time
        self._past: deque[dict[Address, Account]] = deque(maxlen=MAX_LAG_SLOTS)
        self._write_clock(unix_time)

    def account(self, address: Address, slots_ago: int = 0) -> Account | None:
        """The account as it was so many slots ago, or at the beginning if that is later."""
        if slots_ago and self._past:
            return self._past[-min(slots_ago, len(self._past))].get(address)
        return self.accounts.get(address)

    @property
    def state(self) -> trader.State:
        """The pools, decoded, and the reference prices."""
        return self._state

    @property
    def epoch(self) -> int:
        return self.slot // SLOTS_PER_EPOCH

    def advance(self, unix_time: int) -> None:
        """One slot: trades, and the accounts they change; `unix_time` in seconds."""
        self._past.append(dict(self.accounts))
        self.slot += 1
        clock = ChainClock(self.slot, unix_time, self.epoch)
        before, self._state = self._state, trader.step(self._state, clock, self._rng)
        for address, pool in self._state.pools.items():
            if pool is not before.pools[address]:
                self.accounts.update(pool.encode(self.accounts))
        self._write_clock(unix_time)

    def _write_clock(self, unix_time: int) -> None:
        data = CLOCK_LAYOUT.pack(
            self.slot, self._epoch_start, self.epoch, self.epoch + 1, unix_time
        )
        self.accounts[CLOCK] = Account(SYSVAR_OWNER, data)
