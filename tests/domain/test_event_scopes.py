"""Event sub-processes: what starts them, what they stop, and when nothing waits for them."""

import json

import pytest

from schemas.commands import (
    AcceptMessage,
    CancelInstance,
    CloseSubscription,
    CompleteCall,
    Correlate,
    OpenSubscription,
    RejectMessage,
    ResumeInstance,
    RetryIncident,
    RunInstance,
    SetVariables,
    SkipNode,
    SuspendInstance,
    TriggerInstance,
)
from schemas.escalation_commands import EscalateCall
from schemas.events import EventTriggered
from schemas.restart_commands import RestartFailed
from streams.domain.protocol import CancelTask, SendCommand
from streams.testing.spec import instance
from streams.testing.steps import complete, fail, fire, waiting

HEAD = "id: flow\nversion: 1.0.0\n"


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


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


def within(source):
    """The same inside a scope, with an error boundary event on it."""
    head, _, nodes = source.partition("nodes:\n")
    inner = "".join(f"    {line}\n" for line in nodes.splitlines())
    return f"""{head}nodes:
  begins: {{type: start, next: part}}
  part:
    type: scope
    variables: {{local: {{type: integer, default: 0}}}}
    nodes:
{inner}    next: ends
  caught: {{type: boundary, on: part, error: "*", next: mend}}
  mend: {{type: activity, activity_type: job, next: ends}}
  ends: {{type: end}}
"""


def came(spec, node="begin", payload=b"null"):
    """Let a channel offer a message or a signal to the event that waits for it."""
    (number,) = [n for n, one in spec.state.subscriptions.items() if one.node == node]
    channel = spec.state.subscriptions[number].channel
    message = f"m{spec.state.sequence}"
    return spec.given(Correlate(number, channel, message, "name", payload))


def armed(spec):
    return sorted(one.node for one in spec.state.subscriptions.values())


def told(spec, kind):
    return [e.body for e in spec.effects if isinstance(e, SendCommand) and isinstance(e.body, kind)]


def triggered(spec):
    return [(e.node, e.kind) for e in spec.past if isinstance(e, EventTriggered)]


MESSAGE = 'message: m, key: "${k}", output: {told: "${output}"}'
BY_MESSAGE = flow(MESSAGE, variables='{k: {type: string, default: "7"}}')
TRIGGERS = {
    "message": (MESSAGE, lambda spec: came(spec, payload=b"5"), 5),
    "signal": (
        'signal: s, output: {told: "${output}"}',
        lambda spec: came(spec, payload=b"5"),
        5,
    ),
    "duration": ("duration: PT1H", fire, None),
    "date": ('date: "2030-01-01T00:00:00Z"', fire, None),
    "condition": (
        'condition: "${n > 1}"',
        lambda spec: spec.given(SetVariables(b'{"n":2}')),
        None,
    ),
    "error": (
        'error: Boom, output: {told: "${error.code}"}',
        lambda spec: fail(spec, "work"),
        "Boom",
    ),
    "any error": (
        'error: "*", output: {told: "${error.node}"}',
        lambda spec: fail(spec, "work"),
        "work",
    ),
}
VARIABLES = '{k: {type: string, default: "7"}, n: {type: integer, default: 0}}'


def handled(spec):
    """What the event sub-process's worker was told."""
    (one,) = [a for a in spec.state.activities.values() if a.node == "handle"]
    return json.loads(one.input)["told"]


@pytest.mark.parametrize("nest", [str, within])
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_one_that_interrupts_stops_all_else_and_the_scope_is_done_with_it(trigger, nest):
    start, happens, value = TRIGGERS[trigger]
    spec = happens(started(nest(flow(start, variables=VARIABLES))))
    assert (waiting(spec), armed(spec), handled(spec)) == (["handle"], [], value)
    spec = complete(spec, "handle")
    assert (spec.state.status, spec.state.tokens) == ("Completed", {})


