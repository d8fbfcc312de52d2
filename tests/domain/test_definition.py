"""The definition aggregate: submitted, published, and never changed again."""

import pytest

from schemas.commands import PublishDefinition, SuspendInstance
from schemas.events import DefinitionPublished, DefinitionRefused, DefinitionSubmitted
from streams.domain.definition.aggregate import PUBLISHED, REFUSED
from streams.domain.protocol import RecordDefinition
from streams.testing.spec import definition


def source(version="1.0.0", name="flow", queue="default"):
    return f"""
id: {name}
version: {version}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, queue: {queue}, next: end}}
  end: {{type: end}}
"""


def publish(**parts):
    return PublishDefinition(source(**parts))


def test_a_definition_is_submitted_and_published_at_once():
    decided = definition("flow").when(publish())
    spec = decided.then(
        DefinitionSubmitted("flow", "1.0.0", source()), DefinitionPublished("flow", "1.0.0")
    )
    decided.then_effects(RecordDefinition("flow", "1.0.0", "published", source()))
    assert decided.outcome.result == b'{"definition_id":"flow","version":"1.0.0"}'
    assert spec.state.versions["1.0.0"].status == PUBLISHED


def test_the_same_source_again_changes_nothing_and_gives_the_same_answer():
    first = definition("flow").when(publish())
    again = first.accepted().when(publish())
    again.then_nothing()
    assert again.outcome.result == first.outcome.result


def test_an_old_source_again_is_still_known_after_a_newer_one():
    spec = definition("flow").given(publish(), publish(version="2.0.0"))
    spec.when(publish()).then_nothing()


def test_a_published_version_never_changes():
    spec = definition("flow").given(publish())
    spec.when(publish(queue="other")).then_rejected("InvalidVersion", "1.0.0", "never changes")


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("1.2.4", True),
        ("1.10.0", True),
        ("2.0.0", True),
        ("1.2.2", False),
        ("1.1.9", False),
        ("0.9.9", False),
    ],
)
def test_a_version_must_be_greater_than_the_last(version, taken):
    spec = definition("flow").given(publish(version="1.2.3"))
    decided = spec.when(publish(version=version))
    if taken:
        decided.then(DefinitionSubmitted, DefinitionPublished)
    else:
        decided.then_rejected("InvalidVersion", version, "1.2.3")


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("nonsense", "InvalidDefinition", "a definition is a map"),
        (source().replace("start: {", "start: {x: 1, "), "InvalidDefinition", ":5:"),
        (source(version="'1.0'"), "InvalidDefinition", "major.minor.patch"),
        (source(name="other"), "InvalidInput", "'other'"),
        (source(queue="mail"), "queue_missing", "tidemill topics apply --queue mail"),
    ],
)
def test_what_cannot_be_published_is_refused_with_the_reason(text, code, word):
    spec = definition("flow", missing_queues=frozenset({"mail"}))
    spec.when(PublishDefinition(text)).then_rejected(code, word)


def test_a_version_that_was_refused_is_kept_as_such():
    spec = definition("flow").given(
        DefinitionSubmitted("flow", "1.0.0", source()),
        DefinitionRefused("flow", "1.0.0", "InvalidDefinition", "why"),
    )
    assert spec.state.versions["1.0.0"].status == REFUSED
    assert spec.aggregate.sequence(spec.state) == 2


def test_a_definition_takes_no_other_command():
    definition("flow").when(SuspendInstance()).then_rejected("UnsupportedOperation")


def test_a_definition_waits_for_nothing_and_never_ends():
    spec = definition("flow").given(publish())
    assert spec.next_due() == 0
    assert not spec.aggregate.is_finished(spec.state)
    assert spec.aggregate.remnant(spec.state) == spec.state
    assert spec.aggregate.incarnation(spec.state) == ""


def test_a_publisher_may_expect_that_nobody_published_in_between():
    spec = definition("flow")
    spec.when(publish(), expected_sequence=2).then_rejected("version_conflict", "at sequence 0")
    spec = spec.when(publish(), expected_sequence=0).accepted()
    newer = publish(version="1.1.0")
    spec.when(newer, expected_sequence=0).then_rejected("version_conflict", "at sequence 2")
    spec.when(newer, expected_sequence=2).accepted()
