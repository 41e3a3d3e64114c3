"""Every status change of an account, over connections that break."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from .changes import Change, from_frame, from_timeline
from .listening import Broken, Listener
from .service import Endpoint, Service, ServiceError

TICK_SECONDS: Final = 0.5
PING_SECONDS: Final = 30.0
"""API Gateway closes what was silent for 10 minutes; whoever lost us knows us again by a ping."""
SILENCE_SECONDS: Final = 45.0
"""So long without even a pong, and the connection is dead."""
PATIENCE_SECONDS: Final = 300.0
"""How long connecting again is tried."""
ANSWER_SECONDS: Final = 10.0
"""A command that got no answer for so long is lost: a relay may die with it."""
LOOK_SECONDS: Final = 5.0
"""Between looks at what was missed, while it cannot be read."""
PAGE: Final = 100


class Feed:
    """Each change once, and those of one order in order, as long as somebody takes them.

    After a break it resumes by the cursor of the last message. Where there was none, what changed
    of the newest 100 orders is read instead.
    """

    def __init__(self, where: Endpoint, service: Service, notice: Callable[[str], None]) -> None:
        """`notice` is told of connections and breaks."""
        self._where = where
        self._service = service
        self._notice = notice
        self._last: dict[str, int] = {}
        self._cursor: str | None = None
        self._look_at: float | None = None
        self._resumed_at: float | None = None
        """When it was asked for what was missed, while there is no answer."""

    def changes(self) -> Iterator[Change | None]:
        """The changes from now on; None about twice a second when there is none.

        Raises `Broken` when no connection is to be had, and `ServiceError` when the service does
        not answer to begin with.
        """
        # Read before listening: what is known by then is no news, whatever comes later is.
        for order in self._newest():
            self._last[str(order["orderId"])] = int(order["seq"])
        listener = Listener(self._where)
        self._notice(f"Listening at {self._where.websocket}.")
        while True:
            with listener:
                try:
                    yield from self._hear(listener)
                except Broken as broken:
                    self._notice(f"{broken}. Connecting again.")
            listener = self._again()

    def _again(self) -> Listener:
        retrying = Retrying(
            retry=retry_if_exception_type(Broken),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            stop=stop_after_delay(PATIENCE_SECONDS),
            reraise=True,
        )
        listener = retrying(Listener, self._where)
        self._notice("Connected again.")
        return listener

    def _hear(self, listener: Listener) -> Iterator[Change | None]:
        heard_at = pinged_at = time.monotonic()
        self._resume(listener)
        while True:
            if self._look_at is not None and time.monotonic() >= self._look_at:
                yield from self._catch_up()
            frame = listener.hear(TICK_SECONDS)
            now = time.monotonic()
            if self._resumed_at is not None and now - self._resumed_at > ANSWER_SECONDS:
                self._resume(listener)
            if now - heard_at > SILENCE_SECONDS and frame is None:
                raise Broken("the connection is silent")
            if now - pinged_at > PING_SECONDS:
                pinged_at = now
                listener.say({"action": "ping"})
            if frame is None:
                yield None
                continue
            heard_at = now
            yield from self._read(listener, frame)

    def _read(self, listener: Listener, frame: dict[str, Any]) -> Iterator[Change]:
        change = from_frame(frame)
        if change is not None and self._resumed_at is not None:
            # The replay has it again, behind what was missed; its cursor lies beyond that.
            return
        if change is not None:
            yield from self._fresh(change)
        # Only once it was taken: whatever breaks before that is asked for again.
        self._cursor = frame.get("cursor") or self._cursor
        if frame.get("type") == "resync":
            self._resume(listener)
        elif frame.get("type") == "subscribed":
            self._resumed_at = None
        elif frame.get("type") == "error":
            if frame.get("code") == "CURSOR_INVALID":
                self._cursor = self._resumed_at = None
            self._notice(f"the service says: {frame.get('message')}")
            self._look_at = time.monotonic()

    def _resume(self, listener: Listener) -> None:
        self._resumed_at = None
        if self._cursor is None:
            self._look_at = time.monotonic()
        else:
            self._resumed_at = time.monotonic()
            listener.say({"action": "subscribe", "after": self._cursor})

    def _fresh(self, change: Change) -> Iterator[Change]:
        """The change unless it is known; those before it first, where some are missing."""
        last = self._last.get(change.order_id, 0)
        if change.seq <= last:
            return
        if change.seq > last + 1:
            try:
                yield from self._missed(change.order_id, last, change.seq)
            except ServiceError as error:
                self._notice(f"changes of {change.order_id} were missed: {error}")
        self._last[change.order_id] = change.seq
        yield change

    def _catch_up(self) -> Iterator[Change]:
        try:
            for order in reversed(self._newest()):
                order_id, seq = str(order["orderId"]), int(order["seq"])
                last = self._last.get(order_id, 0)
                if seq > last:
                    yield from self._missed(order_id, last, seq + 1)
            self._look_at = None
        except ServiceError as error:
            self._notice(f"{error} Looking again in {LOOK_SECONDS:g} s.")
            self._look_at = time.monotonic() + LOOK_SECONDS

    def _missed(self, order_id: str, last: int, before: int) -> Iterator[Change]:
        """What the timeline has between the two; raises `ServiceError`."""
        for change in from_timeline(self._service.get(f"/api/orders/{order_id}/events")):
            if last < change.seq < before:
                self._last[order_id] = change.seq
                yield change

    def _newest(self) -> list[dict[str, Any]]:
        page: dict[str, Any] = self._service.get("/api/orders", {"limit": str(PAGE)})
        found: list[dict[str, Any]] = page["orders"]
        return found
