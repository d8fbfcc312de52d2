"""The window of unacknowledged messages."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.window import AckWindow


def test_a_message_is_acknowledged_only_when_all_before_it_are_stored():
    acknowledged: list[int] = []
    window = AckWindow(acknowledged.append)
    first, second = window.add(1, 10), window.add(2, 20)
    window.stored(second)
    assert (acknowledged, len(window), window.bytes) == ([], 2, 30)
    window.stored(first)
    assert (acknowledged, len(window), window.bytes) == ([1, 2], 0, 0)


def test_nothing_is_acknowledged_after_the_connection_is_gone():
    acknowledged: list[int] = []
    window = AckWindow(acknowledged.append)
    entry = window.add(1, 10)
    window.abandon()
    window.stored(entry)
    assert (acknowledged, len(window)) == ([], 0)


def test_a_message_of_two_records_waits_for_both():
    acknowledged: list[int] = []
    window = AckWindow(acknowledged.append)
    entry = window.add(1, 10, records=2)
    window.stored(entry)
    assert acknowledged == []
    window.stored(entry)
    assert acknowledged == [1]


def test_messages_without_an_id_hold_their_place_but_are_not_acknowledged():
    acknowledged: list[int] = []
    window = AckWindow(acknowledged.append)
    entries = [window.add(mid, 1) for mid in (1, 0, 2)]
    for entry in reversed(entries):
        window.stored(entry)
    assert acknowledged == [1, 2]


@given(st.permutations(range(1, 40)))
def test_in_whatever_order_kafka_answers_acknowledgements_keep_the_order_of_arrival(order):
    acknowledged: list[int] = []
    stored: set[int] = set()
    window = AckWindow(acknowledged.append)
    entries = {mid: window.add(mid, mid) for mid in range(1, 40)}
    for mid in order:
        stored.add(mid)
        window.stored(entries[mid])
        assert set(acknowledged) <= stored
        assert acknowledged == sorted(acknowledged)
    assert acknowledged == list(range(1, 40))
    assert window.bytes == 0
