"""Every error a client can get, and the one place where they become HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from sluice.errors import DatabaseUnavailable, ErrorCode, ValkeyUnavailable
from sluice.observability import logger

STATUS: Mapping[ErrorCode, HTTPStatus] = {
    ErrorCode.VALIDATION_FAILED: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    ErrorCode.PAYLOAD_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.IDEMPOTENCY_CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.ORDER_NOT_CANCELLABLE: HTTPStatus.CONFLICT,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.QUEUE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.DATABASE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.VALKEY_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

RETRY_AFTER_SECONDS = 2

_BY_STATUS = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field; `field` is its path, "body" for the whole."""

    field: str
    message: str


class ApiError(Exception):
    """An error to be told to the client as it is."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        faults: tuple[FieldFault, ...] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.faults = faults
        self.headers = headers


def install(app: FastAPI) -> None:
    """Has every error of `app` answered in the envelope."""
    app.exception_handler(ApiError)(_envelope)
    app.exception_handler(DatabaseUnavailable)(_database_unavailable)
    app.exception_handler(ValkeyUnavailable)(_valkey_unavailable)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_unexpected)


async def _envelope(request: Request, error: ApiError) -> JSONResponse:
    status = STATUS[error.code]
    retry = (
        {"Retry-After": str(RETRY_AFTER_SECONDS)}
        if status is HTTPStatus.SERVICE_UNAVAILABLE
        else {}
    )
    content = {
        "status": "error",
        "code": error.code,
        "message": error.message,
        "details": [{"field": f.field, "message": f.message} for f in error.faults],
        "requestId": request_id(request),
    }
    return JSONResponse(content, status, headers=retry | dict(error.headers))


def request_id(request: Request) -> str:
    """API Gateway's id of the request, as its access log has it."""
    event = request.scope.get("aws.event", {})
    return str(event.get("requestContext", {}).get("requestId", ""))


async def _database_unavailable(request: Request, error: Exception) -> JSONResponse:
    logger.error("database unavailable", exc_info=error)
    message = "Orders cannot be read right now; accepted orders are safe. Try again."
    return await _envelope(request, ApiError(ErrorCode.DATABASE_UNAVAILABLE, message))


async def _valkey_unavailable(request: Request, error: Exception) -> JSONResponse:
    logger.error("valkey unavailable", exc_info=error)
    message = "An order that was just accepted cannot be read right now; it is safe. Try again."
    return await _envelope(request, ApiError(ErrorCode.VALKEY_UNAVAILABLE, message))


def not_valid(
    faults: Sequence[FieldFault], headers: Mapping[str, str] = MappingProxyType({})
) -> ApiError:
    """The error that names each faulty field."""
    named = ", ".join(dict.fromkeys(fault.field for fault in faults))
    message = f"The request is not valid: {named}."
    return ApiError(ErrorCode.VALIDATION_FAILED, message, tuple(faults), headers)


def no_order(order_id: UUID) -> ApiError:
    """The error for an order that is unknown, or another account's."""
    return ApiError(ErrorCode.NOT_FOUND, f"There is no order {order_id}.")


def faults_of(error: ValidationError) -> list[FieldFault]:
    """What pydantic found wrong with a body."""
    return [_fault(fault["loc"], fault["msg"]) for fault in error.errors(include_url=False)]


def _fault(loc: tuple[int | str, ...], message: str) -> FieldFault:
    return FieldFault(".".join(map(str, loc)) or "body", message.removeprefix("Value error, "))


async def _http(request: Request, error: HTTPException) -> JSONResponse:
    code = _BY_STATUS.get(HTTPStatus(error.status_code), ErrorCode.INTERNAL)
    message = f"{request.method} {request.url.path}: {error.detail}"
    headers = dict(error.headers or {})
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        # Starlette names those of the first route alone that has this path.
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return await _envelope(request, ApiError(code, message, headers=headers))


def _methods(request: Request) -> set[str]:
    """What the path of a request may be asked with."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL
        for method in route.methods or ()
    }


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    logger.exception("unexpected error", exc_info=error)
    return await _envelope(
        request, ApiError(ErrorCode.INTERNAL, "An unexpected error; it is logged.")
    )
