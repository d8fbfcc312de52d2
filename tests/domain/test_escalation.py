"""Escalations: who takes them, what they stop, and that the flow goes on."""

import json
from pathlib import Path

import pytest

from schemas.commands import (
    CancelInstance,
    CompleteCall,
    ResumeInstance,
    RunInstance,
    StartChild,
    SuspendInstance,
)
from schemas.escalation_commands import EscalateCall
from schemas.escalation_events import EscalationRaised
from schemas.events import EventTriggered
from schemas.results import CompleteActivity
from streams.domain.protocol import CancelTask, SendCommand
from streams.forms import prove, read_definition
from streams.forms.write import write_definition
from streams.testing.spec import has, instance
from streams.testing.steps import complete, waiting

HEAD = "id: flow\nversion: 1.0.0\n"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nodes" / "escalation.yaml"


def started(source, **variables):
    return instance(source).given(RunInstance("flow", "", json.dumps(variables).encode()))


def raised(spec):
    return [(e.node, e.code, e.caught_by) for e in spec.past if isinstance(e, EscalationRaised)]


SCOPE = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    nodes:
      in: {{type: start, next: fork}}
      fork: {{type: parallel, next: [shout, other]}}
      shout: {{type: throw, escalation: Late, payload: "${{n}}", next: work}}
      work: {{type: activity, activity_type: job, next: out}}
      other: {{type: activity, activity_type: job, next: cry}}
      cry: {{type: end, escalation: Fire}}
      out: {{type: end}}
    next: end
  late: {{type: boundary, on: part, escalation: Late, interrupting: false,
         output: {{told: "${{escalation}}"}}, next: tell}}
  any: {{type: boundary, on: part, escalation: "*", next: mend}}
  tell: {{type: activity, activity_type: job, next: told}}
  mend: {{type: activity, activity_type: job, next: end}}
  told: {{type: end}}
  end: {{type: end}}
"""


def test_one_that_does_not_interrupt_begins_a_way_and_the_flow_goes_on():
    spec = started(SCOPE, n=7)
    assert raised(spec) == [("shout", "Late", "late")]
    assert waiting(spec) == ["other", "tell", "work"]
    assert json.loads(spec.state.variables["told"]) == {
        "code": "Late", "node": "shout", "payload": 7
    }  # fmt: skip


def test_one_that_interrupts_stops_its_scope_and_the_node_that_raised_it():
    spec = complete(started(SCOPE, n=7), "other")
    assert raised(spec)[-1] == ("cry", "Fire", "any")
    assert (waiting(spec), spec.state.scopes) == (["mend", "tell"], {})
    assert any(isinstance(effect, CancelTask) for effect in spec.effects)
    spec = complete(complete(spec, "mend"), "tell")
    assert spec.state.status == "Completed"


def test_what_nobody_takes_is_noted_and_goes_on():
    source = SCOPE.replace('escalation: "*"', "escalation: Else").replace(
        "on: part, escalation: Late", "on: part, escalation: Other"
    )
    spec = complete(started(source, n=7), "other")
    assert raised(spec) == [("shout", "Late", ""), ("cry", "Fire", "")]
    assert waiting(spec) == ["work"]
    assert complete(spec, "work").state.status == "Completed"


ROOT = f"""{HEAD}
nodes:
  start: {{type: start, next: fork}}
  fork: {{type: parallel, next: [shout, work]}}
  shout: {{type: throw, escalation: Late, next: cry}}
  cry: {{type: end, escalation: Fire}}
  work: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def test_a_workflow_that_escalates_in_its_last_token_completes_after_it():
    spec = started(ROOT.replace("[shout, work]", "[work, shout]"))
    assert raised(spec) == [("shout", "Late", ""), ("cry", "Fire", "")]
    assert complete(spec, "work").state.status == "Completed"
    assert waiting(started(ROOT)) == ["work"]


def test_a_payload_that_fails_is_an_incident_at_the_throw():
    spec = started(SCOPE)
    (incident,) = spec.state.incidents.values()
    assert (incident.node, incident.code) == ("shout", "expression_failed")


def test_an_escalation_waits_while_suspended():
    spec = complete(started(SCOPE, n=1).given(SuspendInstance()), "other")
    assert raised(spec) == [("shout", "Late", "late")]
    assert raised(spec.given(ResumeInstance()))[-1] == ("cry", "Fire", "any")


# Across calls.


