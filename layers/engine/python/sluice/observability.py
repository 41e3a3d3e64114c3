"""Logs and metrics, the same in every function: Powertools, configured by its own variables.

Metrics are in a namespace of the stack's, since several stacks share a region. A metric has the
function's name as its dimension `service`; those that are told apart further have one dimension
more, of a closed set: a venue, or a reason. Each combination is billed.
"""

import os
from collections import defaultdict
from collections.abc import Callable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

# Powertools would refuse to write where its variable is not set, which is outside of a stack.
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Sluice")

# What is logged is words: left to itself, Powertools would try to read each line as JSON.
logger = Logger(json_deserializer=str)
"""JSON lines; `order_id` is on every line that is about one order."""

metrics = Metrics(namespace=NAMESPACE)

Add = Callable[[str, MetricUnit, float], None]


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
