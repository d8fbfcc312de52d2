"""Deleting definitions: what runs goes on, nothing new starts, no number is used again."""

import pytest

from schemas.commands import (
    AcceptMessage,
    Correlate,
    CreateInstance,
    FireTimer,
    PublishDefinition,
    RejectMessage,
    RunInstance,
    StartChild,
    TriggerInstance,
)
from schemas.definition_commands import DeleteDefinition
from schemas.definition_events import DefinitionDeleted, ListedStart
from schemas.json_text import canonical
from schemas.results import RecordVerdict
from streams.domain.definition.state import DELETED, source_hash
from streams.domain.protocol import RecordDefinition
from streams.testing.spec import NOW, definition, has, instance

SOURCE = """
id: flow
version: {version}
nodes:
  start: {{type: start, next: wait}}
  heard: {{type: start, message: "order-{version}", next: wait}}
  ticks: {{type: start, cycle: R/PT20S, next: wait}}
  wait: {{type: timer, duration: PT1H, next: end}}
  end: {{type: end}}
"""
V1, V2 = SOURCE.format(version="1.0.0"), SOURCE.format(version="2.0.0")
HEARD = {v: ListedStart("heard", "message", f"order-{v}") for v in ("1.0.0", "2.0.0")}


def published(*sources):
    return [
        step
        for number, text in enumerate(sources, 1)
        for step in (
            PublishDefinition(text),
            RecordVerdict(f"{number}.0.0", source_hash(text), "sound"),
        )
    ]


@pytest.fixture
def two():
    return definition("flow", V1, V2).given(*published(V1, V2))


def test_the_newest_version_that_is_left_takes_over(two):
    decided = two.when(DeleteDefinition("2.0.0", "wrong"))
    spec = decided.then(has(DefinitionDeleted, version="2.0.0", reason="wrong", newest="1.0.0"))
    (event,) = decided.outcome.events
    assert HEARD["1.0.0"] in event.starts
    assert event.was_published
    decided.then_effects(
        RecordDefinition(
            "flow", "2.0.0", DELETED, V2, verdict="sound", deletion=(NOW, "tester", "wrong", True)
        )
    )
    assert spec.state.newest == "1.0.0"
    asked = Correlate(0, "message:order-2.0.0", "m", "order-2.0.0", b"1")
    (answer,) = spec.when(asked).effects
    assert isinstance(answer.body, RejectMessage)
    taken = spec.when(Correlate(0, "message:order-1.0.0", "m", "order-1.0.0", b"1"))
    assert [type(one.body) for one in taken.effects] == [AcceptMessage, TriggerInstance]
    assert taken.effects[1].body.version == "1.0.0"


def test_an_older_version_leaves_the_starts_as_they_are(two):
    spec = two.when(DeleteDefinition("1.0.0")).then(has(DefinitionDeleted, newest="2.0.0"))
    assert spec.state.starts == two.state.starts


def test_without_a_version_all_are_deleted_and_the_schedules_end(two):
    decided = two.when(DeleteDefinition())
    spec = decided.then(
        has(DefinitionDeleted, version="1.0.0", newest="2.0.0"),
        has(DefinitionDeleted, version="2.0.0", newest="", starts=[]),
    )
    assert decided.outcome.result == canonical(
        {"definition_id": "flow", "deleted": ["1.0.0", "2.0.0"]}
    )
    assert two.next_due() > 0
    assert spec.next_due() == 0
    spec.later(3_600_000).when(FireTimer(0)).then_nothing()
    spec.when(DeleteDefinition()).then_nothing()


def test_a_deleted_number_is_never_used_again(two):
    spec = two.given(DeleteDefinition("2.0.0"))
    for text in (V2, V2 + "# other\n"):
        spec.when(PublishDefinition(text)).then_rejected(
            "InvalidVersion", "2.0.0 was deleted", "never used again", "raise the version"
        )


def test_what_waits_for_its_verdict_is_withdrawn():
    spec = definition("flow").given(PublishDefinition(V1))
    spec = spec.when(DeleteDefinition("1.0.0")).then(has(DefinitionDeleted, was_published=False))
    spec.when(RecordVerdict("1.0.0", source_hash(V1), "sound")).then_nothing()


def test_nothing_is_deleted_where_the_engine_has_not_read_what_takes_over():
    spec = definition("flow", V2).given(*published(V1, V2))
    spec.when(DeleteDefinition("2.0.0")).then_rejected("InvalidState", "has not read version 1.0.0")
    spec.when(DeleteDefinition("1.0.0")).then_rejected("InvalidState", "has not read version 1.0.0")


def test_what_is_not_known_is_not_deleted(two):
    two.when(DeleteDefinition("3.0.0")).then_rejected("NotFound", "3.0.0", "--all")
    definition("none").when(DeleteDefinition()).then_rejected("NotFound", "none")


# Instances.


@pytest.mark.parametrize("command", [RunInstance, CreateInstance])
def test_a_deleted_version_starts_nothing_new(command):
    spec = instance(V1, V2, deleted=frozenset({"flow@2.0.0"}))
    spec.when(command("flow", "2.0.0")).then_rejected("NotFound", "deleted", "1.0.0")
    assert spec.given(command("flow")).state.definition_version == "1.0.0"
    assert spec.given(command("flow", "^1")).state.definition_version == "1.0.0"
    spec.when(command("flow", "^2")).then_rejected("NotFound", "1.0.0")


@pytest.mark.parametrize("command", [RunInstance, CreateInstance])
def test_where_all_are_deleted_nothing_starts(command):
    spec = instance(V1, deleted=frozenset({"flow@1.0.0"}))
    spec.when(command("flow")).then_rejected("NotFound", "not published")
    spec.when(command("flow", "1.0.0")).then_rejected("NotFound", "publish a newer version")


def test_a_call_by_the_exact_number_starts_a_deleted_version():
    spec = instance(V1, deleted=frozenset({"flow@1.0.0"}))
    child = StartChild("flow", "1.0.0", b"{}", "parent", "life", 3)
    assert spec.given(child).state.definition_version == "1.0.0"
    spec.when(StartChild("flow", "", b"{}", "parent", "life", 3)).then_rejected("NotFound")
