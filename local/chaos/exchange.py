"""A request that is sent again, under the same key, until an answer settles it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from local.http import bearer

from .plan import Body

CONNECTIONS: Final = 8
"""As many requests at once. The emulated Lambda starts a process for each, as AWS would, and a
laptop has few cores to start them on."""
ANSWER_SECONDS: Final = 15
"""More than the API function's timeout: who is answered at all is answered by then."""
PATIENCE_SECONDS: Final = 60
"""Several times as long as any fault lasts: what is not settled by then is a fault of ours."""
BACKOFF: Final = wait_random_exponential(multiplier=0.1, max=2)

REQUESTS: Final = "requests"
BROKEN: Final = "answers broken off or late, asked again"
SERVER_ERRORS: Final = "answers 5xx, asked again"
THROTTLED: Final = "answers 429, waited out"

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that settles the matter, one way or the other."""

    status: int
    content: Any
    order_id: UUID | None
    """The order that a 201 tells of."""

    def __str__(self) -> str:
        return f"{self.status} {str(self.content)[:200]}"


class Again(Exception):
    """No answer, or one that leaves open what happened: the same request is sent again."""

    def __init__(self, after_seconds: float = 0.0) -> None:
        super().__init__(f"again after {after_seconds:g} s")
        self.after_seconds = after_seconds


class Exchange:
    """Requests to one API; what became of them is added to `tally`."""

    def __init__(
        self,
        url: str,
        tally: Counter[str],
        patience: float = PATIENCE_SECONDS,
        token: str | None = None,
    ) -> None:
        """`patience` is in seconds: for how long a request is sent again."""
        self._url = url
        self._tally = tally
        self._patience = patience
        self._session = aiohttp.ClientSession(
            headers=bearer(token),
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            # Waiting for a free connection is the pace of the load, not a fault of the server.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=ANSWER_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def settled(
        self, method: str, path: str, body: Body | None = None, headers: Headers | None = None
    ) -> Answer:
        """The first answer that settles it; raises `Again` when patience is at its end."""
        patiently = AsyncRetrying(
            retry=retry_if_exception_type(Again),
            wait=pause,
            stop=stop_after_delay(self._patience),
            reraise=True,
        )
        return await patiently(self.once, method, path, body, headers)

    async def once(
        self, method: str, path: str, body: Body | None = None, headers: Headers | None = None
    ) -> Answer:
        """The answer to one request; raises `Again` if it settles nothing."""
        self._tally[REQUESTS] += 1
        url = f"{self._url}{path}"
        try:
            async with self._session.request(method, url, json=body, headers=headers) as response:
                self._require_settled(response)
                content = await response.json()
                created = response.status == HTTPStatus.CREATED
                order_id = UUID(str(content["data"]["orderId"])) if created else None
                return Answer(response.status, content, order_id)
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
            self._tally[BROKEN] += 1
            raise Again from error

    def _require_settled(self, response: aiohttp.ClientResponse) -> None:
        throttled = response.status == HTTPStatus.TOO_MANY_REQUESTS
        if throttled or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._tally[THROTTLED if throttled else SERVER_ERRORS] += 1
            raise Again(retry_after(response.headers.get("Retry-After", "")))


def retry_after(header: str) -> float:
    """The seconds that a `Retry-After` asks for; 0 where it says none."""
    return float(header) if header.isdecimal() else 0.0


def pause(state: RetryCallState) -> float:
    """Seconds before the next attempt: with jitter, and no less than the server has asked for."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after_seconds if isinstance(error, Again) else 0.0
    return max(asked, BACKOFF(state))
