"""A projection is exact: no gap, nothing twice, nothing passed over, one writer."""

import threading

import pytest

from projections.errors import (
    BadTokenError,
    NotReachedError,
    PoisonEventError,
    ProjectionError,
    TakenOverError,
)
from projections.instances import Filter
from projections.migrate import upgrade
from projections.positions import Place, Source, parse_token
from projections.projection import FORM, NAME, Projection
from projections.reader import Reader
from projections.store import open_engine, writing
from schemas import definition_events
from schemas import events as e
from schemas.ids import routing_key
from schemas.partition import partition_of
from schemas.telemetry import DeviceEvent

STARTED = e.WorkflowStarted("hello", "1.0.0", {})
SUSPENDED, RESUMED = e.WorkflowSuspended("why"), e.WorkflowResumed()
SOURCE = Source("cluster", "workflow.events", "topic", FORM)


def stored(sql):
    """Return the positions in the database, not those in memory."""
    made = Projection(sql)
    made.resume(SOURCE, 1)
    return made.places[0]


def ids(reader):
    return {one.id: one.state for one in reader.instances(Filter()).value.instances}


def test_rows_and_positions_are_there_together(projection, written, reader, sql):
    written.add(STARTED)
    written.add(SUSPENDED)
    projection.apply(written.events, {0: 3})
    assert stored(sql) == Place(3, 2)
    answer = reader.instance("i1")
    assert (answer.value.state, answer.position) == ("Suspended", "0:2")


def test_the_end_of_the_log_moves_the_offset_past_markers_and_no_number(projection, written, sql):
    projection.apply([written.add(STARTED)], {})
    assert stored(sql) == Place(1, 1)
    projection.apply([], {0: 2})
    assert stored(sql) == Place(2, 1)
    projection.apply([], {0: 1})
    assert stored(sql) == Place(2, 1)


def test_an_event_that_is_missing_stops_the_view_at_its_place(projection, written, reader, sql):
    for body in (STARTED, SUSPENDED, RESUMED):
        written.add(body)
    first, _, third = written.events
    with pytest.raises(PoisonEventError, match=r"partition 0, offset 3: .*at number 1") as caught:
        projection.apply([first, third], {})
    assert (caught.value.partition, caught.value.offset) == (0, 3)
    assert ids(reader) == {"i1": "Running"}
    assert stored(sql) == Place(1, 1)


def test_an_event_that_comes_again_stops_the_view(projection, written):
    written.add(STARTED)
    projection.apply(written.events, {})
    with pytest.raises(PoisonEventError, match="its offset is below 1, which is applied"):
        projection.apply(written.events, {})


BAD_SEQUENCES = [
    ("i1", "a", 3, "the view has the instance at i1@a:1"),
    ("i1", "b", 2, "the view has the instance at i1@a:1"),
    ("i2", "a", 2, "its instance is not in the view"),
]


@pytest.mark.parametrize(("name", "incarnation", "sequence", "why"), BAD_SEQUENCES)
def test_a_gap_in_an_instances_sequence_stops_the_view_after_what_came_before(
    name, incarnation, sequence, why, projection, written, reader, sql
):
    written.add(STARTED)
    written.add(STARTED, "other")
    written.add(SUSPENDED, name, incarnation, sequence=sequence)
    with pytest.raises(PoisonEventError, match=why) as caught:
        projection.apply(written.events, {0: 9})
    assert caught.value.offset == 3
    assert ids(reader) == {"i1": "Running", "other": "Running"}
    assert stored(sql) == Place(3, 2)


def test_a_first_event_of_no_newer_life_stops_the_view(projection, written):
    written.add(STARTED, incarnation="b")
    written.add(STARTED, incarnation="a")
    with pytest.raises(PoisonEventError, match="began already, and is not older"):
        projection.apply(written.events, {})


def test_an_instance_that_begins_with_another_event_stops_the_view(projection, written):
    with pytest.raises(PoisonEventError, match="does not begin with this event"):
        projection.apply([written.add(SUSPENDED)], {})


def test_gaps_of_definitions_stop_the_view(projection, written):
    written.add(definition_events.DefinitionSubmitted("flow", "1.0.0", "x"), "flow")
    written.add(definition_events.DefinitionPublished("flow", "1.0.0"), "flow", sequence=3)
    with pytest.raises(PoisonEventError, match="the definition at sequence 1"):
        projection.apply(written.events, {})


def test_a_verdict_on_an_unknown_version_stops_the_view(projection, written):
    written.add(definition_events.DefinitionSubmitted("flow", "1.0.0", "x"), "flow")
    written.add(definition_events.DefinitionPublished("flow", "2.0.0"), "flow")
    with pytest.raises(PoisonEventError, match=r"version 2\.0\.0 was not submitted"):
        projection.apply(written.events, {})


def test_an_event_of_a_type_that_no_view_knows_stops_the_view(projection, written):
    stranger = written.add(STARTED)._replace(body=DeviceEvent("online", 1))
    with pytest.raises(PoisonEventError, match="no view knows"):
        projection.apply([stranger], {})


