"""The issuer's keys change, and the issuer goes away: known keys go on, and it is not pestered."""

from dataclasses import dataclass, field

import pytest

from sluice.access.issuer import (
    IMPATIENCE_SECONDS,
    MAX_AGE_SECONDS,
    PAUSE_SECONDS,
    IssuerKeys,
    KeySet,
)
from sluice.errors import IssuerUnavailable
from tests.tokens import ISSUER, Signer

OLD, NEW = Signer.of("ES256", "old"), Signer.of("EdDSA", "new")


@dataclass
class FakeIssuer:
    """Publishes `keys`, or is away; counts how often it is asked, and tells the time."""

    keys: KeySet = field(default_factory=OLD.key_set)
    away: bool = False
    asked: int = 0
    time: float = 1_000_000.0

    def fetch(self, issuer: str) -> KeySet:
        assert issuer == ISSUER
        self.asked += 1
        if self.away:
            raise IssuerUnavailable("away")
        return self.keys

    def now(self) -> float:
        return self.time


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def keys(issuer: FakeIssuer) -> IssuerKeys:
    return IssuerKeys(ISSUER, issuer.now, issuer.fetch)


def test_an_issuer_is_asked_once_for_its_keys(issuer: FakeIssuer, keys: IssuerKeys) -> None:
    assert issuer.asked == 0

    assert all(keys.find("old") for _ in range(3))

    assert issuer.asked == 1


def test_a_new_key_is_found_when_it_is_first_used(issuer: FakeIssuer, keys: IssuerKeys) -> None:
    keys.find("old")
    issuer.keys = {**OLD.key_set(), **NEW.key_set()}
    issuer.time += PAUSE_SECONDS

    found = keys.find("new")

    assert found is not None
    assert (found.algorithm_name, issuer.asked) == ("EdDSA", 2)


def test_who_invents_key_ids_has_the_issuer_asked_once_a_minute(
    issuer: FakeIssuer, keys: IssuerKeys
) -> None:
    keys.find("old")
    for second in range(3 * PAUSE_SECONDS):
        issuer.time += 1
        assert keys.find(f"invented-{second}") is None

    assert issuer.asked == 1 + 3


def test_known_keys_go_on_while_the_issuer_is_away(issuer: FakeIssuer, keys: IssuerKeys) -> None:
    keys.find("old")
    issuer.away = True
    issuer.time += 24 * MAX_AGE_SECONDS

    assert all(keys.find("old") for _ in range(3))
    assert issuer.asked == 2


def test_while_the_issuer_is_away_nobody_is_refused_for_a_new_key(
    issuer: FakeIssuer, keys: IssuerKeys
) -> None:
    keys.find("old")
    issuer.away, issuer.keys = True, NEW.key_set()
    issuer.time += PAUSE_SECONDS

    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            keys.find("new")
    assert issuer.asked == 2

    issuer.away = False
    issuer.time += IMPATIENCE_SECONDS
    assert keys.find("new")
    assert keys.find("old") is None
    assert issuer.asked == 3


def test_a_key_that_was_withdrawn_is_not_used_for_long(
    issuer: FakeIssuer, keys: IssuerKeys
) -> None:
    keys.find("old")
    issuer.keys = NEW.key_set()
    issuer.time += MAX_AGE_SECONDS - 1
    assert keys.find("old")

    issuer.time += 1

    assert keys.find("old") is None


def test_without_any_key_nothing_can_be_told_and_it_is_tried_again_soon(
    issuer: FakeIssuer, keys: IssuerKeys
) -> None:
    issuer.away = True
    for _ in range(2):
        with pytest.raises(IssuerUnavailable):
            keys.find("old")
    assert issuer.asked == 1

    issuer.away = False
    issuer.time += IMPATIENCE_SECONDS

    assert keys.find("old")
