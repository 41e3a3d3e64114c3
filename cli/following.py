"""Following one order to its end, whatever becomes of the connection."""

import time
from collections.abc import Callable, Iterator

from .changes import Change, from_frame, from_timeline
from .listening import Broken, Listener
from .service import Service, ServiceError

QUIET_SECONDS = 1.0
"""So long nothing is heard of an order before its timeline is read."""


class Unfinished(Exception):
    """The time is over and the order is not; the text says what it was heard of last."""


def follow(
    service: Service,
    listener: Listener | None,
    order_id: str,
    seconds: float,
    *,
    look_now: bool,
    notice: Callable[[str], None],
) -> Iterator[Change]:
    """Each status change once, in order, up to the final one.

    What the listener does not tell, since it is silent, gone or left something out, is read from
    the timeline; at once if `look_now`, for an order that was placed before anyone listened.

    Raises `Unfinished` after `seconds`.
    """
    deadline = time.monotonic() + seconds
    look_at = time.monotonic() + (0.0 if look_now else QUIET_SECONDS)
    last, trouble = "nothing", ""
    seen = 0
    while True:
        heard = None
        try:
            heard = _hear(listener, order_id, min(look_at, deadline))
        except Broken as broken:
            notice(f"{broken}. Reading the order's timeline instead.")
            listener = None
        if heard is not None and heard.seq <= seen:
            continue
        fresh = [heard] if heard is not None and heard.seq == seen + 1 else []
        if not fresh:
            try:
                # Once: the next round is the next attempt.
                told = service.get(f"/api/orders/{order_id}/events", patient=False)
                fresh = [change for change in from_timeline(told) if change.seq > seen]
                trouble = ""
            except ServiceError as error:
                trouble = f" ({error})"
        for change in fresh:
            seen, last = change.seq, change.status
            yield change
            if change.final:
                return
        if time.monotonic() >= deadline:
            raise Unfinished(f"last heard: {last}{trouble}")
        look_at = time.monotonic() + QUIET_SECONDS


def _hear(listener: Listener | None, order_id: str, until: float) -> Change | None:
    """What is heard of the order; None when that was nothing until then. Raises `Broken`."""
    if listener is None:
        time.sleep(max(0.0, until - time.monotonic()))
        return None
    while (left := until - time.monotonic()) > 0:
        frame = listener.hear(left)
        change = None if frame is None else from_frame(frame)
        if change is not None and change.order_id == order_id:
            return change
    return None