@pytest.mark.parametrize("nest", [str, within])
@pytest.mark.parametrize("trigger", ["message", "signal", "duration", "date", "condition"])
def test_one_that_does_not_interrupt_runs_beside_and_is_waited_for_to_its_end(trigger, nest):
    start, happens, value = TRIGGERS[trigger]
    spec = started(nest(flow(f"{start}, interrupting: false", variables=VARIABLES)))
    spec = happens(spec)
    assert (waiting(spec), handled(spec)) == (["handle", "work"], value)
    spec = complete(spec, "work")
    assert spec.state.status == "Running"
    assert complete(spec, "handle").state.status == "Completed"


def test_one_that_does_not_interrupt_runs_each_time_its_event_comes():
    source = flow("signal: s, interrupting: false, output: {told: '${output}'}")
    spec = came(came(started(source), payload=b"1"), payload=b"2")
    assert waiting(spec) == ["handle", "handle", "work"]
    inputs = [a.input for a in spec.state.activities.values() if a.node == "handle"]
    assert inputs == [b'{"told":1}', b'{"told":2}']
    assert armed(complete(spec, "work")) == ["begin"]


def test_a_cycle_starts_it_again_and_again_and_a_duration_once():
    spec = started(flow("cycle: R2/PT1H, interrupting: false"))
    spec = fire(fire(spec))
    assert (waiting(spec), spec.next_due()) == (["handle", "handle", "work"], 0)
    spec = fire(started(flow("duration: PT1H, interrupting: false")))
    assert (armed(spec), [p for p in spec.state.tokens.values() if "armed" in p]) == ([], [])


def test_what_was_missed_comes_each_by_itself_where_the_author_says_so():
    word = "cycle: R3/PT1H, interrupting: false"
    late = started(flow(word)).later(3 * 3_600_000)
    assert waiting(fire(late)) == ["handle", "work"]
    late = started(flow(f"{word}, missed: each")).later(3 * 3_600_000)
    assert waiting(fire(fire(fire(late)))) == ["handle", "handle", "handle", "work"]


ESCALATING = flow(
    'escalation: Late, output: {told: "${escalation.payload}"}',
).replace(
    "next: work}",
    "next: shout}\n  shout: {type: throw, escalation: Late, payload: 3, next: work}",
    1,
)


@pytest.mark.parametrize("nest", [str, within])
def test_an_escalation_of_the_scope_starts_it_before_a_boundary_is_asked(nest):
    spec = started(nest(ESCALATING))
    assert (waiting(spec), handled(spec)) == (["handle"], 3)
    beside = ESCALATING.replace(
        "escalation: Late, output", "escalation: Late, interrupting: false, output"
    )
    spec = started(nest(beside))
    assert (waiting(spec), handled(spec)) == (["handle", "work"], 3)
    assert complete(complete(spec, "work"), "handle").state.status == "Completed"


def test_an_escalation_of_a_called_workflow_starts_it():
    source = flow("escalation: Late, interrupting: false").replace(
        "type: activity, activity_type: job, next: end", "type: call, definition: sub, next: end"
    )
    spec = started(source)
    (call,) = spec.state.calls
    spec = spec.given(EscalateCall(call, "Late", b"1"))
    assert waiting(spec) == ["handle"]
    spec = complete(spec, "handle").given(CompleteCall(call, b"{}"))
    assert spec.state.status == "Completed"


def test_a_start_is_three_events_of_which_the_first_says_why():
    spec = came(started(BY_MESSAGE), payload=b"5")
    assert len(told(spec, AcceptMessage)) == 1
    assert any(isinstance(effect, CancelTask) for effect in spec.effects)
    assert [type(event).__name__ for event in spec.past[-5:]] == [
        "ActivityCancelled", "EventTriggered", "ScopeStarted", "NodeExecuted", "ActivityScheduled"
    ]  # fmt: skip


# Errors.


