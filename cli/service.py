"""The service behind a command: where it is, asking it, and what it said when it would not."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import urllib3
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from .markets import STACK
from .output import FAILED, MISUSED, complain, err, fail

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 35.0
"""API Gateway gives a function 30 s to answer."""
ATTEMPTS: Final = 5
PATIENCE_SECONDS: Final = 60.0
"""Whoever is told to come again later than this is told so instead of waiting."""
NO_FOR_AN_ANSWER: Final = frozenset({"NOT_FOUND", "IDEMPOTENCY_CONFLICT", "ORDER_NOT_CANCELLABLE"})
"""Errors that answer what was asked; the others say that it was asked wrongly, or of nobody."""
NOT_LET_IN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_PAUSE = wait_random_exponential(multiplier=0.2, max=5)


class ServiceError(Exception):
    """The service said no, or nothing at all; the text is for people."""

    def __init__(
        self,
        message: str,
        *,
        code: int = MISUSED,
        status: int | None = None,
        faults: tuple[tuple[str, str], ...] = (),
        passing: bool = False,
        unsure: bool = False,
        retry_seconds: float | None = None,
    ) -> None:
        """`code` is what the command exits with; `passing`: the same may be asked again.

        `unsure`: what was asked for may have been done.
        `status` is that of HTTP, if there was an answer; `faults` are the faulty fields, each with
        what is wrong with it.
        """
        super().__init__(message)
        self.code = code
        self.status = status
        self.faults = faults
        self.passing = passing
        self.unsure = unsure or passing
        self.retry_seconds = retry_seconds

    def tell(self) -> None:
        """Says so, with a line for each faulty field."""
        complain(str(self))
        for field, message in self.faults:
            err().print(f"  {field}: {message}", markup=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service answers; without a WebSocket nothing can be watched there, only asked."""

    http: str
    websocket: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `replayed` when the order of that key had been accepted before."""

    data: dict[str, Any]
    replayed: bool = False


def endpoint() -> Endpoint:
    """What the environment says, else the running stack; ends the command where neither does.

    The stack's token is shown to the stack alone.
    """
    token = os.environ.get("SLUICE_TOKEN") or None
    if url := os.environ.get("SLUICE_URL"):
        websocket = os.environ.get("SLUICE_WEBSOCKET_URL") or None
        return usable(Endpoint(url.rstrip("/"), websocket, token))
    try:
        stack = json.loads(STACK.read_text())
        return usable(
            Endpoint(str(stack["http"]), str(stack["websocket"]), token or stack.get("token"))
        )
    except FileNotFoundError:
        fail("no service: set SLUICE_URL, or start a stack with `make up`", MISUSED)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fail(f"{STACK}: does not describe a stack ({error!r})", MISUSED)


def usable(found: Endpoint) -> Endpoint:
    """An endpoint that can be meant; ends the command where it cannot."""
    for url, schemes in ((found.http, ("http", "https")), (found.websocket, ("ws", "wss"))):
        if url is not None and not _is_url(url, schemes):
            fail(f"{url}: no {schemes[0]} or {schemes[1]} URL", MISUSED)
    if found.token is not None and not (found.token.isascii() and found.token.isprintable()):
        fail("the token has characters that no token has", MISUSED)
    return found


def _is_url(url: str, schemes: tuple[str, str]) -> bool:
    try:
        parts = urlsplit(url)
        # A port that is no number is found out only when it is read.
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class Service:
    """Asks again by itself what may be asked again: after 429, 5xx and broken connections.

    So whatever changes something must be safe to repeat: orders are, by their key. Each method
    returns what the envelope holds, and raises `ServiceError`.
    """

    def __init__(self, where: Endpoint, notice: Callable[[str], None] = complain) -> None:
        """`notice` is told why it takes longer."""
        self._where = where
        self._notice = notice
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS), retries=False
        )

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, patient: bool = True
    ) -> dict[str, Any]:
        """Reads; once only, unless `patient`."""
        if query:
            path = f"{path}?{urlencode(query)}"
        return (self._patiently("GET", path) if patient else self._once("GET", path)).data

    def post(self, path: str, body: Mapping[str, Any], key: str | None = None) -> Answer:
        """Sends `body`, each time under the same `key`."""
        return self._patiently("POST", path, body, key)

    def websocket(self) -> str | None:
        """Where the service says that its WebSocket is; raises `ServiceError`."""
        response = self._ask("GET", "/console/config.json")
        url = _content(response).get("websocket")
        if response.status != HTTPStatus.OK or not isinstance(url, str | None):
            raise self._refusal(response, {})
        return url

    def listening(self) -> Endpoint:
        """The endpoint with its WebSocket, asked for where it is not known and there is one.

        Raises `ServiceError`.
        """
        if self._where.websocket is not None:
            return self._where
        told = self.websocket()
        if told is not None and self._where.http.startswith("https:") and told[:4] != "wss:":
            raise ServiceError(f"{told} would take the token in the clear")
        return replace(self._where, websocket=told)

    def delete(self, path: str) -> dict[str, Any]:
        return self._patiently("DELETE", path).data

    def _patiently(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Answer:
        retrying = Retrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, ServiceError) and error.passing
            ),
            wait=_wait,
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(PATIENCE_SECONDS),
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(self._once, method, path, body, key)

    def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Answer:
        return self._read(self._ask(method, path, body, key))

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"accept": "application/json"}
        if self._where.token is not None:
            headers["authorization"] = f"Bearer {self._where.token}"
        if body is not None:
            headers["content-type"] = "application/json"
        if key is not None:
            headers["idempotency-key"] = key
        try:
            return self._pool.request(
                method,
                f"{self._where.http}{path}",
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            message = f"{self._where.http} does not answer: {_why(error)}"
            raise ServiceError(message, passing=True) from error

    def _read(self, response: urllib3.BaseHTTPResponse) -> Answer:
        content = _content(response)
        # Not by the HTTP status: whoever asks how the service is wants to hear that it is not well.
        if content.get("status") == "success" and isinstance(data := content.get("data"), dict):
            return Answer(data, response.headers.get("Idempotent-Replayed") == "true")
        raise self._refusal(response, content)

    def _refusal(
        self, response: urllib3.BaseHTTPResponse, content: Mapping[str, Any]
    ) -> ServiceError:
        status = response.status
        ours = content.get("status") == "error"
        told = str(content.get("message") or "nothing that a Sluice would say")
        message = told if ours else f"{self._where.http} answers {status}: {told}"
        if status in NOT_LET_IN:
            message += "; SLUICE_TOKEN must be a token or key of this service"
        retry_after = response.headers.get("Retry-After", "")
        return ServiceError(
            message,
            code=FAILED if ours and content.get("code") in NO_FOR_AN_ANSWER else MISUSED,
            status=status,
            faults=_faults(content.get("details")),
            passing=status == HTTPStatus.TOO_MANY_REQUESTS
            or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
            unsure=status < HTTPStatus.MULTIPLE_CHOICES,
            retry_seconds=float(retry_after) if retry_after.isdecimal() else None,
        )

    def _tell(self, state: RetryCallState) -> None:
        seconds = 0.0 if state.next_action is None else state.next_action.sleep
        self._notice(f"{_error_of(state)} Trying again in {seconds:.1f} s.")


def _error_of(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _wait(state: RetryCallState) -> float:
    error = _error_of(state)
    if isinstance(error, ServiceError) and error.retry_seconds is not None:
        return error.retry_seconds
    return _PAUSE(state)


def _content(response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """The JSON object that came back; empty where it was none."""
    try:
        content = json.loads(response.data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _faults(details: object) -> tuple[tuple[str, str], ...]:
    listed = details if isinstance(details, list) else []
    return tuple(
        (str(fault.get("field", "")), str(fault.get("message", "")))
        for fault in listed
        if isinstance(fault, dict)
    )


def _why(error: urllib3.exceptions.HTTPError) -> str:
    """The core of an error that urllib3 wraps in its own words."""
    cause = error.__cause__ or error.__context__
    # First, for to urllib3 a refused connection is a timeout, too.
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror.lower()}."
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "it takes too long."
    return f"{error.args[-1] if error.args else error!r}".rstrip(".") + "."
