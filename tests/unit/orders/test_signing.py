"""Our signature beside botocore's."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from sluice.credentials import Credentials
from sluice.orders.signing import moment, posting_headers, signed_headers

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
HOSTS = st.sampled_from(
    [
        "sqs.eu-west-1.amazonaws.com",
        "127.0.0.1:4566",
        "localhost",
        "sqs.cn-north-1.amazonaws.com.cn",
    ]
)
MOMENTS = st.integers(0, 4_000_000_000).map(
    lambda unix: f"{datetime.fromtimestamp(unix, UTC):%Y%m%dT%H%M%SZ}"
)


@given(HOSTS, NAMES, st.binary(max_size=99), st.none() | NAMES, NAMES, NAMES, MOMENTS)
def test_it_is_botocores_to_the_byte(
    host: str, region: str, body: bytes, token: str | None, key: str, secret: str, at: str
) -> None:
    credentials = Credentials(key, secret, token)

    headers = signed_headers(host, region, "AmazonSQS.SendMessage", body, credentials, at)

    about = {name: headers[name] for name in ("content-type", "x-amz-target", "x-amz-date")}
    if token is not None:
        about["x-amz-security-token"] = token
    scheme = "http" if host[0] == "1" else "https"
    request = AWSRequest("POST", f"{scheme}://{host}/", about, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(ReadOnlyCredentials(*credentials), "sqs", region)
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    signature = signer.signature(to_sign, request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    assert headers["host"] == host
    assert headers["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


@given(st.text(min_size=1, max_size=20), st.binary(max_size=99), st.none() | NAMES, NAMES, MOMENTS)
def test_it_is_botocores_for_posting_to_a_connection_too(
    connection: str, body: bytes, token: str | None, key: str, at: str
) -> None:
    credentials = Credentials(key, "secret", token)
    host, path = "127.0.0.1:4566", f"/live/%40connections/{quote(connection, safe='')}"

    headers = posting_headers("POST", host, path, "us-east-1", body, credentials, at)

    about = {"x-amz-date": headers["x-amz-date"]}
    if token is not None:
        about["x-amz-security-token"] = token
    request = AWSRequest("POST", f"http://{host}{path}", about, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(ReadOnlyCredentials(*credentials), "execute-api", "us-east-1")
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    assert headers["authorization"].endswith(f"Signature={signer.signature(to_sign, request)}")


def test_a_moment_is_this_one_in_utc() -> None:
    told = datetime.strptime(f"{moment()}+0000", "%Y%m%dT%H%M%SZ%z")

    assert timedelta() <= datetime.now(UTC) - told < timedelta(seconds=10)
