"""Where a deployment's first limit lies, what is next once it is raised, what a burst does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Final

from .deployment import Deployment
from .durations import ACU_PER_VCPU, Durations, Figures
from .scale_model import (
    ACCOUNT,
    ACU,
    API,
    API_GATEWAY,
    CONNECTIONS,
    RELAYS,
    RPC,
    STAGE,
    WORKERS,
    Simulation,
)
from .scale_parts import Limits, Seen, Times, quantile
from .sheets import Sheet

# Amazon API Gateway Developer Guide, "Amazon API Gateway quotas": over all APIs of an account and
# the posts to its WebSocket clients. AWS Lambda Developer Guide, "Understanding Lambda function
# scaling". Both are raised on request.
GATEWAY_PER_SECOND: Final = 10_000
ACCOUNT_CONCURRENCY: Final = 1_000
CONNECTIONS_OF_ACU: Final = {1: 189, 4: 823, 8: 1_669, 16: 3_360, 32: 5_000}
"""Aurora User Guide, "Maximum connections for Aurora serverless v2", by the most ACU."""
CONNECTIONS_OF_LITTLE: Final = 2_000
"""The most where the least ACU is 0.5 or less; the same page."""

RATES: Final = (1, 10, 100, 1_000, 10_000)
ORDERS, SHORTEST, LONGEST = 20_000, 6, 600
"""A steady rate is simulated for so many orders, within these bounds of seconds."""
TICK: Final = 0.002
DOUBLINGS: Final = 40
"""Of all limits together, at one rate."""

FIELDS: Final[Mapping[str, str]] = {
    API_GATEWAY: "gateway_per_second",
    STAGE: "stage_per_second",
    API: "api_concurrency",
    ACCOUNT: "account_concurrency",
    WORKERS: "maximum_concurrency",
    CONNECTIONS: "connections",
    ACU: "most_acu",
    RPC: "rpc_per_second",
    RELAYS: "relays",
}
"""What is doubled when a limit is felt."""
WHOSE: Final[Mapping[str, str]] = {
    API_GATEWAY: "a quota of the account",
    ACCOUNT: "a quota of the account",
    CONNECTIONS: "the database's size, or a proxy",
    ACU: "the database's size",
    RPC: "the provider's plan",
}
"""Who sets it; the others are parameters of the template."""


def limits(deployment: Deployment, figures: Figures) -> Limits:
    """Those of a deployment with its parameters at their defaults, in an account with AWS's."""
    least, most = deployment.capacity()
    proxied = deployment.count("AWS::RDS::DBProxy")
    return Limits(
        api_concurrency=int(deployment.parameter("ApiConcurrency")),
        maximum_concurrency=int(deployment.parameter("MaximumConcurrency")),
        relays=int(deployment.parameter("RelayShards")),
        least_acu=float(least),
        most_acu=float(most),
        connections=float("inf") if proxied else connections(float(least), float(most)),
        rpc_per_second=figures.assumed["rpc_per_second"],
        stage_per_second=float(deployment.parameter("RequestsPerSecond")),
        stage_burst=float(deployment.parameter("RequestsBurst")),
        gateway_per_second=GATEWAY_PER_SECOND,
        account_concurrency=ACCOUNT_CONCURRENCY,
        batch_size=deployment.batch_size(),
        authorizer_concurrency=int(deployment.parameter("AuthorizerConcurrency")),
        vcpu_per_acu=1 / ACU_PER_VCPU,
    )


def connections(least_acu: float, most_acu: float) -> int:
    """How many Aurora takes without a proxy in front of it."""
    fits = [number for acu, number in CONNECTIONS_OF_ACU.items() if acu <= most_acu]
    most = max(fits, default=min(CONNECTIONS_OF_ACU.values()))
    return min(most, CONNECTIONS_OF_LITTLE) if least_acu <= Fraction(1, 2) else most


def times(durations: Durations) -> Times:
    """The same in seconds, as straight lines."""
    one, two = Fraction(1), Fraction(2)
    figures = durations.figures.assumed

    def line(of: Callable[[Fraction], Fraction]) -> tuple[float, float]:
        each = of(two) - of(one)
        return _seconds(of(one) - each), _seconds(each)

    batch, batch_order = line(durations.batch_cpu)
    postgres, postgres_order = line(durations.postgres_cpu)
    return Times(
        accept=_seconds(durations.accept()),
        api_start=_seconds(figures["api_start_us"]),
        worker_start=_seconds(figures["worker_start_us"]),
        batch=batch,
        batch_order=batch_order,
        snapshot=_seconds(durations.snapshot_cpu()),
        rpc=_seconds(figures["rpc_us"]),
        rpc_sigma=figures["rpc_sigma"],
        postgres=postgres,
        postgres_order=postgres_order,
        round_trips=_seconds(durations.round_trips()),
        delivery=_seconds(durations.delivery_cpu()),
        deliveries_per_order=figures["events_per_order"] * figures["listeners_per_order"],
    )


def _seconds(micros: Fraction | int) -> float:
    return float(micros) / 1_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """A rate, the limits that were tried, and what came of it over `seconds`."""

    rate: int
    limits: Limits
    seen: Seen
    seconds: int


@dataclass(frozen=True, slots=True)
class Raise:
    """What had to be raised for a rate, from the value that was felt to the one that was not."""

    rate: int
    limit: str
    before: float
    after: float


