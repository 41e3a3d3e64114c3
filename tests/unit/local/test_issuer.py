"""The laptop's issuer: its key stays with the stack, and with the key its tokens."""

from pathlib import Path

import pytest

from local.home import Home
from local.issuer import key

URL = "http://127.0.0.1:7000"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    key.create(home)
    return home


def test_a_key_is_made_once_and_gone_with_the_stack(home: Home) -> None:
    made = key.path(home).read_bytes()
    key.create(home)
    assert key.path(home).read_bytes() == made

    home.remove(keep_logs=True)

    assert not key.path(home).exists()


def test_nobody_else_on_the_machine_may_read_the_key(home: Home) -> None:
    assert key.path(home).stat().st_mode & 0o077 == 0


def test_no_part_of_the_private_key_is_published(home: Home) -> None:
    public = key.read(key.path(home)).public()

    assert public.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_token_is_known_again_until_it_is_used_up_or_of_another_stack(
    home: Home, tmp_path: Path
) -> None:
    signing = key.read(key.path(home))
    token = signing.token(URL, "local", seconds=100)

    assert signing.signed(token, URL, seconds=90)
    assert not signing.signed(token, URL, seconds=110)
    assert not signing.signed(token, "http://127.0.0.1:7001", seconds=90)
    other = Home(tmp_path / "other")
    other.create()
    key.create(other)
    assert not key.read(key.path(other)).signed(token, URL, seconds=90)
    assert not signing.signed("garbage", URL, seconds=0)
