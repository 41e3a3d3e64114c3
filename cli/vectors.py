"""Vector files: pools as raw accounts, and what happened when they were swapped against."""

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.venues.base import Account, Accounts, Address, ChainClock, SwapKind, Trade, Venue
from sluice.venues.registry import VENUES


class VectorsUnreadable(Exception):
    """A file that is not there, is no vector file, or is of a venue that is not known here."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One swap; `moved` is (amount in, amount out) in base units, None where it was refused."""

    clock: ChainClock
    trade: Trade
    moved: tuple[int, int] | None

    @property
    def is_short(self) -> bool:
        """Whether less moved than an exact swap asked for: it was let end with the liquidity."""
        if self.moved is None or self.trade.kind is SwapKind.PARTIAL_FILL:
            return False
        return self.moved[self.trade.kind is SwapKind.EXACT_OUT] < self.trade.amount


@dataclass(frozen=True, slots=True)
class PoolVector:
    """One pool of a file.

    Each swap of `cases` starts from `accounts`; those of `chain` follow one another.
    """

    file: str
    name: str
    venue: Venue
    address: Address
    accounts: Accounts
    cases: tuple[Observed, ...]
    chain: tuple[Observed, ...]


def read(path: Path) -> tuple[PoolVector, ...]:
    """All pools of the file; raises `VectorsUnreadable`."""
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        program = content["program"]
        venue = next((venue for venue in VENUES.values() if venue.program == program), None)
        if venue is None:
            raise VectorsUnreadable(f"{path}: no venue here has the program {program}")
        return tuple(_pool(str(path), venue, entry) for entry in content["pools"])
    except OSError as error:
        raise VectorsUnreadable(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VectorsUnreadable(f"{path}: no vector file ({error!r})") from error


def _pool(file: str, venue: Venue, entry: Mapping[str, Any]) -> PoolVector:
    return PoolVector(
        file=file,
        name=entry["name"],
        venue=venue,
        address=Address(entry["pool"]),
        accounts={
            Address(address): Account(Address(account["owner"]), base64.b64decode(account["data"]))
            for address, account in entry["accounts"].items()
        },
        cases=tuple(
            _observed(swap, case["clock"]) for case in entry["cases"] for swap in case["swaps"]
        ),
        chain=tuple(_observed(swap, swap["clock"]) for swap in entry["chain"]),
    )


def _observed(swap: Mapping[str, Any], clock: Mapping[str, int]) -> Observed:
    return Observed(
        ChainClock(clock["slot"], clock["unixTimestamp"], clock["epoch"]),
        Trade(Address(swap["input"]), swap["amount"], SwapKind(swap["kind"])),
        None if "error" in swap else (swap["amountIn"], swap["amountOut"]),
    )