def test_a_called_workflow_hands_its_escalation_to_its_caller_and_goes_on():
    spec = instance(ROOT, aggregate_id="root~4").given(
        StartChild("flow", "", b"{}", "root", "life", 4)
    )
    sent = [e for e in spec.effects if isinstance(e, SendCommand)]
    assert [(e.aggregate_id, e.incarnation, e.body.code) for e in sent] == [
        ("root", "life", "Late"),
        ("root", "life", "Fire"),
    ]
    assert (waiting(spec), spec.state.status) == (["work"], "Running")
    # The escalation is on its way before the result, so that the call is still there for it.
    bodies = [e.body for e in complete(spec, "work").effects if isinstance(e, SendCommand)]
    assert [type(body) for body in bodies] == [EscalateCall, EscalateCall, CompleteCall]


CALL = f"""{HEAD}
nodes:
  start: {{type: start, next: part}}
  part:
    type: scope
    nodes:
      in: {{type: start, next: sub}}
      sub: {{type: call, definition: other, next: out}}
      late: {{type: boundary, on: sub, escalation: Late, interrupting: false, next: tell}}
      fire: {{type: boundary, on: sub, escalation: Fire, next: mend}}
      tell: {{type: activity, activity_type: job, next: told}}
      mend: {{type: activity, activity_type: job, next: out}}
      told: {{type: end}}
      out: {{type: end}}
    next: end
  outside: {{type: boundary, on: part, escalation: Storm, next: flee}}
  flee: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""


def called():
    spec = started(CALL)
    (call,) = spec.state.calls
    return spec, call


def test_the_caller_begins_a_way_while_the_child_goes_on():
    spec, call = called()
    spec = spec.given(EscalateCall(call, "Late", b"3"), EscalateCall(call, "Late", b"4"))
    assert raised(spec) == [("sub", "Late", "late")] * 2
    assert (waiting(spec), list(spec.state.calls)) == (["tell", "tell"], [call])
    told = [e.payload for e in spec.past if isinstance(e, EventTriggered)]
    assert [json.loads(text)["payload"] for text in told] == [3, 4]
    spec = spec.given(CompleteCall(call, b"{}"))
    assert spec.state.status == "Running"
    assert complete_all(spec).state.status == "Completed"


def complete_all(spec):
    for key in list(spec.state.activities):
        spec = spec.given(CompleteActivity(key, 1))
    return spec


@pytest.mark.parametrize(("code", "left"), [("Fire", "mend"), ("Storm", "flee")])
def test_a_boundary_that_interrupts_cancels_the_child(code, left):
    spec, call = called()
    spec = spec.given(EscalateCall(call, code))
    assert (waiting(spec), spec.state.calls) == ([left], {})
    assert any(
        isinstance(e, SendCommand) and isinstance(e.body, CancelInstance) for e in spec.effects
    )
    spec.when(EscalateCall(call, code)).then_nothing()


def test_what_the_caller_does_not_take_either_is_noted_there():
    spec, call = called()
    decided = spec.when(EscalateCall(call, "Rain"))
    decided.then(has(EscalationRaised, node="sub", code="Rain", call=call, caught_by=""))
    assert decided.effects == []


@pytest.mark.parametrize("source", [SCOPE, ROOT, CALL])
def test_what_is_read_is_written_as_it_was_and_is_proved(source):
    read = read_definition(source)
    assert read_definition(write_definition(read)) == read
    _, problems, verdict = prove(source)
    assert [str(one) for one in problems if one.severity == "error"] == []
    assert verdict.sound


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("{type: boundary, on: work, escalation: Late, next: end}", "work raises no escalation"),
        ("{type: end, escalation: Late, terminate: true}", "only one of them"),
        ("{type: throw, escalation: Late, signal: x, next: end}", "is needed"),
    ],
)
def test_what_does_not_belong_together_is_refused_with_its_line(node, words):
    source = f"""{HEAD}nodes:
  start: {{type: start, next: work}}
  x: {node}
  work: {{type: activity, activity_type: job, next: end}}
  end: {{type: end}}
"""
    problems = read_definition(source)
    assert isinstance(problems, list)
    assert any(words in str(one) and one.line == 5 for one in problems), list(map(str, problems))


# The example of the page.


def begun(price):
    spec = instance(EXAMPLE.read_text()).given(RunInstance("trip-escalation"))
    return complete(spec, "ask", b'{"price":%d}' % price)


def test_a_price_over_budget_is_told_and_the_trip_is_booked():
    spec = begun(900)
    assert waiting(spec) == ["book", "tell"]
    assert complete(complete(spec, "book"), "tell").state.status == "Completed"
    assert raised(complete(begun(100), "book")) == []


def test_without_a_way_one_stays_at_home():
    spec = begun(0)
    assert waiting(spec) == ["stay"]
    assert complete(spec, "stay").state.status == "Completed"
