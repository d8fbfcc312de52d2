"""`PublishDefinition`: what is well formed is submitted; the verifier's verdict decides."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.commands import PublishDefinition
from schemas.definition_events import DefinitionSubmitted
from schemas.json_text import canonical
from streams.domain.definition.group import fault_of, joined
from streams.domain.definition.state import (
    DELETED,
    REFUSED,
    SUBMITTED,
    DefinitionState,
    VersionState,
    accepted,
    source_hash,
)
from streams.domain.net.model import Activity, Definition
from streams.domain.protocol import (
    Accepted,
    Decision,
    Outcome,
    RecordDefinition,
    Rejected,
)


def decide_publish(command: PublishDefinition, state: DefinitionState, ctx: Decision) -> Outcome:
    """Submit a version for verification, unless it is known with this source already."""
    definition = ctx.read_definition(command)
    if isinstance(definition, list):
        return Rejected("InvalidDefinition", "\n".join(definition))
    if definition.id != ctx.aggregate_id:
        return Rejected(
            "InvalidInput",
            f"the source is of definition {definition.id!r}, the command is for "
            f"{ctx.aggregate_id!r}",
        )
    fault = fault_of(command.sound_with, ctx.aggregate_id)
    if fault:
        return Rejected("InvalidInput", f"sound_with: {fault}")
    version = str(definition.version)
    known = state.versions.get(version)
    if known is not None and (_is_repeated(command, known, ctx) or known.status != REFUSED):
        return _of_known(command, state, ctx, version, known)
    return _refusal(definition, state, ctx) or _submitted(command, state, ctx, version)


def _is_repeated(command: PublishDefinition, known: VersionState, ctx: Decision) -> bool:
    """Tell whether this very command has submitted the version."""
    return known.command_id == ctx.command_id and known.source_hash == source_hash(command.source)


def _of_known(
    command: PublishDefinition,
    state: DefinitionState,
    ctx: Decision,
    version: str,
    known: VersionState,
) -> Outcome:
    """Absorb the source that is known; of a pending one, more may be allowed, or asked."""
    if known.status == DELETED:
        return Rejected(
            "InvalidVersion",
            f"version {version} was deleted, and its number is never used again: raise the version",
        )
    if known.source_hash == source_hash(command.source):
        if known.is_pending and _asks_more(command, known):
            return _again(command, state, ctx, version, known)
        return Accepted([], [], state, _result(ctx, version, known.status, known.verdict))
    if known.is_pending:
        return Rejected(
            "InvalidVersion",
            f"version {version} was submitted with another source and waits for its verdict: "
            "wait for it, or raise the version",
        )
    return Rejected(
        "InvalidVersion",
        f"version {version} is published already and never changes: raise the version",
    )


def _asks_more(command: PublishDefinition, known: VersionState) -> bool:
    allows_more = command.allow_unsound and not known.allow_unsound
    return allows_more or not {*command.sound_with} <= {*known.sound_with}


def _again(
    command: PublishDefinition,
    state: DefinitionState,
    ctx: Decision,
    version: str,
    known: VersionState,
) -> Outcome:
    """Submit a pending version once more: what was allowed and asked before still holds."""
    names = joined(known.sound_with, command.sound_with)
    fault = fault_of(names, ctx.aggregate_id)
    if fault:
        return Rejected("InvalidInput", f"sound_with, with those of before: {fault}")
    allowed = command.allow_unsound or known.allow_unsound
    return _submitted(
        replace(command, allow_unsound=allowed, sound_with=names), state, ctx, version
    )


def _refusal(definition: Definition, state: DefinitionState, ctx: Decision) -> Rejected | None:
    last = state.last_published()
    if last is not None and definition.version <= last:
        return Rejected(
            "InvalidVersion",
            f"version {definition.version} is not greater than the last published one, {last}",
        )
    queues = {n.kind.queue for n in definition.nodes.values() if isinstance(n.kind, Activity)}
    for queue in sorted(queues):
        if not ctx.definitions.queue_exists(queue):
            return Rejected(
                "queue_missing",
                f"queue {queue!r} has no topic: run `tidemill topics apply --queue {queue}`",
            )
    return None


def _submitted(
    command: PublishDefinition, state: DefinitionState, ctx: Decision, version: str
) -> Accepted:
    name, source = ctx.aggregate_id, command.source
    allowed, states = command.allow_unsound, max(0, command.max_states)
    event = DefinitionSubmitted(
        name,
        version,
        source,
        allowed,
        states,
        is_pending=True,
        command_id=ctx.command_id,
        sound_with=command.sound_with,
    )
    record = RecordDefinition(
        name,
        version,
        SUBMITTED,
        source,
        allow_unsound=allowed,
        max_states=states,
        sound_with=command.sound_with,
    )
    return accepted(state, ctx, event, record, _result(ctx, version, SUBMITTED))


def _result(ctx: Decision, version: str, status: str, verdict: str = "") -> bytes:
    return canonical(
        {
            "definition_id": ctx.aggregate_id,
            "version": version,
            "status": status,
            "verdict": verdict,
        }
    )
