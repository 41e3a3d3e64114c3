"""Posting to WebSocket connections through API Gateway's `@connections`."""

from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

import aiohttp
import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)
from yarl import URL

from .frames import Frame

ATTEMPTS = 5
POST_TIMEOUT_SECONDS = 5


class Posted(Enum):
    """What became of a frame."""

    DELIVERED = "delivered"
    GONE = "gone"
    """The connection is closed, or not open yet."""


class PostFailed(Exception):
    """API Gateway throttled or failed, more often than we try."""


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

    def __init__(self, endpoint: str, region: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        credentials = botocore.session.get_session().get_credentials()
        if credentials is None:
            raise PostFailed("no AWS credentials to sign with")
        self._signer = SigV4Auth(credentials, "execute-api", region)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, connection_id: str, frame: Frame) -> Posted:
        """As the port says: 429, 5xx and a broken connection are tried again with jitter."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PostFailed),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.05, max=2),
            reraise=True,
        )
        return await retrying(self._call, "POST", connection_id, frame.encode())

    async def disconnect(self, connection_id: str) -> None:
        """As the port says: one try."""
        with suppress(PostFailed):
            await self._call("DELETE", connection_id, b"")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(self, method: str, connection_id: str, data: bytes) -> Posted:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=POST_TIMEOUT_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout)
        url = f"{self._endpoint}/%40connections/{quote(connection_id, safe='')}"
        request = AWSRequest(method, url, data=data)
        self._signer.add_auth(request)
        try:
            # Encoded once, by us: the signature is over these very bytes.
            async with self._session.request(
                method, URL(url, encoded=True), data=data, headers=dict(request.headers)
            ) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PostFailed(f"{type(error).__name__}: {error}") from error
        if response.status == HTTPStatus.GONE:
            return Posted.GONE
        if not response.ok:
            raise PostFailed(f"HTTP {response.status}")
        return Posted.DELIVERED
