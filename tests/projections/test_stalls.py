"""What the view of stalls shows: each command that a defect keeps from being applied."""

import pytest

from schemas import events as e
from schemas.codec import encode
from schemas.commands import AcceptMessage, FireTimer
from schemas.envelope import Envelope

KEPT = encode(
    Envelope("x>1", "AcceptMessage", 1, "channel", "x"), AcceptMessage("i", "life", 1, "m")
)
STOPPED = e.ErrorOccurred("engine_error", "a defect", command=KEPT)
STARTED = e.WorkflowStarted("hello", "1.0.0", {})


def listed(reader, **wanted):
    return [(s.aggregate_type, s.aggregate_id, s.incident) for s in reader.stalls(**wanted).value]


@pytest.fixture
def stopped(projection, written):
    """An instance, a watch and a definition with something stopped."""
    written.add(STARTED, "i1")
    written.add(STOPPED, "i1", time=30)
    written.add(STOPPED, "i1", time=31)
    written.add(STOPPED, "d1", kind="watch", time=10)
    projection.apply(written.events, {})


@pytest.mark.usefixtures("stopped")
def test_the_oldest_is_first_and_a_type_can_be_asked_for(reader):
    assert listed(reader) == [("watch", "d1", 1), ("instance", "i1", 2), ("instance", "i1", 3)]
    assert listed(reader, aggregate_type="watch") == [("watch", "d1", 1)]
    assert listed(reader, limit=1) == [("watch", "d1", 1)]
    (one,) = reader.stalls(aggregate_type="watch").value
    assert (one.command, one.code, one.message, one.since) == (
        "AcceptMessage",
        "engine_error",
        "a defect",
        10,
    )
    assert listed(reader, tenant="acme") == []


@pytest.mark.usefixtures("stopped")
def test_what_is_retried_is_gone_and_may_be_stopped_again_in_one_chunk(projection, written, reader):
    written.add(e.IncidentResolved(2, "retried"), "i1")
    written.add(STOPPED, "i1")
    written.add(e.IncidentResolved(5, "retried"), "i1")
    written.add(STOPPED, "i1")
    projection.apply(written.events[4:], {})
    assert listed(reader, aggregate_type="instance") == [
        ("instance", "i1", 3),
        ("instance", "i1", 7),
    ]


@pytest.mark.usefixtures("stopped")
def test_an_instance_that_ends_keeps_nothing(projection, written, reader):
    written.add(e.WorkflowTerminated("now"), "i1")
    projection.apply(written.events[4:], {})
    assert listed(reader) == [("watch", "d1", 1)]


@pytest.mark.usefixtures("stopped")
def test_an_incident_that_keeps_no_command_is_none_of_a_defect(projection, written, reader):
    written.add(e.ErrorOccurred("Boom", "the author's", "work", 1), "i1")
    written.add(e.ErrorOccurred("engine_error", "?", command=b"not a command"), "i1")
    projection.apply(written.events[4:], {})
    found = reader.stalls(aggregate_type="instance").value
    assert [(one.incident, one.command) for one in found] == [
        (2, "AcceptMessage"),
        (3, "AcceptMessage"),
        (5, ""),
    ]


def test_a_timer_is_named_too(projection, written, reader):
    fire = encode(Envelope("i1!9", "FireTimer", 1, "instance", "i1"), FireTimer(9))
    written.add(STARTED, "i1")
    written.add(e.ErrorOccurred("engine_error", "a defect", command=fire), "i1")
    projection.apply(written.events, {})
    assert [one.command for one in reader.stalls().value] == ["FireTimer"]
