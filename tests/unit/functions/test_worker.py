"""One SQS batch: which messages come again, when, and which no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from sluice.engine import Again, BatchOutcome, Deadline
from sluice.errors import DatabaseUnavailable, SecretUnavailable
from sluice.orders.message import encode
from sluice.orders.model import OrderTerms
from sluice.orders.received import MAX_RECEIVES, Received
from tests.builders import buy
from worker.app import Batch


@dataclass
class Executes:
    """Says of every order what it was told to say, or raises."""

    retry: Mapping[UUID, Again] = field(default_factory=dict)
    error: Exception | None = None
    seen: list[OrderTerms] = field(default_factory=list)

    async def execute(self, terms: Sequence[OrderTerms], deadline: Deadline) -> BatchOutcome:
        self.seen = list(terms)
        if self.error is not None:
            raise self.error
        return BatchOutcome(frozenset(o.id for o in terms) - self.retry.keys(), dict(self.retry))


@dataclass
class FakeQueues:
    """Keeps what was done with messages; can refuse to take one."""

    takes: bool = True
    again: list[tuple[str, float]] = field(default_factory=list)
    renewed: list[tuple[str, float]] = field(default_factory=list)
    buried: list[tuple[str, str]] = field(default_factory=list)

    def come_again(self, messages: Sequence[tuple[Received, float]]) -> None:
        self.again += [(message.id, seconds) for message, seconds in messages]

    def renew(self, message: Received, seconds: float) -> bool:
        self.renewed.append((message.id, seconds))
        return self.takes

    def bury(self, message: Received, error: str) -> bool:
        self.buried.append((message.id, error))
        return self.takes


def messages(*bodies: str, receives: int = 1) -> list[Received]:
    return [Received(f"m{n}", f"r{n}", body, "alice", receives) for n, body in enumerate(bodies)]


def kept(batch: Batch, queues: FakeQueues) -> list[str]:
    """Which messages SQS must keep; the jitter is always none."""
    return [message.id for message in batch.see_to_faults(queues, lambda choices: 0)]


def test_a_message_that_is_no_order_fails_alone() -> None:
    order = buy()
    batch, engine, queues = Batch(messages("no order", encode(order))), Executes(), FakeQueues()

    batch.execute(engine, Deadline(30))

    assert engine.seen == [order]
    assert kept(batch, queues) == ["m0"]
    assert queues.again == [("m0", 2)]


def test_an_order_comes_again_when_the_engine_says_and_the_others_do_not() -> None:
    first, second = buy(), buy()
    batch, queues = Batch(messages(encode(first), encode(second))), FakeQueues()

    batch.execute(Executes({first.id: Again("SLIPPAGE_EXCEEDED", 4)}), Deadline(30))

    assert kept(batch, queues) == ["m0"]
    assert queues.again == [("m0", 4)]


def test_the_same_order_in_two_messages_is_done_with_both() -> None:
    order = buy()
    batch = Batch(messages(encode(order), encode(order)))

    batch.execute(Executes(), Deadline(30))

    assert batch.faults == []


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 8), (3, 30), (4, 120)])
def test_when_the_engine_raises_every_order_comes_again_later_each_time(
    receives: int, seconds: int
) -> None:
    batch, queues = Batch(messages(encode(buy()), "no order", receives=receives)), FakeQueues()

    batch.execute(Executes(error=RuntimeError("boom")), Deadline(30))

    assert kept(batch, queues) == ["m1", "m0"]
    assert queues.again == [("m1", seconds), ("m0", seconds)]


def test_what_goes_wrong_each_time_is_buried_with_its_error_and_not_kept() -> None:
    batch = Batch(messages(encode(buy()), "no order", receives=MAX_RECEIVES))
    queues = FakeQueues()

    batch.execute(Executes(error=RuntimeError("boom")), Deadline(30))

    assert kept(batch, queues) == []
    (_, no_order), (_, boom) = queues.buried
    assert no_order.startswith("not an order: body: Invalid JSON")
    assert boom == "RuntimeError: boom"


@pytest.mark.parametrize(
    ("engine", "seconds"),
    [
        (Executes(error=DatabaseUnavailable("gone")), 120),
        (Executes(error=SecretUnavailable("gone")), 120),
        (Executes({UUID(int=7): Again("its price moved", 4)}), 4),
    ],
)
def test_an_order_that_only_waits_is_never_buried(engine: Executes, seconds: int) -> None:
    order = buy(order_id=UUID(int=7))
    batch, queues = Batch(messages(encode(order), receives=MAX_RECEIVES)), FakeQueues()

    batch.execute(engine, Deadline(30))

    assert kept(batch, queues) == []
    assert (queues.renewed, queues.buried) == ([("m0", seconds)], [])


@pytest.mark.parametrize("broken", [True, False])
def test_a_message_that_cannot_be_moved_is_left_to_sqs(broken: bool) -> None:
    order = buy()
    batch, queues = Batch(messages(encode(order), receives=MAX_RECEIVES)), FakeQueues(takes=False)

    batch.execute(Executes({order.id: Again("why", 4, broken)}), Deadline(30))

    assert kept(batch, queues) == ["m0"]
