"""Activity types: said by workers, kept by owners, and an event only where something changes."""

import pytest

from schemas.activity_type_commands import RegisterActivityType, RemoveActivityType
from schemas.commands import CancelInstance
from streams.domain.protocol import RecordActivityType
from streams.testing.spec import activity_type

WORKER = RegisterActivityType("default", "Charges a card.", b'{ "type": "object"}', worker="w-1")


def charge():
    return activity_type("charge")


def record(spec):
    (effect,) = spec.effects[-1:]
    assert isinstance(effect, RecordActivityType)
    return effect.record


def test_a_worker_says_what_it_does_and_every_process_is_told():
    spec = charge().when(WORKER)
    told = record(spec.then("activity_type.registered"))
    assert (told.name, told.status, told.queue) == ("charge", "registered", "default")
    assert told.input_schema == b'{"type":"object"}'


def test_the_same_said_again_is_no_event():
    another = RegisterActivityType("default", "Charges a card.", b'{"type":"object"}', worker="w-2")
    charge().given(WORKER).when(another).then_nothing()


def test_what_is_left_empty_stays_and_what_is_said_is_changed():
    spec = charge().given(WORKER, RegisterActivityType(owner="payments", start_to_close_ms=5_000))
    state = spec.state
    assert (state.owner, state.queue, state.start_to_close_ms) == ("payments", "default", 5_000)
    # The worker starts again: what its owner said is kept.
    again = spec.when(WORKER)
    again.then_nothing()
    moved = spec.given(RegisterActivityType("cards"))
    assert (moved.state.queue, moved.state.owner) == ("cards", "payments")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (RegisterActivityType(input_schema=b"{"), "input_schema is no JSON Schema"),
        (RegisterActivityType(output_schema=b'{"type":"what"}'), "output_schema is no JSON Schema"),
        (RegisterActivityType(on_failure="panic"), "is no strategy: it is one of fail_workflow"),
        (RegisterActivityType(heartbeat_ms=-1), "heartbeat_ms is below 0"),
        (RegisterActivityType(owner="x" * 5_000), "owner has more than 4000 characters"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(said, why):
    charge().when(said).then_rejected("InvalidInput", why)


def test_a_removed_type_may_come_back_without_what_was_said_before():
    spec = charge().given(WORKER, RegisterActivityType(owner="payments"))
    gone = spec.when(RemoveActivityType("old")).then("activity_type.removed")
    assert record(gone).status == "removed"
    gone.when(RemoveActivityType()).then_nothing()
    back = gone.given(WORKER)
    assert (back.state.status, back.state.owner) == ("registered", "")


def test_what_is_not_registered_cannot_be_removed():
    charge().when(RemoveActivityType()).then_rejected("NotFound", "tidemill activity-type list")
    charge().when(CancelInstance()).then_rejected("UnsupportedOperation")
