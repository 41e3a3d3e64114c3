"""Whom this process signs for when it asks something of AWS.

Lambda puts that into the environment, and so does `make up`: botocore would take a fifth of a
second of CPU to find it there. Where it lies elsewhere, in a profile or at the endpoint of a
function that SnapStart restored, botocore finds it, and renews it in time.
"""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sluice.config import CredentialsConfig, load

if TYPE_CHECKING:
    from botocore.session import Session


class Credentials(NamedTuple):
    """What a signature is made with."""

    access_key: str
    secret_key: str
    token: str | None


class CredentialsMissing(Exception):
    """There are none, or they could not be renewed."""


class Identity:
    """One per process, asked for each signature: what is not in the environment expires."""

    def __init__(self) -> None:
        told = load(CredentialsConfig)
        self._told: Credentials | None = None
        if told.AWS_ACCESS_KEY_ID and told.AWS_SECRET_ACCESS_KEY:
            self._told = Credentials(
                told.AWS_ACCESS_KEY_ID,
                told.AWS_SECRET_ACCESS_KEY,
                told.AWS_SESSION_TOKEN or None,
            )

    def credentials(self) -> Credentials:
        """Those of this moment. Raises `CredentialsMissing`."""
        return self._told or self._found()

    def _found(self) -> Credentials:
        # Imported here, as all of botocore: see above.
        from botocore.exceptions import BotoCoreError

        try:
            known = self._session.get_credentials()
            found = None if known is None else known.get_frozen_credentials()
        except BotoCoreError as error:
            raise CredentialsMissing(str(error)) from error
        if found is None or not found.access_key or not found.secret_key:
            raise CredentialsMissing("no AWS credentials to sign with")
        return Credentials(found.access_key, found.secret_key, found.token)

    @cached_property
    def _session(self) -> "Session":
        from botocore.session import get_session

        return get_session()
