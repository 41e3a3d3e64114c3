"""How long things take on AWS, from what they took here.

Lambda gives a function a share of its vCPU by its memory, so CPU time is stretched; waiting is not.
What is waited for is assumed (see `measured.toml`), and paid for like the rest.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

from .deployment import Deployment

FILE: Final = Path(__file__).with_name("measured.toml")
FULL_VCPU_MB: Final = 1_769
"""AWS Lambda Developer Guide, "Configure Lambda function memory": one vCPU's worth."""
ACU_PER_VCPU: Final = 4
"""AWS's own agent toolkit, Aurora serverless sizing: a busy vCPU of an r6g to r8g is 4 ACU."""
BATCHES: Final = (1, 10)
"""The sizes of batch that were measured; in between it is a straight line."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The tables of `measured.toml`."""

    measured: Mapping[str, Any]
    assumed: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path = FILE) -> Self:
        tables = tomllib.loads(file.read_text())
        return cls(tables["measured"], tables["assumed"])

    def of_batch(self, what: str, orders: Fraction) -> Fraction:
        """Of a batch of so many orders, in the unit of the figure."""
        few, many = BATCHES
        least, most = (int(self.measured[f"batch_of_{size}_{what}"]) for size in BATCHES)
        return least + (orders - few) * Fraction(most - least, many - few)


@dataclass(frozen=True, slots=True)
class Durations:
    """In microseconds of wall time on AWS, unless it says otherwise."""

    figures: Figures
    deployment: Deployment

    def accept(self) -> Fraction:
        """One order: two round trips to Valkey and one to SQS around the CPU."""
        assumed = self.figures.assumed
        waits = 2 * assumed["valkey_round_trip_us"] + assumed["sqs_round_trip_us"]
        cpu = self.stretched(self.figures.measured["accept_cpu_us"], "ApiFunction")
        return cpu + Fraction(waits)

    def batch_cpu(self, orders: Fraction) -> Fraction:
        """A worker's own work at a batch whose market it knows already."""
        return self.stretched(self.figures.of_batch("cpu_us", orders), "WorkerFunction")

    def snapshot_cpu(self) -> Fraction:
        """What it needs more to learn the market anew, the RPC's answer not counted."""
        return self.stretched(self.figures.measured["snapshot_cpu_us"], "WorkerFunction")

    def postgres_cpu(self, orders: Fraction) -> Fraction:
        """Of one vCPU of the database, for both of a batch's statements."""
        return self.figures.of_batch("postgres_us", orders) * self._slower()

    def batch(self, orders: Fraction, *, fresh: bool) -> Fraction:
        """A batch on a database with a vCPU to spare; `fresh` if the market is asked for."""
        assumed = self.figures.assumed
        market = self.snapshot_cpu() + Fraction(assumed["rpc_us"]) if fresh else Fraction(0)
        return self.batch_cpu(orders) + self.postgres_cpu(orders) + market + self.round_trips()

    def round_trips(self) -> Fraction:
        """What a batch waits for two statements of Postgres and for Valkey, besides their work."""
        assumed = self.figures.assumed
        return Fraction(2 * assumed["postgres_round_trip_us"] + assumed["valkey_round_trip_us"])

    def delivery_cpu(self) -> Fraction:
        """One status change to one client, by a relay."""
        return self.stretched(self.figures.measured["delivery_cpu_us"], "RelayFunction")

    def stretched(self, cpu_us: Fraction | int, function: str) -> Fraction:
        """CPU time here as wall time on Lambda, for a function that has but one thread."""
        share = min(Fraction(1), Fraction(self.deployment.memory_mb(function), FULL_VCPU_MB))
        return cpu_us * self._slower() / share

    def _slower(self) -> Fraction:
        return Fraction(self.figures.assumed["vcpu_slowdown"])
