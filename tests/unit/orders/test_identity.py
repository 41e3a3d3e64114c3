"""The id of an order, from its idempotency key or of its own."""

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.orders.identity import key_fits, keyed_order_id, new_order_id

TEXT = st.text(max_size=20)


def test_the_id_of_a_key_never_changes() -> None:
    # Written down: another id for the same key would execute an order twice.
    assert keyed_order_id("alice", "key-1") == UUID("3df1577b-a195-800d-b9d8-614e3d373ff4")


@given(TEXT, TEXT)
def test_the_id_of_a_key_is_a_uuid_of_version_8(account: str, key: str) -> None:
    order_id = keyed_order_id(account, key)

    assert (order_id.version, order_id.variant) == (8, RFC_4122)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("a", "b"), ("b", "a")),
        (("a", "1 a b"), ("a 1 a", "b")),
        (("", "a"), ("a", "")),
    ],
)
def test_other_accounts_and_other_keys_have_other_ids(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert keyed_order_id(*one) != keyed_order_id(*other)


@given(TEXT, TEXT, TEXT, TEXT)
def test_only_the_same_account_and_key_have_the_same_id(a: str, b: str, c: str, d: str) -> None:
    assert (keyed_order_id(a, b) == keyed_order_id(c, d)) == ((a, b) == (c, d))


def test_an_order_without_a_key_has_an_id_of_its_own_in_the_order_of_time() -> None:
    ids = [new_order_id() for _ in range(1000)]

    assert ids == sorted(set(ids))
    assert {order_id.version for order_id in ids} == {7}


@pytest.mark.parametrize("key", ["a", " ", "~" * 255, "7f3c-11ee"])
def test_a_key_is_printable_ascii(key: str) -> None:
    assert key_fits(key)


@pytest.mark.parametrize("key", ["", "a" * 256, "\t", "a\n", "\x7f", "ü", "٣", "\x00"])
def test_anything_else_is_no_key(key: str) -> None:
    assert not key_fits(key)
