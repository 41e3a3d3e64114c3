"""The application's way to OpenAPI, which few ever ask for."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

_BEARER = {"bearer": {"type": "http", "scheme": "bearer"}}
_GUARDED = "/api/"
"""What the authorizer stands before: the route `ANY /api/{proxy+}` of the template."""


class Documented(FastAPI):
    """Documents what `parameters.py` makes of faulty ones, not FastAPI's own 422, and who is
    asked for a token.

    What is for the documentation alone would cost each cold start: the application that `twin`
    makes, which serves nobody, has it.
    """

    twin: "Callable[[], Documented] | None" = None

    def about(self, route: str) -> Mapping[str, Any]:
        """The options of a route, by its method and path, that tell of its answers and its body."""
        if self.twin:
            return {}
        from .documentation import ROUTES

        return ROUTES[route]

    def openapi(self) -> dict[str, Any]:
        """As of all routes; made once."""
        if self.twin:
            self.openapi_schema = self.openapi_schema or self.twin().openapi()
            return self.openapi_schema
        document = super().openapi()
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                if path.startswith(_GUARDED):
                    operation["security"] = [{"bearer": []}]
        document["components"]["securitySchemes"] = _BEARER
        for schema in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(schema, None)
        return document
