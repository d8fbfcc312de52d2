"""What a defect stopped at a channel, a watch, a lock or a definition waits for a retry."""

import pytest

from schemas.codec import encode
from schemas.commands import FireTimer, RetryIncident
from schemas.envelope import Envelope
from schemas.events import ErrorOccurred, IncidentResolved
from streams.domain.protocol import RedriveCommand
from streams.testing.spec import channel, definition, lock, watch

KEPT = encode(Envelope("x!1", "FireTimer", 1, "lock", "x"), FireTimer(1))
STOPPED = ErrorOccurred("engine_error", "why", command=KEPT)
ALL = [channel("message:paid:7"), watch("d1"), lock("printer"), definition("flow")]


@pytest.fixture(params=ALL, ids=lambda one: one.aggregate.type)
def stopped(request):
    """An aggregate two of whose commands were stopped."""
    return request.param.happened(STOPPED).happened(STOPPED)


def test_a_retry_applies_all_that_was_kept_again_in_its_order(stopped):
    done = stopped.when(RetryIncident(0))
    done.then(IncidentResolved(1, "retried"), IncidentResolved(2, "retried"))
    done.then_effects(RedriveCommand(KEPT), RedriveCommand(KEPT))
    done.accepted().when(RetryIncident(0)).then_rejected("NotFound", "has no open incident")


def test_one_may_be_retried_alone(stopped):
    done = stopped.when(RetryIncident(2)).then(IncidentResolved(2, "retried"))
    done.when(RetryIncident(2)).then_rejected("NotFound", "has no open incident 2")
    done.when(RetryIncident(1)).then(IncidentResolved(1, "retried"))


def test_what_keeps_a_command_is_not_swept(stopped):
    assert not stopped.aggregate.is_finished(stopped.state)


def test_what_is_kept_survives_being_stored(stopped):
    kind = stopped.aggregate
    assert kind.decode(kind.encode(stopped.state)) == stopped.state
