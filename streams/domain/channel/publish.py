"""A client publishes a message or broadcasts a signal."""

from __future__ import annotations

from typing import NamedTuple

from schemas import channel_events as e
from schemas.commands import BroadcastSignal, ContinueBroadcast, PublishMessage
from schemas.ids import channel_id
from schemas.json_text import JsonError, canonical, parse
from streams.domain.channel.starts import listeners_of_signal, start_by_message
from streams.domain.channel.state import DEFINITION, EMPTY, ChannelState, id_hash, is_buffered
from streams.domain.channel.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected, SendCommand

NAME_LENGTH_MAX = 256
KEY_LENGTH_MAX = 1_024
ID_LENGTH_MAX = 256
TTL_MS_MAX = 100 * 366 * 86_400_000


class Given(NamedTuple):
    """What both commands have in common, and what is wrong with none of it."""

    kind: str
    name: str
    key: str
    id: str
    payload: bytes


def decide_publish(command: PublishMessage, state: ChannelState | None, ctx: Decision) -> Outcome:
    """Give a message to the first free subscription, or keep it for one."""
    given = Given("message", command.name, command.key, command.message_id, command.payload)
    if not 0 <= command.ttl_ms <= TTL_MS_MAX:
        return Rejected(
            "InvalidInput", f"ttl_ms lies between 0 and 100 years, {command.ttl_ms} does not"
        )
    prepared = _prepare(given, state or EMPTY, ctx)
    if not isinstance(prepared, Given):
        return prepared
    work = Work(state, ctx)
    work.expire()
    refusal = _no_room(prepared, work.state, ctx)
    if refusal is not None:
        return refusal
    until, forgotten = _memory(work.state, ctx)
    expires_at = ctx.now + command.ttl_ms
    name, key = prepared.name, prepared.key
    number = work.state.sequence + 1
    work.match(
        e.MessagePublished(prepared.id, name, key, prepared.payload, expires_at, until, forgotten)
    )
    start_by_message(work, number)
    work.expire()
    return work.accepted(_result(prepared, ctx))


def decide_broadcast(
    command: BroadcastSignal, state: ChannelState | None, ctx: Decision
) -> Outcome:
    """Give a signal to everything that waits now."""
    given = Given("signal", command.name, "", command.signal_id, command.payload)
    prepared = _prepare(given, state or EMPTY, ctx)
    if not isinstance(prepared, Given):
        return prepared
    work = Work(state, ctx)
    refusal = _no_room(prepared, work.state, ctx)
    if refusal is not None:
        return refusal
    listeners = listeners_of_signal(work, prepared.name)
    number = work.state.sequence + 1
    offers, cursor = served(work.state, number, 0, ctx.limits.fan_out)
    offers += [e.Offer(number, ref) for ref in listeners]
    until, forgotten = _memory(work.state, ctx)
    name, payload = prepared.name, prepared.payload
    work.emit(e.SignalBroadcast(prepared.id, name, payload, until, forgotten, offers, cursor))
    _go_on(work, number, offers, cursor)
    return work.accepted(_result(prepared, ctx))


def decide_continue(command: ContinueBroadcast, state: ChannelState, ctx: Decision) -> Outcome:
    """Give a signal to the next of those that waited when it was broadcast."""
    number = command.broadcast
    signal = state.messages.get(number)
    if signal is None or not signal.cursor or signal.cursor != command.cursor:
        return Accepted([], [], state)
    work = Work(state, ctx)
    offers, cursor = served(state, number, signal.cursor, ctx.limits.fan_out)
    work.emit(e.MessageOffered(offers, number, cursor))
    _go_on(work, number, offers, cursor)
    return work.accepted()


def served(state: ChannelState, number: int, after: int, fan_out: int) -> tuple[list[e.Offer], int]:
    """Return whom a signal goes to next, and where its broadcast goes on; 0 for nowhere.

    A subscription that takes one signal only has its one while an offer is open.
    """
    offers: list[e.Offer] = []
    last = 0
    for ref, found in state.subscriptions.items():
        if found.opened <= after or found.closed or found.owner_type == DEFINITION:
            continue
        if found.once and found.offers:
            continue
        if found.opened > number:
            break
        if len(offers) == fan_out:
            return offers, last
        offers.append(e.Offer(number, ref))
        last = found.opened
    return offers, 0


