"""One instance's row, and how each event changes it.

The rules are those of the engine's own fold; a test over simulated runs holds them equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from projections.columns import EMPTY, NO_OBJECT, raw
from projections.events import Event
from schemas import approval_events as a
from schemas import call_events as c
from schemas import compensation_events as u
from schemas import condition_events, escalation_events
from schemas import events as e
from schemas import iteration_events as i
from schemas.data_events import VariablesObserved
from schemas.restart_events import WorkflowRestarted
from schemas.section_events import SectionAwaited, SectionEnded, SectionExtended, SectionLocked
from schemas.wait_events import WaitProgressed

KEPT: Final = 200
"""Entries kept of path and errors, as the engine keeps them."""


class Incident(msgspec.Struct, gc=False):
    """Something that needs an operator; its key is the sequence of its event."""

    code: str
    message: str
    node: str
    token: int
    time: int


class Instance(msgspec.Struct):
    """An instance as the view shows it. Times are milliseconds since 1970."""

    tenant: str
    id: str
    incarnation: str
    state: str
    sequence: int
    """Number of its last event; expected by commands that say `expected_sequence`."""
    definition_id: str
    definition_version: str
    created_at: int
    created_by: str
    updated_at: int
    partition: int
    position: int
    """Number, in its partition, of its last event."""
    ended_at: int | None = None
    reason: str = ""
    parent_id: str = ""
    parent_incarnation: str = ""
    parent_call: int = 0
    tokens: dict[int, str] = {}
    """Place by token: a node's id where it waits, a flow's id before a join."""
    incidents: dict[int, Incident] = {}
    open_incidents: int = 0
    execution_path: list[str] = []
    error_stack: list[str] = []
    variables: dict[str, msgspec.Raw] = {}
    result: msgspec.Raw = EMPTY
    metadata: msgspec.Raw = NO_OBJECT
    """A JSON object of the client's own."""
    context_metadata: dict[str, str] = {}
    """Free strings of the envelope that began the instance."""
    correlation_id: str = ""
    activities_executed: int = 0
    activities_failed: int = 0
    retries: int = 0

    @property
    def current_nodes(self) -> list[str]:
        """Return where its tokens are, each place once."""
        bare = (place.partition("@")[0] for place in self.tokens.values())
        # What an event sub-process waits for hangs on a token that is nowhere in the flow.
        there = (place for place in bare if not place.endswith("/armed"))
        return list(dict.fromkeys(place.removesuffix("/out") for place in there))


def _fresh(event: Event, state: str, body: e.WorkflowCreated | e.WorkflowStarted) -> Instance:
    envelope = event.envelope
    context = envelope.context
    return Instance(
        context.tenant,
        envelope.aggregate_id,
        envelope.incarnation,
        state,
        envelope.sequence,
        body.definition_id,
        body.definition_version,
        envelope.time,
        context.actor,
        envelope.time,
        event.partition,
        envelope.position,
        parent_id=body.parent.id,
        parent_incarnation=body.parent.incarnation,
        parent_call=body.parent.call,
        variables={name: raw(value) for name, value in body.variables.items()},
        metadata=raw(body.metadata),
        context_metadata=context.metadata,
        correlation_id=context.correlation_id,
    )


def created(event: Event) -> Instance | None:
    """Return the row that an event begins; None where it begins none."""
    body = event.body
    if isinstance(body, e.WorkflowCreated):
        return _fresh(event, "Created", body)
    if isinstance(body, e.WorkflowStarted):
        row = _fresh(event, "Running", body)
        _move(row, body.moves)
        return row
    return None


def _move(row: Instance, moves: e.Moves) -> None:
    for token in moves.consumed:
        row.tokens.pop(token, None)
    if moves.consumed and row.incidents:
        gone = frozenset(moves.consumed)
        row.incidents = {n: one for n, one in row.incidents.items() if one.token not in gone}
        row.open_incidents = len(row.incidents)
    for produced in moves.produced:
        row.tokens[produced.id] = produced.place
    if moves.path:
        row.execution_path = (row.execution_path + moves.path)[-KEPT:]
    for name, value in moves.writes.items():
        if not name.startswith("@"):  # Those are a running scope's own.
            row.variables[name] = raw(value)


