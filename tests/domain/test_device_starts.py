"""Starts by devices: which readings begin an instance, of which version, and how often."""

from pathlib import Path

import pytest

from schemas.commands import (
    AcceptMessage,
    Correlate,
    PublishDefinition,
    RejectMessage,
    TriggerInstance,
)
from schemas.definition_commands import DeleteDefinition
from schemas.definition_events import ListedStart
from schemas.json_text import canonical, parse
from schemas.results import RecordVerdict
from schemas.watch_commands import LookForStarts
from schemas.watch_events import WatchEnded, WatchOpened
from streams.domain.definition.ids import started_id
from streams.domain.definition.state import source_hash
from streams.domain.protocol import SendCommand
from streams.forms import prove, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import definition, device, instance
from streams.testing.steps import complete, waiting
from streams.testing.watched import Watched

MINUTE = 60_000
HOT = 'device: "d*", metric: t, above: 30'
NAME = "d*, metric t, above 30"


def flow(start=HOT, version="1.0.0", name="flow"):
    return f"""
id: {name}
version: {version}
nodes:
  begin: {{type: start, {start}, result_path: seen, next: end}}
  end: {{type: end}}
"""


DEAF = """
id: flow
version: 9.0.0
nodes: {begin: {type: start, next: end}, end: {type: end}}
"""


def offers(watched, name="flow"):
    """What a definition was offered, one after the other: it takes each of them."""
    while watched.watch.state is not None and (found := pending(watched, name)):
        wait, match = found
        answer = AcceptMessage(name, "", wait.subscription, match.id, owner_type="definition")
        watched.to_watch(answer)
    return watched.offers(name)


def pending(watched, name):
    state = watched.watch.state
    for ref, one in state.pending.items():
        if state.waits[ref].owner_id == name:
            return state.waits[ref], one.matches[0]
    return None


def values(watched, name="flow"):
    return [one.get("value", one["how"]) for one in offers(watched, name)]


# How they are written.


@pytest.mark.parametrize(
    "start",
    [
        HOT,
        "device: d-1, metric: t, below: 3.5, for: PT5M",
        'device: "*", event_type: alarm',
        "device: d-1, silent: 90",
        "device: d-1, metric: t, equals: false",
        'device: d-1, condition: "${metrics.a > metrics.b}"',
    ],
)
def test_a_start_is_written_as_it_is_read_and_is_sound(start):
    read, problems, verdict = prove(flow(start))
    assert (problems, verdict.sound) == ([], True)
    assert read_definition(write_definition(read)) == read


@pytest.mark.parametrize(
    ("start", "path", "words"),
    [
        ('device: "${d}", silent: 9', "nodes.begin.device", "there are no variables yet"),
        ('device: d, metric: t, above: "${x}"', "nodes.begin.above", "no variables yet"),
        ('device: d, metric: t, above: 3, for: "${x}"', "nodes.begin.for", "no variables yet"),
        ("device: d, metric: t, condition: value > x", "nodes.begin.condition", "no variable: x"),
        ("device: d, metric: t, condition: value >", "nodes.begin.condition", "in `value >`"),
        ('device: "a*b", silent: 9', "nodes.begin.device", "with a `*` at its end"),
        ("device: the blue one, silent: 9", "nodes.begin.device", "an id is needed"),
        ("device: 7, silent: 9", "nodes.begin.device", "an id is needed"),
        ("device: d, silent: 9, initial: true", "nodes.begin.initial", "leave out `initial`"),
        ("device: d, silent: 9, interrupting: false", "nodes.begin", "an event sub-process"),
        ("device: d, message: m", "nodes.begin", "a start for each"),
        ("message: m, above: 3", "nodes.begin", "it needs `device`"),
    ],
)
def test_what_is_wrong_with_a_start_is_said_with_its_line(start, path, words):
    first = read_definition(flow(start))[0]
    assert (first.path, first.line, words in first.message) == (path, 5, True), first


def test_two_starts_by_the_same_are_refused():
    other = "  other: {type: start, " + HOT + ", next: end}\n"
    (problem,) = read_definition(flow() + other)
    assert f"2 starts wait for the device {NAME}: one is enough" in problem.message


# Which readings count.


