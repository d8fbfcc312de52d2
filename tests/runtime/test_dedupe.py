"""A command that comes again has one effect; what is over is remembered in a few bytes."""

import pytest

from schemas.commands import (
    CancelInstance,
    PublishDefinition,
    ResumeInstance,
    RunInstance,
    SuspendInstance,
)
from schemas.ids import store_key
from schemas.json_text import parse
from streams.runtime.records import RECENT_COMMANDS_MAX, decode_state

HELLO = """
id: again
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""
WINDOW = 86_400_000
KEY = store_key("instance", "default", "i-1")


def busy(lab, count):
    """An instance that takes commands; the ids of `count` that it took, oldest first."""
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    names = []
    for number in range(count):
        body = ResumeInstance() if number % 2 else SuspendInstance()
        names.append(lab.command("i-1", body))
        lab.settle()
    return names


def test_a_command_that_comes_again_gets_the_reply_that_it_got(lab):
    names = busy(lab, 9)
    events = len(lab.events())
    (first,) = lab.answers(names[2])
    lab.resend(names[2], "i-1", SuspendInstance())
    lab.settle()
    once, again = lab.answers(names[2])
    assert once == first
    assert (again.accepted, again.sequence, again.incarnation, again.token) == (
        True,
        first.sequence,
        first.incarnation,
        first.token,
    )
    assert len(lab.events()) == events


def test_a_publication_that_comes_again_is_told_how_its_version_stands(lab):
    source = PublishDefinition(HELLO)
    name = lab.command("again", source, kind="definition")
    lab.settle()
    lab.command("again", PublishDefinition(HELLO.replace("1.0.0", "1.1.0")), kind="definition")
    lab.resend(name, "again", source, kind="definition")
    lab.settle()
    once, twice = lab.answers(name)
    told = [parse(answer.result) for answer in (once, twice)]
    assert [one["version"] for one in told] == ["1.0.0", "1.0.0"]
    assert [one["status"] for one in told] == ["submitted", "published"]
    assert (once.accepted, twice.accepted) == (True, True)
    assert lab.kinds("again").count("definition.published") == 2, "each version once"


def test_the_last_64_ids_of_an_aggregate_are_remembered(lab):
    names = busy(lab, RECENT_COMMANDS_MAX + 2)
    assert len(decode_state(lab.stores[0].get(KEY)).book.recent) == RECENT_COMMANDS_MAX == 64
    events = len(lab.events())
    for name in names[-RECENT_COMMANDS_MAX:]:
        lab.resend(name, "i-1", SuspendInstance())
    lab.settle()
    assert len(lab.events()) == events
    # What is older is judged by the state: the last command was to resume, so this suspends.
    lab.resend(names[0], "i-1", SuspendInstance())
    lab.settle()
    assert len(lab.events()) == events + 1


def test_two_of_one_batch_have_one_effect(lab):
    name = lab.command("i-1", RunInstance("hello"))
    for _ in range(3):
        lab.resend(name, "i-1", RunInstance("hello"))
    lab.settle()
    assert lab.kinds("i-1").count("workflow.started") == 1
    assert [reply.accepted for reply in lab.answers(name)] == [True] * 4
    assert len({(r.sequence, r.incarnation) for r in lab.answers(name)}) == 1


def test_a_refused_command_is_not_remembered(lab):
    name = lab.command("i-1", SuspendInstance())
    lab.settle()
    assert [reply.code for reply in lab.answers(name)] == ["NotFound"]
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    lab.resend(name, "i-1", SuspendInstance())
    lab.settle()
    assert [reply.accepted for reply in lab.answers(name)] == [False, True]


def finished(lab, target="i-1"):
    """Run an instance to its end; return the id of its start command."""
    name = lab.command(target, RunInstance("hello"))
    lab.settle()
    lab.work(failures=0.0)
    while lab.tasks:
        lab.work(failures=0.0)
    lab.settle()
    assert lab.kinds(target)[-1] == "workflow.completed"
    return name


def test_a_finished_instance_keeps_at_most_100_bytes_and_knows_its_start(disk_lab):
    lab = disk_lab
    name = finished(lab)
    kept = lab.stores[0].get(KEY)
    assert len(kept) + len(KEY) <= 100, (len(kept), len(KEY))
    lab.resend(name, "i-1", RunInstance("hello"))
    lab.settle()
    assert [reply.accepted for reply in lab.answers(name)] == [True, True]
    assert lab.kinds("i-1").count("workflow.started") == 1


def test_who_ends_by_an_operators_word_keeps_as_little(disk_lab):
    lab = disk_lab
    for name in busy(lab, 64):
        assert name
    lab.command("i-1", CancelInstance("enough"))
    lab.settle()
    assert len(lab.stores[0].get(KEY)) <= 100


def test_the_remnant_is_swept_when_the_window_is_over_and_not_before(disk_lab):
    lab = disk_lab
    name = finished(lab)
    lab.sleep(WINDOW - 1_000)
    finished(lab, "i-2")
    assert lab.stores[0].get(KEY) is not None
    lab.sleep(1_001)
    lab.command("i-3", RunInstance("hello"))
    lab.settle()
    assert lab.stores[0].get(KEY) is None
    last = [e for e in lab.kafka.committed(lab.names.state, 0) if e.key == KEY][-1]
    assert last.value is None, "the changelog is told too"
    # The id is free again; it is another instance.
    lab.resend(name, "i-1", RunInstance("hello"))
    lab.settle()
    first, second = (
        e for e, _ in lab.events() if e.type == "workflow.started" and e.aggregate_id == "i-1"
    )
    assert first.incarnation != second.incarnation
    assert second.sequence == 1


@pytest.mark.parametrize("count", [12])
def test_more_remnants_than_a_batch_sweeps_are_all_swept(lab, count):
    for number in range(count):
        finished(lab, f"f-{number}")
    lab.sleep(WINDOW + 1)
    for number in range(count):
        lab.command(f"n-{number}", RunInstance("hello"))
        lab.settle()
    left = [key for key, _ in lab.stores[0].states() if b"/f-" in key]
    assert left == []