def _place(row: Instance, token: int, node: str) -> None:
    """Put a token at a node; one that is there already, in a scope, stays in it."""
    if not row.tokens.get(token, "").startswith(f"{node}@"):
        row.tokens[token] = node


Placing = e.TimerScheduled | c.CallStarted | i.IterationStarted | a.ApprovalRequested
Executed = e.NodeExecuted | e.EventTriggered | i.IterationCompleted | WaitProgressed
WithMoves = Executed | e.NodeSkipped | e.NodeCompleted | e.VariablesSet | a.ApprovalCompleted


def _error(row: Instance, text: str) -> None:
    row.error_stack = [*row.error_stack, text][-KEPT:]


def _started(row: Instance, body: e.WorkflowStarted, _: Event) -> None:
    row.state = "Running"
    _move(row, body.moves)


def _suspended(row: Instance, body: e.WorkflowSuspended, _: Event) -> None:
    row.state, row.reason = "Suspended", body.reason


def _resumed(row: Instance, body: e.WorkflowResumed, _: Event) -> None:
    row.state, row.reason = "Running", ""
    _move(row, body.moves)


def _end(row: Instance, event: Event, state: str, reason: str) -> None:
    row.state, row.reason, row.ended_at = state, reason, event.envelope.time
    row.tokens, row.incidents, row.open_incidents = {}, {}, 0


def _completed(row: Instance, body: e.WorkflowCompleted, event: Event) -> None:
    _end(row, event, "Completed", "")
    row.result = raw(body.result)


def _failed(row: Instance, body: e.WorkflowFailed, event: Event) -> None:
    _end(row, event, "Failed", body.message)
    _error(row, f"{body.code}: {body.message}")


def _restarted(row: Instance, body: WorkflowRestarted, _: Event) -> None:
    row.state, row.reason, row.ended_at = "Running", "", None
    _move(row, body.moves)


def _cancelled(row: Instance, body: e.WorkflowCancelled, event: Event) -> None:
    _end(row, event, "Cancelled", body.reason)


def _terminated(row: Instance, body: e.WorkflowTerminated, event: Event) -> None:
    _end(row, event, "Terminated", body.reason)


def _deleted(row: Instance, _body: e.WorkflowDeleted, _: Event) -> None:
    row.state = "Deleted"


def _scheduled(row: Instance, body: e.ActivityScheduled, _: Event) -> None:
    _place(row, body.token, body.activity_id)
    row.retries += body.attempt > 1


def _activity_completed(row: Instance, body: e.ActivityCompleted, _: Event) -> None:
    row.activities_executed += 1
    _move(row, body.moves)


def _activity_failed(row: Instance, body: e.ActivityFailed, _: Event) -> None:
    row.activities_failed += 1
    _error(row, f"{body.activity_id}: {body.code}: {body.message}")
    _move(row, body.moves)


def _call_failed(row: Instance, body: c.CallFailed, _: Event) -> None:
    _error(row, f"{body.node}: {body.code}: {body.message}")
    _move(row, body.moves)


def _token_placed(row: Instance, body: Placing, _: Event) -> None:
    _place(row, body.token, body.node)


def _executed(row: Instance, body: WithMoves, _: Event) -> None:
    _move(row, body.moves)


def _scope_started(row: Instance, body: e.ScopeStarted, _: Event) -> None:
    row.tokens.setdefault(body.token, body.node)
    _move(row, body.moves)


def _item_started(row: Instance, body: i.ItemStarted, event: Event) -> None:
    row.tokens[body.token] = f"{body.node}@{event.envelope.sequence}"


def _subscribed(row: Instance, body: e.EventAwaited, _: Event) -> None:
    if body.host:
        row.tokens.setdefault(body.token, body.host)


def _escalated(row: Instance, body: escalation_events.EscalationRaised, _: Event) -> None:
    if body.token:
        _place(row, body.token, body.node)


def _incident(row: Instance, body: e.ErrorOccurred, event: Event) -> None:
    envelope = event.envelope
    if body.token:
        _place(row, body.token, body.place or body.node)
    _move(row, body.moves)
    opened = Incident(body.code, body.message, body.node, body.token, envelope.time)
    row.incidents[envelope.sequence] = opened
    row.open_incidents = len(row.incidents)
    where = f"{body.node}: " if body.node else ""
    _error(row, f"{where}{body.code}: {body.message}")


