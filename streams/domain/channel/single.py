"""Single starts: of one definition, one instance at a time lives that this channel started.

Which version starts it the definition says; whether none lives the channel decides, where all
messages of a name and key come by ([0016](../../docs/adr/0016-single-starts-at-the-channel.md)).
"""

from __future__ import annotations

from schemas import channel_events as e
from schemas.commands import TriggerInstance
from schemas.start_commands import EndSingle, StartSingle
from streams.domain.channel.starts import end_asking, start_by_message
from streams.domain.channel.state import ChannelState, is_buffered
from streams.domain.channel.subscribe import asked_of, owner_of
from streams.domain.channel.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome, SendCommand


def decide_single(command: StartSingle, state: ChannelState, ctx: Decision) -> Outcome:
    """Start the instance, or keep the message until the one that lives has ended."""
    found = asked_of(command, state)
    if found is None:
        return Accepted([], [], state)
    work = Work(state, ctx)
    number, owner = found.offers[0], owner_of(found)
    living = state.singles.get(command.owner_id)
    if living:
        reason = f"{living} lives, which it started before"
        work.match(e.MessageRejected(number, command.message_id, *owner, reason))
        if not found.closed:
            end_asking(work, found)
        work.expire()
        return work.accepted()
    message = state.messages[number]
    single = command.instance_id
    work.match(e.MessageCorrelated(number, message.id, *owner, ended=True, single=single))
    run = TriggerInstance(
        command.owner_id,
        command.version,
        command.node,
        "message",
        message.payload,
        message.id,
        single=ctx.aggregate_id,
    )
    # By the topic, so that whoever decides it waits for the version to be known there.
    work.effects.append(SendCommand("instance", single, "", run, hop=True))
    return work.accepted()


def decide_end_single(command: EndSingle, state: ChannelState, ctx: Decision) -> Outcome:
    """Let the oldest message that waits start the next."""
    if state.singles.get(command.definition_id) != command.instance_id:
        return Accepted([], [], state)
    work = Work(state, ctx)
    work.emit(e.SingleEnded(command.definition_id, command.instance_id))
    work.expire()
    waiting = (n for n, message in work.state.messages.items() if is_buffered(message))
    oldest = next(waiting, 0)
    if oldest:
        start_by_message(work, oldest)
    return work.accepted()
