"""What the runtime adds to locks: later answers, refusals that are told, and being forgotten."""

import json

import pytest
from msgspec.structs import replace

from schemas.codec import decode, encode
from schemas.commands import (
    AcquireLock,
    LockGranted,
    LockRefused,
    ReleaseLock,
    RequestLock,
    ReturnLock,
    RunInstance,
)
from schemas.envelope import Envelope
from schemas.ids import store_key
from schemas.registry import public_type
from streams.domain.lock.aggregate import LOCK
from streams.runtime.ports import Out
from streams.runtime.records import decode_state

KEY = store_key("lock", "default", "red")
WINDOW = 86_400_000


def take(lab, owner="a", ttl=1_000, wait=0, lock="red"):
    name = lab.command(lock, AcquireLock(owner, ttl, wait), kind="lock")
    lab.settle()
    return name


def do(lab, body, lock="red"):
    name = lab.command(lock, body, kind="lock")
    lab.settle()
    return name


def ask(lab, body, lock="red", name="ask-1"):
    """Write what an aggregate of another partition would."""
    envelope = Envelope(name, public_type(body), lab.now, "lock", lock)
    lab.kafka.append(Out(lab.names.internal, -1, lock.encode(), encode(envelope, body)))
    lab.settle()


def state(lab):
    data = lab.stores[0].get(KEY)
    return None if data is None else LOCK.decode(decode_state(data).domain)


def token(reply):
    return json.loads(reply.result)["token"]


def test_who_waits_is_answered_once_when_it_has_the_lock(lab):
    first, second = take(lab), take(lab, "b", wait=900)
    assert lab.answers(second) == []
    lab.resend(second, "red", AcquireLock("b", 1_000, 900), kind="lock")
    lab.settle()
    assert lab.answers(second) == [], "the repeated one waits with the first"
    lab.sleep(5)
    do(lab, ReleaseLock("a", token(*lab.answers(first))))
    (answer,) = lab.answers(second)
    assert (answer.accepted, token(answer), answer.token) == (True, lab.now, "client")
    state_now, number = state(lab), len(lab.events())
    assert (answer.sequence, answer.position) == (state_now.sequence, f"0:{number}")
    assert answer.incarnation == state_now.incarnation


def test_a_request_that_comes_again_costs_no_state_record(lab):
    take(lab)
    second = take(lab, "b", wait=900)
    before = len([e for e in lab.kafka.committed(lab.names.state, 0) if e.key == KEY])
    lab.resend(second, "red", AcquireLock("b", 1_000, 900), kind="lock")
    lab.settle()
    after = len([e for e in lab.kafka.committed(lab.names.state, 0) if e.key == KEY])
    assert after == before


def test_the_later_answer_says_which_command_it_answers_and_for_whom(lab):
    take(lab)
    second = take(lab, "b", wait=900)
    do(lab, ReleaseLock("a"))
    found = [decode(e.value) for e in lab.kafka.committed(lab.names.replies, 0)]
    (envelope,) = [e for e, _ in found if e.context.causation_id == second]
    assert (envelope.id, envelope.aggregate_type, envelope.aggregate_id) == (
        f"{second}/reply",
        "lock",
        "red",
    )


def test_a_wait_that_ends_by_the_clock_is_answered(lab):
    take(lab, ttl=60_000)
    second = take(lab, "b", wait=900)
    lab.sleep(900)
    lab.settle()
    (answer,) = lab.answers(second)
    assert (answer.accepted, answer.code) == (False, "LockAcquisition")


def test_a_grant_to_an_instance_that_is_gone_comes_back(lab):
    ask(lab, RequestLock("instance", "gone", "life", 7))
    assert lab.kinds("red") == ["lock.acquired", "lock.released"]
    assert state(lab).holder is None


def test_over_partitions_too(lab_of):
    lab = lab_of(3)
    lock = lab.at(0)
    gone = lab.at(1)
    take(lab, lock=lock)
    ask(lab, RequestLock("instance", gone, "life", 7), lock)
    do(lab, ReleaseLock("a"), lock)
    assert lab.kinds(lock) == [
        "lock.acquired",
        "lock.requested",
        "lock.released",
        "lock.acquired",
        "lock.released",
    ]


