"""A lock for a section of an aggregate's work, by internal commands."""

import json

from schemas.commands import (
    AcquireLock,
    ExtendLock,
    FireTimer,
    ForceReleaseLock,
    LockGranted,
    LockLost,
    LockRefused,
    ReleaseLock,
    RequestLock,
    ReturnLock,
)
from schemas.lock_events import (
    LockAcquired,
    LockOwner,
    LockReleased,
    LockRequested,
    LockRequestRefused,
)
from streams.domain.protocol import SendCommand
from streams.testing.spec import NOW, lock

FIRE = FireTimer(0)
A_HAS = lock().given(AcquireLock("a", 1_000))


def section(number):
    return LockOwner(f"i@life:{number}", "instance", "i", "life", number)


def request(number, ttl_ms=0, wait_ms=-1):
    return RequestLock("instance", "i", "life", number, ttl_ms, wait_ms)


def sent(body):
    return SendCommand("instance", "i", "life", body)


def test_a_section_is_told_that_it_may_begin():
    lock().when(request(4)).then(LockAcquired(section(4), NOW, 0, 0))
    lock().when(request(4)).then_effects(sent(LockGranted("one", 4, NOW)))
    timed = lock().when(request(4, 50)).then_effects(sent(LockGranted("one", 4, NOW, NOW + 50)))
    assert timed.next_due() == NOW + 50


def test_a_section_waits_as_long_as_it_takes_and_is_told_then():
    spec = A_HAS.when(request(4)).then(LockRequested(section(4), 0, 0))
    decided = spec.later(3).when(ReleaseLock("a"))
    assert decided.effects == [sent(LockGranted("one", 4, NOW + 3))]


def test_a_section_that_will_not_wait_is_refused():
    A_HAS.when(request(4, wait_ms=0)).then_rejected("LockAcquisition", "'a' has lock")


def test_a_section_whose_wait_is_over_is_told():
    decided = A_HAS.given(request(4, wait_ms=10)).later(10).when(FIRE)
    (effect,) = decided.effects
    assert (type(effect.body), effect.body.section) == (LockRefused, 4)
    assert effect.body.code == "LockAcquisition"


def test_a_section_returns_what_it_has_and_only_that():
    spec = lock().given(request(4), request(5))
    back = ReturnLock("instance", "i", "life", 4)
    spec.when(back).then(
        LockReleased(section(4), NOW, "released"), LockAcquired(section(5), NOW + 1, 0, 0)
    )
    spec.when(ReturnLock("instance", "i", "other", 4)).then_nothing()
    lock().when(back).then_nothing()
    spec.when(ReturnLock("instance", "i", "life", 5)).then(
        LockRequestRefused(section(5), "withdrawn")
    )


def test_a_section_that_loses_its_lock_is_told_how():
    spec = lock().given(request(4, 50))
    forced = spec.when(ForceReleaseLock("why"))
    assert forced.effects == [sent(LockLost("one", 4, NOW, "forced"))]
    over = spec.later(50).when(FIRE)
    assert over.effects == [sent(LockLost("one", 4, NOW, "expired"))]


def test_a_client_cannot_pass_for_a_section():
    spec = lock().given(request(4))
    name = section(4).name
    assert json.loads(spec.when(ReleaseLock(name, NOW)).outcome.result) is False
    spec.when(ExtendLock(name, NOW, 5)).then_rejected("LockExtension")
    spec.when(AcquireLock(name, 5)).then_rejected("LockAcquisition")


def test_a_section_that_asks_again_is_told_again():
    decided = lock().given(request(4)).when(request(4))
    assert decided.effects == [sent(LockGranted("one", 4, NOW))]
    waiting = A_HAS.given(request(4))
    waiting.when(request(4)).then_nothing()
