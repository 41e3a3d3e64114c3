"""`docs/asyncapi.yaml` beside the code: what it says of each message is what is taken and sent."""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from jsonschema_rs import Draft202012Validator, ValidationError, meta

from sluice.errors import FailReason
from sluice.orders.model import OrderEvent, OrderStatus, Outcome
from sluice.streaming import frames
from sluice.streaming.commands import CommandInvalid, command_of
from sluice.venues.base import VenueName
from tests.builders import NOON, buy

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "docs/asyncapi.yaml").read_text()
)
MESSAGES: Mapping[str, Any] = DOCUMENT["components"]["messages"]
HEARD = ("ping", "subscribe", "unsubscribe")
ID = UUID("01992f3a-7c00-7000-8000-000000000001")


def event(status: OrderStatus, outcome: Outcome) -> OrderEvent:
    return OrderEvent(buy().id, "alice", 4, status, NOON, outcome)


FILLED = Outcome("METEORA_DLMM", "paper-1", 1, 702_000_000, Decimal("1E-7"))
SENT = [
    frames.with_cursor(frames.order_frame(event(status, outcome)), 0x3F2A)
    for status in OrderStatus
    for outcome in (
        Outcome(),
        FILLED,
        *(replace(FILLED, venue=venue) for venue in VenueName),
        *(Outcome(reason=reason) for reason in FailReason),
    )
]
SENT += [
    frames.subscribed_frame(),
    frames.subscribed_frame(ID),
    frames.subscribed_frame(after=2**63),
    frames.unsubscribed_frame(),
    frames.unsubscribed_frame(ID),
    frames.resync_frame(1),
    frames.pong_frame(),
    *(frames.error_frame(code, "why") for code in frames.StreamError),
]


def validator(message: str) -> Draft202012Validator:
    """Of a message's payload; references lead into the document."""
    schema = {"$ref": f"#/components/messages/{message}/payload"}
    return Draft202012Validator(
        schema | {"components": DOCUMENT["components"]}, validate_formats=True
    )


def resolved(reference: str) -> object:
    assert reference.startswith("#/")
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(within: object) -> list[str]:
    if isinstance(within, dict):
        mine = [within["$ref"]] if "$ref" in within else []
        return mine + [r for value in within.values() for r in references(value)]
    if isinstance(within, list):
        return [reference for value in within for reference in references(value)]
    return []


def examples() -> list[tuple[str, dict[str, Any]]]:
    return [(name, one["payload"]) for name, m in MESSAGES.items() for one in m["examples"]]


def test_every_reference_leads_somewhere_and_every_message_goes_one_way() -> None:
    assert all(resolved(reference) for reference in references(DOCUMENT))
    ways = {
        operation["action"]: [r["$ref"].rsplit("/")[-1] for r in operation["messages"]]
        for operation in DOCUMENT["operations"].values()
    }
    assert ways["receive"] == list(HEARD)
    assert sorted(ways["receive"] + ways["send"]) == sorted(MESSAGES)
    assert set(DOCUMENT["channels"]["stream"]["messages"]) == set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_every_schema_is_one(message: str) -> None:
    meta.validate(MESSAGES[message]["payload"])


@pytest.mark.parametrize(("message", "payload"), examples())
def test_every_example_is_what_its_schema_says(message: str, payload: dict[str, Any]) -> None:
    validator(message).validate(payload)


@pytest.mark.parametrize("frame", SENT)
def test_what_is_sent_is_what_the_document_says(frame: str) -> None:
    content = json.loads(frame)
    validator(content["type"]).validate(content)


def test_every_message_that_is_sent_was_looked_at() -> None:
    assert {json.loads(frame)["type"] for frame in SENT} == set(MESSAGES) - set(HEARD)
    documented = MESSAGES["error"]["payload"]["properties"]["code"]["enum"]
    assert set(documented) == set(frames.StreamError)


@pytest.mark.parametrize(("message", "payload"), [one for one in examples() if one[0] in HEARD])
def test_every_command_of_the_document_is_taken(message: str, payload: dict[str, Any]) -> None:
    assert type(command_of(json.dumps(payload))).__name__.lower() == message


@pytest.mark.parametrize(
    "payload",
    [
        {"action": "ping", "id": 1},
        {"action": "subscribe", "orderId": "no id"},
        {"action": "subscribe", "orderId": str(ID), "after": "1"},
        {"action": "subscribe", "afterSeq": 1},
        {"action": "subscribe", "orderId": str(ID), "afterSeq": -1},
        {"action": "subscribe", "orderId": str(ID), "afterSeq": 2**31},
        {"action": "subscribe", "orderId": str(ID), "afterSeq": "1"},
        {"action": "subscribe", "orderId": None},
        {"action": "subscribe", "after": "x"},
        {"action": "subscribe", "after": ""},
        {"action": "subscribe", "after": "1" * 17},
        {"action": "unsubscribe", "orderId": None},
        {"action": "unsubscribe", "after": "1"},
    ],
)
def test_what_the_document_forbids_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validator(payload["action"]).validate(payload)
    with pytest.raises(CommandInvalid):
        command_of(json.dumps(payload))
