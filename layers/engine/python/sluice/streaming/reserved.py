"""What Valkey remembers of idempotency keys, put right by whoever has asked Postgres."""

from collections.abc import Sequence

from redis.exceptions import RedisError

from sluice.errors import SecretUnavailable
from sluice.observability import logger
from sluice.orders.message import encode
from sluice.orders.model import OrderTerms

from .accepted import kept_seconds
from .names import ACCEPTED, RESERVED
from .valkey import Reached, client_of


class ReservedKeys:
    """The reservations of the door, and the accepted orders that it compares with."""

    def __init__(self, valkey: Reached) -> None:
        self._valkey = valkey

    async def correct(self, orders: Sequence[OrderTerms]) -> None:
        """Has the door know the keys of `orders` as theirs, whatever else came under them.

        Never raises: the worker tells again, whenever the door does not.
        """
        if not orders:
            return
        try:
            # One by one: in a cluster they are anywhere.
            pipeline = client_of(self._valkey).pipeline(transaction=False)
            for terms in orders:
                key = RESERVED.format(account=terms.account, order_id=terms.id)
                body, seconds = encode(terms), kept_seconds(terms)
                # A blank more, as of what others count on: nobody gives it back.
                pipeline.set(key, body + " ", ex=seconds)
                # Not only over what stands there: who accepted the other may be late to say so.
                pipeline.set(ACCEPTED.format(order_id=terms.id), body, ex=seconds)
            await pipeline.execute()
        except (RedisError, OSError, SecretUnavailable) as error:
            order_ids = sorted(str(terms.id) for terms in orders)
            logger.warning("keys not corrected", extra={"order_ids": order_ids}, exc_info=error)
