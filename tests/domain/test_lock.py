"""The lock: one holder, the others in order, a token that only grows, an answer for everyone."""

import json

import pytest
from msgspec.structs import replace

from schemas.commands import (
    AcquireLock,
    ExtendLock,
    FireTimer,
    ForceReleaseLock,
    ReleaseLock,
    RequestLock,
    RunInstance,
)
from schemas.lock_events import (
    LockAcquired,
    LockExtended,
    LockOwner,
    LockReleased,
    LockRequested,
    LockRequestRefused,
)
from streams.domain.lock.aggregate import LOCK
from streams.domain.lock.state import LEAD_MAX_MS, RECENT_MAX, WAITERS_MAX
from streams.domain.protocol import AnswerCommand
from streams.testing.spec import NOW, has, lock

A, B, C = AcquireLock("a", 1_000), AcquireLock("b", 1_000, 300), AcquireLock("c", 1_000, 9_000)
A_HAS = lock().given(A)
B_WAITS = A_HAS.given(B)
FIRE = FireTimer(0)


def result(decided):
    return json.loads(decided.outcome.result)


def asks(spec, command, command_id):
    """The spec after a command that has an id of the test's own."""
    return again(spec, command, command_id).accepted()


def again(spec, command, command_id):
    """What a command under this id leads to."""

    class Named(type(spec)):
        def _context(self, *given):
            return replace(super()._context(*given), reply_to=f"{command_id}:0")

    fields = {name: getattr(spec, name) for name in spec.__struct_fields__}
    decided = Named(**fields).when(command, command_id=command_id)
    return replace(decided, before=spec)


def owner(name):
    return LockOwner(name)


# Acquire.


def test_a_free_lock_is_given_at_once_with_a_token_and_its_end():
    decided = lock("printer").when(A)
    assert result(decided) == {"acquired": True, "token": NOW, "expires_at": NOW + 1_000}
    decided.then(LockAcquired(owner("a"), NOW, 1_000, NOW + 1_000, "command-0"))


def test_a_held_lock_is_refused_to_who_will_not_wait():
    A_HAS.when(AcquireLock("b", 5)).then_rejected("LockAcquisition", "'a' has lock 'one'", "0 wait")


def test_who_waits_is_answered_when_it_gets_the_lock_and_not_before():
    decided = A_HAS.when(B)
    assert decided.outcome.result == b"", "no answer yet"
    queued = decided.then(LockRequested(owner("b"), 1_000, NOW + 300, "command-1", "reply-1:0"))
    handed = queued.later(10).when(ReleaseLock("a", NOW))
    assert result(handed) is True
    handed.then(
        LockReleased(owner("a"), NOW, "released"),
        LockAcquired(owner("b"), NOW + 10, 1_000, NOW + 1_010, "command-1"),
    )
    answer = {"acquired": True, "token": NOW + 10, "expires_at": NOW + 1_010}
    (effect,) = handed.effects
    assert (effect.command_id, effect.reply_to, effect.code) == ("command-1", "reply-1:0", "")
    assert json.loads(effect.result) == answer


def test_a_wait_that_is_over_is_refused_and_the_next_keeps_its_place():
    spec = B_WAITS.given(C).later(300)
    assert spec.next_due() == NOW + 300
    refused = spec.when(FIRE)
    refused.then(LockRequestRefused(owner("b"), "timeout", "command-1"))
    (effect,) = refused.effects
    assert (effect.command_id, effect.code) == ("command-1", "LockAcquisition")
    assert refused.accepted().next_due() == NOW + 1_000


def test_the_queue_is_served_in_order_of_asking():
    spec = A_HAS.given(AcquireLock("b", 50, 9_000), C).later(5).given(ReleaseLock("a"))
    assert spec.state.holder.owner == owner("b")
    assert spec.later(50).given(FIRE).state.holder.owner == owner("c")


def test_tokens_grow_even_in_one_millisecond():
    spec, tokens = lock(), []
    for name in "abcd":
        spec = spec.given(AcquireLock(name, 5))
        tokens.append(spec.state.token)
        spec = spec.given(ReleaseLock(name))
    assert tokens == [NOW, NOW + 1, NOW + 2, NOW + 3]


def test_the_holder_that_acquires_again_keeps_its_token_and_at_least_its_time():
    spec = A_HAS.later(100)
    longer = spec.when(AcquireLock("a", 5_000))
    assert result(longer)["token"] == NOW
    longer.then(LockExtended(owner("a"), NOW, NOW + 5_100, "command-1"))
    shorter = spec.when(AcquireLock("a", 1))
    assert result(shorter)["expires_at"] == NOW + 1_000
    assert shorter.accepted().given(ReleaseLock("a")).state.holder is None, "holds are not counted"