def _resolved(row: Instance, body: e.IncidentResolved, _: Event) -> None:
    row.incidents.pop(body.incident, None)
    row.open_incidents = len(row.incidents)


def _undoing(row: Instance, body: u.CompensationTriggered, _: Event) -> None:
    _move(row, body.moves)
    row.tokens.setdefault(body.token, body.node)
    if not body.node:
        row.state, row.ended_at = "Running", None


def _handler_started(row: Instance, body: u.HandlerStarted, event: Event) -> None:
    if body.token:
        row.tokens[body.token] = f"{body.handler}@{event.envelope.sequence}"


def _compensated(row: Instance, _body: u.WorkflowCompensated, event: Event) -> None:
    _end(row, event, "Completed", row.reason)


def _unchanged(_row: Instance, _body: msgspec.Struct, _event: Event) -> None:
    """Nothing that the row shows: a worker began, a person claimed, a mail was sent."""


CHANGES: Final[dict[type[msgspec.Struct], Callable[[Instance, Any, Event], None]]] = {
    e.WorkflowStarted: _started,
    e.WorkflowSuspended: _suspended,
    e.WorkflowResumed: _resumed,
    e.WorkflowCompleted: _completed,
    e.WorkflowFailed: _failed,
    WorkflowRestarted: _restarted,
    e.WorkflowCancelled: _cancelled,
    e.WorkflowTerminated: _terminated,
    e.WorkflowDeleted: _deleted,
    e.ActivityScheduled: _scheduled,
    e.ActivityStarted: _unchanged,
    e.ActivityCompleted: _activity_completed,
    e.ActivityFailed: _activity_failed,
    e.ActivityCancelled: _unchanged,
    e.TimerScheduled: _token_placed,
    c.CallStarted: _token_placed,
    c.CallFailed: _call_failed,
    e.CompensationStarted: _unchanged,
    e.NodeExecuted: _executed,
    e.ScopeStarted: _scope_started,
    e.EventAwaited: _subscribed,
    e.EventTriggered: _executed,
    WaitProgressed: _executed,
    e.ErrorOccurred: _incident,
    e.IncidentResolved: _resolved,
    e.NodeSkipped: _executed,
    e.NodeCompleted: _executed,
    e.VariablesSet: _executed,
    condition_events.ConditionEnded: _unchanged,
    escalation_events.EscalationRaised: _escalated,
    e.NotificationRequested: _unchanged,
    e.NotificationCompleted: _unchanged,
    e.NotificationFailed: _unchanged,
    u.CompensationRecorded: _unchanged,
    u.CompensationTriggered: _undoing,
    u.HandlerStarted: _handler_started,
    u.HandlerCompleted: _unchanged,
    u.WorkflowCompensated: _compensated,
    u.CompensationDiscarded: _unchanged,
    i.IterationStarted: _token_placed,
    i.ItemsListed: _unchanged,
    i.ItemStarted: _item_started,
    i.ItemCompleted: _unchanged,
    i.IterationCompleted: _executed,
    VariablesObserved: _unchanged,
    a.ApprovalRequested: _token_placed,
    a.ApprovalClaimed: _unchanged,
    a.ApprovalReleased: _unchanged,
    a.ApprovalDelegated: _unchanged,
    a.ApprovalAssigned: _unchanged,
    a.ApprovalCommented: _unchanged,
    a.ApprovalDocumentAttached: _unchanged,
    a.ApprovalDocumentDetached: _unchanged,
    a.ApprovalEscalated: _unchanged,
    a.ApprovalCompleted: _executed,
    a.ApprovalCancelled: _unchanged,
    SectionAwaited: _token_placed,
    SectionLocked: _unchanged,
    SectionExtended: _unchanged,
    SectionEnded: _executed,
}


def change(row: Instance, event: Event) -> None:
    """Apply an event to the row of its instance."""
    CHANGES[type(event.body)](row, event.body, event)
    envelope = event.envelope
    row.sequence, row.updated_at = envelope.sequence, envelope.time
    row.partition, row.position = event.partition, envelope.position
