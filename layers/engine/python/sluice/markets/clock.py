"""The sysvar Clock, read with the pools so that a quote sees the time the program would see."""

import struct

from sluice.errors import AccountInvalid
from sluice.venues.base import Account, Address, ChainClock

CLOCK = Address("SysvarC1ock11111111111111111111111111111111")

# slot u64, epoch_start_timestamp i64, epoch u64, leader_schedule_epoch u64, unix_timestamp i64:
# solana-clock's `Clock`, bincode.
_LAYOUT = struct.Struct("<QqQQq")


def decode_clock(account: Account | None) -> ChainClock:
    """The chain clock from the sysvar's raw account; raises `AccountInvalid`."""
    if account is None or len(account.data) < _LAYOUT.size:
        raise AccountInvalid("the sysvar Clock is missing or too short")
    slot, _, epoch, _, unix_timestamp = _LAYOUT.unpack_from(account.data)
    return ChainClock(slot, unix_timestamp, epoch)
