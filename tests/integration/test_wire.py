"""How a connection to Valkey is opened: by name and password, into a database, over TLS."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sluice.streaming.line import Line
from sluice.streaming.wire import Broken, Refused

pytestmark = pytest.mark.integration


@pytest.fixture
def at(valkey_server: str) -> Iterator[str]:
    """Where a Valkey is that knows somebody."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
        client.execute_command("ACL SETUSER somebody on >p@ss/word ~* +@all")
        yield urlsplit(valkey_server).netloc
        client.execute_command("ACL DELUSER somebody")


def test_a_name_and_a_password_are_read_from_the_url(at: str) -> None:
    line = Line(f"redis://somebody:p%40ss%2Fword@{at}")

    assert line.ask(("ACL", "WHOAMI")) == ["somebody"]


def test_whoever_is_not_let_in_is_refused_each_time(at: str) -> None:
    line = Line(f"redis://somebody:wrong@{at}")

    for _ in range(2):
        with pytest.raises(Refused, match="WRONGPASS"):
            line.ask(("PING",))


def test_a_database_is_read_from_the_url(at: str) -> None:
    Line(f"redis://{at}/2").ask(("SET", "a", 1))

    assert Line(f"redis://{at}").ask(("GET", "a")) == [None]
    assert Line(f"redis://{at}/2").ask(("GET", "a")) == ["1"]


def test_an_account_may_have_any_letters(at: str) -> None:
    line = Line(f"redis://{at}")

    assert line.ask(("SET", "größe", "…\r\n"), ("GET", "größe")) == ["OK", "…\r\n"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.NameAttribute(NameOID.COMMON_NAME, "v"),
    )
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([name]))
        .issuer_name(x509.Name([name]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def secured(certificate: Path) -> Iterator[str]:
    """The URL of a server that answers to one command over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        plain, _ = server.accept()
        with plain:
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(1000)
                    connection.sendall(b"+PONG\r\n")
            except OSError:
                # A client that does not trust us leaves.
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        yield f"rediss://127.0.0.1:{server.getsockname()[1]}"
        thread.join(10)


def test_over_tls_a_server_that_is_trusted_is_talked_to(
    secured: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert Line(secured).ask(("PING",)) == ["PONG"]


def test_over_tls_a_server_that_cannot_prove_itself_is_not(secured: str) -> None:
    with pytest.raises(Broken, match="CERTIFICATE_VERIFY_FAILED"):
        Line(secured).ask(("PING",))
