"""The starts of a definition's newest version: what a message, a signal or a device begins.

The definition alone decides: a channel that has a message or a signal of that name asks it, as
it asks any other that waits (docs/adr/0007), and so does the watch of a device; it takes what its
newest version has a start for. Publishing a newer version changes the answer, in one step.
"""

from __future__ import annotations

from typing import Final

from schemas.commands import (
    AcceptMessage,
    Correlate,
    PublishDefinition,
    RejectMessage,
    SubscriptionClosed,
    TriggerInstance,
)
from schemas.definition_events import DefinitionDeleted, DefinitionPublished, ListedStart
from schemas.ids import channel_address
from schemas.json_text import parse
from schemas.start_commands import StartSingle
from schemas.watch_commands import LookForStarts
from streams.domain.definition.ids import begun, started_id
from streams.domain.definition.state import DefinitionState, OpenStart
from streams.domain.definition.timed import first_due
from streams.domain.net.device_starts import ALL
from streams.domain.net.model import Start, TimerTrigger
from streams.domain.net.starts import name_of, triggered_starts
from streams.domain.protocol import Accepted, Decision, Effect, Outcome, SendCommand

DEVICE: Final = "device"
"""Kind of such a start, and what its channel's name begins with."""


def starts_of_source(source: str, state: DefinitionState, ctx: Decision) -> list[ListedStart]:
    """Return the starts of a version that is published now, in the place of the state's."""
    definition = ctx.read_definition(PublishDefinition(source))
    if isinstance(definition, list):
        return []  # No engine of this release can run it; the tail of definitions says so.
    return [_listed(node, start, state, ctx.now) for node, start in triggered_starts(definition)]


def _listed(node: str, start: Start, state: DefinitionState, now: int) -> ListedStart:
    kind, name = name_of(start)
    if not isinstance(start.trigger, TimerTrigger):
        return ListedStart(node, kind, name, single=start.single)
    for known in state.starts:
        if (known.node, known.name) == (node, name):
            # The same times as before: they go on, or what is often published would never come.
            return ListedStart(node, kind, name, known.due, known.schedule, start.missed)
    due, schedule = first_due(start.trigger, now)
    return ListedStart(node, kind, name, due, schedule, start.missed)


def decide_correlate(command: Correlate, state: DefinitionState, ctx: Decision) -> Outcome:
    """Start an instance for what the newest version has a start for."""
    owner = (ctx.aggregate_id, "", command.subscription, command.message_id)
    kind = command.channel_id.partition(":")[0]
    start = next((s for s in state.starts if (s.kind, s.name) == (kind, command.name)), None)
    channel = command.channel_id
    if start is None:
        reason = f"{ctx.aggregate_id} is not started by {kind} {command.name}"
        answer = RejectMessage(*owner, reason, owner_type="definition")
        return Accepted([], [SendCommand(*channel_address(channel), "", answer)], state)
    instance = started_id(ctx.aggregate_id, channel, *_cause(start, command))
    if start.single:  # The channel knows whether one lives that it has started before.
        asked = StartSingle(*owner, instance, state.newest, start.node)
        return Accepted([], [SendCommand("channel", channel, "", asked)], state)
    accept = AcceptMessage(*owner, owner_type="definition")
    run = TriggerInstance(
        ctx.aggregate_id, state.newest, start.node, kind, command.payload, command.message_id
    )
    taken = SendCommand(*channel_address(channel), "", accept)
    effects: list[Effect] = [taken, begun(instance, run)]
    return Accepted([], effects, state)


def _cause(start: OpenStart, command: Correlate) -> tuple[str, ...]:
    """Return what is there once, on a channel, of what starts an instance.

    A watch begins its count anew when nobody waited for a while: its device's readings do not.
    """
    if start.kind != DEVICE:
        return (command.message_id,)
    payload = parse(command.payload)
    return start.node, start.name, payload["how"], str(payload["reading"])


def lookers(
    before: DefinitionState, event: DefinitionPublished | DefinitionDeleted
) -> list[Effect]:
    """Return what tells the devices that a definition names, or no longer, that this is so.

    The others see it with their next reading, as these would, if they have one.
    """
    starts = [(one.kind, one.name) for one in before.starts]
    starts += [(one.kind, one.name) for one in event.starts]
    named = dict.fromkeys(name.partition(",")[0] for kind, name in starts if kind == DEVICE)
    body = LookForStarts(event.definition_id, event.version)
    return [SendCommand("device", one, "", body, hop=True) for one in named if ALL not in one]


def decide_closed(_: SubscriptionClosed, state: DefinitionState, ctx: Decision) -> Outcome:
    """A channel has ended what it asked for by itself: nothing hangs on it."""
    del ctx
    return Accepted([], [], state)
