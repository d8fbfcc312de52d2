"""What the view of locks shows, told by hand; its equality with the fold is in `test_fold.py`."""

import pytest

from projections.errors import PoisonEventError
from schemas import lock_events as e
from schemas.events import ErrorOccurred, IncidentResolved

A, B = e.LockOwner("a"), e.LockOwner("i@life:4", "instance", "i", "life", 4)
TAKEN = e.LockAcquired(A, 100, 50, 150, "c1")


def shown(reader, name="printer", tenant="default"):
    return reader.lock(name, tenant).value


def test_a_held_lock_shows_its_holder_token_and_end(projection, written, reader):
    written.add(TAKEN, "printer", time=100)
    projection.apply(written.events, {})
    row = shown(reader)
    assert (row.state, row.owner, row.token, row.acquired_at, row.expires_at) == (
        "held",
        "a",
        100,
        100,
        150,
    )
    assert (row.freed_at, row.how, row.waiting, row.sequence) == (None, "", [], 1)
    assert reader.lock("printer").position == "0:1"
    assert shown(reader, "other") is None
    assert shown(reader, tenant="acme") is None


def test_the_queue_is_shown_in_order_and_an_owner_that_asks_again_keeps_its_place(
    projection, written, reader
):
    for body, time in (
        (TAKEN, 100),
        (e.LockRequested(B, 0, 0), 110),
        (e.LockRequested(e.LockOwner("c"), 9, 500, "c2", "r:0"), 120),
        (e.LockRequested(B, 0, 900), 130),
    ):
        written.add(body, "printer", time=time)
    projection.apply(written.events, {})
    found = [(w.owner, w.aggregate_type, w.since, w.until) for w in shown(reader).waiting]
    assert found == [("i@life:4", "instance", 110, 900), ("c", "", 120, 500)]
    written.add(e.LockReleased(A, 100, "expired"), "printer", time=150)
    written.add(e.LockAcquired(B, 150, 0, 0), "printer", time=150)
    written.add(
        e.LockRequestRefused(e.LockOwner("c"), "timeout", "c2"),
        "printer",
        time=500,
    )
    projection.apply(written.events[4:], {})
    row = shown(reader)
    assert (row.owner, row.aggregate_id, row.section, row.waiting) == ("i@life:4", "i", 4, [])


def test_a_freed_lock_says_how_and_keeps_who_had_it(projection, written, reader):
    written.add(TAKEN, "printer")
    written.add(e.LockExtended(A, 100, 900), "printer")
    written.add(e.LockReleased(A, 100, "forced", "stuck\0"), "printer", time=777)
    projection.apply(written.events[:2], {})
    assert shown(reader).expires_at == 900
    projection.apply(written.events[2:], {})
    row = shown(reader)
    assert (row.state, row.owner, row.how, row.freed_at) == ("free", "a", "forced", 777)
    assert row.reason == ("stuck\ufffd")


def test_the_list_is_of_what_is_held_in_order_of_name_by_pages(projection, written, reader):
    for name in ("d", "b", "a", "c"):
        written.add(TAKEN, name)
    written.add(e.LockReleased(A, 100, "released"), "c")
    written.add(TAKEN, "a", tenant="acme")
    projection.apply(written.events, {})
    assert [row.id for row in reader.locks().value] == ["a", "b", "d"]
    assert [row.id for row in reader.locks(free=True).value] == ["a", "b", "c", "d"]
    assert [row.id for row in reader.locks(after="a", limit=1).value] == ["b"]
    assert [row.tenant for row in reader.locks("acme").value] == ["acme"]


def test_a_name_that_was_forgotten_begins_another_life(projection, written, reader):
    written.add(TAKEN, "printer", "a")
    written.add(e.LockReleased(A, 100, "released"), "printer", "a")
    written.add(e.LockAcquired(B, 900, 0, 0), "printer", "b")
    projection.apply(written.events, {})
    row = shown(reader)
    assert (row.incarnation, row.sequence, row.owner, row.how) == ("b", 1, "i@life:4", "")


@pytest.mark.parametrize(
    ("incarnation", "sequence", "words"),
    [
        ("b", 2, "the view has the lock at printer@b:2"),
        ("c", 3, "the view has the lock at printer@b:2"),
        ("a", 1, "is not older"),
    ],
)
def test_what_does_not_follow_is_refused(projection, written, incarnation, sequence, words):
    written.add(TAKEN, "printer", "b")
    written.add(e.LockExtended(A, 100, 900), "printer", "b")
    written.add(TAKEN, "printer", incarnation, sequence=sequence)
    with pytest.raises(PoisonEventError, match=words):
        projection.apply(written.events, {})


def test_what_has_no_beginning_is_refused(projection, written):
    written.add(e.LockReleased(A, 100, "released"), "printer", sequence=2)
    with pytest.raises(PoisonEventError, match="its lock is not in the view"):
        projection.apply(written.events, {})


def test_what_a_defect_stops_at_a_lock_leaves_its_row_as_it_was(projection, written, reader):
    written.add(TAKEN, "printer")
    written.add(ErrorOccurred("engine_error", "a defect", command=b"x"), "printer", kind="lock")
    written.add(IncidentResolved(2, "retried"), "printer", kind="lock")
    written.add(e.LockReleased(A, 100, "released"), "printer")
    projection.apply(written.events, {})
    assert (shown(reader).state, shown(reader).sequence) == ("free", 4)
