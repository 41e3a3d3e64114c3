"""Whose request this is."""

from fastapi import Request

from .services import Services


def account_of(request: Request, services: Services) -> str:
    """The account that the authorizer named, or that of everybody where there is none."""
    context = request.scope.get("aws.event", {}).get("requestContext", {})
    authorized = context.get("authorizer", {}).get("lambda", {}).get("account")
    return str(authorized or services.config.ACCOUNT)
