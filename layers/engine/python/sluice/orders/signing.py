"""AWS Signature Version 4 for the two shapes of request that are sent often: to SQS and to clients.

botocore's own signer is made for every request there is: it costs a fifth of accepting an order,
this costs a tenth of it. A test holds it to botocore's, byte for byte.
"""

import hmac
import time
from functools import lru_cache
from hashlib import sha256

from sluice.credentials import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"


def moment() -> str:
    """This one as a signature has it, like 20261123T120000Z."""
    return _written(int(time.time()))


def signed_headers(
    host: str,
    region: str,
    target: str,
    body: bytes,
    credentials: Credentials,
    at: str,
) -> dict[str, str]:
    """The headers of a POST of JSON to "/" of SQS at `host`; `at` is as `moment` has it."""
    headers = {"content-type": "application/x-amz-json-1.0", "host": host, "x-amz-date": at}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    headers["x-amz-target"] = target
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    headers["authorization"] = _authorization(
        "sqs", region, at, f"POST\n/\n\n{lines}", ";".join(headers), body, credentials
    )
    return headers


def posting_headers(
    method: str,
    host: str,
    path: str,
    region: str,
    body: bytes,
    credentials: Credentials,
    at: str,
) -> dict[str, str]:
    """What to add to a request to API Gateway's `@connections` beside its `host`.

    `path` is encoded already; `at` is as `moment` has it.
    """
    headers = {"x-amz-date": at}
    # What is signed is the path encoded once more; only S3's is not.
    twice = path.replace("%", "%25")
    signed = f"{method}\n{twice}\n\nhost:{host}\nx-amz-date:{at}\n"
    names = "host;x-amz-date"
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
        signed += f"x-amz-security-token:{credentials.token}\n"
        names += ";x-amz-security-token"
    headers["authorization"] = _authorization(
        "execute-api", region, at, signed, names, body, credentials
    )
    return headers


def _authorization(
    service: str,
    region: str,
    at: str,
    signed: str,
    names: str,
    body: bytes,
    credentials: Credentials,
) -> str:
    """The header of that name; `signed` is the canonical request as far as its headers.

    `names` are those of the headers, and both are in the order of the names.
    """
    day = at[:8]
    scope = f"{day}/{region}/{service}/aws4_request"
    canonical = f"{signed}\n{names}\n{sha256(body).hexdigest()}"
    to_sign = f"{_ALGORITHM}\n{at}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = _key(credentials.secret_key, day, region, service)
    return (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={hmac.digest(key, to_sign.encode(), 'sha256').hex()}"
    )


@lru_cache(maxsize=1)
def _written(second: int) -> str:
    """Unix time in UTC: written once a second, not for each request."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))


@lru_cache(maxsize=1)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    """The day's key: derived once, not for each request."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), sha256)
    return key
