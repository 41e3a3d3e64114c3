"""API keys are long, kept as hashes, and asked about once a minute."""

from dataclasses import dataclass, field

import pytest

from sluice.access import keys
from sluice.access.caller import Caller, Scope
from sluice.access.keys import KEY, REMEMBERED_SECONDS, KeyHolders, hash_of, new_key, whole
from sluice.errors import AccessRefused, DatabaseUnavailable

ALICE = Caller("alice", frozenset({Scope.READ}))


@dataclass
class FakeStored:
    """Knows the holders of hashes; counts how often it is asked, and tells the time."""

    holders: dict[bytes, Caller] = field(default_factory=dict)
    asked: int = 0
    down: bool = False
    time: float = 1_000_000.0

    def holder(self, key_hash: bytes) -> Caller | None:
        self.asked += 1
        if self.down:
            raise DatabaseUnavailable("down")
        return self.holders.get(key_hash)

    def now(self) -> float:
        return self.time


@pytest.fixture
def stored() -> FakeStored:
    return FakeStored()


@pytest.fixture
def holders(stored: FakeStored) -> KeyHolders:
    return KeyHolders(stored.holder, stored.now)


def issue(stored: FakeStored) -> str:
    key = new_key()
    stored.holders[hash_of(key)] = ALICE
    return key


def test_no_key_is_like_another() -> None:
    made = {new_key() for _ in range(100)}

    assert len(made) == 100
    assert all(KEY.fullmatch(key) and key.startswith("slk_") for key in made)
    assert all(whole(key) for key in made)


def test_a_key_says_whose_it_is_and_postgres_is_asked_once_a_minute(
    stored: FakeStored, holders: KeyHolders
) -> None:
    key = issue(stored)

    assert [holders.caller(key) for _ in range(3)] == [ALICE] * 3
    assert stored.asked == 1

    stored.time += REMEMBERED_SECONDS
    assert holders.caller(key) == ALICE
    assert stored.asked == 2


def test_a_revoked_key_is_refused_a_minute_later(stored: FakeStored, holders: KeyHolders) -> None:
    key = issue(stored)
    holders.caller(key)
    stored.holders.clear()
    stored.time += REMEMBERED_SECONDS - 1
    assert holders.caller(key) == ALICE

    stored.time += 1

    with pytest.raises(AccessRefused):
        holders.caller(key)


def test_an_unknown_key_is_remembered_as_one(stored: FakeStored, holders: KeyHolders) -> None:
    key = new_key()
    for _ in range(3):
        with pytest.raises(AccessRefused):
            holders.caller(key)

    assert stored.asked == 1


@pytest.mark.parametrize(
    "key",
    [
        "slk_",
        "slk_short",
        # As keys were before they had a checksum.
        f"slk_{'x' * 43}",
        f"slk_{'x' * 48}",
        f"slk_{'x' * 49}",
        f"slk_{'é' * 48}",
        pytest.param(f"{new_key()}=", id="one more sign"),
        pytest.param(f"{new_key()}\n", id="one more line"),
    ],
)
def test_postgres_is_not_asked_about_what_is_no_key(
    stored: FakeStored, holders: KeyHolders, key: str
) -> None:
    with pytest.raises(AccessRefused):
        holders.caller(key)

    assert stored.asked == 0


def test_that_postgres_is_down_is_no_answer_to_remember(
    stored: FakeStored, holders: KeyHolders
) -> None:
    key = issue(stored)
    stored.down = True
    with pytest.raises(DatabaseUnavailable):
        holders.caller(key)

    stored.down = False

    assert holders.caller(key) == ALICE


def test_postgres_is_not_asked_about_a_key_with_one_letter_wrong(
    stored: FakeStored, holders: KeyHolders
) -> None:
    key = issue(stored)
    for at in range(len("slk_"), len(key)):
        wrong = f"{key[:at]}{'A' if key[at] != 'A' else 'B'}{key[at + 1 :]}"
        with pytest.raises(AccessRefused):
            holders.caller(wrong)

    assert stored.asked == 0


def test_not_all_keys_of_the_world_are_remembered(
    stored: FakeStored, holders: KeyHolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_HOLDERS", 2)
    known = [issue(stored) for _ in range(3)]
    for key in known:
        holders.caller(key)

    assert [holders.caller(key) for key in reversed(known)] == [ALICE] * 3
    # The first was forgotten for the third.
    assert stored.asked == 4


def test_a_flood_of_keys_that_are_unknown_makes_no_holder_forgotten(
    stored: FakeStored, holders: KeyHolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_STRANGERS", 2)
    monkeypatch.setattr(keys, "MOST_HOLDERS", 2)
    mine, unknown = issue(stored), [new_key() for _ in range(20)]
    holders.caller(mine)
    for key in [*unknown, unknown[-1], unknown[-2]]:
        with pytest.raises(AccessRefused):
            holders.caller(key)
    assert stored.asked == 21

    assert holders.caller(mine) == ALICE
    assert stored.asked == 21
    with pytest.raises(AccessRefused):
        holders.caller(unknown[0])
    assert stored.asked == 22