def test_after_an_error_a_projection_goes_on_from_what_is_committed(projection, written, reader):
    for body in (STARTED, SUSPENDED, RESUMED):
        written.add(body)
    first, second, third = written.events
    with pytest.raises(PoisonEventError):
        projection.apply([first, third], {})
    projection.apply([second, third], {})
    assert ids(reader) == {"i1": "Running"}
    assert reader.instance("i1").position == "0:3"


def test_of_two_projectors_the_later_one_stops_and_writes_nothing(
    projection, written, reader, sql, database
):
    other_engine = open_engine(database)
    other = Projection(other_engine)
    other.resume(SOURCE, 1)
    written.add(STARTED)
    written.add(SUSPENDED)
    projection.apply(written.events[:1], {})
    with pytest.raises(TakenOverError, match="another projector writes to this database"):
        other.apply(written.events, {})
    other_engine.dispose()
    assert ids(reader) == {"i1": "Running"}
    assert stored(sql) == Place(1, 1)


def test_two_projectors_at_once_write_each_event_once(projection, written, reader, sql, database):
    for number in range(300):
        written.add(STARTED, f"i{number}")
    engines = [open_engine(database) for _ in range(2)]
    lost = []

    def run(engine):
        made = Projection(engine)
        made.resume(SOURCE, 1)
        while made.places[0].number < len(written.events):
            number = made.places[0].number
            try:
                made.apply(written.events[number : number + 10], {})
            except TakenOverError as error:
                lost.append(error)
                made.resume(SOURCE, 1)

    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert stored(sql).number == 300
    assert [len(reader.history(f"i{n}").value) for n in range(300)] == [1] * 300


OTHERS = [
    (SOURCE._replace(cluster_id="elsewhere"), "of cluster cluster, and this is .* of elsewhere"),
    (SOURCE._replace(topic_id="new"), r"\(topic\).*\(new\)"),
    (SOURCE._replace(topic="x.workflow.events"), "and this is x.workflow.events"),
    (SOURCE._replace(form=FORM + 1), "built by another release"),
]


@pytest.mark.parametrize(("source", "why"), OTHERS)
def test_positions_of_another_log_or_release_are_refused_until_a_rebuild(
    source, why, projection, written, reader, sql
):
    projection.apply([written.add(STARTED)], {})
    with pytest.raises(ProjectionError, match=why) as caught:
        Projection(sql).resume(source, 1)
    assert "tidemill projection rebuild" in str(caught.value)
    assert ids(reader) == {"i1": "Running"}
    made = Projection(sql)
    made.restart(source, 2)
    assert made.places == {0: Place(0, 0), 1: Place(0, 0)}
    assert ids(reader) == {}
    assert reader.history("i1").value == []


def test_another_number_of_partitions_is_refused(projection, sql):
    with pytest.raises(ProjectionError, match="know 1 partitions and the topic has 2"):
        Projection(sql).resume(SOURCE, 2)


def test_a_restart_that_does_not_commit_keeps_everything(projection, written, reader, sql):
    projection.apply([written.add(STARTED)], {})

    def crashed():
        with writing(sql) as connection:
            Projection.empty(connection, SOURCE, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crashed()
    assert ids(reader) == {"i1": "Running"}
    assert stored(sql) == Place(1, 1)


def test_a_wait_ends_when_the_view_has_passed_the_position(projection, written, reader):
    written.add(STARTED)
    timer = threading.Timer(0.2, projection.apply, (written.events, {}))
    timer.start()
    reader.wait("0:1", 10)
    assert ids(reader) == {"i1": "Running"}
    timer.join()


def test_a_wait_that_is_too_long_names_the_position_reached(projection, written, reader):
    projection.apply([written.add(STARTED)], {})
    reader.wait("0:1", 0)
    with pytest.raises(NotReachedError, match="not passed 0:2 within 0 s; it reflects 0:1"):
        reader.wait("0:2", 0)


def test_a_wait_for_a_partition_that_is_none_is_refused(reader):
    with pytest.raises(BadTokenError, match="partition 7, which does not exist"):
        reader.wait("7:1", 1)


def test_tokens_of_several_partitions_are_read_and_others_are_refused():
    assert parse_token("3:1207") == {3: 1207}
    assert parse_token("0:5, 1:0,0:9") == {0: 9, 1: 0}
    for bad in ("", "3", "3:", ":1", "a:1", "1:-2", "1:1,", "1.5:2"):
        with pytest.raises(BadTokenError, match="is no position"):
            parse_token(bad)


def test_answers_name_the_partition_of_the_instance_whether_or_not_it_is_there(sql, database):
    upgrade(sql)
    made = Projection(sql)
    made.resume(SOURCE, 4)
    made.apply([], {p: 10 + p for p in range(4)})
    with Reader(database) as reader:
        for name, tenant in (("i1", "default"), ("i2", "acme"), ("i1~7", "default")):
            partition = partition_of(routing_key(tenant, name).encode(), 4)
            assert reader.instance(name, tenant).position == f"{partition}:0"
        assert reader.instances(Filter()).position == "0:0,1:0,2:0,3:0"
        assert reader.status().places[3] == Place(13, 0)
    assert NAME == "workflow"
