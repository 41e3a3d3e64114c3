"""A client that is subscribed from the start, and must hear of every event."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import redis

from sluice.streaming.names import ORDER_EVENTS

Event = tuple[UUID, int]
"""Order and seq."""


class Follower:
    """Hears all accounts' frames, as the relay does; keeps what each was told."""

    def __init__(self) -> None:
        self._told: defaultdict[str, dict[Event, str]] = defaultdict(dict)
        self._contradictions: defaultdict[str, list[str]] = defaultdict(list)

    def hear(self, message: dict[str, str]) -> None:
        """A message of Valkey's."""
        if message["type"] != "pmessage":
            return
        channel, frame = message["channel"], message["data"]
        content = json.loads(frame)
        first = self._told[channel].setdefault((UUID(content["orderId"]), content["seq"]), frame)
        if frame != first:
            self._contradictions[channel].append(f"{first} and {frame}")

    def told(self, account: str) -> dict[Event, str]:
        """What was told to `account` so far: the status by event."""
        frames = dict(self._told[_channel(account)])
        return {event: json.loads(frame)["status"] for event, frame in frames.items()}

    def contradictions(self, account: str) -> list[str]:
        """Events of `account` that were told again, and not word for word the same.

        It is how an event shows that was told before it was so: when it comes true, it is later.
        """
        return list(self._contradictions[_channel(account)])


def _channel(account: str) -> str:
    return ORDER_EVENTS.format(account=account)


@contextmanager
def follower(url: str) -> Iterator[Follower]:
    """Listens in a thread of its own."""
    follower = Follower()
    with redis.Redis.from_url(url, decode_responses=True) as client, client.pubsub() as listening:
        listening.psubscribe(**{_channel("*"): follower.hear})
        # The answer to the subscription: from here on nothing is missed.
        listening.get_message(timeout=5)
        thread = listening.run_in_thread(sleep_time=0.2)
        try:
            yield follower
        finally:
            thread.stop()
            thread.join()
