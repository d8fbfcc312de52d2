"""The one table of legal transitions, cell by cell: every command in every state."""

import pytest
from msgspec.structs import replace

from schemas import approval_commands as a
from schemas import commands as c
from schemas import results as r
from schemas.approval_events import Document
from schemas.definition_commands import DeleteDefinition
from schemas.escalation_commands import EscalateCall
from schemas.registry import COMMAND_TYPES, MESSAGES, RESULT_TYPES
from schemas.restart_commands import RestartFailed
from streams.domain.instance.lifecycle import LEGAL, TRANSITIONS
from streams.domain.instance.state import FINISHED, STATUSES
from streams.domain.lock.aggregate import VERBS as VERBS_OF_LOCKS
from streams.domain.protocol import SendCommand
from streams.domain.watch.aggregate import VERBS as VERBS_OF_WATCHES
from streams.testing.spec import NOW, instance

SOURCE = """
id: flow
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: work, next: end}
  end: {type: end}
"""
RUN = c.RunInstance("flow")
IN = {
    "Created": (c.CreateInstance("flow"),),
    "Running": (RUN,),
    "Suspended": (RUN, c.SuspendInstance("lunch")),
    "Completed": (RUN, r.CompleteActivity(2, 1)),
    "Failed": (RUN, r.FailActivity(2, 1, "Boom")),
    "Cancelled": (RUN, c.CancelInstance()),
    "Terminated": (RUN, c.TerminateInstance()),
    "Deleted": (RUN, c.CancelInstance(), c.DeleteInstance()),
}
COMMANDS = {
    "RunInstance": RUN,
    "CreateInstance": c.CreateInstance("flow"),
    "StartChild": c.StartChild("flow", "", b"{}", "parent", "life", 3),
    "TriggerInstance": c.TriggerInstance("flow", "1.0.0", "start", "message"),
    "StartInstance": c.StartInstance(),
    "SuspendInstance": c.SuspendInstance(),
    "ResumeInstance": c.ResumeInstance(),
    "CancelInstance": c.CancelInstance(),
    "TerminateInstance": c.TerminateInstance(),
    "DeleteInstance": c.DeleteInstance("tidy"),
    "RetryIncident": c.RetryIncident(0),
    "RestartFailed": RestartFailed(),
    "SkipNode": c.SkipNode(9),
    "CompleteNode": c.CompleteNode(b"{}", activity=2),
    "SetVariables": c.SetVariables(b'{"x":1}'),
    "CompleteActivity": r.CompleteActivity(2, 1),
    "FailActivity": r.FailActivity(2, 1, "Boom"),
    "ReportActivityStarted": r.ReportActivityStarted(2, 1),
    "HeartbeatActivity": r.HeartbeatActivity(2, 1),
    "CompleteCall": c.CompleteCall(2, b"{}"),
    "FailCall": c.FailCall(2, "State", "why"),
    "EscalateCall": EscalateCall(2, "Late"),
    "CompensateInstance": c.CompensateInstance("parent", "life", 3),
    "DiscardCompensation": c.DiscardCompensation(),
    "Continue": c.Continue(),
    "FireTimer": c.FireTimer(NOW),
    "PublishDefinition": c.PublishDefinition("x"),
    "DeleteDefinition": DeleteDefinition(),
    "PublishMessage": c.PublishMessage("paid"),
    "BroadcastSignal": c.BroadcastSignal("evening"),
    "OpenSubscription": c.OpenSubscription("one", "life", 2, "wait"),
    "CloseSubscription": c.CloseSubscription("one", "life", 2),
    "AcceptMessage": c.AcceptMessage("one", "life", 2, "m"),
    "RejectMessage": c.RejectMessage("one", "life", 2, "m", "why"),
    "ContinueBroadcast": c.ContinueBroadcast(2, 1),
    "Correlate": c.Correlate(2, "message:paid", "m", "paid", b"{}"),
    "SubscriptionClosed": c.SubscriptionClosed(2),
    "RecordVerdict": r.RecordVerdict("1.0.0", b"", "sound"),
    "LockGranted": c.LockGranted("printer", 2, 7),
    "LockRefused": c.LockRefused("printer", 2, "LockAcquisition", "why"),
    "LockLost": c.LockLost("printer", 2, 7, "forced"),
    "ClaimApproval": a.ClaimApproval(1),
    "ReleaseApproval": a.ReleaseApproval(1),
    "CompleteApproval": a.CompleteApproval(1, "approve"),
    "DelegateApproval": a.DelegateApproval(1, "ann"),
    "AssignApproval": a.AssignApproval(1, "ann"),
    "CommentApproval": a.CommentApproval(1, "hm"),
    "AttachDocument": a.AttachDocument(1, Document("a", "u")),
    "DetachDocument": a.DetachDocument(1, "a"),
}
# A state: it leads there. -: InvalidStateTransition. e: already_exists. x: already_closed.
# s: InvalidState. u: UnsupportedOperation. n: NotFound (no incident). =: taken, the state stays.
# .: nothing happens.
# t: nothing happens, and who asked is told.
TABLE = """
Command               Created    Running    Suspended Completed Failed  Cancelled Terminated Deleted
RunInstance           e          e          e         e         e       e         e          e
CreateInstance        e          e          e         e         e       e         e          e
StartChild            e          e          e         e         e       e         e          e
TriggerInstance       e          e          e         e         e       e         e          e
StartInstance         Running    -          -         -         -       -         -          -
SuspendInstance       -          Suspended  -         -         -       -         -          -
ResumeInstance        -          -          Running   -         -       -         -          -
CancelInstance        Cancelled  Cancelled  Cancelled -         -       -         -          -
TerminateInstance     Terminated Terminated Terminated -         -       -         -          -
DeleteInstance        Deleted    -          -         Deleted   Deleted Deleted   Deleted    -
RetryIncident         -          n          -         -         -       -         -          -
RestartFailed         s          s          s          s         Running s         s          s
SkipNode              -          n          n         -         -       -         -          -
CompleteNode          -          Completed  =         -         -       -         -          -
SetVariables          -          =          =         -         -       -         -          -
CompleteActivity      x          Completed  =         x         x       x         x          x
FailActivity          x          Failed     Failed    x         x       x         x          x
ReportActivityStarted x          =          =          x         x       x         x          x
HeartbeatActivity     x          .          .         x         x       x         x          x
CompleteCall          .          .          .         .         .       .         .          .
FailCall              .          .          .         .         .       .         .          .
EscalateCall          .          .          .         .         .       .         .          .
CompensateInstance    Cancelled  Cancelled  Cancelled t         t       t         t          t
DiscardCompensation   .          .          .         .         .       .         .          .
Continue              .          .          .         .         .       .         .          .
FireTimer             .          .          .         .         .       .         .          .
PublishDefinition     u          u          u         u         u       u         u          u
DeleteDefinition      u          u          u         u         u       u         u          u
PublishMessage        u          u          u         u         u       u         u          u
BroadcastSignal       u          u          u         u         u       u         u          u
OpenSubscription      u          u          u         u         u       u         u          u
CloseSubscription     u          u          u         u         u       u         u          u
AcceptMessage         u          u          u         u         u       u         u          u
RejectMessage         u          u          u         u         u       u         u          u
ContinueBroadcast     u          u          u         u         u       u         u          u
Correlate             t          t          t         t         t       t         t          t
SubscriptionClosed    .          .          .         .         .       .         .          .
RecordVerdict         u          u          u         u         u       u         u          u
LockGranted           x          x          x         x         x       x         x          x
LockRefused           .          .          .         .         .       .         .          .
LockLost              .          .          .         .         .       .         .          .
ClaimApproval         x          x          x         x         x       x         x          x
ReleaseApproval       x          x          x         x         x       x         x          x
CompleteApproval      x          x          x         x         x       x         x          x
DelegateApproval      x          x          x         x         x       x         x          x
AssignApproval        x          x          x         x         x       x         x          x
CommentApproval       x          x          x         x         x       x         x          x
AttachDocument        x          x          x         x         x       x         x          x
DetachDocument        x          x          x         x         x       x         x          x
"""
(_, *HEAD), *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(name, *cell) for name, *row in ROWS for cell in zip(HEAD, row, strict=True)]
REFUSALS = {
    "-": "InvalidStateTransition",
    "e": "already_exists",
    "x": "already_closed",
    "u": "UnsupportedOperation",
    "n": "NotFound",
    "s": "InvalidState",
}


