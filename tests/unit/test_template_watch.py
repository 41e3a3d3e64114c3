"""Alarms and dashboard read metrics that there are: those that the functions write, or AWS does."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import FailReason
from sluice.venues.base import VenueName
from tests.templates import ROOT, Deployed, nested, sluice

ENGINE = ROOT / "layers/engine/python/sluice"
WRITERS = {
    "worker": [ROOT / "functions/worker/app.py", ENGINE / "engine.py"],
    "sweeper": [ROOT / "functions/sweeper/app.py"],
    "relay": [ROOT / "functions/stream/relay.py"],
}
"""Where the metrics of a service are written."""
APART = {"by_venue": "venue", "by_reason": "reason"}
CLOSED = {"venue": set(map(str, VenueName)), "reason": set(map(str, FailReason))}
AWS_OWN = {
    "AWS/SQS": (
        {"QueueName"},
        {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"},
    ),
    "AWS/Lambda": (
        {"FunctionName"},
        {"ConcurrentExecutions", "Errors", "Invocations", "Throttles"},
    ),
    "AWS/ApiGateway": (
        {"ApiId"},
        {"4xx", "5xx", "Count", "ClientError", "ConnectCount", "ExecutionError", "MessageCount"},
    ),
    "AWS/RDS": (
        {"ProxyName", "TargetGroup", "TargetRole"},
        {"DatabaseConnections", "MaxDatabaseConnectionsAllowed"},
    ),
}
"""What AWS writes of what we read, by its documentation."""
OURS = "Sluice/sluice"
"""The namespace of a stack that is called `sluice`."""
AWS_NAMES = {"TargetGroup": "default", "TargetRole": "READ_WRITE"}
"""The writer alone: a reader that stands by has connections of its own that it may open."""


@dataclass(frozen=True)
class Read:
    """A metric as it is read."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


@pytest.fixture(scope="module")
def outer() -> Deployed:
    return sluice(SolanaRpcUrl="https://rpc.example", AlarmTopicArn="arn:aws:sns:::topic")


@pytest.fixture(scope="module")
def watch(outer: Deployed) -> Deployed:
    return nested(outer, "Watch")


def read_by_alarms(watch: Deployed) -> Iterator[Read]:
    for alarm in watch.of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        several = [
            m["MetricStat"]["Metric"] for m in properties.get("Metrics", []) if "MetricStat" in m
        ]
        for one in several or [properties]:
            dimensions = {(d["Name"], d["Value"]) for d in one.get("Dimensions", [])}
            yield Read(one["Namespace"], one["MetricName"], frozenset(dimensions))


def read_by_dashboard(watch: Deployed) -> Iterator[Read]:
    (dashboard,) = watch.of_type("AWS::CloudWatch::Dashboard").values()
    for widget in json.loads(dashboard["Properties"]["DashboardBody"])["widgets"]:
        for metric in widget["properties"]["metrics"]:
            words = [word for word in metric if isinstance(word, str)]
            if words:
                namespace, name, *pairs = words
                yield Read(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))


def read(watch: Deployed) -> set[Read]:
    return {*read_by_alarms(watch), *read_by_dashboard(watch)}


def written_in(path: Path) -> Iterator[tuple[re.Pattern[str], set[str]]]:
    """What a module writes: how a metric is called, and its dimensions beside `service`."""
    tree = ast.parse(path.read_text())
    bound = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=function, args=[name, ast.Attribute(value=ast.Name("MetricUnit")), *_]
            ):
                yield _pattern(name), _dimensions(function, bound)


def _pattern(name: ast.expr) -> re.Pattern[str]:
    match name:
        case ast.Constant(str(text)):
            return re.compile(text)
        case ast.JoinedStr([ast.Constant(str(start)), _]):
            return re.compile(f"{start}[A-Z][a-z]+")
    raise NotImplementedError(ast.dump(name))


def _dimensions(function: ast.expr, bound: dict[str, ast.expr]) -> set[str]:
    match function:
        case ast.Call(func=ast.Attribute(value=ast.Name(which), attr="of")):
            return {APART[which]}
        case ast.Name(name) if name in bound:
            return _dimensions(bound[name], bound)
    return set()


def test_each_metric_of_ours_that_is_read_is_written_with_its_dimensions(watch: Deployed) -> None:
    filtered = {
        transformation["MetricName"]
        for one in watch.of_type("AWS::Logs::MetricFilter").values()
        for transformation in one["Properties"]["MetricTransformations"]
        if transformation["MetricNamespace"] == OURS
    }
    ours = [metric for metric in read(watch) if metric.namespace == OURS]
    assert len(ours) > 20

    for metric in ours:
        values = dict(metric.dimensions)
        service = values.pop("service", None)
        if service is None:
            assert (metric.name in filtered, values) == (True, {}), metric
            continue
        written = [one for path in WRITERS[service] for one in written_in(path)]
        assert any(
            name.fullmatch(metric.name) and dimensions == values.keys()
            for name, dimensions in written
        ), metric
        assert all(value in CLOSED[name] for name, value in values.items()), metric


