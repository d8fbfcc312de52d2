"""What each view shows of each event, told by hand."""

import json

import pytest
from sqlalchemy import select

from projections.definitions import Definitions
from projections.errors import BadTokenError
from projections.history import History
from projections.instances import Filter, Instances
from projections.locks import Locks
from projections.projection import VIEWS
from projections.store import reading
from projections.tables import instances
from schemas import definition_events
from schemas import events as e
from schemas.registry import BODIES, EVENT_TYPES

STARTED = e.WorkflowStarted("hello", "1.0.0", {"who": b'"x"'}, metadata=b'{"order":7}')


CHANNEL = {"message", "signal", "subscription", "watch", "single"}
"""What channels, and the watches of devices, tell of: the history alone shows it."""


def texts(raws):
    return {name: bytes(value) for name, value in raws.items()}


def shown(reader, name="i1", tenant="default"):
    return reader.instance(name, tenant).value


def test_every_event_type_is_read_by_the_history_and_by_the_view_of_its_aggregate():
    names = ["instances", "history", "definitions", "locks", "approvals", "channels", "stalls"]
    assert [view.name for view in VIEWS] == names
    kinds = {"definition": "definitions", "schedule": "definitions", "lock": "locks"}
    for name in EVENT_TYPES:
        body = BODIES[name]
        assert body in History.handles, f"{name}: add it to the history"
        others = [view.name for view in (Instances, Definitions, Locks) if body in view.handles]
        noun = name.partition(".")[0]
        if noun in {"error", "incident"}:
            assert others == ["instances", "definitions", "locks"]
            continue
        wanted = [] if noun in {*CHANNEL, "activity_type"} else [kinds.get(noun, "instances")]
        assert others == wanted, f"{name}: handle it in a view, or say in CHANGES that it is not"


def test_a_start_shows_definition_variables_metadata_and_who(projection, written, reader):
    written.add(STARTED, time=5, actor="ann", metadata={"ticket": "T1"}, correlation_id="corr")
    projection.apply(written.events, {})
    row = shown(reader)
    assert (row.state, row.sequence, row.definition_id, row.definition_version) == (
        "Running",
        1,
        "hello",
        "1.0.0",
    )
    assert (row.created_at, row.updated_at, row.ended_at, row.created_by) == (5, 5, None, "ann")
    assert texts(row.variables) == {"who": b'"x"'}
    assert bytes(row.metadata) == b'{"order":7}'
    assert row.context_metadata == {"ticket": "T1"}
    assert (row.correlation_id, row.partition, row.position) == ("corr", 0, 1)


def test_attempts_and_retries_are_counted(projection, written, reader):
    failed = e.ActivityFailed(2, "work", "job", 1, "Boom", "it broke", retry_at=9)
    for body in (
        STARTED,
        e.ActivityScheduled(2, "work", "job", "default", 1),
        failed,
        e.ActivityScheduled(2, "work", "job", "default", 1, attempt=2),
        e.ActivityStarted(2, "work", 2, "worker-1", 7),
        e.ActivityCompleted(2, "work", "job", 2, b"{}", moves=e.Moves([1], [], ["work"], {})),
    ):
        written.add(body)
    projection.apply(written.events[:5], {})
    assert shown(reader).current_nodes == ["work"]
    projection.apply(written.events[5:], {})
    row = shown(reader)
    assert (row.activities_executed, row.activities_failed, row.retries) == (1, 1, 1)
    assert (row.current_nodes, row.execution_path) == ([], ["work"])
    assert row.error_stack == ["work: Boom: it broke"]


def test_an_incident_of_a_channel_is_no_instances(projection, written, reader):
    written.add(STARTED)
    body = e.ErrorOccurred("engine_error", "why")
    written.add(body, "message:paid", kind="channel")
    projection.apply(written.events, {})
    assert shown(reader).open_incidents == 0
    assert reader.instance("message:paid").value is None


