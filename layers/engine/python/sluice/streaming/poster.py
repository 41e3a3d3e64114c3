"""Posting to WebSocket connections through API Gateway's `@connections`."""

import asyncio
import random
from contextlib import suppress
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import quote

import aiohttp
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)
from yarl import URL

from sluice.credentials import CredentialsMissing, Identity
from sluice.orders.signing import moment, posting_headers

from .frames import Frame

PATIENCE_SECONDS: Final = 20.0
"""So long is a frame tried to be posted. Its connection's queue is bounded; nobody else waits."""
FIRST_WAIT_SECONDS: Final = 0.1
LONGEST_WAIT_SECONDS: Final = 2.0
LONGEST_RETRY_AFTER_SECONDS: Final = 10
POST_TIMEOUT_SECONDS: Final = 5
CONNECTIONS: Final = 500

_RANDOM: Final = random.SystemRandom()


class Posted(Enum):
    """What became of a frame."""

    DELIVERED = "delivered"
    GONE = "gone"
    """The connection is closed, or not open yet."""


class PostFailed(Exception):
    """API Gateway throttled or failed, for longer than we try."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """`retry_after`: so many seconds it wants to be left alone."""
        super().__init__(message)
        self.retry_after = retry_after


class Poster(Protocol):
    """Puts frames on WebSocket connections."""

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        """Raises `PostFailed`."""
        ...

    async def disconnect(self, connection_id: str) -> None:
        """Closes the connection, if it can; never raises."""
        ...


class ApiGatewayPoster:
    """`Poster` over kept-alive HTTP; boto3's own client manages a third of its rate."""

    def __init__(
        self, endpoint: str, region: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._patience_seconds = patience_seconds
        self._endpoint = URL(endpoint.rstrip("/"))
        # As aiohttp sends it.
        self._host = self._endpoint.host_port_subcomponent or ""
        self._region = region
        self._identity = Identity()
        self._session: aiohttp.ClientSession | None = None

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        """As the port says: 429, 5xx and a broken connection are tried again with jitter."""
        return await self._surely("POST", connection_id, frame.encode())

    async def disconnect(self, connection_id: str) -> None:
        """As the port says: tried for as long as a post."""
        with suppress(PostFailed):
            await self._surely("DELETE", connection_id, b"")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _surely(self, method: str, connection_id: str, data: bytes) -> Posted:
        try:
            return await self._call(method, connection_id, data)
        except PostFailed as error:
            # Almost none fails: the machinery of trying again is set up for those that do.
            await asyncio.sleep(error.retry_after + _RANDOM.uniform(0, FIRST_WAIT_SECONDS))
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PostFailed),
            stop=stop_after_delay(self._patience_seconds),
            wait=_wait,
            reraise=True,
        )
        return await retrying(self._call, method, connection_id, data)

    async def _call(self, method: str, connection_id: str, data: bytes) -> Posted:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=POST_TIMEOUT_SECONDS),
                # One that hangs keeps its connection for so long: others must find one free.
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            )
        url = _address(self._endpoint, connection_id)
        try:
            credentials = self._identity.credentials()
        except CredentialsMissing as error:
            raise PostFailed(str(error)) from error
        headers = posting_headers(
            method,
            self._host,
            url.raw_path,
            self._region,
            data,
            credentials,
            moment(),
        )
        try:
            response = await self._session.request(method, url, data=data, headers=headers)
            # What has no body is read already.
            if not response.content.at_eof():
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PostFailed(f"{type(error).__name__}: {error}") from error
        if response.status == HTTPStatus.GONE:
            return Posted.GONE
        if not response.ok:
            after = response.headers.get("Retry-After", "")
            seconds = int(after) if after.isdecimal() else 0
            raise PostFailed(f"HTTP {response.status}", min(seconds, LONGEST_RETRY_AFTER_SECONDS))
        return Posted.DELIVERED


_jitter = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)


def _wait(state: RetryCallState) -> float:
    """Jitter, on top of what the other side asks for."""
    error = state.outcome.exception() if state.outcome is not None else None
    return _jitter(state) + (error.retry_after if isinstance(error, PostFailed) else 0.0)


@lru_cache(maxsize=10_000)
def _address(endpoint: URL, connection_id: str) -> URL:
    """The URL of a connection: encoded once, since its path is signed as it is sent."""
    path = f"{endpoint.raw_path.rstrip('/')}/%40connections/{quote(connection_id, safe='')}"
    return endpoint.with_path(path, encoded=True)
