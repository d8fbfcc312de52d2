"""The activity type: a name, what goes in and comes out, and who answers for it.

Nothing is decided by it: it is read by who validates definitions and by people. Its events come
only where something changes, so that a hundred workers that start say it once.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.activity_type_commands import RegisterActivityType, RemoveActivityType
from schemas.activity_type_events import ActivityTypeRegistered, ActivityTypeRemoved
from schemas.activity_types import ActivityTypeRecord
from schemas.json_text import JsonError, canonical, parse
from streams.domain.expressions.json_schema import JsonSchema, SchemaError
from streams.domain.net.model import COMPENSATE, FAIL_WORKFLOW, MANUAL_INTERVENTION, SKIP
from streams.domain.protocol import (
    Accepted,
    Decision,
    EventPlace,
    Outcome,
    RecordActivityType,
    Rejected,
    conflict,
)

REGISTERED, REMOVED = "registered", "removed"
STRATEGIES: Final = ("", FAIL_WORKFLOW, SKIP, MANUAL_INTERVENTION, COMPENSATE)
TEXT_MAX: Final = 4_000
_SAID: Final = (
    "queue",
    "description",
    "input_schema",
    "output_schema",
    "schedule_to_start_ms",
    "start_to_close_ms",
    "heartbeat_ms",
    "on_failure",
    "owner",
)
"""What a registration says, besides who reports it."""


class ActivityTypeState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a type. Fields are only ever added at the end."""

    sequence: int = 0
    status: str = ""
    queue: str = ""
    description: str = ""
    input_schema: bytes = b""
    output_schema: bytes = b""
    schedule_to_start_ms: int = 0
    start_to_close_ms: int = 0
    heartbeat_ms: int = 0
    on_failure: str = ""
    owner: str = ""


EMPTY: Final = ActivityTypeState()


def decide(command: msgspec.Struct, state: ActivityTypeState | None, ctx: Decision) -> Outcome:
    """Decide a command for an activity type."""
    before = state or EMPTY
    if 0 <= ctx.expected_sequence != before.sequence:
        return conflict(ctx, before.sequence)
    if isinstance(command, RegisterActivityType):
        return _register(command, before, ctx)
    if isinstance(command, RemoveActivityType):
        return _remove(command, before, ctx)
    return Rejected(
        "UnsupportedOperation",
        "activity types take RegisterActivityType and RemoveActivityType only",
    )


def _register(command: RegisterActivityType, state: ActivityTypeState, ctx: Decision) -> Outcome:
    known = state if state.status == REGISTERED else EMPTY
    said = {name: getattr(command, name) or getattr(known, name) for name in _SAID}
    try:
        for name in ("input_schema", "output_schema"):
            said[name] = _schema(name, said[name])
    except ValueError as error:
        return Rejected("InvalidInput", str(error))
    refusal = _refusal(said)
    if refusal:
        return Rejected("InvalidInput", refusal)
    if known is state and all(getattr(known, name) == value for name, value in said.items()):
        return Accepted([], [], state, _result(ctx, state.sequence))
    return _accepted(
        state,
        ctx,
        ActivityTypeRegistered(ctx.aggregate_id, **said, worker=command.worker),
        ActivityTypeRecord(ctx.aggregate_id, REGISTERED, **said, updated_at=ctx.now),
    )


def _schema(name: str, text: bytes) -> bytes:
    """Return a schema in one spelling; `ValueError` where it is none."""
    if not text:
        return b""
    try:
        source = parse(text)
        JsonSchema(source)
    except (JsonError, SchemaError) as error:
        raise ValueError(f"{name} is no JSON Schema: {error}") from None
    return canonical(source)


def _refusal(said: dict[str, Any]) -> str:
    if said["on_failure"] not in STRATEGIES:
        names = ", ".join(STRATEGIES[1:])
        return f"on_failure {said['on_failure']!r} is no strategy: it is one of {names}"
    for name in ("description", "owner", "queue"):
        if len(said[name]) > TEXT_MAX:
            return f"{name} has more than {TEXT_MAX} characters"
    for name in ("schedule_to_start_ms", "start_to_close_ms", "heartbeat_ms"):
        if said[name] < 0:
            return f"{name} is below 0"
    return ""


def _remove(command: RemoveActivityType, state: ActivityTypeState, ctx: Decision) -> Outcome:
    if state.status != REGISTERED:
        if state.status == REMOVED:
            return Accepted([], [], state, _result(ctx, state.sequence))
        return Rejected(
            "NotFound",
            f"the activity type {ctx.aggregate_id!r} is not registered: see "
            "`tidemill activity-type list`",
        )
    return _accepted(
        state,
        ctx,
        ActivityTypeRemoved(ctx.aggregate_id, command.reason[: ctx.limits.reason]),
        ActivityTypeRecord(ctx.aggregate_id, REMOVED, updated_at=ctx.now),
    )


def _accepted(
    state: ActivityTypeState, ctx: Decision, event: msgspec.Struct, record: ActivityTypeRecord
) -> Accepted:
    place = EventPlace(ctx.aggregate_id, ctx.tenant, "", state.sequence + 1, ctx.now, ctx.actor)
    after = evolve(state, event, place)
    effects = [RecordActivityType(record)]
    return Accepted([event], [*effects], after, _result(ctx, after.sequence))


def _result(ctx: Decision, sequence: int) -> bytes:
    return canonical({"name": ctx.aggregate_id, "revision": sequence})


def evolve(
    state: ActivityTypeState | None, event: msgspec.Struct, at: EventPlace
) -> ActivityTypeState:
    """Apply one event."""
    if isinstance(event, ActivityTypeRegistered):
        said = {name: getattr(event, name) for name in _SAID}
        return ActivityTypeState(at.sequence, REGISTERED, **said)
    assert isinstance(event, ActivityTypeRemoved), state
    return ActivityTypeState(at.sequence, REMOVED)


class ActivityTypeAggregate:
    """Implements `protocol.Aggregate`."""

    type = "activity_type"
    form = 1
    has_incidents = False

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(msgspec.msgpack.Encoder().encode)
    decode = staticmethod(msgspec.msgpack.Decoder(ActivityTypeState).decode)

    @staticmethod
    def sequence(state: ActivityTypeState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(_state: ActivityTypeState) -> str:
        """Return nothing: a type has one life."""
        return ""

    @staticmethod
    def next_due(_state: ActivityTypeState, _beats: dict[int, int]) -> int:
        """Return 0: types wait for nothing."""
        return 0

    @staticmethod
    def is_finished(_state: ActivityTypeState) -> bool:
        """Return False: a type that is removed may come back."""
        return False

    @staticmethod
    def remnant(state: ActivityTypeState) -> Any:
        """Return the state: it is small."""
        return state


ACTIVITY_TYPE: Final = ActivityTypeAggregate()
