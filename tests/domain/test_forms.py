"""The definition language: what is wrong is said with line and path; what is right comes back."""

from pathlib import Path

import pytest

from streams.domain.net.model import Expression, ParallelGateway, Retry, Timer, Version
from streams.forms import (
    definition_json,
    examine,
    read_definition,
    read_for_decision,
    write_definition,
)
from streams.forms.source import SOURCE_BYTES_MAX

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(
    path
    for pattern in ("*.yaml", "*.json")
    for path in (ROOT / "examples").rglob(pattern)
    if "nodes" in path.read_text()
)
GOOD = """\
id: flow
version: 1.2.3
nodes:
  start: {type: start, next: work}
  work:
    type: activity
    activity_type: job
    retry: {fixed: {attempts: 2, delay: PT5S}}
    next: pick
  pick:
    type: exclusive
    next:
      - {to: wait, when: "${n > 1}"}
      - {to: end, default: true}
  wait: {type: timer, duration: PT1S, next: end}
  end: {type: end}
"""


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("write", [write_definition, lambda d: definition_json(d).decode()])
def test_every_example_comes_back_as_the_same_model(path, write):
    definition = read_definition(path.read_text(), path.name)
    assert not isinstance(definition, list), [str(problem) for problem in definition]
    assert read_definition(write(definition)) == definition


