"""Event sub-processes: how they are written, what is refused, and how they are judged."""

from pathlib import Path

import pytest

from schemas.commands import Correlate, RunInstance
from streams.forms import prove, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import instance
from streams.testing.steps import complete, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nodes" / "event_scope.yaml"
VARIABLES = '{k: {type: string, default: "7"}, n: {type: integer, default: 0}}'
STARTS = [
    'message: m, key: "${k}", output: {told: "${output}"}',
    "signal: s, result_path: told",
    "duration: PT1H",
    'date: "2030-01-01T00:00:00Z"',
    "cycle: R2/PT1H",
    'condition: "${n > 1}"',
    "error: Boom",
    'error: "*"',
    'escalation: "*"',
    "device: d-1, metric: t, above: 3, for: PT1M",
]


def flow(start, *, after="", work="", top="", variables="{}"):
    """A workflow that works, and an event sub-process of it with this start."""
    return f"""{HEAD}variables: {variables}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: job, next: end{work}}}
  aside:
    type: scope
    event: true
    variables: {{told: any}}
    nodes:
      begin: {{type: start, next: handle, {start}}}
      handle: {{type: activity, activity_type: job, input: {{told: "${{told}}"}}, next: done}}
      done: {{type: end{after}}}
  end: {{type: end}}
{top}"""


@pytest.mark.parametrize("start", STARTS)
def test_it_is_written_back_as_it_was_read(start):
    beside = "" if "error" in start else ", interrupting: false"
    definition = read_definition(flow(start + beside, variables=VARIABLES))
    assert read_definition(write_definition(definition)) == definition


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        (flow("name: x"), 12, "say at its start begin by which"),
        (flow("signal: s, message: m"), 12, "a start has one of"),
        (flow("error: E, interrupting: false"), 12, "an error always interrupts"),
        (flow("device: d, metric: t"), 12, "what is the metric to be?"),
        (flow("signal: s, above: 3"), 12, "it needs `device`"),
        (flow("device: d, silent: soon"), 12, "no ISO 8601 duration"),
        (flow("signal: s, missed: skip"), 12, "belong to a timer"),
        (flow("cycle: R2/PT1H, missed: each"), 12, "does not interrupt"),
        (flow("duration: later"), 12, "later"),
        (flow("signal: s").replace("event: true", "event: true\n    next: end"), 7, "no flow"),
        (flow("signal: s").replace("event: true", "event: true\n    lock: l"), 7, "has no lock"),
        (flow("signal: s").replace("event: true", "event: true\n    input: {a: 1}"), 7, "no input"),
        (flow("signal: s").replace("event: true", "event: false"), 12, "or a scope with"),
        (flow("error: E").replace("start: {type: start,", "start: {type: start, error: E,"), 5,
         "an event sub-process"),
        (flow("signal: s", top="  b: {type: boundary, on: aside, signal: t, next: end}\n"), 16,
         "has no boundary"),
        (
            flow("signal: s", top="").replace(
                "      handle:", "      two: {type: start, signal: t, next: handle}\n      handle:"
            ),
            7,
            "exactly one start",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(source, line, words):
    problems = [str(one) for one in prove(source, "f.yaml")[1]]
    assert any(words in one and one.startswith(f"f.yaml:{line}:") for one in problems), problems


def test_two_for_one_error_are_refused():
    second = flow("error: E").partition("  aside:")[2].partition("  end:")[0]
    for name in ("begin", "handle", "done"):
        second = second.replace(f"{name}", f"{name}2")
    problems = prove(flow("error: E", top="  other:" + second))[1]
    assert any("2 event sub-processes for the error E" in str(one) for one in problems)


# Soundness.


def test_one_that_interrupts_does_not_hide_that_the_flow_around_can_stop():
    stuck = flow("signal: s").replace("next: work}", "next: fork}", 1).replace(
        "  end: {type: end}",
        "  fork: {type: exclusive, next: [{target: join}, {target: work, when: 'k == 1'}]}\n"
        "  join: {type: parallel, next: end}\n  end: {type: end}",
    ).replace("next: end}", "next: join}", 1)  # fmt: skip
    _, problems, verdict = prove(stuck)
    assert verdict is None or verdict.sound is False, problems
    assert any("stop for ever" in str(one) for one in problems)


def test_one_that_cannot_end_is_unsound_by_its_own_net():
    bad = flow("signal: s").replace("next: handle,", "next: [handle, other],")
    bad = bad.replace(
        "      done: {type: end}",
        "      other: {type: activity, activity_type: job, next: done}\n      done: {type: end}",
    )
    problems = [str(one) for one in prove(bad)[1]]
    assert any("the end done can be reached twice" in one for one in problems), problems


def came(spec, node, payload=b"null"):
    """Let a channel offer a message or a signal to the event that waits for it."""
    (number,) = [n for n, one in spec.state.subscriptions.items() if one.node == node]
    channel = spec.state.subscriptions[number].channel
    message = f"m{spec.state.sequence}"
    return spec.given(Correlate(number, channel, message, "name", payload))


def test_the_example_is_played():
    text = EXAMPLE.read_text()
    spec = instance(text).given(RunInstance("ship-order", "", b'{"order":"7"}'))
    assert sorted(one.node for one in spec.state.subscriptions.values()) == [
        "a_day",
        "customer",
        "stop",
        "too_heavy",
    ]
    spec = complete(spec, "pack", b'{"weight":31}')
    assert waiting(spec) == ["split"]
    spec = came(spec, "customer", b'{"text":"where?"}')
    assert waiting(spec) == ["answer", "split"]
    spec = came(fire(spec), "stop")
    assert waiting(spec) == ["refund"]
    assert complete(spec, "refund").state.status == "Completed"
