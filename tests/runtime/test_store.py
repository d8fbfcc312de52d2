"""One contract for the store on disk and the one in memory."""

import pytest

from streams.runtime.records import EMPTY_BOOK, StateRecord, UnknownFormError, encode_record
from streams.runtime.store import Change, Meta
from streams.testing.memory_store import MemoryStore

META = Meta("cluster", "topic", 7, 3, 1_000)
A, B, C = b"instance/default/a", b"instance/default/b", b"definition/default/c"


@pytest.fixture(params=["disk", "memory"])
def opened(request, disk):
    """Open the store, and open it again as a new owner does."""
    kept = MemoryStore()
    return disk if request.param == "disk" else lambda: kept


def record(domain=b"x", due=0, expires=0):
    return encode_record(StateRecord(1, 1, domain, EMPTY_BOOK, due, expires))


def put(store, key, *, due=0, expires=0, old_due=0, old_expires=0, domain=b"x"):
    change = Change(key, record(domain, due, expires), due, expires, old_due, old_expires)
    store.write([change], META)


def test_an_empty_store_reflects_nothing(opened):
    store = opened()
    assert store.meta() is None
    assert list(store.states()) == []
    assert (store.next_due(), store.due(1 << 60, 9), store.expired(1 << 60, 9)) == (0, [], [])


def test_what_was_written_is_there_after_opening_again(opened):
    store = opened()
    put(store, B)
    put(store, A, due=50)
    store = opened()
    assert store.meta() == META
    assert store.get(A) == record(due=50)
    assert store.get(b"instance/default/none") is None
    assert [key for key, _ in store.states()] == [A, B]
    assert store.next_due() == 50


def test_states_are_found_by_prefix_and_in_order(opened):
    store = opened()
    for key in (B, C, A):
        put(store, key)
    assert [key for key, _ in store.states(b"instance/")] == [A, B]
    assert [key for key, _ in store.states()] == [C, A, B]


def test_the_due_are_found_earliest_first_and_no_more_than_asked(opened):
    store = opened()
    put(store, A, due=300)
    put(store, B, due=200)
    put(store, C, due=900)
    assert store.due(300, 9) == [(200, B), (300, A)]
    assert store.due(300, 1) == [(200, B)]
    assert store.due(199, 9) == []
    assert store.next_due() == 200


def test_a_moment_that_moves_is_found_at_its_new_place_only(opened):
    store = opened()
    put(store, A, due=300)
    put(store, A, due=500, old_due=300)
    assert store.due(499, 9) == []
    assert store.due(500, 9) == [(500, A)]
    put(store, A, old_due=500)
    assert store.next_due() == 0


def test_the_finished_are_found_when_their_time_is_over_and_forgotten(opened):
    store = opened()
    put(store, A, expires=400)
    assert store.expired(399, 9) == []
    assert store.expired(400, 9) == [(400, A)]
    store.write([Change(A, None, 0, 0, 0, 400)], META)
    assert store.get(A) is None
    assert store.expired(1 << 60, 9) == []


def test_while_catching_up_later_records_win_and_the_moments_follow(opened):
    store = opened()
    put(store, A, due=300)
    put(store, B, due=10)
    later = Meta("cluster", "topic", 99, 8, 2_000)
    store.load([(A, record(due=700)), (A, record(b"y", due=800)), (B, None), (C, None)], later)
    assert store.get(A) == record(b"y", due=800)
    assert store.get(B) is None
    assert store.due(1 << 60, 9) == [(800, A)]
    assert store.meta() == later


def test_a_wiped_store_is_an_empty_one(opened):
    store = opened()
    put(store, A, due=300, expires=0)
    store.wipe()
    assert (store.meta(), list(store.states()), store.next_due()) == (None, [], 0)
    put(store, B)
    assert [key for key, _ in opened().states()] == [B]


def test_a_record_of_a_newer_release_is_not_loaded(opened):
    store = opened()
    newer = encode_record(StateRecord(99, 1, b"", EMPTY_BOOK))
    put(store, A)
    with pytest.raises(UnknownFormError, match="newer release"):
        store.load([(A, newer)], META)
    assert store.get(A) == record()


def test_a_meta_record_that_cannot_be_read_is_none(disk):
    store = disk()
    put(store, A)
    store._db.put(b"m", b"what a newer release wrote")
    assert store.meta() is None


def test_an_entry_of_the_due_index_can_be_dropped_alone(disk):
    store = disk()
    put(store, A, due=300)
    put(store, B, due=400)
    store.drop_due(300, A)
    assert store.due(1 << 60, 9) == [(400, B)]
    assert store.get(A) == record(due=300)
