"""The definition aggregate: submitted, published, and never changed again."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.commands import PublishDefinition
from schemas.events import DefinitionPublished, DefinitionRefused, DefinitionSubmitted
from schemas.json_text import canonical
from streams.domain.net.model import Activity, Definition, Version
from streams.domain.protocol import (
    Accepted,
    Decision,
    EventPlace,
    Outcome,
    RecordDefinition,
    Rejected,
    conflict,
)

SUBMITTED, PUBLISHED, REFUSED = "submitted", "published", "refused"


class VersionState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version: how it stands, and which source it is."""

    status: str
    source_hash: bytes


class DefinitionState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All versions of a definition. Fields are only ever added at the end."""

    sequence: int = 0
    versions: dict[str, VersionState] = {}


_EMPTY = DefinitionState()


def source_hash(source: str) -> bytes:
    """Return what tells two sources apart."""
    return hashlib.blake2b(source.encode(), digest_size=16).digest()


def decide(command: msgspec.Struct, state: DefinitionState | None, ctx: Decision) -> Outcome:
    """Publish a definition: at once, as its structure is all that is judged so far."""
    if not isinstance(command, PublishDefinition):
        return Rejected("UnsupportedOperation", "definitions take PublishDefinition only")
    before = state or _EMPTY
    if 0 <= ctx.expected_sequence != before.sequence:
        return conflict(ctx, before.sequence)
    definition = ctx.read_definition(command)
    if isinstance(definition, list):
        return Rejected("InvalidDefinition", "\n".join(definition))
    refusal = _refusal(command, before, ctx, definition)
    if refusal is not None:
        return refusal
    version = str(definition.version)
    result = canonical({"definition_id": definition.id, "version": version})
    known = before.versions.get(version)
    if known is not None:
        return Accepted([], [], before, result)
    events: list[msgspec.Struct] = [
        DefinitionSubmitted(definition.id, version, command.source),
        DefinitionPublished(definition.id, version),
    ]
    after: DefinitionState | None = state
    for number, event in enumerate(events, before.sequence + 1):
        place = EventPlace(ctx.aggregate_id, ctx.tenant, "", number, ctx.now, ctx.actor)
        after = evolve(after, event, place)
    record = RecordDefinition(definition.id, version, PUBLISHED, command.source)
    return Accepted(events, [record], after, result)


def _refusal(
    command: PublishDefinition, state: DefinitionState, ctx: Decision, definition: Definition
) -> Rejected | None:
    if definition.id != ctx.aggregate_id:
        return Rejected(
            "InvalidInput",
            f"the source is of definition {definition.id!r}, the command is for "
            f"{ctx.aggregate_id!r}",
        )
    version = str(definition.version)
    known = state.versions.get(version)
    if known is not None:
        if known.source_hash == source_hash(command.source):
            return None
        return Rejected(
            "InvalidVersion",
            f"version {version} is published already and never changes: raise the version",
        )
    last = max((_order(v) for v in state.versions), default=None)
    if last is not None and definition.version <= last:
        return Rejected(
            "InvalidVersion", f"version {version} is not greater than the last one, {last}"
        )
    queues = {n.kind.queue for n in definition.nodes.values() if isinstance(n.kind, Activity)}
    for queue in sorted(queues):
        if not ctx.definitions.queue_exists(queue):
            return Rejected(
                "queue_missing",
                f"queue {queue!r} has no topic: run `tidemill topics apply --queue {queue}`",
            )
    return None


def _order(version: str) -> Version:
    major, minor, patch = version.split(".")
    return Version(int(major), int(minor), int(patch))


def evolve(state: DefinitionState | None, event: msgspec.Struct, at: EventPlace) -> DefinitionState:
    """Apply one event."""
    before = state or _EMPTY
    versions = dict(before.versions)
    if isinstance(event, DefinitionSubmitted):
        versions[event.version] = VersionState(SUBMITTED, source_hash(event.source))
    elif isinstance(event, DefinitionPublished):
        versions[event.version] = replace(versions[event.version], status=PUBLISHED)
    elif isinstance(event, DefinitionRefused):
        versions[event.version] = replace(versions[event.version], status=REFUSED)
    return DefinitionState(at.sequence, versions)


class DefinitionAggregate:
    """Implements `protocol.Aggregate`."""

    type = "definition"
    form = 1
    has_incidents = False

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(msgspec.msgpack.Encoder().encode)
    decode = staticmethod(msgspec.msgpack.Decoder(DefinitionState).decode)

    @staticmethod
    def sequence(state: DefinitionState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(_state: DefinitionState) -> str:
        """Return nothing: a definition has one life."""
        return ""

    @staticmethod
    def next_due(_state: DefinitionState, _beats: dict[int, int]) -> int:
        """Return 0: definitions wait for nothing."""
        return 0

    @staticmethod
    def is_finished(_state: DefinitionState) -> bool:
        """Return False: a definition is never over."""
        return False

    @staticmethod
    def remnant(state: DefinitionState) -> Any:
        """Return the state: a definition is never over."""
        return state


DEFINITION: Final = DefinitionAggregate()
