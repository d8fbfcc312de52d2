"""The state of a definition: its versions, and how each of them stands."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from msgspec.structs import replace

from schemas.definition_events import (
    DefinitionDeleted,
    DefinitionPublished,
    DefinitionRefused,
    DefinitionSubmitted,
    ListedStart,
    ScheduleFired,
)
from schemas.events import ErrorOccurred, IncidentResolved
from streams.domain.net.model import Version
from streams.domain.protocol import Accepted, Decision, EventPlace, RecordDefinition
from streams.domain.stalls import resolved, stalled

SUBMITTED, PUBLISHED, REFUSED, DELETED = "submitted", "published", "refused", "deleted"
SOUND, UNSOUND, UNKNOWN = "sound", "unsound", "unknown"
VERDICTS: Final = frozenset({SOUND, UNSOUND, UNKNOWN})


class VersionState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version: how it stands, and which source it is. Fields are only added at the end."""

    status: str
    source_hash: bytes
    allow_unsound: bool = False
    source: str = ""
    """Kept while a verdict is waited for: it is published with it."""
    command_id: str = ""
    """Of the last command that submitted it."""
    verdict: str = ""
    sound_with: list[str] = []
    """While a verdict is waited for: what it is to be sound together with."""

    @property
    def is_pending(self) -> bool:
        """Tell whether a verdict is waited for."""
        return self.status == SUBMITTED and bool(self.source)


class OpenStart(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A start event of the newest version. Fields are only added at the end."""

    node: str
    kind: str
    name: str
    due: int = 0
    """Timers: when it is due next, ms since 1970; 0: never."""
    schedule: str = ""
    missed: str = "once"
    single: bool = False


class DefinitionState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All versions of a definition. Fields are only ever added at the end."""

    sequence: int = 0
    versions: dict[str, VersionState] = {}
    newest: str = ""
    """The version whose starts these are; empty where it has none."""
    starts: list[OpenStart] = []
    incidents: dict[int, bytes] = {}
    """Commands that a defect kept from being applied, by sequence of `error.occurred`."""

    def last_published(self) -> Version | None:
        """Return the greatest published version, where there is one."""
        published = (v for v, one in self.versions.items() if one.status == PUBLISHED)
        return max(map(order, published), default=None)


EMPTY: Final = DefinitionState()


def source_hash(source: str) -> bytes:
    """Return what tells two sources apart."""
    return hashlib.blake2b(source.encode(), digest_size=16).digest()


def order(version: str) -> Version:
    """Read a version that was well formed when it was submitted."""
    major, minor, patch = version.split(".")
    return Version(int(major), int(minor), int(patch))


def evolve(state: DefinitionState | None, event: msgspec.Struct, at: EventPlace) -> DefinitionState:
    """Apply one event."""
    before = state or EMPTY
    versions = dict(before.versions)
    newest, starts, incidents = before.newest, before.starts, before.incidents
    if isinstance(event, DefinitionSubmitted):
        versions[event.version] = VersionState(
            SUBMITTED,
            source_hash(event.source),
            event.allow_unsound,
            event.source if event.is_pending else "",
            event.command_id,
            sound_with=event.sound_with,
        )
    elif isinstance(event, DefinitionPublished):
        versions[event.version] = _decided(versions[event.version], PUBLISHED, event.verdict)
        newest = event.version if event.starts else ""
        starts = [_open(one) for one in event.starts]
    elif isinstance(event, ScheduleFired):
        starts = [
            replace(one, due=event.next_due) if one.node == event.node else one for one in starts
        ]
    elif isinstance(event, DefinitionRefused):
        versions[event.version] = _decided(versions[event.version], REFUSED, event.verdict)
    elif isinstance(event, DefinitionDeleted):
        known = versions[event.version]
        versions[event.version] = _decided(known, DELETED, known.verdict)
        newest, starts = event.newest, [_open(one) for one in event.starts]
    elif isinstance(event, ErrorOccurred):
        incidents = stalled(incidents, event, at)
    elif isinstance(event, IncidentResolved):
        incidents = resolved(incidents, event)
    return DefinitionState(at.sequence, versions, newest, starts, incidents)


def _open(start: ListedStart) -> OpenStart:
    schedule, missed = start.schedule, start.missed
    return OpenStart(start.node, start.kind, start.name, start.due, schedule, missed, start.single)


def _decided(version: VersionState, status: str, verdict: str) -> VersionState:
    return replace(version, status=status, source="", verdict=verdict, sound_with=[])


def accepted(
    state: DefinitionState,
    ctx: Decision,
    event: msgspec.Struct,
    record: RecordDefinition,
    result: bytes = b"null",
) -> Accepted:
    """Return that one event happens, and what every process is to know of it."""
    place = EventPlace(ctx.aggregate_id, ctx.tenant, "", state.sequence + 1, ctx.now, ctx.actor)
    return Accepted([event], [record], evolve(state, event, place), result)