def _go_on(work: Work, number: int, offers: list[e.Offer], cursor: int) -> None:
    work.ask(offers)
    if cursor:
        body = ContinueBroadcast(number, cursor)
        work.effects.append(SendCommand("channel", work.ctx.aggregate_id, "", body, hop=True))


def _prepare(given: Given, state: ChannelState, ctx: Decision) -> Given | Outcome:
    """Check and complete what a client gave; what was published before has no effect."""
    refusal = _wrong(given, ctx)
    if refusal is not None:
        return refusal
    try:
        payload = canonical(parse(given.payload))
    except JsonError as error:
        return Rejected("InvalidInput", f"payload: {error}")
    if len(payload) > ctx.limits.variable:
        return Rejected(
            "limit_exceeded",
            f"the payload has {len(payload)} bytes, the limit is {ctx.limits.variable} "
            "(variable_bytes_max): pass large data by reference",
        )
    complete = given._replace(id=given.id or ctx.command_id, payload=payload)
    if state.recent.get(id_hash(complete.id), 0) > ctx.now or _held(complete.id, state, ctx.now):
        return Accepted([], [], state, _result(complete, ctx))
    return complete


def _held(message_id: str, state: ChannelState, now: int) -> bool:
    """Tell whether a message of this id is still to be taken, whatever was forgotten."""
    return any(
        one.id == message_id and not (one.expires_at <= now and is_buffered(one))
        for one in state.messages.values()
    )


def _wrong(given: Given, ctx: Decision) -> Rejected | None:
    for what, text, least, most in (
        ("name", given.name, 1, NAME_LENGTH_MAX),
        ("correlation key", given.key, 0, KEY_LENGTH_MAX),
        (f"{given.kind}_id", given.id, 0, ID_LENGTH_MAX),
    ):
        if not least <= len(text) <= most:
            return Rejected(
                "InvalidInput",
                f"a {given.kind}'s {what} has {least} to {most} characters, not {len(text)}",
            )
    channel = channel_id(given.kind, given.name, given.key)
    if channel == ctx.aggregate_id:
        return None
    return Rejected(
        "InvalidInput",
        f"{given.kind} {given.name!r} with key {given.key!r} belongs to the channel {channel!r}, "
        f"the command is for {ctx.aggregate_id!r}: see channel_id in schemas/ids.py",
    )


def _no_room(given: Given, state: ChannelState, ctx: Decision) -> Rejected | None:
    limits = ctx.limits
    if len(state.messages) >= limits.messages:
        return Rejected(
            "limit_exceeded",
            f"channel {ctx.aggregate_id!r} holds {len(state.messages)} messages that nobody has "
            f"taken yet, the limit is {limits.messages} (channel_messages_max): try again later, "
            "or publish with a shorter time to live",
        )
    size = len(given.payload) + sum(len(one.payload) for one in state.messages.values())
    if size > limits.state:
        return Rejected(
            "limit_exceeded",
            f"with this message channel {ctx.aggregate_id!r} would hold {size} bytes, the limit "
            f"is {limits.state} (state_bytes_max): try again later, or pass data by reference",
        )
    return None


def _memory(state: ChannelState, ctx: Decision) -> tuple[int, int]:
    """Return until when the new id is remembered, and how many old ones are forgotten for it."""
    limits = ctx.limits
    forgotten = max(0, len(state.recent) + 1 - limits.message_ids)
    for place, until in enumerate(state.recent.values()):
        if place >= forgotten and until > ctx.now:
            break
        forgotten = max(forgotten, place + 1)
    return ctx.now + limits.message_window, forgotten


def _result(given: Given, ctx: Decision) -> bytes:
    return canonical({"channel": ctx.aggregate_id, f"{given.kind}_id": given.id})
