"""What a simulated deployment is made of: its limits, its times, and what a run came to."""

import math
from dataclasses import dataclass, field
from heapq import heappush, heapreplace


@dataclass(frozen=True, slots=True)
class Limits:
    """All that bounds a deployment."""

    api_concurrency: int
    maximum_concurrency: int
    relays: int
    least_acu: float
    most_acu: float
    connections: float
    """To Postgres; infinite behind a proxy, which lends them out by the statement."""
    rpc_per_second: float
    stage_per_second: float
    stage_burst: float
    gateway_per_second: float
    account_concurrency: int
    batch_size: int = 10
    vcpu_per_acu: float = 0.25
    authorizer_concurrency: int = 0
    """All of it is taken for used: of the account's concurrency, and of the connections."""


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds of wall time; of a batch, a fixed part and one per order."""

    accept: float
    api_start: float
    worker_start: float
    batch: float
    batch_order: float
    snapshot: float
    """A worker's own work at a market that it has to ask for."""
    rpc: float
    rpc_sigma: float
    postgres: float
    postgres_order: float
    round_trips: float
    """What a batch waits for Postgres and Valkey besides their work."""
    delivery: float
    deliveries_per_order: int


@dataclass(slots=True)
class Bucket:
    """Tokens that come at a rate, up to a number."""

    per_second: float
    most: float
    _left: float = field(init=False)
    _at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._left = self.most

    def take(self, now: float, wanted: int) -> int:
        """Takes what there is of the tokens that are wanted; how many."""
        self._fill(now)
        taken = max(0, min(wanted, int(self._left)))
        self._left -= taken
        return taken

    def owe(self, now: float, wanted: int) -> float:
        """Takes all that are wanted; in how many seconds they will have come."""
        self._fill(now)
        self._left -= wanted
        return max(0.0, -self._left / self.per_second)

    def _fill(self, now: float) -> None:
        self._left = min(self.most, self._left + (now - self._at) * self.per_second)
        self._at = now


class Cores:
    """First come, first served by as many cores as there are; less than one is a slow one."""

    def __init__(self, cores: float) -> None:
        self._free_at = [0.0]
        self.busy = 0.0
        """Seconds of work taken on, of one core."""
        self.grow(cores, 0.0)

    def grow(self, cores: float, now: float) -> None:
        """There are so many from now on, never fewer."""
        self.cores = cores
        while len(self._free_at) < math.floor(cores):
            heappush(self._free_at, now)

    def work(self, now: float, seconds: float) -> float:
        """In how many seconds work that comes now is done; `seconds` is what one core needs."""
        self.busy += seconds
        done = max(now, self._free_at[0]) + seconds * len(self._free_at) / self.cores
        heapreplace(self._free_at, done)
        return done - now


@dataclass(slots=True)
class Seen:
    """What a run came to; times in seconds."""

    arrived: int = 0
    accepted: int = 0
    done: int = 0
    failed: int = 0
    """Given up because the RPC refused to be asked, four times."""
    refused: dict[str, int] = field(default_factory=dict)
    """Never accepted, by the limit."""
    bound: dict[str, float] = field(default_factory=dict)
    """When each limit was first felt."""
    waited: list[float] = field(default_factory=list)
    """Of each order, in the queue."""
    took: list[float] = field(default_factory=list)
    """Of each order, from its arrival until it was recorded."""
    told: list[float] = field(default_factory=list)
    """Of each batch, from recorded until its last client was told."""
    queue_area: float = 0.0
    """Orders in the queue, integrated over time."""
    left: int = 0
    """In the queue when the run ended."""
    batches: int = 0
    batched: int = 0
    """Orders in all of them, the ones that came again counted again."""
    snapshots: int = 0
    worker_ms: int = 0
    """Of all batches, each rounded up as it is paid for."""
    postgres_seconds: float = 0.0
    """Work of the database, of one core."""
    most_connections: int = 0
    most_api: int = 0
    most_workers: int = 0
    most_acu: float = 0.0

    @property
    def first(self) -> str:
        """The limit that was felt first; empty if all held."""
        return min(self.bound, key=self.bound.__getitem__, default="")


def quantile(values: list[float], share: float) -> float:
    """The least value that at least this share are no larger than; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
