"""The device: absorbs redelivered readings, keeps the last values, judges what waits for them.

Telemetry is no command: it has no event and no reply. The state is derived and lies
outside `verify`; the waits are its watch's, which lives beside it (`ctx.beside`), and whose
events say what came about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.commands import FireTimer, RetryIncident
from schemas.json_text import JsonError, canonical, parse_object
from schemas.telemetry import DeviceCheck, Reading
from schemas.watch_commands import LookForStarts, StandWatch, UnwatchDevice, WatchDevice
from streams.domain.device import state as s
from streams.domain.device.index import Index, index_of
from streams.domain.device.judge import Judge, Seen, without
from streams.domain.device.state import EMPTY, DeviceState
from streams.domain.protocol import (
    Accepted,
    Decision,
    EventPlace,
    Outcome,
    Rejected,
    SendCommand,
)

WINDOW = 1_024
_HASH_BYTES = 6
_NONE: Final = Index({})


def decide(command: msgspec.Struct, state: DeviceState | None, ctx: Decision) -> Outcome:
    """Take a reading, a change of the waits, or a moment."""
    before = state or EMPTY
    if isinstance(command, Reading):
        return _reading(command, before, ctx)
    if isinstance(command, RetryIncident):
        return _retry(state, ctx)
    verb = VERBS.get(type(command))
    if verb is None:
        return Rejected("UnsupportedOperation", "devices take readings only")
    return verb(command, before, ctx)


def _retry(state: DeviceState | None, ctx: Decision) -> Outcome:
    """Let the timers go on that a defect has stopped; the shard keeps that they are stopped."""
    if state is None:
        return Rejected("NotFound", f"device {ctx.aggregate_id!r} has said nothing yet")
    return Accepted([], [], state)


def _reading(command: Reading, before: DeviceState, ctx: Decision) -> Outcome:
    """Take a reading; one that was taken before has no effect."""
    known = hashlib.blake2b(command.reading_id.encode(), digest_size=_HASH_BYTES).digest()
    if _contains(before.recent, known):
        return Accepted([], [], before)
    try:
        metrics = parse_object(command.metrics)
    except JsonError as error:
        return Rejected("InvalidInput", f"metrics of {ctx.aggregate_id}: {error}")
    starts = ctx.definitions.device_starts(ctx.tenant)
    if starts.mark != before.starts:
        if before.watched or starts.of(ctx.aggregate_id):
            return _stand(before, starts.mark, ctx, command)
        before = replace(before, starts=starts.mark)
    # A clock that is ahead, or gave no time, would order all that follows behind it.
    arrived = min(command.arrival_time or ctx.now, ctx.now)
    moment = min(command.device_time or arrived, arrived)
    newest = moment >= before.moment
    former = parse_object(before.metrics)
    merged = {**former, **metrics} if newest else former
    after = DeviceState(
        canonical(merged) if newest else before.metrics,
        max(before.device_time, command.device_time),
        max(before.arrival_time, command.arrival_time),
        before.readings + 1,
        (before.recent + known)[-WINDOW * _HASH_BYTES :],
        max(before.moment, moment),
        max(before.heard, arrived),
        *_waits_of(before),
    )
    if not before.watched:
        return Accepted([], [], after)
    seen = Seen(
        ctx.aggregate_id,
        ctx.now,
        moment,
        merged,
        metrics,
        former,
        command.event_type,
        before.heard,
        before.readings,
    )
    judge = Judge(after, seen, _index(ctx))
    judge.events()
    judge.silences(arrived, before.heard)
    if newest:
        judge.levels()
    return Accepted([], [*judge.effects()], judge.state)


def _stand(state: DeviceState, mark: bytes, ctx: Decision, *readings: Reading) -> Outcome:
    """Let the watch open and end what definitions are started by, before a reading is judged."""
    stand = SendCommand("watch", ctx.aggregate_id, "", StandWatch(list(readings)))
    return Accepted([], [stand], replace(state, starts=mark))


def _waits_of(state: DeviceState) -> tuple[Any, ...]:
    """Return the fields that are about waits, in their order; most devices have none."""
    if not state.watched and not state.starts:
        return ()
    return (
        state.watched,
        state.fresh,
        state.holds,
        state.held_at,
        state.silences,
        state.quiet,
        state.asked_at,
        state.starts,
    )


def _contains(recent: bytes, known: bytes) -> bool:
    at = recent.find(known)
    while at >= 0:
        if at % _HASH_BYTES == 0:
            return True
        at = recent.find(known, at + 1)
    return False


def _index(ctx: Decision) -> Index:
    return _NONE if ctx.beside is None else index_of(ctx.beside.waits)


def _judge(state: DeviceState, ctx: Decision) -> Judge:
    """Return a judge of what the device said last."""
    metrics = parse_object(state.metrics)
    seen = Seen(
        ctx.aggregate_id,
        ctx.now,
        state.moment,
        metrics,
        former=metrics,
        heard=state.heard,
        count=state.readings,
    )
    return Judge(state, seen, _index(ctx))


def _watch(command: WatchDevice, state: DeviceState, ctx: Decision) -> Outcome:
    """Begin to judge a wait."""
    index = _index(ctx)
    if command.wait not in index.by_number:
        return Accepted([], [], state)
    judge = _judge(replace(state, watched=len(index.by_number)), ctx)
    judge.opened(command.wait)
    return Accepted([], [*judge.effects()], judge.state)


def _look(command: LookForStarts, state: DeviceState, ctx: Decision) -> Outcome:
    """See without a reading what definitions are started by: a silent device has none."""
    name, version = command.definition_id, command.version
    if ctx.definitions.find(ctx.tenant, name, version) is None:
        # As a dead letter, not as a rejection that nobody reads: its silence is not to be lost.
        raise LookupError(f"definition {name} {version} is not known to this engine")
    starts = ctx.definitions.device_starts(ctx.tenant)
    if starts.mark == state.starts or not (state.watched or starts.of(ctx.aggregate_id)):
        return Accepted([], [], state)
    return _stand(state, starts.mark, ctx)


def _unwatch(command: UnwatchDevice, state: DeviceState, ctx: Decision) -> Outcome:
    """Judge a wait no longer."""
    after = without(state, command.wait)
    return Accepted([], [], replace(after, watched=len(_index(ctx).by_number)))


def _fire(_: FireTimer, state: DeviceState, ctx: Decision) -> Outcome:
    """Put off what readings have put off; where time seems over, mark the readings so far.

    Readings may lie unread: an engine that was down would take its own absence for the device's.
    """
    judge = _judge(replace(state, asked_at=0), ctx)
    if not judge.may_be_over():
        return Accepted([], [], judge.state)
    mark = SendCommand("device", ctx.aggregate_id, "", DeviceCheck(ctx.now), hop=True)
    return Accepted([], [mark], replace(judge.state, asked_at=ctx.now))


def _check(command: DeviceCheck, state: DeviceState, ctx: Decision) -> Outcome:
    """Judge by the clock: every reading before the mark is known."""
    judge = _judge(state, ctx)
    clock = min(command.asked_at, ctx.now)
    judge.looked(clock)
    after = judge.state
    if state.asked_at <= clock:
        after = replace(after, asked_at=0)
    return Accepted([], [*judge.effects()], after)


VERBS: Final[dict[type[msgspec.Struct], Callable[[Any, DeviceState, Decision], Outcome]]] = {
    WatchDevice: _watch,
    UnwatchDevice: _unwatch,
    LookForStarts: _look,
    FireTimer: _fire,
    DeviceCheck: _check,
}


class DeviceAggregate:
    """Implements `protocol.Aggregate`."""

    type = "device"
    form = 2
    has_incidents = False

    decide = staticmethod(decide)
    encode = staticmethod(s.encode)
    decode = staticmethod(s.decode)
    next_due = staticmethod(s.next_due)

    @staticmethod
    def evolve(state: Any | None, _event: msgspec.Struct, _at: EventPlace) -> Any:
        """Return the state as it is: devices have no events."""
        return state

    @staticmethod
    def sequence(_state: DeviceState) -> int:
        """Return 0: devices have no events."""
        return 0

    @staticmethod
    def incarnation(_state: DeviceState) -> str:
        """Return nothing: a device has one life."""
        return ""

    @staticmethod
    def is_finished(_state: DeviceState) -> bool:
        """Return False: a device is never over."""
        return False

    @staticmethod
    def remnant(state: DeviceState) -> DeviceState:
        """Return the state: a device is never over."""
        return state


DEVICE: Final = DeviceAggregate()
