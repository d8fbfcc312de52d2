"""The definition aggregate: submitted, verified, published or refused, and never changed again."""

import pytest

from schemas.commands import PublishDefinition, SuspendInstance
from schemas.definition_events import DefinitionPublished, DefinitionRefused, DefinitionSubmitted
from schemas.json_text import canonical
from schemas.results import RecordVerdict
from streams.domain.definition.state import (
    PUBLISHED,
    REFUSED,
    SOUND,
    SUBMITTED,
    UNKNOWN,
    UNSOUND,
    source_hash,
)
from streams.domain.protocol import RecordDefinition
from streams.testing.spec import definition, has

WHY = "option to complete: a run can stop for ever: start"
SHOWN = b'[{"property":"option to complete"}]'


def source(version="1.0.0", name="flow", queue="default"):
    return f"""
id: {name}
version: {version}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, queue: {queue}, next: end}}
  end: {{type: end}}
"""


def publish(*, allow_unsound=False, max_states=0, **parts):
    return PublishDefinition(source(**parts), allow_unsound, max_states)


def verdict(found=SOUND, **parts):
    text = source(**parts)
    version = parts.get("version", "1.0.0")
    if found == SOUND:
        return RecordVerdict(version, source_hash(text), SOUND)
    return RecordVerdict(version, source_hash(text), found, WHY, SHOWN)


def published(*versions):
    """Steps that publish these versions."""
    return [step for v in versions for step in (publish(version=v), verdict(version=v))]


def result(status, found=""):
    answer = {"definition_id": "flow", "version": "1.0.0", "status": status, "verdict": found}
    return canonical(answer)


# Submitting.


def test_what_is_well_formed_is_submitted_and_waits_for_its_verdict():
    decided = definition("flow").when(publish(max_states=7), command_id="mine")
    spec = decided.then(
        DefinitionSubmitted(
            "flow", "1.0.0", source(), max_states=7, is_pending=True, command_id="mine"
        )
    )
    decided.then_effects(RecordDefinition("flow", "1.0.0", SUBMITTED, source(), max_states=7))
    assert decided.outcome.result == result(SUBMITTED)
    version = spec.state.versions["1.0.0"]
    assert (version.status, version.source, version.is_pending) == (SUBMITTED, source(), True)


@pytest.mark.parametrize(
    ("steps", "status", "found"),
    [
        ([publish()], SUBMITTED, ""),
        ([publish(), verdict()], PUBLISHED, SOUND),
        ([publish(allow_unsound=True), verdict(UNSOUND)], PUBLISHED, UNSOUND),
    ],
)
def test_the_same_source_again_changes_nothing_and_says_how_it_stands(steps, status, found):
    again = definition("flow").given(*steps).when(publish())
    again.then_nothing()
    assert again.outcome.result == result(status, found)


def test_an_old_source_again_is_still_known_after_a_newer_one():
    spec = definition("flow").given(*published("1.0.0", "2.0.0"))
    spec.when(publish()).then_nothing()


def test_who_allows_more_of_a_pending_source_submits_it_again():
    spec = definition("flow").given(publish())
    decided = spec.when(publish(allow_unsound=True))
    after = decided.then(has(DefinitionSubmitted, version="1.0.0", allow_unsound=True))
    after.when(publish()).then_nothing()
    after.when(verdict(UNSOUND)).then(DefinitionPublished)


def with_names(*names, **more):
    return PublishDefinition(source(), sound_with=[*names], **more)


def test_what_it_is_to_be_sound_with_goes_to_the_verifier():
    decided = definition("flow").when(with_names("shop@1.0.0", "store"))
    decided.then(has(DefinitionSubmitted, sound_with=["shop@1.0.0", "store"]))
    (record,) = decided.outcome.effects
    assert record.sound_with == ["shop@1.0.0", "store"]


def test_who_asks_more_of_a_pending_source_submits_it_again_and_nobody_asks_less():
    spec = definition("flow").given(with_names("shop@1.0.0", allow_unsound=True))
    spec.when(publish()).then_nothing()
    spec.when(with_names("shop@1.0.0")).then_nothing()
    again = spec.when(with_names("store", "shop@1.0.1"))
    wanted = has(DefinitionSubmitted, sound_with=["store", "shop@1.0.1"], allow_unsound=True)
    after = again.then(wanted)
    after.when(with_names("bank")).then(
        has(DefinitionSubmitted, sound_with=["store", "shop@1.0.1", "bank"])
    )
    decided = after.given(verdict())
    assert decided.state.versions["1.0.0"].sound_with == [], "it is only of use while it waits"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["shop@1"], "write `id@1.2.3`"),
        (["shop@"], "write `id@1.2.3`"),
        (["shop@^1.0"], "write `id@1.2.3`"),
        ([""], "names no definition"),
        (["a shop"], "names no definition"),
        (["flow@1.0.0"], "is the definition itself"),
        (["shop", "shop@1.0.0"], "names 'shop' twice"),
        ([f"d{number}" for number in range(33)], "32 at most: publish fewer at once"),
    ],
)
def test_names_that_name_nothing_are_refused(names, words):
    definition("flow").when(with_names(*names)).then_rejected("InvalidInput", words)


def test_more_names_than_there_may_be_are_refused_when_they_come_one_after_the_other_too():
    spec = definition("flow").given(with_names(*(f"d{number}" for number in range(32))))
    spec.when(with_names("more")).then_rejected("InvalidInput", "with those of before")


