"""Compensation as it is written, refused, judged and written back; and the page's example."""

import json
from pathlib import Path

import pytest

from schemas.commands import CancelInstance, RunInstance
from schemas.events import ActivityScheduled
from streams.domain.net.model import Activity, Compensate, End
from streams.forms import examine, prove, read_definition, write_definition
from streams.testing.spec import instance
from streams.testing.steps import complete, fail, waiting

SOURCE = """\
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: a, compensate_with: undo, next: part}
  undo: {type: activity, activity_type: a}
  part:
    type: scope
    nodes:
      in: {type: start, next: sub}
      sub: {type: call, definition: other, next: out}
      out: {type: end, name: Over, compensate: "*", terminate: true}
    next: give
  give: {type: throw, compensate: work, next: end}
  end: {type: end}
"""
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nodes" / "compensation.yaml"


def test_compensation_is_read_and_written_back():
    definition = read_definition(SOURCE)
    nodes = definition.nodes
    assert isinstance(nodes["work"].kind, Activity)
    assert nodes["work"].kind.compensate_with == "undo"
    assert (nodes["give"].kind, nodes["out"].kind) == (Compensate("work"), Compensate())
    assert (nodes["out"].name, nodes["out"].scope) == ("Over", "part")
    assert (nodes["out.end"].kind, nodes["out.end"].scope) == (End(terminate=True), "part")
    assert read_definition(write_definition(definition)) == definition


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("with: undo", "with: nobody", 5, "'nobody' is no activity, call or scope in the scope"),
        ("with: undo", "with: sub", 5, "'sub' is no activity, call or scope in the scope of work"),
        ("with: undo", "with: part", 5, "part has flows or boundary events"),
        (
            "undo: {type: activity, activity_type: a",
            "undo: {type: activity, activity_type: a, result_path: x",
            5,
            "the result of undo goes nowhere",
        ),
        (
            "undo: {type: activity, activity_type: a",
            "undo: {type: activity, activity_type: a, compensate_with: undo",
            5,
            "undo is a compensation handler and has none of its own",
        ),
        ("compensate: work", "compensate: sub", 14, "'sub' is no activity, call or scope in the"),
        ("compensate: work", "compensate: undo", 14, "undo cannot be undone: give it a handler"),
        ("compensate: work", "compensate: work, payload: 1", 14, "leave out payload"),
    ],
)
def test_what_cannot_be_undone_so_is_told_with_its_line(before, after, line, said):
    _, problems = examine(SOURCE.replace(before, after), "flow.yaml")
    assert any(said in str(one) and f":{line}:" in str(one) for one in problems), problems


def test_an_end_that_needs_a_name_that_is_taken_is_told():
    source = SOURCE.replace("      out:", "      out.end: {type: end}\n      out:")
    _, problems = examine(source, "flow.yaml")
    assert any("out.end: rename that node" in str(one) for one in problems)


def test_a_throw_that_undoes_nothing_is_a_warning():
    source = SOURCE.replace("compensate: work", 'compensate: "*"')
    _, problems, verdict = prove(source)
    assert ([str(one) for one in problems], verdict.sound) == ([], True)
    source = source.replace("compensate_with: undo,", "").replace(
        "  undo: {type: activity, activity_type: a}\n", ""
    )
    source = source.replace("type: call, definition: other", "type: activity, activity_type: a")
    _, problems, verdict = prove(source)
    assert [one.message.partition(":")[0] for one in problems] == [
        "out undoes nothing",
        "give undoes nothing",
    ]
    assert verdict.sound is True


def test_what_leads_nowhere_is_still_told():
    source = SOURCE.replace("compensate_with: undo,", "")
    _, problems = examine(source)
    assert any("undo leads nowhere" in str(one) for one in problems)


def begun():
    return instance(EXAMPLE.read_text()).given(RunInstance("booking"))


def test_a_trip_that_cannot_be_paid_is_given_back():
    spec = complete(complete(begun(), "flight", b'"LH1"'), "hotel")
    spec = fail(spec, "pay")
    assert waiting(spec) == ["no_hotel"]
    spec = complete(spec, "no_hotel")
    tasks = [one for one in spec.past if isinstance(one, ActivityScheduled)]
    assert json.loads(tasks[-1].input) == {"ticket": "LH1"}
    spec = complete(spec, "no_flight")
    assert (spec.state.status, spec.past[-1].code) == ("Failed", "Unpaid")


def test_a_trip_that_is_called_off_is_given_back():
    spec = complete(begun(), "flight").given(CancelInstance("no time"))
    assert complete(spec, "no_flight").state.status == "Cancelled"
