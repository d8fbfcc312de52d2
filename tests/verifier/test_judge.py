"""From a source to its verdict: what it says, how large it may be, and what fails."""

import json

import pytest

from schemas.definitions import DefinitionRecord
from streams.domain.definition.state import source_hash
from streams.verifier import bounds
from streams.verifier import judge as module
from streams.verifier.judge import judge

SOUND = """id: flow
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""
STUCK = """id: flow
version: 1.0.0
nodes:
  start: {type: start, next: check}
  check:
    type: exclusive
    next: [{to: a, when: "${n > 1}"}, {to: b, default: true}]
  a: {type: activity, activity_type: job, next: meet}
  b: {type: activity, activity_type: job, next: meet}
  meet: {type: parallel, next: end}
  end: {type: end}
"""


def submitted(source, max_states=0):
    return DefinitionRecord("flow", "1.0.0", "submitted", source, max_states=max_states)


def test_a_sound_definition_is_called_sound():
    verdict = judge(submitted(SOUND), 1_000)
    assert (verdict.version, verdict.verdict, verdict.message) == ("1.0.0", "sound", "")
    assert (verdict.source_hash, verdict.violations) == (source_hash(SOUND), b"[]")
    assert verdict.states > 0


def test_an_unsound_one_is_shown_with_property_node_line_and_run():
    verdict = judge(submitted(STUCK), 1_000)
    assert verdict.verdict == "unsound"
    assert "flow@1.0.0:10:3 nodes.meet: option to complete: a run can stop" in verdict.message
    (first, *_) = json.loads(verdict.violations)
    assert (first["property"], first["node"], first["line"]) == ("option to complete", "meet", 10)
    assert first["trace"] == ["start", "check (check->a)", "a"]
    assert first["message"].startswith("a run can stop for ever: meet has a token on a->meet")


def test_what_the_author_states_and_does_not_hold_makes_it_unsound():
    source = STUCK.replace("meet: {type: parallel", "meet: {type: exclusive")
    stated = "properties: [{never: a, after: check}, {never: a, after: b}]\n"
    assert judge(submitted(source), 1_000).verdict == "sound"
    verdict = judge(submitted(source + stated), 1_000)
    assert verdict.verdict == "unsound"
    (only,) = json.loads(verdict.violations)
    assert (only["property"], only["node"], only["line"]) == ("never a after check", "a", 12)
    assert only["trace"] == ["start", "check (check->a)", "a"]


@pytest.mark.parametrize(
    ("asked", "own", "is_ours"), [(1, 1_000, False), (0, 1, True), (1_000, 1, True)]
)
def test_the_smaller_budget_holds_and_past_it_the_verdict_is_unknown(asked, own, is_ours):
    verdict = judge(submitted(STUCK, asked), own)
    assert (verdict.verdict, verdict.violations) == ("unknown", b"[]")
    assert "is not known: more than 1 states" in verdict.message
    assert verdict.message.endswith("this verifier goes no further") == is_ours


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("meet"), "the prover failed: KeyError: 'meet'"),
        (RecursionError("too deep"), "the prover failed: RecursionError: too deep"),
        (MemoryError(), "more memory than the verifier may have"),
    ],
)
def test_what_makes_the_prover_raise_is_unknown_with_the_reason(error, words, monkeypatch):
    def broken(*_):
        raise error

    monkeypatch.setattr(module, "prove", broken)
    verdict = judge(submitted(SOUND), 1_000)
    assert (verdict.verdict, verdict.version) == ("unknown", "1.0.0")
    assert words in verdict.message
    assert verdict.source_hash == source_hash(SOUND)


def test_a_source_that_only_a_newer_release_reads_is_unknown():
    verdict = judge(submitted(SOUND.replace("type: end", "type: teleport")), 1_000)
    assert verdict.verdict == "unknown"
    assert "this verifier's release cannot read it" in verdict.message
    assert "teleport" in verdict.message


def long_run(length):
    """A chain of `length` activities with long names, then a join that waits for ever."""
    names = [f"step-{number}-{'x' * 80}" for number in range(length)]
    work = "\n".join(
        f"  {name}: {{type: activity, activity_type: job, next: {follower}}}"
        for name, follower in zip(names, [*names[1:], "check"], strict=True)
    )
    return STUCK.replace("next: check}", f"next: {names[0]}}}\n{work}")


def test_a_run_too_long_to_be_sent_is_cut_and_says_by_how_much():
    verdict = judge(submitted(long_run(600)), 10_000)
    assert verdict.verdict == "unsound"
    assert len(verdict.violations) < 128 * 1024
    assert len(verdict.message) <= 16_000
    (first, *_) = json.loads(verdict.violations)
    assert first["trace"][0] == "start"
    assert first["trace"][-1] == f"… and {603 - len(first['trace']) + 1} more"


def test_of_many_violations_the_first_are_sent(monkeypatch):
    monkeypatch.setattr(bounds, "_VIOLATIONS_BYTES_MAX", 400)
    # Whichever way is taken, nothing after it can act any more.
    verdict = judge(submitted(STUCK), 1_000)
    found = json.loads(verdict.violations)
    assert [one["property"] for one in found] == ["option to complete"]
    assert "no dead nodes: end can never act" in verdict.message