def test_who_asks_again_while_it_waits_keeps_its_place_and_the_former_request_is_refused():
    spec = B_WAITS.given(C)
    later = spec.later(9).when(AcquireLock("b", 70, 900))
    later.then(LockRequested(owner("b"), 70, NOW + 909, "command-3", "reply-3:0"))
    (effect,) = later.effects
    assert (effect.command_id, effect.code) == ("command-1", "LockAcquisition")
    assert [w.owner.name for w in later.accepted().state.waiters] == ["b", "c"]


def test_a_probe_of_who_waits_is_refused_and_costs_no_place():
    B_WAITS.when(AcquireLock("b", 5)).then_rejected("LockAcquisition", "1 wait")


def test_a_full_queue_refuses_by_name_of_the_limit():
    spec = A_HAS
    for number in range(WAITERS_MAX):
        event = LockRequested(owner(f"w{number}"), 1, NOW + 1, f"c{number}")
        spec = spec.given(event)
    spec.when(C).then_rejected("limit_exceeded", f"{WAITERS_MAX} owners wait")
    spec.when(AcquireLock("w7", 5, 5)).then("lock.requested")


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        (AcquireLock("", 5), "MissingParameter", "owner is empty"),
        (AcquireLock("x" * 129, 5), "InvalidInput", "129 characters"),
        (AcquireLock("a", 0), "InvalidInput", "ttl_ms is 0; it is 1 to 86400000"),
        (AcquireLock("a", 86_400_001), "InvalidInput", "ttl_ms"),
        (AcquireLock("a", 5, -1), "InvalidInput", "wait_ms is -1; it is 0 to"),
        (RequestLock("instance", "i", "life", 1, -1), "InvalidInput", "ttl_ms"),
        (RequestLock("instance", "i", "life", 1, 0, -2), "InvalidInput", "wait_ms"),
        (ExtendLock("a", NOW, 0), "InvalidInput", "ttl_ms"),
        (RunInstance("hello"), "UnsupportedOperation", "locks do not take RunInstance"),
    ],
)
def test_what_will_not_do_is_refused_with_what_will(command, code, word):
    A_HAS.when(command).then_rejected(code, word)


# A command that comes again.


def test_a_request_that_comes_again_while_it_holds_or_waits_has_no_effect():
    held = asks(lock(), A, "c1")
    repeated = again(held.later(7), A, "c1")
    assert result(repeated)["token"] == NOW
    repeated.then_nothing()
    waiting = asks(held, B, "c2")
    twice = again(waiting.later(7), B, "c2")
    assert twice.outcome.result == b"", "it is answered with the first"
    twice.then_nothing()


@pytest.mark.parametrize("end", [ReleaseLock("a"), ForceReleaseLock("why"), None])
def test_a_request_whose_lock_is_over_gets_no_second_one(end):
    spec = asks(lock(), A, "c1")
    spec = spec.given(end) if end else spec.later(1_000).given(FIRE)
    again(spec, A, "c1").then_rejected("LockAcquisition", "answered before")
    again(spec, A, "c2").then("lock.acquired")


def test_a_request_whose_wait_is_over_does_not_wait_again():
    spec = asks(asks(lock(), A, "c1"), B, "c2").later(300).given(FIRE)
    again(spec, B, "c2").then_rejected("LockAcquisition", "answered before")


def test_an_acquisition_again_that_comes_again_extends_once():
    spec = asks(asks(lock(), A, "c1"), AcquireLock("a", 2_000), "c2").later(50)
    again(spec, AcquireLock("a", 2_000), "c2").then_nothing()
    again(spec, A, "c1").then_nothing()
    over = spec.given(ReleaseLock("a"))
    again(over, AcquireLock("a", 2_000), "c2").then_rejected("LockAcquisition")
    taken_anew = asks(over, A, "c3")
    again(taken_anew, AcquireLock("a", 2_000), "c2").then_rejected("LockAcquisition")


def test_a_release_that_comes_again_answers_true_again():
    spec = A_HAS.given(ReleaseLock("a", NOW), AcquireLock("b", 5))
    assert result(spec.when(ReleaseLock("a", NOW))) is True
    spec.when(ReleaseLock("a", NOW)).then_nothing()
    assert result(spec.when(ReleaseLock("x", NOW))) is False, "another owner's token"


def test_a_bounded_number_of_ended_commands_is_remembered():
    spec = lock()
    for _ in range(RECENT_MAX):
        spec = spec.given(A, ReleaseLock("a")).later(1)
    assert len(spec.state.recent) == RECENT_MAX


