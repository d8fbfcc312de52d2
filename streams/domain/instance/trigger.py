"""A definition starts an instance: one of its start events came about.

The history begins with `workflow.started`, without moves; `event.triggered` says what started it.
"""

from __future__ import annotations

from schemas.commands import TriggerInstance
from schemas.events import NO_MOVES, NO_PARENT, EventTriggered, Moves, WorkflowStarted
from schemas.json_text import canonical, parse
from streams.domain.instance.advance import leave
from streams.domain.instance.event_scopes import arm_workflow
from streams.domain.instance.fitting import fitting
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes, stay
from streams.domain.instance.start import exists_already
from streams.domain.instance.state import InstanceState
from streams.domain.instance.work import Work
from streams.domain.net.graph import graph_of
from streams.domain.net.model import Start
from streams.domain.protocol import Decision, Outcome


def decide_trigger(command: TriggerInstance, state: InstanceState | None, ctx: Decision) -> Outcome:
    """Create an instance, and start it from the start event that was triggered."""
    if state is not None:
        return exists_already(state, ctx)
    name, version = command.definition_id, command.version
    definition = ctx.definitions.find(ctx.tenant, name, version)
    if definition is None:
        # As a dead letter, not as a rejection that nobody reads: what came is not to be lost.
        raise LookupError(f"definition {name} {version} is not known to this engine")
    work = Work(None, ctx)
    graph = graph_of(definition)
    work.use(graph)
    work.emit(WorkflowStarted(name, version, graph.default_variables, NO_PARENT, NO_MOVES))
    _leave_start(work, command)
    arm_workflow(work)
    return work.accepted()


def _leave_start(work: Work, command: TriggerInstance) -> None:
    node, payload = command.node, parse(command.payload)
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Start)

    def cause(moves: Moves) -> EventTriggered:
        return EventTriggered(
            node,
            command.kind,
            moves=moves,
            due=command.due,
            payload=command.payload,
            message_id=command.message_id,
            missed=command.missed,
            single=command.single,
        )

    writes = {}
    if kind.result_path:
        text = canonical(payload)
        writes = result_writes(work.state.variables, kind.result_path, payload, text)
    try:
        writes = mapped(work, node, writes, {"output": payload})
    except UNMAPPED as error:
        # A retry maps the payload again: it is kept where the author wants it, or as `result`.
        kept = writes or result_writes({}, "", payload, command.payload)
        work.emit(cause(Moves([], [], [node], fitting(work, kept))))
        stay(work, node, work.state.next_token, error)
        return
    leave(work, node, [], writes, cause)