def test_an_error_is_the_nodes_own_boundary_first_then_the_event_sub_processes():
    own = "  own: {type: boundary, on: work, error: Boom, next: end}\n"
    spec = fail(started(flow('error: "*"', top=own)), "work")
    assert (triggered(spec), spec.state.status) == ([("own", "error")], "Completed")


def test_an_error_starts_it_before_the_boundary_of_its_scope_catches_it():
    spec = fail(started(within(flow("error: Boom"))), "work")
    assert (triggered(spec), waiting(spec)) == ([("begin", "error")], ["handle"])


def test_another_error_passes_by_to_the_boundary():
    spec = fail(started(within(flow("error: Else"))), "work")
    assert (triggered(spec), waiting(spec)) == ([("caught", "error")], ["mend"])


@pytest.mark.parametrize("first", ['error: "*"', "duration: PT1H, interrupting: false"])
def test_an_error_inside_it_goes_outwards_past_those_beside_it(first):
    other = (
        flow(first)
        + """  other:
    type: scope
    event: true
    nodes:
      any: {type: start, error: "Boom", next: any_end}
      any_end: {type: end}
"""
    )
    spec = started(within(other.replace('error: "*"', 'error: "First"')))
    spec = fail(spec, "work", "First") if "error" in first else fire(spec)
    spec = fail(spec, "handle", "Boom")
    assert (triggered(spec)[-1], waiting(spec)) == (("caught", "error"), ["mend"])


def test_an_error_inside_it_that_nobody_catches_fails_the_workflow():
    spec = fail(fail(started(flow('error: "*"')), "work"), "handle")
    assert (spec.state.status, triggered(spec)) == ("Failed", [("begin", "error")])


def test_an_error_end_starts_it_and_may_stand_in_it():
    throws = flow("error: Bad, output: {told: '${error.message}'}").replace(
        "  end: {type: end}", "  end: {type: end, error: {code: Bad, message: why}}"
    )
    spec = complete(started(throws), "work")
    assert (waiting(spec), handled(spec)) == (["handle"], "why")
    again = within(flow("error: Boom", after=", error: Worse"))
    spec = complete(fail(started(again), "work"), "handle")
    assert (triggered(spec)[-1], waiting(spec)) == (("caught", "error"), ["mend"])


def test_while_one_that_interrupts_runs_the_scope_takes_nothing_more():
    second = """  other:
    type: scope
    event: true
    nodes:
      loud: {type: start, escalation: Late, next: loud_end}
      loud_end: {type: end}
"""
    inner = flow("signal: s", top=second).replace(
        "next: done}",
        "next: part}\n      part: {type: scope, next: cry, nodes: {i: {type: start, "
        "next: o}, o: {type: end}}}\n      cry: {type: throw, escalation: Late, next: done}",
    )
    spec = complete(came(started(inner)), "handle")
    assert (spec.state.status, triggered(spec)) == ("Completed", [("begin", "signal")])


# Nested in each other.


def test_one_inside_another_is_armed_while_that_runs():
    inner = """        inner:
          type: scope
          event: true
          nodes:
            heard: {type: start, signal: s, next: work_more}
            work_more: {type: activity, activity_type: job, next: heard_end}
            heard_end: {type: end}
""".replace("        ", "      ", 1).replace("\n        ", "\n      ")
    source = flow("duration: PT1H").replace("      begin:", f"{inner}      begin:")
    spec = started(source)
    assert armed(spec) == ["begin"]
    spec = fire(spec)
    assert (waiting(spec), armed(spec)) == (["handle"], ["heard"])
    spec = came(spec, "heard")
    assert waiting(spec) == ["work_more"]
    assert complete(spec, "work_more").state.status == "Completed"


# The lifetime of what is waited for.


@pytest.mark.parametrize(
    "ends",
    [
        lambda spec: complete(spec, "work"),
        lambda spec: spec.given(CancelInstance()),
        lambda spec: fail(spec, "work"),
    ],
)
@pytest.mark.parametrize("nest", [str, within])
def test_what_it_waits_for_is_closed_when_the_scope_around_ends(ends, nest):
    spec = started(nest(BY_MESSAGE))
    (opened,) = told(spec, OpenSubscription)
    spec = ends(spec)
    assert [one.subscription for one in told(spec, CloseSubscription)] == [opened.subscription]
    assert (spec.state.subscriptions, "aside/armed" in str(spec.state.tokens)) == ({}, False)


