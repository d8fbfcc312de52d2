"""`tidemill definition validate` and `publish`, as far as they go without a broker."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.cli.definition import app

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


@pytest.fixture
def stuck(tmp_path):
    path = tmp_path / "stuck.yaml"
    path.write_text(STUCK)
    return path


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def test_what_is_sound_is_said_to_be(tmp_path):
    path = tmp_path / "sound.yaml"
    path.write_text(STUCK.replace("meet: {type: parallel", "meet: {type: exclusive"))
    done = run("validate", path)
    assert done.exit_code == 0
    assert "flow 1.0.0 is well formed and sound" in done.output


def test_the_example_is_sound(monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    done = run("validate", "examples/order.yaml")
    assert (done.exit_code, "order 1.0.0 is well formed and sound" in done.output) == (0, True)


def test_what_is_not_sound_is_shown_with_line_and_run(stuck):
    done = run("validate", stuck)
    assert done.exit_code == 1
    assert "stuck.yaml:10:3 nodes.meet: option to complete: a run can stop for ever" in done.stderr
    assert "start → check (check->a) → a" in done.stderr


def test_a_script_gets_property_and_run(stuck):
    done = run("validate", "--json", stuck)
    (first, *_) = json.loads(done.stdout)
    assert first["property"] == "option to complete"
    assert first["trace"] == ["start", "check (check->a)", "a"]


def test_past_the_budget_validation_warns_and_does_not_fail(stuck):
    done = run("validate", "--max-states", 1, stuck)
    assert done.exit_code == 0
    assert "whether it is sound is not known: more than 1 states" in done.stderr


def test_what_is_not_sound_is_not_published(stuck):
    done = run("publish", stuck)
    assert done.exit_code == 1
    assert "nothing is published: mend this, or give --allow-unsound" in done.stderr


ASKS = """
id: asks
version: 1.0.0
nodes:
  start: {type: start, next: ask}
  ask: {type: throw, message: question, next: wait}
  wait: {type: catch, message: answer, next: end}
  end: {type: end}
"""
ANSWERS = """
id: answers
version: 1.0.0
variables: {known: boolean}
nodes:
  start: {type: start, next: listen}
  listen: {type: catch, message: question, next: choose}
  choose: {type: exclusive, next: [{to: tell, when: known}, {to: end, default: true}]}
  tell: {type: throw, message: answer, next: end}
  end: {type: end}
"""


@pytest.fixture
def speaking(tmp_path):
    """Return the files of two workflows that each are sound, and that speak with each other."""
    for name, text in {"asks": ASKS, "answers": ANSWERS}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path / "asks.yaml", tmp_path / "answers.yaml"


def test_those_that_speak_with_each_other_are_judged_together(speaking):
    done = run("validate", *speaking)
    assert done.exit_code == 1
    assert "asks.yaml:7:3 nodes.wait: option to complete together" in done.stderr
    assert "answers: choose (choose->end)" in done.stderr
    speaking[1].write_text(ANSWERS.replace("to: end, default", "to: tell, default"))
    mended = run("validate", *speaking)
    assert (mended.exit_code, "asks, answers: all can end together" in mended.output) == (0, True)


def test_a_script_is_told_what_does_not_hold_together(speaking):
    (found,) = json.loads(run("validate", "--json", *speaking).stdout)
    assert found["property"] == "option to complete together"
    assert found["trace"][0] in {"asks: start", "answers: start"}


def test_what_cannot_end_together_is_not_published(speaking):
    done = run("publish", *speaking)
    assert done.exit_code == 1
    assert "nothing is published: mend this, or give --allow-unsound" in done.stderr