def test_the_table_has_every_state_and_every_command():
    assert sorted(HEAD) == sorted(STATUSES)
    assert [name for name, *_ in ROWS] == list(COMMANDS)
    to_locks = {MESSAGES[body] for body in VERBS_OF_LOCKS} - {"FireTimer", "RetryIncident"}
    to_types = {"RegisterActivityType", "RemoveActivityType"}
    of_devices = {"WatchDevice", "UnwatchDevice", "LookForStarts"}
    of_watches = {MESSAGES[body] for body in VERBS_OF_WATCHES} | of_devices
    of_starts = {"StartSingle", "EndSingle"}
    others = to_locks | to_types | of_starts | (of_watches - set(COMMANDS))
    assert sorted(COMMANDS) == sorted({*COMMAND_TYPES, *RESULT_TYPES} - others)


@pytest.mark.parametrize(("name", "status", "cell"), CELLS)
def test_a_command_in_a_state(name, status, cell):
    spec = instance(SOURCE).given(*IN[status])
    assert spec.state.status == status
    decided = spec.when(COMMANDS[name])
    if cell in REFUSALS:
        words = {"-": (name, status), "e": (status,), "n": ("no open incident",)}
        decided.then_rejected(REFUSALS[cell], *words.get(cell, ()))
    elif cell == ".":
        decided.then_nothing()
    elif cell == "t":
        decided.then()
        assert [type(effect) for effect in decided.effects] == [SendCommand]
    else:
        assert len(decided.events) > 0
        assert decided.accepted().state.status == (status if cell == "=" else cell)