def test_incidents_are_open_until_they_are_resolved(projection, written, reader):
    written.add(STARTED)
    written.add(e.ErrorOccurred("Stuck", "no branch", "choose", 1, place="choose/out"), time=77)
    projection.apply(written.events, {})
    row = shown(reader)
    assert (row.open_incidents, row.current_nodes) == (1, ["choose"])
    assert reader.instances(Filter(with_incidents=True)).value.instances == [row]
    (incident,) = row.incidents.values()
    assert (incident.code, incident.message, incident.node, incident.time) == (
        "Stuck",
        "no branch",
        "choose",
        77,
    )
    projection.apply([written.add(e.IncidentResolved(2, "retried"))], {})
    assert (shown(reader).open_incidents, shown(reader).incidents) == (0, {})


def test_an_incident_goes_with_its_token(projection, written, reader):
    written.add(STARTED)
    written.add(e.ErrorOccurred("Stuck", "no branch", "choose", 1))
    moves = e.Moves([1], [], ["late"])
    written.add(e.EventTriggered("late", "timer", 0, "part", moves))
    projection.apply(written.events, {})
    assert (shown(reader).open_incidents, shown(reader).incidents) == (0, {})


ENDS = [
    (e.WorkflowCompleted(b'{"sum":3}'), "Completed", "", b'{"sum":3}'),
    (e.WorkflowFailed("Boom", "why", "work"), "Failed", "why", b"null"),
    (e.WorkflowCancelled("enough"), "Cancelled", "enough", b"null"),
    (e.WorkflowTerminated("now"), "Terminated", "now", b"null"),
]


@pytest.mark.parametrize(("body", "state", "reason", "result"), ENDS)
def test_an_end_shows_state_reason_result_and_time(
    body, state, reason, result, projection, written, reader
):
    written.add(STARTED)
    written.add(e.TimerScheduled("pause", 1, 99))
    written.add(body, time=12_345)
    projection.apply(written.events, {})
    row = shown(reader)
    assert (row.state, row.reason, row.ended_at) == (state, reason, 12_345)
    assert bytes(row.result) == result
    assert row.current_nodes == []


def test_a_deleted_instance_is_listed_only_where_it_is_asked_for(projection, written, reader):
    for body in (STARTED, e.WorkflowCompleted(b"{}"), e.WorkflowDeleted("gdpr")):
        written.add(body)
    projection.apply(written.events, {})
    assert shown(reader).state == "Deleted"
    assert reader.instances(Filter()).value.instances == []
    assert len(reader.instances(Filter(states=("Deleted",))).value.instances) == 1


def test_a_path_and_errors_keep_their_last_two_hundred(projection, written, reader):
    written.add(STARTED)
    for number in range(260):
        written.add(
            e.ActivityFailed(
                2, f"n{number}", "job", 1, "C", "m", moves=e.Moves([], [], [f"n{number}"], {})
            )
        )
    projection.apply(written.events, {})
    row = shown(reader)
    assert row.execution_path == [f"n{number}" for number in range(60, 260)]
    assert row.error_stack == [f"n{number}: C: m" for number in range(60, 260)]


def test_an_id_that_is_used_again_shows_its_newest_life_and_keeps_all_history(
    projection, written, reader
):
    written.add(STARTED)
    written.add(e.WorkflowTerminated("first"))
    written.add(e.WorkflowStarted("other", "2.0.0", {}), incarnation="b")
    projection.apply(written.events[:2], {})
    projection.apply(written.events[2:], {})
    row = shown(reader)
    assert (row.incarnation, row.state, row.definition_id, row.reason) == (
        "b",
        "Running",
        "other",
        "",
    )
    assert (row.ended_at, row.variables) == (None, {})
    lives = [(one.incarnation, one.sequence) for one in reader.history("i1").value]
    assert lives == [("a", 1), ("a", 2), ("b", 1)]


def test_the_same_id_of_two_tenants_is_two_instances(projection, written, reader):
    written.add(STARTED)
    written.add(e.WorkflowStarted("other", "1.0.0", {}), tenant="acme")
    projection.apply(written.events, {})
    assert shown(reader).definition_id == "hello"
    assert shown(reader, tenant="acme").definition_id == "other"
    assert len(reader.instances(Filter()).value.instances) == 2
    assert len(reader.instances(Filter(tenant="acme")).value.instances) == 1
    assert [one.tenant for one in reader.history("i1", "acme").value] == ["acme"]


