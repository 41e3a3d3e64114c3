"""A client that is subscribed from the start, and must hear of every event."""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import redis

from sluice.streaming.valkey import ORDER_EVENTS

Told = dict[tuple[UUID, int], str]
"""The status that was told by order and seq."""


class Follower:
    """Hears all accounts' frames, as the relay does; keeps what each was told."""

    def __init__(self) -> None:
        self._told: defaultdict[str, Told] = defaultdict(dict)
        self.contradictions: list[str] = []
        """An event that was told twice, and not the same."""

    def hear(self, message: dict[str, str]) -> None:
        """A message of Valkey's."""
        if message["type"] != "pmessage":
            return
        frame = json.loads(message["data"])
        key = (UUID(frame["orderId"]), frame["seq"])
        if self._told[message["channel"]].setdefault(key, frame["status"]) != frame["status"]:
            self.contradictions.append(message["data"])

    def told(self, account: str) -> Told:
        """What was told to `account` so far."""
        return dict(self._told[ORDER_EVENTS.format(account=account)])


@contextmanager
def follower(url: str) -> Iterator[Follower]:
    """Listens in a thread of its own."""
    follower = Follower()
    with redis.Redis.from_url(url, decode_responses=True) as client, client.pubsub() as listening:
        listening.psubscribe(**{ORDER_EVENTS.format(account="*"): follower.hear})
        # The answer to the subscription: from here on nothing is missed.
        listening.get_message(timeout=5)
        thread = listening.run_in_thread(sleep_time=0.2)
        try:
            yield follower
        finally:
            thread.stop()
            thread.join()