def refused_instance_commands(lab):
    """What was sent to instances that do not exist, by what is said of it."""
    found = [decode(e.value) for e in lab.kafka.committed(lab.names.internal, 1)]
    return [body for _, body in found]


def test_a_section_hears_of_its_refusal(lab_of):
    lab = lab_of(2)
    lock, asker = lab.at(0), lab.at(1)
    take(lab, lock=lock)
    ask(lab, RequestLock("instance", asker, "life", 7, 0, 0), lock)
    (body,) = refused_instance_commands(lab)
    assert (type(body), body.lock, body.section) == (LockRefused, lock, 7)
    assert (body.code, "'a' has lock" in body.message) == ("LockAcquisition", True)


def test_a_section_hears_of_a_defect(lab_of, monkeypatch):
    lab = lab_of(2)
    lock, asker = lab.at(0), lab.at(1)

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(type(LOCK), "decide", staticmethod(broken))
    ask(lab, RequestLock("instance", asker, "life", 7), lock)
    (body,) = refused_instance_commands(lab)
    assert (type(body), body.code) == (LockRefused, "engine_error")
    assert len(lab.dead()) == 1


@pytest.mark.parametrize(
    "body",
    [
        RequestLock("instance", "i", "life", 7),
        ReturnLock("instance", "i", "life", 7),
        LockGranted("red", 7, 1),
    ],
)
def test_a_client_may_not_write_what_aggregates_say_to_each_other(lab, body):
    (answer,) = lab.answers(do(lab, body))
    assert answer.code == "UnsupportedOperation"
    assert "may not be written to workflow.commands" in answer.message


def test_a_locks_commands_are_for_locks_and_a_name_is_an_id(lab):
    name = lab.command("red", AcquireLock("a", 5))
    lab.command("red~1", AcquireLock("a", 5), kind="lock")
    lab.settle()
    (answer,) = lab.answers(name)
    assert "aggregate_type of AcquireLock is 'lock'" in answer.message
    assert lab.kinds("red") == lab.kinds("red~1") == []


def test_a_lock_and_an_instance_of_one_name_are_two_things(lab):
    take(lab, lock="same")
    lab.command("same", RunInstance("hello"))
    lab.settle()
    assert "workflow.started" in lab.kinds("same")


def test_a_release_of_what_never_was_leaves_nothing_behind(lab):
    (answer,) = lab.answers(do(lab, ReleaseLock("a", 1)))
    assert (answer.accepted, answer.result) == (True, b"false")
    assert state(lab) is None


def test_a_free_lock_is_forgotten_after_the_window_and_its_tokens_go_on(disk_lab):
    lab = disk_lab
    last = token(*lab.answers(take(lab)))
    do(lab, ReleaseLock("a"))
    lab.sleep(WINDOW)
    take(lab, lock="blue")
    assert lab.stores[0].get(KEY) is None
    assert token(*lab.answers(take(lab))) > last
    lives = {e.incarnation for e, _ in lab.events() if e.aggregate_id == "red"}
    assert len(lives) == 2


def test_a_lock_that_is_taken_and_freed_in_one_batch_is_kept_for_a_whole_window(lab):
    """Else its tokens, one ahead of the other in a millisecond, could come again."""
    take(lab)
    do(lab, ReleaseLock("a"))
    lab.sleep(WINDOW - 1)
    for owner in "abc":
        lab.command("red", AcquireLock(owner, 5), kind="lock")
        lab.command("red", ReleaseLock(owner), kind="lock")
    shard = lab.shards[0]
    shard._options = replace(shard._options, batch_records_max=50)
    while shard.inbox.queued < 6:
        lab.feed(0)
    assert lab.step(0) == 6
    last = state(lab).token
    lab.sleep(1)
    take(lab, lock="blue")  # A batch that sweeps.
    assert token(*lab.answers(take(lab))) > last
    lab.sleep(5)
    do(lab, ReleaseLock("a"))
    assert decode_state(lab.stores[0].get(KEY)).expires == lab.now + WINDOW