def test_history_keeps_each_event_with_its_cause_and_its_data_as_json(projection, written, reader):
    written.add(STARTED, actor="ann", causation_id="c1", correlation_id="corr", time=3)
    moves = e.Moves([1], [e.Token(2, "next")], ["work"], {"a": b'{"b":[1,2]}'})
    written.add(e.ActivityCompleted(2, "work", "job", 1, b'{"x":1}', moves=moves))
    written.add(e.ErrorOccurred("engine_error", "bug", command=b"\xc3\x01\x00"))
    projection.apply(written.events, {})
    first, second, third = reader.history("i1").value
    assert (first.position, first.offset, first.type, first.time, first.actor) == (
        1,
        0,
        "workflow.started",
        3,
        "ann",
    )
    assert (first.causation_id, first.correlation_id, first.node) == ("c1", "corr", "")
    assert json.loads(bytes(first.data))["variables"] == {"who": "x"}
    assert second.node == "work"
    data = json.loads(bytes(second.data))
    assert (data["output"], data["moves"]["writes"]) == ({"x": 1}, {"a": {"b": [1, 2]}})
    assert data["moves"]["produced"] == [{"id": 2, "place": "next"}]
    assert json.loads(bytes(third.data))["command"] == "c30100"


def test_text_that_a_database_cannot_hold_is_shown_and_json_is_kept(projection, written, reader):
    written.add(e.WorkflowStarted("hello", "1.0.0", {"nul": b'"a\\u0000b"'}), actor="a\0b")
    written.add(e.WorkflowTerminated("because\0"))
    projection.apply(written.events, {})
    row = shown(reader)
    assert texts(row.variables) == {"nul": b'"a\\u0000b"'}
    assert row.created_by == "a\ufffdb"
    assert row.reason == "because\ufffd"


def test_variables_that_are_no_json_are_shown_as_hex(projection, written, reader):
    written.add(e.WorkflowStarted("hello", "1.0.0", {"secret": b"\x00\xff"}), key_id="k1")
    projection.apply(written.events, {})
    assert texts(shown(reader).variables) == {"secret": b'"00ff"'}


def test_a_deleted_definition_says_when_by_whom_and_why(projection, written, reader):
    written.add(definition_events.DefinitionSubmitted("flow", "1.0.0", "id: flow"), "flow", time=5)
    written.add(definition_events.DefinitionPublished("flow", "1.0.0", "sound"), "flow", time=6)
    deleted = definition_events.DefinitionDeleted("flow", "1.0.0", "wrong", was_published=True)
    written.add(deleted, "flow", time=9)
    projection.apply(written.events, {})
    (row,) = reader.definitions("flow").value
    assert (row.state, row.verdict, row.source) == ("deleted", "sound", "id: flow")
    assert (row.decided_at, row.deleted_at, row.reason, row.sequence) == (6, 9, "wrong", 3)
    assert row.deleted_by == row.submitted_by


def test_a_definition_is_submitted_then_published_or_refused(projection, written, reader):
    written.add(
        definition_events.DefinitionSubmitted("flow", "1.0.0", "id: flow"),
        "flow",
        actor="ann",
        time=4,
    )
    marked = definition_events.DefinitionPublished("flow", "1.0.0", "unknown", "more than 9 states")
    written.add(marked, "flow", time=5)
    written.add(definition_events.DefinitionSubmitted("flow", "1.1.0", "id: flow2"), "flow", time=6)
    projection.apply(written.events[:1], {})
    (one,) = reader.definitions("flow").value
    assert (one.state, one.decided_at, one.submitted_by) == ("submitted", None, "ann")
    projection.apply(written.events[1:], {})
    refused = definition_events.DefinitionRefused(
        "flow", "1.1.0", "NotSound", "a token is left", "unsound"
    )
    projection.apply([written.add(refused, "flow", time=7)], {})
    # A timer start counts among the definition's events; the version stands as before.
    fired = definition_events.ScheduleFired("flow", "1.0.0", "ticks", 7)
    projection.apply([written.add(fired, "flow", time=8)], {})
    first, second = reader.definitions("flow").value
    assert (first.verdict, second.verdict) == ("unknown", "unsound")
    assert (first.sequence, second.sequence) == (5, 4)
    assert (first.state, first.source, first.submitted_at, first.decided_at) == (
        "published",
        "id: flow",
        4,
        5,
    )
    assert (first.code, first.message) == ("", "more than 9 states")
    assert (second.state, second.code, second.message) == ("refused", "NotSound", "a token is left")
    assert reader.definitions("other").value == []
    assert len(reader.definitions().value) == 2


