"""One SQS batch: which messages come again, and which do not."""

from collections.abc import Sequence

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from sluice.engine import BatchOutcome, Deadline
from sluice.orders.message import encode
from sluice.orders.model import OrderTerms
from tests.builders import buy
from worker.app import Batch, ComesAgain


class Executes:
    """Says of every order what it was told to say, or raises."""

    def __init__(self, retry: Sequence[OrderTerms] = (), error: Exception | None = None) -> None:
        self.retry = {order.id: "the lease was lost" for order in retry}
        self.error = error
        self.seen: list[OrderTerms] = []

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome:
        self.seen = list(terms)
        if self.error is not None:
            raise self.error
        return BatchOutcome(frozenset(o.id for o in terms) - self.retry.keys(), self.retry)


def records(*bodies: str) -> list[dict[str, object]]:
    return [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]


def comes_again(batch: Batch, record: dict[str, object]) -> str | None:
    """Why the message comes again, or None."""
    try:
        batch.result(SQSRecord(record))
    except ComesAgain as why:
        return str(why)
    return None


def test_a_message_that_is_no_order_fails_alone() -> None:
    order = buy()
    batch, engine = Batch(messages := records("no order", encode(order))), Executes()

    batch.execute(engine, Deadline(30))

    assert engine.seen == [order]
    assert (comes_again(batch, messages[0]) or "").startswith("not an order: body: Invalid JSON")
    assert comes_again(batch, messages[1]) is None


def test_an_order_that_must_be_retried_comes_again_and_the_others_do_not() -> None:
    first, second = buy(), buy()
    batch = Batch(messages := records(encode(first), encode(second)))

    batch.execute(Executes(retry=[first]), Deadline(30))

    assert [comes_again(batch, message) for message in messages] == ["the lease was lost", None]


def test_the_same_order_in_two_messages_is_done_with_both() -> None:
    order = buy()
    batch = Batch(messages := records(encode(order), encode(order)))

    batch.execute(Executes(), Deadline(30))

    assert [comes_again(batch, message) for message in messages] == [None, None]


def test_when_the_engine_raises_every_order_comes_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    batch = Batch(messages := records(encode(buy()), "no order"))

    batch.execute(Executes(error=RuntimeError("boom")), Deadline(30))

    assert comes_again(batch, messages[0]) == "RuntimeError: boom"
    assert (comes_again(batch, messages[1]) or "").startswith("not an order")
