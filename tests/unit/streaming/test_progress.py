"""What is noted of how far everyone was served, and when it stands there."""

from dataclasses import dataclass, field

import pytest
from redis.exceptions import RedisError

from sluice.streaming.lease import Held, Lease
from sluice.streaming.progress import Progress, Served, served_of
from sluice.streaming.valkey import connect

NOWHERE = "redis://127.0.0.1:1"


class Noting(Lease):
    """Keeps what is noted, and is whoever's it is said to be."""

    def __init__(self) -> None:
        super().__init__(connect(NOWHERE), 0)
        self.noted: list[str] = []
        self.held = Held.STILL

    async def renew(self, served: str) -> Held:
        self.noted.append(served)
        return self.held


@dataclass
class Relay:
    """Is ever further."""

    lease: Noting = field(default_factory=Noting)
    at: int = 0

    def served(self) -> Served:
        self.at += 1
        return Served(f"{self.at}:{self.at}:")


async def test_each_time_it_is_asked_for_what_is_so_by_then_is_noted() -> None:
    relay = Relay()
    progress = Progress(relay.lease, relay.served)
    for _ in range(3):
        await progress.noted()

    assert [served_of(text).cursor for text in relay.lease.noted] == [1, 2, 3]


async def test_of_a_lease_that_is_anothers_nothing_was_noted() -> None:
    relay = Relay()
    relay.lease.held = Held.TAKEN

    with pytest.raises(RedisError):
        await Progress(relay.lease, relay.served).noted()


def test_the_next_relay_goes_on_at_the_snapshot_or_where_who_is_behind_came_to() -> None:
    snapshot = "90:100:90,95"

    assert Served(snapshot, {"a1": 50}).since == snapshot
    assert Served(snapshot, {"a1": 50, "a2": 95}).since == "90:90:"
    assert served_of(Served(snapshot, {"a1": 50}, {"a1": {"x": 2}}).as_text()) == Served(
        snapshot, {"a1": 50}, {"a1": {"x": 2}}
    )