@cache
def ladder() -> tuple[Step, ...]:
    """From the defaults up: at each rate the limit that is felt first is doubled until all hold."""
    figures, deployment = Figures.read(), Deployment()
    tried = limits(deployment, figures)
    took = times(Durations(figures, deployment))
    steps: list[Step] = []
    for rate in RATES:
        for _ in range(DOUBLINGS):
            step = steady(tried, took, rate)
            steps.append(step)
            if not step.seen.bound:
                break
            field = FIELDS[step.seen.first]
            tried = replace(tried, **{field: 2 * getattr(tried, field)})
        else:
            raise RuntimeError(f"{rate} orders/s: {step.seen.first}, whatever is raised")
    return tuple(steps)


def steady(tried: Limits, took: Times, rate: int) -> Step:
    """A rate that has been there for a while: all processes run, the database has grown."""
    seconds = max(SHORTEST, min(LONGEST, ORDERS // rate))
    simulation = Simulation(tried, took, rate, warm=True, tick=TICK)
    return Step(rate, tried, simulation.run(seconds), seconds)


def holding(rate: int) -> Step:
    """The first deployment on the ladder that bears so many orders a second."""
    return next(step for step in ladder() if step.rate == rate and not step.seen.bound)


def raises() -> list[Raise]:
    """What the ladder raised, in the order in which it was felt."""
    found: dict[tuple[int, str], Raise] = {}
    for step in ladder():
        if limit := step.seen.first:
            value = getattr(step.limits, FIELDS[limit])
            first = found.get((step.rate, limit))
            before = first.before if first else value
            found[step.rate, limit] = Raise(step.rate, limit, before, 2 * value)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Burst:
    """Orders out of a clear sky: no process runs, the database is at its least."""

    name: str
    rate: float
    lasts: float


BURSTS: Final = (
    Burst("100/s, and stays", 100, 60),
    Burst("1,000/s for 10 s", 1_000, 10),
    Burst("1,000 in 100 ms", 10_000, 0.1),
)
WATCHED_SECONDS: Final = 60
"""From the beginning of a burst."""
RESTORED_SECONDS: Final = 0.3
"""Assumed of a start from a snapshot, by SnapStart."""
AWAKE_ACU: Final = 4.0


def steady_sheet() -> Sheet:
    """What the defaults bear."""
    first = ladder()[0].limits
    took = times(Durations(Figures.read(), Deployment()))
    steps = [steady(first, took, rate) for rate in RATES]
    columns = ("orders/s", *COLUMNS, "batch", "first limit")
    rows = [
        (
            f"{step.rate:,}",
            *_row(step.seen),
            f"{step.seen.batched / step.seen.batches:.1f}",
            step.seen.first or "all hold",
        )
        for step in steps
    ]
    return Sheet("The template's defaults, each rate for a while", columns, rows)


def raises_sheet() -> Sheet:
    """What is raised for which rate, one after the other."""
    rows = [
        (
            f"{one.rate:,}",
            one.limit,
            WHOSE.get(one.limit, "a parameter"),
            f"{one.before:,g}",
            f"{one.after:,g}",
        )
        for one in raises()
    ]
    return Sheet(
        "What has to be raised, in the order in which it is felt",
        ("orders/s", "limit", "whose", "from", "to"),
        rows,
    )


def bursts_sheet() -> Sheet:
    """What a burst does to the defaults, and to some that were raised."""
    first = ladder()[0].limits
    took = times(Durations(Figures.read(), Deployment()))
    wide = replace(first, api_concurrency=10 * first.api_concurrency)
    quick = replace(took, api_start=RESTORED_SECONDS)
    tried = {
        "the defaults": (first, took),
        "ApiConcurrency x 10": (wide, took),
        f"the API starts in {_told(RESTORED_SECONDS)}": (first, quick),
        f"at least {AWAKE_ACU:g} ACU": (replace(first, least_acu=AWAKE_ACU), took),
        "all three": (replace(wide, least_acu=AWAKE_ACU), quick),
    }
    rows = []
    for burst in BURSTS:
        for name, (bounds, took) in tried.items():
            simulation = Simulation(bounds, took, burst.rate, lasts=burst.lasts, tick=TICK)
            seen = simulation.run(WATCHED_SECONDS)
            rows.append((burst.name, name, *_row(seen), f"{seen.left:,}", seen.first or "all hold"))
    columns = ("burst", "deployment", *COLUMNS, "left", "first limit")
    return Sheet(f"From nothing, watched for {WATCHED_SECONDS} s", columns, rows)


COLUMNS: Final = ("accepted", "queued p50", "queued p99", "recorded p99", "told p99")


def _row(seen: Seen) -> tuple[str, ...]:
    return (
        f"{100 * seen.accepted / seen.arrived:.1f} %",
        _told(quantile(seen.waited, 0.5)),
        _told(quantile(seen.waited, 0.99)),
        _told(quantile(seen.took, 0.99)),
        _told(quantile(seen.told, 0.99)),
    )


def _told(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


SHEETS: Final[Mapping[str, Callable[[], Sheet]]] = {
    "steady": steady_sheet,
    "raises": raises_sheet,
    "bursts": bursts_sheet,
}
"""By their marks in `docs/costs.md`."""