@pytest.mark.parametrize(
    ("text", "line", "where", "word"),
    [
        (changed("version: 1.2.3\n", ""), 1, "version", "'version' is missing"),
        (changed("1.2.3", "'1.2'"), 2, "version", "major.minor.patch"),
        (changed("type: activity", "type: activty"), 5, "nodes.work", "did you mean 'activity'?"),
        (changed("retry: {fixed", "rety: {fixed"), 8, "nodes.work.rety", "did you mean 'retry'?"),
        (changed("PT5S", "5 s"), 8, "nodes.work.retry.initial_delay", "ISO 8601"),
        (changed("next: pick", "next: picks"), 9, "nodes.work.next[0].target", "mean 'pick'"),
        (changed("n > 1", "n >"), 13, "nodes.pick.next[0].condition", "n >"),
        (changed("PT1S", "soon"), 15, "nodes.wait.duration", "ISO 8601"),
        (changed("duration: PT1S, ", ""), 15, "nodes.wait", "a timer has one of duration"),
        (
            changed('{to: wait, when: "${n > 1}"}', "wait").replace(", default: true", ""),
            10,
            "nodes.pick",
            "2 flows without a condition",
        ),
        (changed("{type: end}", "{type: end, next: wait}"), 16, "nodes.end", "no outgoing flow"),
        (changed("{type: end}", "{type: end}\n  lost: {type: end}"), 17, "nodes.lost", "never"),
        (changed("id: flow", "id: flow\nid: again"), 2, "id", "stands twice"),
        (changed("id: flow", "id: a flow"), 1, "id", "not an id"),
        (changed("nodes:", "nodes: ["), 5, "", "not valid YAML"),
        ("- 1\n", 1, "", "a definition is a map"),
        ("", 0, "", "a definition is a map"),
        ("a: &a [*a]\n", 1, "", "too deep"),
        ("[" * 90_000, 1, "", "depth"),
        (changed("duration: PT1S", "duration: .inf"), 15, "nodes.wait.duration", "no number"),
        (GOOD + "metadata: {n: .nan}\n", 17, "metadata.n", "no number of JSON"),
        (GOOD + "variables: {n: {default: 9223372036854775808}}\n", 17, "n.default", "int64"),
        ("x" * (SOURCE_BYTES_MAX + 1), 0, "", "at most"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_path(text, line, where, word):
    _, problems = examine(text, "flow.yaml")
    assert problems
    found = [p for p in problems if p.line == line and where in p.path and word in p.message]
    assert found, [str(problem) for problem in problems]
    assert str(found[0]).startswith(f"flow.yaml:{line}:" if line else "flow.yaml")


def test_everything_wrong_is_said_at_once():
    text = changed("PT5S", "5 s").replace("type: timer", "type: tmer").replace("1.2.3", "one")
    problems = read_definition(text)
    assert isinstance(problems, list)
    assert {problem.path for problem in problems} >= {
        "version",
        "nodes.work.retry.initial_delay",
        "nodes.wait",
    }


def test_a_warning_is_no_error():
    definition, problems = examine(changed(", default: true", ', when: "${n <= 1}"'))
    assert definition is not None
    (warning,) = problems
    assert warning.severity == "warning"
    assert "no default flow" in str(warning)
    assert not isinstance(read_definition(changed(", default: true", ', when: "${n < 1}"')), list)


def test_a_cycle_that_never_waits_is_refused():
    text = """\
id: spin
version: 1.0.0
nodes:
  start: {type: start, next: a}
  a: {type: exclusive, next: [{to: a2, when: "${x}"}, {to: end, default: true}]}
  a2: {type: exclusive, next: a}
  end: {type: end}
"""
    (problem,) = read_definition(text)
    assert "this cycle never waits: a → a2 → a" in problem.message


@pytest.mark.parametrize("name", ["work", "wait/out", "a/b"])
def test_a_flow_is_not_named_like_a_place_of_its_nodes(name):
    text = GOOD.replace("{to: wait,", f"{{id: {name}, to: wait,")
    problems = read_definition(text)
    assert isinstance(problems, list)
    assert [problem.line for problem in problems] == [13]
    assert repr(name) in problems[0].message


def test_short_spellings_mean_the_long_ones():
    definition = read_definition(GOOD)
    assert definition.version == Version(1, 2, 3)
    assert definition.nodes["work"].kind.retry == Retry(2, 5_000, 1.0, 5_000)
    assert definition.nodes["wait"].kind == Timer(Expression("PT1S"))
    assert list(definition.flows) == [
        "start->work",
        "work->pick",
        "pick->wait",
        "pick->end",
        "wait->end",
    ]
    assert definition.flows["pick->wait"].condition == "n > 1"


def test_foreign_spellings_mean_ours():
    text = """\
id: flow
version: 1.0.0
nodes:
  - {id: begin, type: Event, event_type: start}
  - {id: both, type: Gateway, gateway_type: parallel}
  - {id: rest, type: Activity, activity_type: delay_activity, delay_seconds: 3}
  - {id: job, type: Activity, activity_type: http, url: "${u}"}
  - {id: done, type: Event, event_type: end}
transitions:
  - {source_id: begin, target_id: both}
  - {source_id: both, target_id: rest}
  - {source_id: both, target_id: job}
  - {source_id: rest, target_id: done}
  - {from: job, to: done, when: true}
"""
    definition = read_definition(text)
    assert definition.nodes["both"].kind == ParallelGateway()
    assert definition.nodes["rest"].kind == Timer(Expression(3))
    assert definition.nodes["job"].kind.input == Expression({"url": "${u}"})
    assert definition.flows["job->done"].condition == "true"


def test_two_flows_between_the_same_nodes_have_two_ids():
    text = changed("{to: end, default: true}", '{to: wait, when: "${n > 9}"}\n      - end')
    assert "pick->wait#2" in read_definition(text).flows


def test_a_source_that_names_an_alias_bomb_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = read_definition("\n".join(lines))
    assert "too large or too deep" in problem.message


def test_the_engine_is_told_in_sentences():
    from schemas.commands import PublishDefinition

    sentences = read_for_decision(PublishDefinition(changed("PT5S", "5 s")))
    assert sentences[0].startswith("definition:8:")
    assert read_for_decision(PublishDefinition(GOOD)) == read_definition(GOOD)


NAMED = """\
{"id": "flow", "version": "1.0.0",
 "name": "Überwachung 监控", "metadata": {"owner": {"team": "π"}},
 "nodes": [
   {"id": "start", "type": "start", "name": "开始", "metadata": {"x": [10, 20]}, "next": "end"},
   {"id": "end", "type": "end", "name": "النهاية"}
 ]}
"""


@pytest.mark.parametrize("write", [write_definition, lambda d: definition_json(d).decode()])
def test_names_in_any_language_and_metadata_of_any_shape_come_back(write):
    text = write(read_definition(NAMED))
    definition = read_definition(text)
    assert (definition.name, definition.metadata) == ("Überwachung 监控", {"owner": {"team": "π"}})
    names = {node.id: node.name for node in definition.nodes.values()}
    assert names == {"start": "开始", "end": "النهاية"}
    assert definition.nodes["start"].metadata == {"x": [10, 20]}
    assert "监控" in text
