"""Beginning an instance: in one step, in two, or as another workflow's child."""

from __future__ import annotations

from typing import Final

from schemas.commands import CreateInstance, RunInstance, StartChild, StartInstance
from schemas.events import NO_PARENT, Moves, Parent, WorkflowCreated, WorkflowStarted
from schemas.json_text import JsonError, canonical, parse_object
from streams.domain.instance.advance import leave
from streams.domain.instance.event_scopes import arm_workflow
from streams.domain.instance.fitting import unfit_start
from streams.domain.instance.lifecycle import illegal
from streams.domain.instance.limits import too_large
from streams.domain.instance.state import InstanceState
from streams.domain.instance.variables import given_variables
from streams.domain.instance.work import Work
from streams.domain.net.graph import Graph, graph_of
from streams.domain.net.model import Definition
from streams.domain.net.starts import name_of, triggered_starts
from streams.domain.net.version_ranges import listed
from streams.domain.protocol import Decision, Outcome, Rejected

Beginning = RunInstance | CreateInstance | StartChild
NO_METADATA: Final = b"{}"


def decide_run(command: RunInstance, state: InstanceState | None, ctx: Decision) -> Outcome:
    """Create and start."""
    return _begin(command, state, ctx, NO_PARENT)


def decide_child(command: StartChild, state: InstanceState | None, ctx: Decision) -> Outcome:
    """Create and start a child; its end is told to the parent's call."""
    parent = Parent(command.parent_id, command.parent_incarnation, command.parent_call)
    return _begin(command, state, ctx, parent)


def decide_create(command: CreateInstance, state: InstanceState | None, ctx: Decision) -> Outcome:
    """Create only."""
    prepared = _prepare(command, state, ctx)
    if isinstance(prepared, Rejected):
        return prepared
    graph, variables, metadata = prepared
    if not graph.start:
        return _no_start(graph)
    work = Work(None, ctx)
    name, version = graph.definition.id, graph.version
    work.emit(WorkflowCreated(name, version, variables, NO_PARENT, metadata))
    return work.accepted()


def decide_start(_: StartInstance, state: InstanceState, ctx: Decision) -> Outcome:
    """Start what was created."""
    refusal = illegal("StartInstance", state.status)
    if refusal is not None:
        return refusal
    work = Work(state, ctx)
    name, version = state.definition_id, state.definition_version

    def cause(moves: Moves) -> WorkflowStarted:
        return WorkflowStarted(name, version, {}, state.parent, moves)

    leave(work, work.graph.start, [], {}, cause)
    arm_workflow(work)
    return work.accepted()


def _begin(
    command: Beginning, state: InstanceState | None, ctx: Decision, parent: Parent
) -> Outcome:
    prepared = _prepare(command, state, ctx)
    if isinstance(prepared, Rejected):
        return prepared
    graph, variables, metadata = prepared
    if not graph.start:
        return _no_start(graph)
    work = Work(None, ctx)
    work.use(graph)

    def cause(moves: Moves) -> WorkflowStarted:
        rest = Moves(moves.consumed, moves.produced, moves.path)
        name, version = graph.definition.id, graph.version
        return WorkflowStarted(name, version, variables, parent, rest, metadata)

    leave(work, graph.start, [], variables, cause)
    arm_workflow(work)
    return work.accepted()


def _no_start(graph: Graph) -> Rejected:
    definition = graph.definition
    causes = [" ".join(name_of(kind)) for _, kind in triggered_starts(definition)]
    return Rejected(
        "InvalidInput",
        f"{definition.id} {definition.version} has no start without a trigger: it is started by "
        f"{', '.join(causes)}; wait for that, or add a node `start: {{type: start}}`",
    )


def _prepare(
    command: Beginning, state: InstanceState | None, ctx: Decision
) -> tuple[Graph, dict[str, bytes], bytes] | Rejected:
    """Find the definition, read variables and metadata."""
    if state is not None:
        return exists_already(state, ctx)
    definition = _wanted(command, ctx)
    if isinstance(definition, Rejected):
        return definition
    graph = graph_of(definition)
    variables = given_variables(command.variables)
    if isinstance(variables, Rejected):
        return variables
    if graph.default_variables:
        variables = {**graph.default_variables, **variables}
    if graph.schemas is not None:
        unfit = unfit_start(graph.schemas, variables)
        if unfit is not None:
            return unfit
    metadata = NO_METADATA
    if not isinstance(command, StartChild) and command.metadata != NO_METADATA:
        given = _metadata(command.metadata, ctx)
        if isinstance(given, Rejected):
            return given
        metadata = given
    return too_large(variables, ctx) or (graph, variables, metadata)


def _wanted(command: Beginning, ctx: Decision) -> Definition | Rejected:
    """Return what is to begin; a deleted version only as the child of what may run it."""
    name, version, known = command.definition_id, command.version, ctx.definitions
    definition = known.find(ctx.tenant, name, version)
    if definition is None:
        return _unknown(name, version, ctx)
    if not version or isinstance(command, StartChild):
        return definition
    if not known.is_deleted(ctx.tenant, name, version):
        return definition
    left = known.versions(ctx.tenant, name)
    what = f"published are {listed(left)}" if left else "publish a newer version"
    return Rejected(
        "NotFound", f"version {version} of definition {name!r} is deleted, and not run anew: {what}"
    )


def _unknown(name: str, version: str, ctx: Decision) -> Rejected:
    """Return the refusal of a definition or a version that there is not."""
    known = ctx.definitions.versions(ctx.tenant, name)
    which = f"version {version} of definition" if version else "definition"
    what = f"published are {listed(known)}" if known else "see `tidemill definition list`"
    return Rejected("NotFound", f"{which} {name!r} is not published: {what}")


def exists_already(state: InstanceState, ctx: Decision) -> Rejected:
    """Return the refusal of a start whose id is taken."""
    message = f"instance {ctx.aggregate_id!r} exists already and is {state.status}"
    return Rejected("already_exists", message)


def _metadata(given: bytes, ctx: Decision) -> bytes | Rejected:
    """Return an instance's metadata as canonical JSON."""
    try:
        metadata = canonical(parse_object(given))
    except JsonError as error:
        return Rejected("InvalidInput", f"metadata: {error}")
    if len(metadata) > ctx.limits.variable:
        return Rejected(
            "limit_exceeded",
            f"the metadata have {len(metadata)} bytes, the limit is {ctx.limits.variable} "
            "(variable_bytes_max)",
        )
    return metadata
