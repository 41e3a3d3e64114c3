"""Logs and metrics, the same in every function: Powertools, configured by its own variables."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
"""JSON lines; `order_id` is on every line that is about one order."""

metrics = Metrics(namespace="Sluice")
