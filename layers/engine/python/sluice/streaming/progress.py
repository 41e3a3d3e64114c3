"""How far everyone was served, noted for the relay that comes next."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from sluice.orders.port import Snapshot

from .cursor import Cursor, parsed, settled, snapshot_at, written
from .lease import Held, Lease


@dataclass(frozen=True, slots=True)
class Served:
    """Everybody was posted what had committed by `snapshot`, but for those named here."""

    snapshot: Snapshot
    behind: Mapping[str, Cursor] = field(default_factory=dict)
    """By connection: all before it was posted."""
    owed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By connection, the orders whose events behind one it asked for and was not posted."""

    @property
    def cursor(self) -> Cursor:
        return settled(self.snapshot)

    @property
    def since(self) -> Snapshot:
        """Where the next relay goes on.

        Not at the snapshot while somebody is behind who came past its cursor: from that on it is
        read again for everybody, which is quicker than a replay for each.
        """
        together = any(at >= self.cursor for at in self.behind.values())
        return snapshot_at(self.cursor) if together else self.snapshot

    def as_text(self) -> str:
        return json.dumps(
            {
                "cursor": written(self.cursor),
                "snapshot": self.snapshot,
                "behind": {id_: written(at) for id_, at in self.behind.items()},
                "owed": self.owed,
            }
        )


def served_of(text: str) -> Served:
    """What `as_text` wrote, here or in a release before."""
    content = json.loads(text)
    snapshot = content.get("snapshot") or snapshot_at(parsed(content["cursor"]))
    behind = {id_: parsed(cursor) for id_, cursor in content["behind"].items()}
    return Served(snapshot, behind, content.get("owed", {}))


class Progress:
    """Notes it one at a time, so that what is older never stands over what is newer."""

    def __init__(self, lease: Lease, served: Callable[[], Served]) -> None:
        """`served` says how far everyone was served by now."""
        self._lease = lease
        self._served = served
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Held] | None = None

    async def note(self) -> Held:
        """Notes it and keeps the lease; raises redis' RedisError."""
        async with self._turn:
            return await self._lease.renew(self._served().as_text())

    async def noted(self) -> None:
        """Returns when it stands there as of now; who comes meanwhile shares the note after that.

        Raises redis' RedisError, if the lease is not ours any more, too.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._note_next())
        if await asyncio.shield(self._next) is not Held.STILL:
            raise RedisError("the lease is another's")

    async def _note_next(self) -> Held:
        async with self._turn:
            self._next = None
            return await self._lease.renew(self._served().as_text())
