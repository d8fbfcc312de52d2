"""An output that could not be computed is computed again from what came, and never twice."""

import json

import pytest

from schemas.commands import (
    Correlate,
    FireTimer,
    RetryIncident,
    RunInstance,
    SetVariables,
)
from schemas.escalation_commands import EscalateCall
from schemas.results import CompleteActivity
from streams.testing.spec import instance
from streams.testing.steps import complete, fail, fire

SOURCE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: first}
  first: {NODE}
  end: {type: end}
"""
WORK = "type: activity, activity_type: job, next: end"


def begun(node, beside=""):
    return instance(SOURCE.replace("NODE", node) + beside).given(RunInstance("flow"))


def came(spec, payload=b'{"x":"yes"}'):
    """Let a channel offer what the one subscription waits for."""
    ((number, one),) = spec.state.subscriptions.items()
    return spec.given(Correlate(number, one.channel, "m1", "hello", payload))


def mended(spec, **variables):
    """Set what was missing, and retry the one incident."""
    (incident,) = spec.state.incidents
    spec = spec.given(SetVariables(json.dumps(variables).encode()))
    return spec.given(RetryIncident(incident))


def values(spec):
    return {name: json.loads(text) for name, text in spec.state.variables.items()}


CATCH = 'type: catch, message: hello, next: end, output: {said: "${output.x + more}"}'


EACH = "string(output.missed) + more"


def boundary(trigger, output, interrupting="true"):
    return (
        f"  late: {{type: boundary, on: first, {trigger}, interrupting: {interrupting}, "
        f'output: {{said: "${{{output}}}"}}, next: other}}\n  other: {{type: end}}\n'
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (lambda: came(begun(CATCH)), "yes!"),
        (lambda: came(begun(WORK, boundary("message: hello", "output.x + more"))), "yes!"),
        (lambda: came(begun(WORK, boundary("signal: hello", "output.x + more", "false"))), "yes!"),
        (lambda: fail(begun(WORK, boundary("error: Boom", "error.code + more")), "first"), "Boom!"),
        (
            lambda: fire(begun(WORK, boundary("cycle: R/PT1S", EACH, "false"))),
            "0!",
        ),
    ],
    ids=["catch", "message", "signal beside the host", "error", "cycle"],
)
def test_a_retry_sees_what_the_event_brought(spec, said):
    failed = spec()
    assert "said" not in failed.state.variables
    again = mended(failed, other="wrong")
    assert "said" not in again.state.variables
    done = mended(again, more="!")
    assert (values(done)["said"], done.state.incidents) == (said, {})


def test_a_retry_puts_the_payload_where_the_author_wants_it():
    spec = came(begun(CATCH + ", result_path: got.it"))
    done = mended(spec, more="!")
    assert (done.state.status, values(done)["got"]) == ("Completed", {"it": {"x": "yes"}})


def test_an_escalation_is_seen_again_by_the_boundary_of_its_call():
    call = "type: call, definition: child, next: end"
    spec = begun(call, boundary("escalation: Late", "escalation.payload.x + more", "false"))
    (number,) = spec.state.calls
    spec = spec.given(EscalateCall(number, "Late", b'{"x":"yes"}'))
    assert values(mended(spec, more="!"))["said"] == "yes!"


CONDITIONAL = """
id: flow
version: 1.0.0
variables: {n: {type: integer, default: 0}}
nodes:
  start: {type: start, next: first}
  first: {NODE, output: {n: "${n + 1}"}, next: [{to: end, when: "${x > 1}"}]}
  end: {type: end}
"""


@pytest.mark.parametrize(
    ("node", "act"),
    [
        ("type: activity, activity_type: job", lambda spec: complete(spec, "first")),
        ("type: catch, message: hello", came),
        ("type: timer, duration: 5", lambda spec: spec.later(5_000).given(FireTimer(0))),
    ],
    ids=["activity", "catch", "timer"],
)
def test_an_output_is_written_once_where_the_condition_behind_it_fails(node, act):
    begin = instance(CONDITIONAL.replace("NODE", node)).given(RunInstance("flow"))
    spec = act(begin)
    assert (values(spec)["n"], len(spec.state.incidents)) == (1, 1)
    done = mended(spec, x=2)
    assert (values(done)["n"], done.state.status) == (1, "Completed")


def test_what_was_skipped_has_no_output_after_a_retry_either():
    node = "type: activity, activity_type: job, on_failure: skip"
    spec = instance(CONDITIONAL.replace("NODE", node)).given(RunInstance("flow"))
    done = mended(fail(spec, "first"), x=2)
    assert (values(done)["n"], done.state.status) == (0, "Completed")


def test_in_a_run_of_many_an_output_is_computed_again():
    each = f'{WORK}, each: "${{[1, 2]}}", output: {{said: "${{more + string(item)}}"}}'
    spec = begun(each)
    for key, one in list(spec.state.activities.items()):
        spec = spec.given(CompleteActivity(key, one.attempt))
    assert len(spec.state.incidents) == 2
    spec = spec.given(SetVariables(b'{"more":"!"}'), RetryIncident(0))
    assert (spec.state.status, values(spec)["said"]) == ("Completed", "!2")