def test_each_metric_of_aws_that_is_read_is_one_with_its_dimension(watch: Deployed) -> None:
    for metric in read(watch):
        if metric.namespace != OURS:
            dimensions, names = AWS_OWN[metric.namespace]
            assert metric.name in names, metric
            assert {name for name, _ in metric.dimensions} == dimensions, metric
            for name, value in metric.dimensions:
                # Of the outer stack, by the parameter that has its name.
                assert value == AWS_NAMES.get(name) or value.startswith("<"), metric


def test_the_dashboard_shows_every_venue_and_every_reason(watch: Deployed) -> None:
    shown = [dict(metric.dimensions) for metric in read_by_dashboard(watch)]

    for dimension, values in CLOSED.items():
        assert {one[dimension] for one in shown if dimension in one} == values


def test_services_are_called_as_their_functions_call_themselves(outer: Deployed) -> None:
    variables = [
        function["Properties"]["Environment"]["Variables"]
        for function in outer.of_type("AWS::Lambda::Function").values()
    ]
    assert WRITERS.keys() <= {one["POWERTOOLS_SERVICE_NAME"] for one in variables}


def test_the_metrics_of_two_stacks_do_not_mix(outer: Deployed) -> None:
    for function in outer.of_type("AWS::Lambda::Function").values():
        variables = function["Properties"]["Environment"]["Variables"]
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == OURS
    other = nested(sluice(**{"AWS::StackName": "other"}), "Watch")
    assert {m.namespace for m in read(other)} == {*AWS_OWN, "Sluice/other"}


def test_every_alarm_is_told_to_the_topic_and_so_is_its_end(watch: Deployed) -> None:
    alarms = watch.of_type("AWS::CloudWatch::Alarm")

    assert len(alarms) >= 12
    for name, alarm in alarms.items():
        told: dict[str, Any] = alarm["Properties"]
        topic = ["arn:aws:sns:::topic"]
        assert (told.get("AlarmActions"), told.get("OKActions")) == (topic, topic), name
        assert told["AlarmDescription"], name


def test_a_sum_is_known_though_a_part_of_it_was_never_written(watch: Deployed) -> None:
    """One metric that is missing takes the whole along: a function that is throttled altogether
    has neither invocations nor errors."""
    sums = set()
    for name, alarm in watch.of_type("AWS::CloudWatch::Alarm").items():
        whole, *parts = alarm["Properties"].get("Metrics", [{"Expression": ""}])
        if "+" not in whole["Expression"]:
            continue
        sums.add(name)
        left = re.sub(r"FILL\((\w+), 0\)", "", whole["Expression"])
        assert [one["Id"] for one in parts if one["Id"] in left] == [], name
    assert {name for name in sums if name.endswith("Errors")} | {"OrdersBroken"} == sums
    assert len(sums) == 7


def test_accepted_orders_are_counted_and_timed_by_the_gateway_whatever_functions_log(
    outer: Deployed, watch: Deployed
) -> None:
    stage = outer.resources["HttpStage"]["Properties"]["AccessLogSettings"]
    fields = dict(re.findall(r'"(\w+)":("?\$context\.[\w.]+"?)', stage["Format"]))
    # Without quotation marks, since metrics are numbers.
    numbers = {"status": "$context.status", "millis": "$context.responseLatency"}
    assert numbers.items() <= fields.items()
    assert (fields["method"], fields["path"]) == ('"$context.httpMethod"', '"$context.path"')
    assert "/api/orders/execute" in (ROOT / "functions/api/placing.py").read_text()

    accepted = '$.method = "POST" && $.path = "/api/orders/execute" && $.status = 201'
    drawn = {}
    for one in watch.of_type("AWS::Logs::MetricFilter").values():
        assert one["Properties"]["LogGroupName"] == f"<{stage['DestinationArn']['Fn::GetAtt'][0]}>"
        (transformation,) = one["Properties"]["MetricTransformations"]
        drawn[transformation["MetricName"]] = (
            one["Properties"]["FilterPattern"],
            transformation["MetricValue"],
        )
    assert drawn == {
        "OrdersAccepted": (f"{{ {accepted} }}", "1"),
        "AcceptLatency": (f"{{ {accepted} && $.millis = * }}", "$.millis"),
    }
