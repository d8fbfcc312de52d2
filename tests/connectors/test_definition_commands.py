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
