"""The door: may this account ask for more right now, and was this very order asked for before?

Both are one question to Valkey, in one round trip; while it is down everybody is let in, and the
worker tells by Postgres whether a key was used twice. Libraries that limit rates (limits,
throttled-py) were considered: their round trip would be one more, this script shares that of the
reservation.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sluice.observability import logger
from sluice.orders.message import MessageInvalid, decode, encode
from sluice.orders.model import OrderTerms

from .accepted import kept_seconds
from .line import Line
from .names import ACCEPTED, RATE, RESERVED
from .wire import Command, LineError, NoScript

SECOND = 1_000_000
"""In microseconds, as which the bucket is kept."""

_ENTER = """
-- KEYS: the bucket, the reservation (or none).
-- ARGV: what a token takes to come (us; 0: no limit), how many there can be, the terms to reserve,
-- for how long (s). Answers whether there was a token, how long until all are there again (us), and
-- what was reserved before.
local answer = {1, 0, false}
local cost = tonumber(ARGV[1])
if cost > 0 then
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local full = cost * ARGV[2]
    -- Never more than all of them: the server's clock may have been set back.
    local missing = math.min(math.max((redis.call('GET', KEYS[1]) or 0) - now, 0), full)
    if missing + cost > full then
        return {0, missing, false}
    end
    answer[2] = missing + cost
    redis.call('SET', KEYS[1], string.format('%.0f', now + answer[2]),
               'PX', math.ceil(answer[2] / 1000))
end
if KEYS[2] then
    answer[3] = redis.call('GET', KEYS[2])
    if not answer[3] then
        redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
    elseif string.sub(answer[3], -1) ~= ' ' then
        -- A blank more, which is the same JSON: others count on it now, so that whoever made the
        -- reservation does not give it back.
        redis.call('SET', KEYS[2], answer[3] .. ' ', 'KEEPTTL')
    end
end
return answer
"""
_ENTER_SHA = hashlib.sha1(_ENTER.encode(), usedforsecurity=False).hexdigest()

_GIVE_BACK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
"""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where an account's bucket stands; a token is one request. Seconds are whole, rounded up."""

    allowed: bool
    limit: int
    """How many tokens there can be."""
    remaining: int
    reset_seconds: int
    """Until all are there again."""
    retry_seconds: int
    """Until there is one, at least 1."""


class Seen(Enum):
    """What is known of the order that a request asks for."""

    NEW = "new"
    UNSURE = "unsure"
    """Asked for before but not known to be accepted, or Valkey cannot tell."""
    ACCEPTED = "accepted"
    OTHER = "other"
    """The key is that of another order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the door says to an order; `allowance` is None where no limit holds."""

    allowance: Allowance | None
    seen: Seen


class Door:
    """Nothing here raises."""

    def __init__(self, line: Line, per_second: int, burst: int) -> None:
        """Each account may ask so often per second (0: as it likes), and `burst` times at once."""
        self._line = line
        self._cost = SECOND // per_second if per_second else 0
        self._burst = burst

    def ask(self, account: str) -> Allowance | None:
        """Takes a token of the account; None where no limit holds, also while Valkey is down."""
        if not self._cost:
            return None
        try:
            allowed, missing, _ = self._enter([RATE.format(account=account)], [])[0]
        except LineError as error:
            logger.warning("no rate limit", exc_info=error)
            return None
        return self._allowance(allowed, missing)

    def order(self, terms: OrderTerms) -> Entry:
        """Takes a token for an order without a key."""
        return Entry(self.ask(terms.account), Seen.NEW)

    def keyed_order(self, terms: OrderTerms) -> Entry:
        """Takes a token for the order of a key, and reserves the key for what is asked.

        The reservation outlives the order's own time: whoever asks again then is still known.
        """
        keys = [RATE.format(account=terms.account), _reservation(terms)]
        try:
            (allowed, missing, before), accepted = self._enter(
                keys,
                [encode(terms), kept_seconds(terms)],
                ACCEPTED.format(order_id=terms.id),
            )
            seen = _seen(terms, before, accepted)
        except (LineError, MessageInvalid) as error:
            logger.warning("no reservation of an idempotency key", exc_info=error)
            return Entry(None, Seen.UNSURE)
        if before is None and seen is not Seen.NEW:
            self.give_back(terms)
        return Entry(self._allowance(allowed, missing), seen)

    def give_back(self, terms: OrderTerms) -> None:
        """Frees the key, if it was reserved for this very request and nobody else came for it."""
        try:
            self._line.ask(("EVAL", _GIVE_BACK, 1, _reservation(terms), encode(terms)))
        except LineError as error:
            logger.warning("reservation not given back", exc_info=error)

    def _enter(
        self, keys: list[str], reserve: list[str | int], accepted: str | None = None
    ) -> list[Any]:
        """The script's answer, and the accepted entry where one is asked for."""
        arguments = (len(keys), *keys, self._cost, self._burst, *reserve)
        more: list[Command] = [] if accepted is None else [("GET", accepted)]
        try:
            return self._line.ask(("EVALSHA", _ENTER_SHA, *arguments), *more)
        except NoScript:
            # The first time, or Valkey was restarted: sent in full it is kept for the next.
            return self._line.ask(("EVAL", _ENTER, *arguments), *more)

    def _allowance(self, allowed: int, missing: int) -> Allowance | None:
        if not self._cost:
            return None
        full = self._cost * self._burst
        return Allowance(
            bool(allowed),
            self._burst,
            (full - missing) // self._cost,
            -(-missing // SECOND),
            max(1, -(-(missing + self._cost - full) // SECOND)),
        )


def _reservation(terms: OrderTerms) -> str:
    return RESERVED.format(account=terms.account, order_id=terms.id)


def _seen(terms: OrderTerms, before: str | None, accepted: str | None) -> Seen:
    known = [decode(body) for body in (before, accepted) if body is not None]
    if not all(terms.asks_the_same(other) for other in known):
        return Seen.OTHER
    if accepted is not None:
        return Seen.ACCEPTED
    return Seen.NEW if before is None else Seen.UNSURE
