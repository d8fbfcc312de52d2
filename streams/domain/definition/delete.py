"""`DeleteDefinition`: nothing new starts from a version any more, and what runs goes on with it.

A deleted version stays known under its exact number, for the instances that run it and for the
children that they call by it. The newest version that is left takes over what starts instances.
"""

from __future__ import annotations

from schemas.definition_commands import DeleteDefinition
from schemas.definition_events import DefinitionDeleted, ListedStart
from schemas.json_text import canonical
from streams.domain.definition.starts import lookers, starts_of_source
from streams.domain.definition.state import (
    DELETED,
    PUBLISHED,
    DefinitionState,
    OpenStart,
    evolve,
    order,
)
from streams.domain.protocol import (
    Accepted,
    Decision,
    Effect,
    EventPlace,
    Outcome,
    RecordDefinition,
    Rejected,
)


def decide_delete(command: DeleteDefinition, state: DefinitionState, ctx: Decision) -> Outcome:
    """Delete one version, or all; what is deleted already is absorbed."""
    wanted = command.version
    if wanted and wanted not in state.versions:
        return Rejected(
            "NotFound",
            f"version {wanted!r} of {ctx.aggregate_id!r} is not known: "
            "see `tidemill definition list --all`",
        )
    named = [wanted] if wanted else sorted(state.versions, key=order)
    left = [one for one in named if state.versions[one].status != DELETED]
    events: list[DefinitionDeleted] = []
    effects: list[Effect] = []
    for version in left:
        step = _deleted(version, command.reason, state, ctx)
        if isinstance(step, Rejected):
            return step
        event, record = step
        effects.append(record)
        if event.was_published:
            effects += lookers(state, event)
        place = EventPlace(ctx.aggregate_id, ctx.tenant, "", state.sequence + 1, ctx.now, ctx.actor)
        state = evolve(state, event, place)
        events.append(event)
    result = canonical({"definition_id": ctx.aggregate_id, "deleted": left})
    return Accepted([*events], effects, state, result)


def _deleted(
    version: str, reason: str, state: DefinitionState, ctx: Decision
) -> tuple[DefinitionDeleted, RecordDefinition] | Rejected:
    name, known = ctx.aggregate_id, state.versions[version]
    was_published = known.status == PUBLISHED
    source = known.source or ctx.definitions.source(ctx.tenant, name, version)
    if was_published and not source:
        return _behind(version, ctx)  # The record must hold it, for whatever runs it.
    newest, starts = state.newest, [_kept(one) for one in state.starts]
    if was_published and order(version) == state.last_published():
        following = _following(version, state, ctx)
        if isinstance(following, Rejected):
            return following
        newest, starts = following
    event = DefinitionDeleted(name, version, reason, was_published, newest, starts)
    record = RecordDefinition(
        name,
        version,
        DELETED,
        source,
        verdict=known.verdict,
        deletion=(ctx.now, ctx.actor, reason, was_published),
    )
    return event, record


def _following(
    version: str, state: DefinitionState, ctx: Decision
) -> tuple[str, list[ListedStart]] | Rejected:
    """Return the version that takes over, empty where it has no starts, and its starts."""
    left = [v for v, one in state.versions.items() if one.status == PUBLISHED and v != version]
    if not left:
        return "", []
    newest = max(left, key=order)
    source = ctx.definitions.source(ctx.tenant, ctx.aggregate_id, newest)
    if not source:
        return _behind(newest, ctx)
    starts = starts_of_source(source, state, ctx)
    return (newest if starts else ""), starts


def _kept(one: OpenStart) -> ListedStart:
    due, schedule = one.due, one.schedule
    return ListedStart(one.node, one.kind, one.name, due, schedule, one.missed, one.single)


def _behind(version: str, ctx: Decision) -> Rejected:
    return Rejected(
        "InvalidState",
        f"this engine has not read version {version} of {ctx.aggregate_id!r} yet, and nothing is "
        "deleted: send the command again, under a new id",
    )
