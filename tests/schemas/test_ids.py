"""Ids of channels: legal, readable where they can be, and never shared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import ID_LENGTH_MAX, channel_id, is_client_id, root_of, subscription_ref

TEXT = st.one_of(
    st.text(min_size=1, max_size=200),
    st.text(alphabet="ab:.-", min_size=1, max_size=6),
    st.text(alphabet="ab", min_size=100, max_size=130),
)
KEY = st.one_of(st.just(""), TEXT)
KIND = st.sampled_from(["message", "signal"])


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("message", "payment-received", "order-7"), "message:payment-received:order-7"),
        (("message", "paid"), "message:paid"),
        (("signal", "evening"), "signal:evening"),
    ],
)
def test_plain_names_and_keys_can_be_read(parts, name):
    assert channel_id(*parts) == name


def test_the_name_can_be_read_where_only_the_key_is_not_plain():
    assert channel_id("message", "paid", "order 7").startswith("message:paid::")
    assert channel_id("message", "paid", "k" * 200).startswith("message:paid::")
    assert channel_id("message", "Gezahlt über", "7").startswith("message::")


def test_an_id_stays_what_it_is_for_ever():
    """Channels are found by their ids: these may never come out differently."""
    assert channel_id("message", "paid", "order 7") == HASHED
    assert channel_id("message", "ü") == HASHED_NAME


HASHED = "message:paid::pv21822fpcmnvm00so8b5r14lhhuagq9"
HASHED_NAME = "message::9kobah6v1vosigsl7raspf528ah5qqqr"


@given(KIND, TEXT, KEY)
def test_every_channel_has_a_legal_id(kind, name, key):
    found = channel_id(kind, name, key)
    assert is_client_id(found)
    assert len(found) <= ID_LENGTH_MAX
    assert root_of(found) == found


@given(st.tuples(KIND, TEXT, KEY), st.tuples(KIND, TEXT, KEY))
def test_two_channels_never_share_an_id(one, other):
    assert (channel_id(*one) == channel_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b:c"), ("a:b", "c")),
        (("a:b", ""), ("a", "b")),
        (("a", ":b"), ("a:", "b")),
        (("a", ""), ("a", "a")),
    ],
)
def test_the_separator_within_a_part_is_no_separator(one, other):
    assert channel_id("message", *one) != channel_id("message", *other)


def test_nobody_can_choose_a_name_or_key_that_looks_like_a_hash():
    hashed = channel_id("message", "paid", "order 7").removeprefix("message:paid:")
    assert channel_id("message", "paid", hashed) != f"message:paid:{hashed}"


def test_a_subscription_is_named_by_its_owner_and_the_event_that_opened_it():
    assert subscription_ref("instance", "a~3", "life", 5) == "instance/a~3@life:5"
