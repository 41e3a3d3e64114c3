"""Logs and metrics, the same in every function: Powertools, configured by its own variables.

Metrics are in a namespace of the stack's, since several stacks share a region. A metric has the
function's name as its dimension `service`; those that are told apart further have one dimension
more, of a closed set: a venue, or a reason. Each combination is billed.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

# Powertools would refuse to write where its variable is not set, which is outside of a stack.
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Sluice")

# What is logged is words: left to itself, Powertools would try to read each line as JSON.
logger = Logger(json_deserializer=str)
"""JSON lines; `order_id` is on every line that is about one order."""

metrics = Metrics(namespace=NAMESPACE)

Add = Callable[[str, MetricUnit, float], None]


class Often:
    """A metric of so many values that `add_metric` is too dear: it writes down at each all before.

    A line holds as many as CloudWatch takes of one.
    """

    LINE: Final = 100

    def __init__(self, name: str, unit: MetricUnit) -> None:
        self._name = name
        self._unit = unit
        self._values: list[float] = []

    def add(self, value: float) -> None:
        """A tenth of the unit is told; a line that is full is written."""
        self._values.append(round(value, 1))
        if len(self._values) == self.LINE:
            self.write()

    def write(self) -> None:
        """Writes what was added, if anything, and forgets it."""
        if self._values:
            line = EphemeralMetrics(namespace=NAMESPACE)
            line.metric_set[self._name] = {"Unit": self._unit.value, "Value": self._values}
            line.flush_metrics()
            self._values = []


class Apart:
    """Metrics of one invocation by the value of one more dimension; a line each when written."""

    def __init__(self, dimension: str) -> None:
        self._dimension = dimension
        self._of: defaultdict[str, EphemeralMetrics] = defaultdict(
            lambda: EphemeralMetrics(namespace=NAMESPACE)
        )

    def of(self, value: str) -> Add:
        """`add_metric` for this value of the dimension."""
        return self._of[value].add_metric

    def write(self) -> None:
        """Writes what was added, and forgets it."""
        for value, these in self._of.items():
            these.add_dimension(self._dimension, value)
            these.flush_metrics()
        self._of.clear()


by_venue = Apart("venue")
by_reason = Apart("reason")