# Extend.


def test_an_extension_counts_from_now():
    A_HAS.later(600).when(ExtendLock("a", NOW, 500)).then(
        LockExtended(owner("a"), NOW, NOW + 1_100)
    )


@pytest.mark.parametrize(
    "spec",
    [
        lock(),
        A_HAS.given(ReleaseLock("a")),
        A_HAS.given(ForceReleaseLock()),
        A_HAS.later(1_000),
        A_HAS.later(1_000).given(FIRE),
        B_WAITS.given(ReleaseLock("a")),
    ],
    ids=["never had", "released", "forced", "over, timer not fired", "expired", "another's"],
)
def test_extending_a_lost_lock_fails(spec):
    spec.when(ExtendLock("a", NOW, 500)).then_rejected("LockExtension", "'a' no longer has")


def test_another_token_of_the_same_owner_does_not_extend():
    A_HAS.when(ExtendLock("a", NOW + 1, 5)).then_rejected("LockExtension")
    A_HAS.when(ExtendLock("b", NOW, 5)).then_rejected("LockExtension")


# Release.


@pytest.mark.parametrize(
    "command", [ReleaseLock("b", NOW), ReleaseLock("b"), ReleaseLock("a", NOW + 1)]
)
def test_release_by_another_owner_answers_false(command):
    decided = A_HAS.when(command)
    assert result(decided) is False
    decided.then_nothing()


def test_releasing_what_never_was_answers_false_and_makes_nothing():
    decided = lock().when(ReleaseLock("a", 1))
    assert result(decided) is False
    assert decided.outcome.state is None


def test_a_release_without_a_token_withdraws_who_waits():
    decided = B_WAITS.when(ReleaseLock("b"))
    assert result(decided) is True
    decided.then(LockRequestRefused(owner("b"), "withdrawn", "command-1"))
    assert [e.code for e in decided.effects] == ["LockAcquisition"]


def test_an_operator_takes_the_lock_away_and_the_next_gets_it():
    B_WAITS.when(ForceReleaseLock("stuck")).then(
        LockReleased(owner("a"), NOW, "forced", "stuck"), has(LockAcquired, owner=owner("b"))
    )
    lock().when(ForceReleaseLock()).then_rejected("NotFound", "nobody has lock 'one'")


# Time.


def test_time_to_live_ends_and_the_next_gets_the_lock():
    spec = A_HAS.given(C)
    assert spec.next_due() == NOW + 1_000
    spec.later(1_000).when(FIRE).then(
        LockReleased(owner("a"), NOW, "expired"), has(LockAcquired, owner=owner("c"))
    )


def test_who_waited_too_long_while_nobody_looked_does_not_get_it():
    B_WAITS.later(5_000).when(FIRE).then(
        LockRequestRefused(owner("b"), "timeout", "command-1"),
        LockReleased(owner("a"), NOW, "expired"),
    )


def test_a_command_finds_what_is_due_done_before_the_timer_fires():
    A_HAS.later(1_000).when(AcquireLock("z", 5)).then(
        LockReleased(owner("a"), NOW, "expired"), has(LockAcquired, owner=owner("z"))
    )


def test_a_timer_that_fires_early_changes_nothing():
    B_WAITS.when(FIRE).then_nothing()


# Being forgotten.


def test_a_free_lock_may_be_forgotten_and_a_later_life_has_greater_tokens():
    spec = A_HAS.later(9).given(ReleaseLock("a"))
    assert not LOCK.is_finished(A_HAS.state)
    assert LOCK.is_finished(spec.state)
    assert LOCK.remnant(spec.state) == spec.state
    assert lock().later(10).given(A).state.token > spec.state.token


def test_a_lock_whose_token_ran_ahead_of_the_clock_is_not_forgotten():
    spec = lock().given(LockAcquired(owner("a"), NOW + LEAD_MAX_MS + 1, 5, NOW + 5))
    freed = spec.given(ReleaseLock("a"))
    assert not LOCK.is_finished(freed.state)
    assert LOCK.is_finished(freed.later(5_000).given(A, ReleaseLock("a")).state)


# What every aggregate holds.


def test_a_command_for_another_life_or_sequence_is_refused():
    A_HAS.when(ReleaseLock("a"), incarnation="other").then_rejected("already_closed")
    A_HAS.when(ReleaseLock("a"), expected_sequence=7).then_rejected("version_conflict")


def test_who_asked_for_no_answer_gets_none():
    event = LockRequested(owner("b"), 5, NOW + 900, "c")
    decided = A_HAS.given(event).when(ReleaseLock("a"))
    assert [e for e in decided.effects if isinstance(e, AnswerCommand)] == []
