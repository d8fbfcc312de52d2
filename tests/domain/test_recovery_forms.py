"""`on_failure` as authors write it: short, long, in the words of other tools, and wrongly."""

import pytest

from streams.domain.net.model import Boundary, ErrorTrigger, Recovery, Retry
from streams.domain.net.soundness import soundness
from streams.forms import read_definition
from streams.forms.write import write_definition

NODES = """id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, SAID, next: end}
  MORE
  end: {type: end}
"""
UNDO = "undo: {type: activity, activity_type: undo}"
PLAN_B = "plan_b: {type: activity, activity_type: job, next: end}"


def source(said, *more):
    return (
        NODES.replace("SAID", said).replace("MORE", "\n  ".join(more) or "{}").replace("  {}\n", "")
    )


def read(said, *more):
    definition = read_definition(source(said, *more))
    assert not isinstance(definition, list), list(map(str, definition))
    assert read_definition(write_definition(definition)) == definition
    assert soundness(definition).sound
    return definition


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("on_failure: skip", Recovery("skip")),
        ("on_failure: {strategy: skip}", Recovery("skip")),
        ("on_failure: {strategy: Skip}", Recovery("skip")),
        ("on_failure: {strategy: FailWorkflow}", Recovery("fail_workflow")),
        ("on_failure: manual_intervention", Recovery("manual_intervention")),
        ("on_failure: {notification_recipients: [a]}", Recovery("manual_intervention", ["a"])),
        (
            "on_failure: {strategy: {ManualIntervention: {notification_recipients: [a, b]}}}",
            Recovery("manual_intervention", ["a", "b"]),
        ),
        ("error_handler: {strategy: Continue}", Recovery("skip")),
        ("error_handler: {strategy: Fail}", Recovery("fail_workflow")),
    ],
)
def test_a_strategy_is_read_in_every_spelling_and_written_back(said, expected):
    assert read(said).nodes["work"].kind.on_failure == expected


@pytest.mark.parametrize(
    "said",
    [
        "on_failure: {compensation_activity: undo}",
        "on_failure: {strategy: compensate, compensation_activity: undo}",
        "on_failure: {strategy: {Compensate: {compensation_activity: undo}}}",
        "error_handler: {strategy: {Compensate: {activity_id: undo}}}",
    ],
)
def test_a_compensation_activity_needs_no_flows(said):
    recovery = read(said, UNDO).nodes["work"].kind.on_failure
    assert recovery == Recovery("compensate", [], "undo")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("on_failure: {strategy: retry_immediate, max_attempts: 3}", Retry(3)),
        ("on_failure: {strategy: {RetryImmediate: {max_attempts: 3}}}", Retry(3)),
        (
            (
                "on_failure: {strategy: RetryWithBackoff, max_attempts: 5, initial_delay: 1, "
                "backoff_factor: 2.0, max_delay: PT1M}"
            ),
            Retry(5, 1_000, 2.0, 60_000),
        ),
        (
            "error_handler: {strategy: {Retry: {max_attempts: 3, backoff: {Fixed: 5}}}}",
            Retry(3, 5_000, 1.0, 5_000),
        ),
        (
            (
                "error_handler: {strategy: retry, max_attempts: 3, "
                "backoff: {exponential: {initial: 1, factor: 2, max: 8}}}"
            ),
            Retry(3, 1_000, 2.0, 8_000),
        ),
        (
            "error_handler: {strategy: retry, max_attempts: 3, backoff: PT2S}",
            Retry(3, 2000, 1, 2000),
        ),
    ],
)
def test_strategies_that_retry_become_the_retry(said, expected):
    kind = read(said).nodes["work"].kind
    assert (kind.retry, kind.on_failure) == (expected, None)


@pytest.mark.parametrize(
    "said",
    [
        "on_failure: {fallback: plan_b}",
        "error_handler: {strategy: {Retry: {max_attempts: 3}}, fallback_path: plan_b}",
    ],
)
def test_a_fallback_is_an_error_boundary_event_with_a_flow(said):
    definition = read(said, PLAN_B)
    event = definition.nodes["work.fallback"]
    assert event.kind == Boundary("work", ErrorTrigger(), fallback=True)
    assert definition.flows["work.fallback->plan_b"].target == "plan_b"