def test_pages_have_every_instance_once_newest_first_while_more_arrive(projection, written, reader):
    for number in range(25):
        written.add(STARTED, f"i{number}", time=1_000 + number // 4)
    projection.apply(written.events, {})
    seen, cursor, pages = [], "", 0
    while cursor or not pages:
        found = reader.instances(Filter(), 10, cursor).value
        seen += [(one.created_at, one.id) for one in found.instances]
        cursor, pages = found.cursor, pages + 1
        projection.apply([written.add(STARTED, f"late{pages}", time=9_000)], {})
    assert seen == sorted(seen, reverse=True)
    assert {name for _, name in seen} == {f"i{number}" for number in range(25)}
    assert (len(seen), pages) == (25, 3)
    with pytest.raises(BadTokenError, match="take it from the page before"):
        reader.instances(Filter(), 10, "?")


def test_lists_are_filtered(projection, written, reader):
    written.add(STARTED, "a", time=100)
    written.add(e.WorkflowStarted("hello", "2.0.0", {}), "b", time=200)
    written.add(e.WorkflowStarted("other", "1.0.0", {}, e.Parent("a", "x", 3)), "a~3", time=300)
    written.add(e.WorkflowSuspended("wait"), "b", time=400)
    projection.apply(written.events, {})

    def listed(**wanted):
        return [one.id for one in reader.instances(Filter(**wanted)).value.instances]

    assert listed() == ["a~3", "b", "a"]
    assert listed(states=("Suspended", "Failed")) == ["b"]
    assert listed(definition_id="hello") == ["b", "a"]
    assert listed(definition_id="hello", definition_version="1.0.0") == ["a"]
    assert listed(created_from=200, created_until=300) == ["b"]
    assert listed(parent_id="a") == ["a~3"]


def test_a_row_is_plain_sql_for_whoever_reads_the_database(projection, written, sql):
    projection.apply([written.add(STARTED)], {})
    with reading(sql) as connection:
        row = connection.execute(select(instances)).one()
    assert json.loads(row.variables) == {"who": "x"}
    assert (row.state, json.loads(row.tokens)) == ("Running", {})


def test_a_large_instance_is_read_again_for_its_next_event(projection, written, reader):
    large = b'"' + b"x" * 20_000 + b'"'
    projection.apply([written.add(e.WorkflowStarted("hello", "1.0.0", {"v": large}))], {})
    projection.apply([written.add(e.WorkflowSuspended("wait"))], {})
    row = shown(reader)
    assert (row.state, row.sequence, texts(row.variables)) == ("Suspended", 2, {"v": large})


def test_what_a_defect_stops_at_a_definition_leaves_its_versions_as_they_were(
    projection, written, reader
):
    written.add(definition_events.DefinitionSubmitted("hello", "1.0.0", "source"), "hello")
    error = e.ErrorOccurred("engine_error", "a defect", command=b"x")
    written.add(error, "hello", kind="definition", incarnation="a")
    written.add(e.IncidentResolved(2, "retried"), "hello", kind="definition")
    written.add(definition_events.DefinitionPublished("hello", "1.0.0", "sound"), "hello")
    projection.apply(written.events, {})
    (row,) = reader.definitions("hello").value
    assert (row.state, row.sequence) == ("published", 4)