def test_an_end_that_terminates_takes_the_guards_too():
    spec = started(
        within(BY_MESSAGE).replace("end: {type: end}", "end: {type: end, terminate: true}")
    )
    assert complete(spec, "work").state.status == "Completed"


def test_while_suspended_nothing_starts_it_and_an_error_waits():
    spec = started(BY_MESSAGE).given(SuspendInstance())
    spec = came(spec)
    assert (triggered(spec), [one.final for one in told(spec, RejectMessage)]) == ([], [False])
    assert waiting(came(spec.given(ResumeInstance()))) == ["handle"]
    spec = fail(started(flow("error: Boom")).given(SuspendInstance()), "work")
    assert (triggered(spec), waiting(spec)) == ([("begin", "error")], [])
    assert waiting(spec.given(ResumeInstance())) == ["handle"]


def test_it_sees_and_writes_the_variables_of_the_scope_around():
    source = within(flow('condition: "${local > 1}", output: {local: "${local + 1}"}'))
    spec = started(source)
    (key,) = spec.state.scopes
    spec = spec.given(SetVariables(b'{"local":4}', scope=key))
    assert waiting(spec) == ["handle"]
    assert spec.state.scopes[key].variables["local"] == b"5"


# What can go wrong.


@pytest.mark.parametrize("nest", [str, within])
def test_a_key_that_cannot_be_computed_is_an_incident_and_the_flow_goes_on(nest):
    source = nest(flow('message: m, key: "${k}"'))
    spec = started(source)
    ((number, incident),) = spec.state.incidents.items()
    assert (incident.node, incident.code, waiting(spec)) == ("begin", "expression_failed", ["work"])
    spec.when(SkipNode(number)).then_rejected("InvalidState")
    assert complete(spec, "work").state.status == "Completed"
    spec = spec.given(SetVariables(b'{"k":"7"}'), RetryIncident(number))
    assert (armed(spec), spec.state.incidents) == (["begin"], {})
    assert waiting(came(spec)) == ["handle"]


@pytest.mark.parametrize("word", ["signal: s", "error: Boom"])
def test_an_output_that_fails_is_an_incident_at_its_start(word):
    name = "error.message" if "error" in word else "output"
    source = flow(word + f', output: {{told: "${{{name} + suffix}}"}}')
    spec = started(source)
    spec = fail(spec, "work") if "error" in word else came(spec, payload=b'"it went wrong"')
    ((number, incident),) = spec.state.incidents.items()
    assert incident.node == "begin"
    spec = spec.given(SetVariables(b'{"suffix":"!"}'), RetryIncident(number))
    assert handled(spec) == "it went wrong!"
    assert complete(spec, "handle").state.status == "Completed"
    spec = started(ESCALATING.replace("payload}", "payload + more}"))
    (number,) = spec.state.incidents
    spec = spec.given(SetVariables(b'{"more":1}'), RetryIncident(number))
    assert handled(spec) == 4


def test_a_restarted_workflow_waits_again():
    spec = fail(started(flow("signal: s")), "work")
    assert spec.state.status == "Failed"
    spec = spec.given(RestartFailed())
    assert (waiting(spec), armed(spec)) == (["work"], ["begin"])
    assert waiting(came(spec)) == ["handle"]


def test_one_of_a_workflow_that_a_message_starts_is_armed():
    source = flow("signal: s").replace("start: {type: start,", "start: {type: start, message: go,")
    go = TriggerInstance("flow", "1.0.0", "start", "message", b"1", "m1")
    spec = instance(source).given(go)
    assert (waiting(spec), armed(spec)) == (["work"], ["begin"])