def test_an_activity_of_another_tool_keeps_its_error_handler_out_of_its_input():
    text = source("x: 1, error_handler: {strategy: Continue}").replace("activity,", "Activity,")
    kind = read_definition(text).nodes["work"].kind
    assert (kind.input.source, kind.on_failure) == ({"x": 1}, Recovery("skip"))


def test_the_definitions_default_is_read_and_written_back():
    text = source("queue: q").replace(
        "nodes:", "on_failure: {strategy: retry_immediate, max_attempts: 2}\nnodes:"
    )
    definition = read_definition(text)
    assert (definition.retry, definition.on_failure) == (Retry(2), None)
    text = source("queue: q").replace(
        "nodes:", "on_failure: {notification_recipients: [a]}\nnodes:"
    )
    definition = read_definition(text)
    assert definition.on_failure == Recovery("manual_intervention", ["a"])
    assert read_definition(write_definition(definition)) == definition


def test_in_a_scope_a_fallback_stays_in_it():
    text = """id: flow
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes:
      in: {type: start, next: work}
      work: {type: activity, activity_type: job, on_failure: {fallback: out}, next: out}
      out: {type: end}
    next: end
  end: {type: end}
"""
    definition = read_definition(text)
    assert definition.nodes["work.fallback"].scope == "part"
    assert read_definition(write_definition(definition)) == definition


ANY = 'any: {type: boundary, on: work, error: "*", next: end}'
WRONG = {
    "target 'nowhere' is no node": ("on_failure: {fallback: nowhere}",),
    "a fallback is the id of a node": ("on_failure: {fallback: [end]}",),
    "2 handlers of the error *": ("on_failure: {fallback: end}", ANY),
    "the fallback comes first, so that skip never acts": (
        "on_failure: {strategy: skip, fallback: end}",
    ),
    "rename that node": (
        "on_failure: {fallback: end}",
        "work.fallback: {type: boundary, on: work, duration: 1, next: end}",
    ),
    "compensate needs a compensation_activity": ("on_failure: compensate",),
    "belongs to the strategy compensate": (
        "on_failure: {strategy: skip, compensation_activity: undo}", UNDO,
    ),
    "notification_recipients belong to": (
        "on_failure: {strategy: skip, notification_recipients: [a]}",
    ),
    "'undo' is no activity in the scope of work": ("on_failure: {compensation_activity: undo}",),
    "plan_b has flows or boundary events": ("on_failure: {compensation_activity: plan_b}", PLAN_B),
    "the result of undo goes nowhere": (
        "on_failure: {compensation_activity: undo}",
        "undo: {type: activity, activity_type: undo, result_path: r}",
    ),
    "has none of its own": (
        "on_failure: {compensation_activity: undo}",
        "undo: {type: activity, activity_type: undo, on_failure: {compensation_activity: undo}}",
    ),
    "how often to try again is said twice": (
        "retry: {immediate: 1}, on_failure: {strategy: retry_immediate, max_attempts: 3}",
    ),
    "leave one out": ("on_failure: skip, error_handler: {strategy: fail}",),
    "a strategy is expected": ("on_failure: [skip]",),
    "did you mean 'notification_recipients'": ("on_failure: {notification_recipient: [a]}",),
    "Input should be": ("on_failure: {strategy: wait}",),
    "undo leads nowhere": ("queue: q", UNDO),
    "the key 'on_failure' is not known here": (
        "queue: q", "t: {type: timer, duration: 1, on_failure: skip, next: end}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_meant_is_refused_with_its_line(words):
    problems = read_definition(source(*WRONG[words]))
    assert isinstance(problems, list)
    found = [problem for problem in problems if words in str(problem)]
    assert found, list(map(str, problems))
    assert all(problem.line > 3 for problem in found)


def test_a_default_for_all_nodes_has_neither_fallback_nor_compensation():
    for said, words in (
        ("{fallback: end}", "write it at that node"),
        ("{compensation_activity: work}", "write it at that node"),
    ):
        text = source("queue: q").replace("nodes:", f"on_failure: {said}\nnodes:")
        problems = read_definition(text)
        assert any(words in str(problem) for problem in problems)
        assert all(problem.line == 3 for problem in problems)