def test_the_transitions_are_those_of_the_table_and_no_others():
    reached = {(before, after) for _, before, after in CELLS if after in STATUSES}
    reached |= {("Completed", "Running")}  # A child that its parent has undone.
    assert reached == {(before, after) for before, all_ in TRANSITIONS.items() for after in all_}


def test_the_commands_that_the_states_decide_on_are_those_of_the_table():
    refused = {name for name, _, cell in CELLS if cell == "-"}
    assert refused == set(LEGAL)
    for name, status, cell in CELLS:
        assert name not in LEGAL or (status in LEGAL[name]) == (cell != "-")


@pytest.mark.parametrize("status", sorted(FINISHED))
def test_a_finished_instance_answers_alike_after_all_but_its_memory_is_gone(status):
    spec = instance(SOURCE).given(*IN[status])
    memory = spec.aggregate.decode(spec.aggregate.encode(spec.aggregate.remnant(spec.state)))
    short = replace(spec, state=memory)
    for name, command in COMMANDS.items():
        whole, rest = spec.when(command).outcome, short.when(command).outcome
        assert type(whole) is type(rest), name
        assert getattr(whole, "code", "") == getattr(rest, "code", "")
        assert getattr(whole, "events", []) == getattr(rest, "events", [])


def test_deleting_keeps_the_reason_and_hides_nothing_of_the_history():
    spec = instance(SOURCE).given(*IN["Completed"])
    spec = spec.when(c.DeleteInstance("tidy")).then("workflow.deleted")
    assert spec.past[-1].reason == "tidy"
    assert spec.state.sequence == len(spec.past)
    assert spec.aggregate.is_finished(spec.state)