def test_an_instance_starts_at_each_crossing_the_first_reading_included():
    watched = Watched(flow())
    for said in (31, 35, 20, 32, 20, 20, 33):
        watched.says(t=said)
    assert values(watched) == [31, 32, 33]
    assert [one["reading"] for one in watched.offers("flow")] == [1, 4, 7]


def test_each_event_counts_and_the_same_one_once():
    watched = Watched(flow('device: "*", event_type: alarm'))
    watched.says(t=1, kind="alarm", name="a").says(t=2).says(t=1, kind="alarm", name="a")
    watched.says(t=1, kind="alarm", name="b")
    assert [one["reading"] for one in offers(watched)] == [1, 3]


def test_a_silence_counts_once_after_each_reading_whoever_shows_it():
    watched = Watched(flow("device: d, silent: PT1M"))
    watched.says(t=1).fire().read_marks()
    watched.says(t=2).later(2 * MINUTE).says(t=3).fire().read_marks().fire()
    assert [(one["how"], one["reading"]) for one in offers(watched)] == [
        ("silent", 1),
        ("silent", 2),
        ("silent", 3),
    ]


def test_what_must_hold_counts_when_it_has_held():
    watched = Watched(flow(HOT + ", for: PT1M")).says(t=31).later(MINUTE // 2).says(t=20)
    assert offers(watched) == []
    watched.says(t=31).later(MINUTE).says(t=32)
    assert [(one["how"], one["value"]) for one in offers(watched)] == [("held", 32)]


def test_a_condition_that_fails_is_not_met_and_goes_on_to_be_asked():
    watched = Watched(flow("device: d, condition: metrics.a > metrics.b"))
    watched.says(a=3).says(b=2).says(b=4).says(b=1)
    assert len(offers(watched)) == 2


def test_a_device_that_nobody_means_has_no_watch():
    watched = Watched(flow('device: "e*", silent: 9')).says(t=31).says(t=40)
    assert (watched.watch.state, watched.device.state.readings) == (None, 2)


# Versions.


def test_the_same_start_of_a_newer_version_goes_on():
    watched = Watched(flow()).says(t=31).says(t=20)
    watched.knows(flow(), flow(version="2.0.0")).says(t=31)
    watched.knows(flow(), flow(version="2.0.0"), flow(version="3.0.0")).says(t=32)
    assert values(watched) == [31, 31]
    assert sum(isinstance(one, WatchOpened) for one in watched.watch.past) == 1


def test_another_start_begins_anew_and_a_version_without_one_ends_it():
    watched = Watched(flow()).says(t=31)
    other = flow('device: "d*", metric: t, above: 25', "2.0.0")
    watched.knows(flow(), other).says(t=32)
    watched.knows(flow(), other, DEAF).says(t=20).says(t=31)
    assert values(watched) == [31, 32]
    assert (watched.watch.state.waits, watched.device.state.watched) == ({}, 0)


def test_what_is_not_answered_yet_is_answered_before_the_wait_is_over():
    watched = Watched(flow()).says(t=31).knows(flow(), DEAF).says(t=20).says(t=31)
    ended = watched.watch.past[-1]
    assert (type(ended), ended.awaits_answer) == (WatchEnded, True)
    assert values(watched) == [31]
    assert (watched.watch.state.waits, watched.device.state.watched) == ({}, 0)


def test_an_engine_that_has_read_less_changes_nothing():
    other = flow('device: "d*", metric: t, above: 25', "2.0.0")
    watched = Watched(flow(name="a"), flow(), other).says(t=20)
    for known in ((flow(),), ()):
        watched.knows(*known).says(t=20)
    assert [wait.awaits.value for wait in watched.watch.state.waits.values()] == [b"30", b"25"]


def test_a_definition_that_takes_nothing_is_asked_again_at_the_next_crossing():
    """It may say no for a version that is gone when its answer comes."""
    watched = Watched(flow()).says(t=31)
    wait, match = pending(watched, "flow")
    no = RejectMessage("flow", "", wait.subscription, match.id, "no", owner_type="definition")
    watched.to_watch(no)
    watched.says(t=20).says(t=32)
    assert values(watched) == [31, 32]


def test_many_that_wait_for_a_definition_are_kept_each():
    watched = Watched(flow('device: "*", event_type: alarm'))
    for number in range(300):
        watched.says(n=number, kind="alarm")
    assert [one["metrics"]["n"] for one in offers(watched)] == list(range(300))


# A device that says nothing.


def test_a_device_that_was_never_heard_of_is_silent_from_the_publication_on():
    source = flow("device: d, silent: PT1M")
    watched = Watched(source)
    watched.to_device(LookForStarts("flow", "1.0.0"))
    watched.fire().read_marks()
    assert [(one["how"], one["reading"]) for one in offers(watched)] == [("silent", 0)]
    watched.knows(source, DEAF).to_device(LookForStarts("flow", "9.0.0"))
    assert watched.watch.state.waits == {}


def test_who_looks_waits_for_the_version_to_be_known():
    with pytest.raises(LookupError, match=r"flow 2\.0\.0 is not known"):
        device("d", flow()).when(LookForStarts("flow", "2.0.0"))
    device("e", flow()).when(LookForStarts("flow", "1.0.0")).then()


# The definition.


def published(*sources):
    spec = definition("flow", *sources)
    for source in sources:
        version = str(read_definition(source).version)
        verdict = RecordVerdict(version, source_hash(source), "sound")
        spec = spec.given(PublishDefinition(source)).when(verdict).accepted()
    return spec


def asked(name=NAME, how="reading", reading=4, match="d-1:7"):
    payload = canonical({"device": "d-1", "how": how, "reading": reading})
    return Correlate(100_001, "device:d-1", match, name, payload)


def sent(decided):
    return [one for one in decided.effects if isinstance(one, SendCommand)]


def test_a_definition_starts_an_instance_for_what_its_newest_version_has_a_start_for():
    spec = published(flow(), flow(version="2.0.0"))
    assert spec.state.starts[0].name == NAME
    decided = spec.when(asked())
    decided.then()
    name = started_id("flow", "device:d-1", "begin", NAME, "reading", "4")
    answer = AcceptMessage("flow", "", 100_001, "d-1:7", owner_type="definition")
    run = TriggerInstance("flow", "2.0.0", "begin", "device", asked().payload, "d-1:7")
    assert sent(decided) == [
        SendCommand("watch", "d-1", "", answer),
        SendCommand("instance", name, "", run, hop=True),
    ]


def test_the_same_reading_starts_the_same_instance_and_another_another():
    spec = published(flow())
    ids = [
        sent(spec.when(one))[1].aggregate_id
        for one in (asked(), asked(match="d-1:9"), asked(reading=5), asked(how="silent"))
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("sources", [(flow(), DEAF), (flow("device: d-1, silent: 9"),)])
def test_a_definition_takes_nothing_else(sources):
    decided = published(*sources).when(asked())
    decided.then()
    (answer,) = sent(decided)
    assert (answer.aggregate_type, answer.aggregate_id) == ("watch", "d-1")
    assert (type(answer.body), answer.body.final) == (RejectMessage, True)


def test_the_devices_that_a_definition_names_are_told_of_it():
    named, other = flow("device: d-1, silent: 9"), flow("device: d-2, silent: 9", "2.0.0")
    spec = published(named, other)
    told = [one for one in sent(spec) if one.aggregate_type == "device"]
    assert [(one.aggregate_id, one.body.version, one.hop) for one in told] == [
        ("d-1", "1.0.0", True),
        ("d-1", "2.0.0", True),
        ("d-2", "2.0.0", True),
    ]
    gone = spec.when(DeleteDefinition("2.0.0", "wrong"))
    assert [one.aggregate_id for one in sent(gone)] == ["d-2", "d-1"]
    assert gone.accepted().state.starts[0].name == "d-1, silent 9"
    assert [one for one in sent(published(flow())) if one.aggregate_type == "device"] == []


def test_the_starts_are_told_with_the_version():
    (event,) = [one for one in published(flow()).past if hasattr(one, "starts")]
    assert event.starts == [ListedStart("begin", "device", NAME)]


EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nodes" / "start_device.yaml"


def test_the_example_is_played():
    payload = canonical({"device": "freezer-3", "how": "held", "reading": 9, "value": -12})
    run = TriggerInstance("look-after-freezer", "1.0.0", "warm", "device", payload, "freezer-3:4")
    spec = instance(EXAMPLE.read_text()).given(run)
    assert (waiting(spec), parse(spec.state.variables["celsius"])) == (["look"], -12)
    assert parse(spec.state.variables["freezer"]) == "freezer-3"
    assert complete(spec, "look").state.status == "Completed"
