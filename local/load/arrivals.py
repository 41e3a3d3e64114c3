"""`python -m local.load.arrivals`: sends orders when they are due, with Locust.

A process of its own: Locust replaces what waits in the standard library by its own. It reads one
line of JSON, the `Attack`, and writes one for each request as it ends.

Locust's users are a closed model: each waits for its answer before it goes on. Here all of them
take the next order of one schedule, so that an order is sent when it is due whatever became of
those before, as long as one of them is free. When none was for too long, nothing more is sent: the
rate is not held, and the emulated Lambda starts a process for each order that waits.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import gevent
from gevent.queue import Queue
from geventhttpclient.client import HTTPClientPool
from locust import FastHttpUser, task
from locust.contrib.fasthttp import ErrorResponse, FastResponse
from locust.env import Environment
from locust.exception import StopUser

from local.http import bearer

from .records import Sent
from .schedule import EXECUTE, Attack, Schedule, body

ANSWER_SECONDS: Final = 30.0
"""API Gateway answers by then, if only that nobody else does."""
LEAD_SECONDS: Final = 1.0
"""In which the users come together before the first order is due."""


class Client(FastHttpUser):
    """One who posts an order whenever the schedule has one for him."""

    abstract = True
    dues: Iterator[tuple[int, float]]
    answers: Queue
    token: str | None
    patience: float

    @task
    def place(self) -> None:
        """The next order, at its time; when there is none, or it is too late, he goes."""
        number, due = next(self.dues, (None, 0.0))
        if number is None or time.time() - due > self.patience:
            self.answers.put(None)
            raise StopUser
        gevent.sleep(max(0.0, due - time.time()))
        headers = {"Idempotency-Key": str(uuid4()), **bearer(self.token)}
        sent = time.time()
        response = self.client.post(EXECUTE, json=body(number), headers=headers)
        self.answers.put(outcome(number, due, sent, response))


def main() -> None:
    """Ends when the last user has gone."""
    attack = Attack(**json.loads(sys.stdin.readline()))
    schedule = Schedule(attack.rate, attack.seconds, time.time() + LEAD_SECONDS)
    users = min(schedule.count, attack.at_once)
    answers: Queue = Queue()
    client = type(
        "Client",
        (Client,),
        {
            "abstract": False,
            "host": attack.url,
            "network_timeout": ANSWER_SECONDS,
            "connection_timeout": ANSWER_SECONDS,
            "client_pool": HTTPClientPool(
                concurrency=users,
                network_timeout=ANSWER_SECONDS,
                connection_timeout=ANSWER_SECONDS,
            ),
            "dues": schedule.dues(),
            "answers": answers,
            "token": attack.token,
            "patience": attack.patience,
        },
    )
    runner = Environment(user_classes=[client]).create_local_runner()
    runner.start(users, spawn_rate=users)
    while users:
        answer = answers.get()
        if answer is None:
            users -= 1
        else:
            sys.stdout.write(json.dumps(asdict(answer)) + "\n")
            sys.stdout.flush()
    runner.quit()


def outcome(number: int, due: float, sent: float, response: FastResponse) -> Sent:
    """What just became of a request."""
    answered = time.time()
    if isinstance(response, ErrorResponse):
        return Sent(number, due, sent, answered, 0, error=type(response.error).__name__)
    status = response.status_code
    try:
        content = json.loads(response.text or "")
        if status == HTTPStatus.CREATED:
            return Sent(number, due, sent, answered, status, content["data"]["orderId"])
        return Sent(number, due, sent, answered, status, error=str(content["code"]))
    except (ValueError, LookupError, TypeError):
        return Sent(number, due, sent, answered, status, error="not understood")


if __name__ == "__main__":
    main()