def test_a_pending_version_does_not_change_under_the_verifier():
    spec = definition("flow").given(publish())
    spec.when(publish(queue="other")).then_rejected("InvalidVersion", "waits for its verdict")


def test_a_published_version_never_changes():
    spec = definition("flow").given(*published("1.0.0"))
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
def test_a_version_must_be_greater_than_the_last_published(version, taken):
    spec = definition("flow").given(*published("1.2.3"))
    decided = spec.when(publish(version=version))
    if taken:
        decided.then(DefinitionSubmitted)
    else:
        decided.then_rejected("InvalidVersion", version, "1.2.3")


@pytest.mark.parametrize("last", [[publish(version="9.0.0")], [publish(version="9.0.0"), None]])
def test_what_is_not_published_holds_no_lower_version_up(last):
    steps = [step or verdict(UNSOUND, version="9.0.0") for step in last]
    definition("flow").given(*steps).when(publish()).then(DefinitionSubmitted)


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


# The verdict.


@pytest.mark.parametrize(
    ("found", "allow_unsound", "status", "code"),
    [
        (SOUND, False, PUBLISHED, ""),
        (SOUND, True, PUBLISHED, ""),
        (UNSOUND, False, REFUSED, "not_sound"),
        (UNSOUND, True, PUBLISHED, ""),
        (UNKNOWN, False, REFUSED, "soundness_unknown"),
        (UNKNOWN, True, PUBLISHED, ""),
    ],
)
def test_a_verdict_publishes_or_refuses_and_marks_the_version(found, allow_unsound, status, code):
    spec = definition("flow").given(publish(allow_unsound=allow_unsound))
    decided = spec.when(verdict(found))
    why, shown = ("", b"[]") if found == SOUND else (WHY, SHOWN)
    event = (
        DefinitionPublished("flow", "1.0.0", found, why, shown)
        if status == PUBLISHED
        else DefinitionRefused("flow", "1.0.0", code, why, found, shown)
    )
    after = decided.then(event)
    decided.then_effects(
        RecordDefinition("flow", "1.0.0", status, source(), why, found, shown, code)
    )
    version = after.state.versions["1.0.0"]
    assert (version.status, version.verdict) == (status, found)
    assert version.source == "", "it is in the log, and in workflow.definitions"


@pytest.mark.parametrize("first", [SOUND, UNSOUND, UNKNOWN])
@pytest.mark.parametrize("second", [SOUND, UNSOUND, UNKNOWN])
def test_the_first_verdict_counts_and_later_ones_are_absorbed(first, second):
    spec = definition("flow").given(publish(), verdict(first))
    spec.when(verdict(second)).then_nothing()


def test_a_verdict_on_another_source_than_the_one_that_waits_is_stale():
    spec = definition("flow").given(publish(), verdict(UNSOUND), publish(queue="other"))
    spec.when(verdict(SOUND)).then_rejected("version_conflict", "another source")
    spec.when(verdict(SOUND, queue="other")).then(DefinitionPublished)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (verdict(version="3.0.0"), "NotFound"),
        (RecordVerdict("1.0.0", source_hash(source()), "splendid"), "InvalidInput"),
    ],
)
def test_a_verdict_that_fits_nothing_is_rejected(command, code):
    definition("flow").given(publish()).when(command).then_rejected(code)


def test_a_verdict_on_a_definition_that_nobody_submitted_is_rejected():
    definition("flow").when(verdict()).then_rejected("NotFound", "1.0.0", "'flow'")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_a_refused_version_may_be_submitted_again_with_any_source(version):
    spec = definition("flow").given(publish(version=version), verdict(UNSOUND, version=version))
    spec.when(publish(version=version, queue="other")).then(DefinitionSubmitted)
    again = spec.when(publish(version=version, allow_unsound=True)).then(DefinitionSubmitted)
    again.when(verdict(UNSOUND, version=version)).then(DefinitionPublished)


def test_a_command_that_comes_again_after_its_refusal_submits_nothing():
    spec = definition("flow").when(publish(), command_id="c").accepted().given(verdict(UNSOUND))
    again = spec.when(publish(), command_id="c")
    again.then_nothing()
    assert again.outcome.result == result(REFUSED, UNSOUND)
    spec.when(publish(), command_id="d").then(DefinitionSubmitted)


def test_a_version_that_was_overtaken_while_it_waited_is_refused():
    spec = definition("flow").given(publish(), *published("2.0.0"))
    decided = spec.when(verdict(SOUND))
    decided.then(has(DefinitionRefused, code="InvalidVersion", verdict=SOUND))
    (record,) = decided.effects
    assert "version 2.0.0 was published while 1.0.0 waited" in record.message


# What former releases wrote.


def test_what_a_former_release_published_at_once_is_published_and_was_never_verified():
    spec = definition("flow").given(
        DefinitionSubmitted("flow", "1.0.0", source()), DefinitionPublished("flow", "1.0.0")
    )
    version = spec.state.versions["1.0.0"]
    assert (version.status, version.verdict, version.source) == (PUBLISHED, "", "")
    spec.when(publish()).then_nothing()
    spec.when(verdict(UNSOUND)).then_nothing()


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
    spec = spec.when(publish(), expected_sequence=0).accepted().given(verdict())
    newer = publish(version="1.1.0")
    spec.when(newer, expected_sequence=0).then_rejected("version_conflict", "at sequence 2")
    spec.when(newer, expected_sequence=2).accepted()
