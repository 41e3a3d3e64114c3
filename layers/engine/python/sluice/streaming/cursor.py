"""Where in the stream of events somebody is.

Postgres numbers transactions as they begin to write, and they commit in any order: whoever went by
the largest number seen would miss one that commits later. So a cursor is the number below which all
had ended when it was made, and whoever comes back with it is sent everything from there on: some of
it once more, nothing too few.
"""

import re
from typing import Final

from sluice.orders.port import Snapshot

Cursor = int

BEGINNING: Final[Cursor] = 1
_WRITTEN: Final = re.compile("[0-9a-f]{1,16}")
_LARGEST: Final[Cursor] = 2**64 - 1


class CursorInvalid(Exception):
    """What was sent as a cursor is none that we gave out."""


def written(cursor: Cursor) -> str:
    """As clients are given it."""
    return format(cursor, "x")


def parsed(text: str) -> Cursor:
    """The cursor that a client was given; raises `CursorInvalid`."""
    if not _WRITTEN.fullmatch(text):
        raise CursorInvalid(text)
    return max(BEGINNING, int(text, 16))


def settled(snapshot: Snapshot) -> Cursor:
    """Below it, every transaction had ended at the moment of the snapshot."""
    return int(snapshot.split(":", 1)[0])


def known(cursor: Cursor, snapshot: Snapshot) -> bool:
    """Whether the cursor lies in the past of the snapshot: another database's may not."""
    return cursor <= int(snapshot.split(":", 2)[1])


def snapshot_at(cursor: Cursor) -> Snapshot:
    """The moment at which all before the cursor had ended, and nothing else had happened."""
    at = min(cursor, _LARGEST)
    return f"{at}:{at}:"
