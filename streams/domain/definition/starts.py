"""The starts of a definition's newest version: what a message or a signal begins.

The definition alone decides: a channel that has a message or a signal of that name asks it, as
it asks any other that waits (docs/adr/0007), and it takes what its newest version has a start for.
Publishing a newer version changes the answer, in one step.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from schemas.commands import (
    AcceptMessage,
    Correlate,
    PublishDefinition,
    RejectMessage,
    SubscriptionClosed,
    TriggerInstance,
)
from schemas.definition_events import ListedStart
from schemas.ids import base32
from streams.domain.definition.state import DefinitionState
from streams.domain.net.starts import name_of, triggered_starts
from streams.domain.protocol import Accepted, Decision, Effect, Outcome, SendCommand

_HASH_LENGTH: Final = 32
_NAME_LENGTH: Final = 90
"""Of a definition's id as much as an instance's id has room for."""


def starts_of_source(source: str, ctx: Decision) -> list[ListedStart]:
    """Return the starts of a version that is published now."""
    definition = ctx.read_definition(PublishDefinition(source))
    if isinstance(definition, list):
        return []  # No engine of this release can run it; the tail of definitions says so.
    return [ListedStart(node, *name_of(start)) for node, start in triggered_starts(definition)]


def started_id(definition: str, *causes: str) -> str:
    """Return the id of the instance that this definition starts for these causes, once."""
    whole = b"".join(b"%d:%b" % (len(one), one) for one in map(_encoded, (definition, *causes)))
    number = int.from_bytes(blake2b(whole, digest_size=20).digest(), "big")
    return f"{definition[:_NAME_LENGTH]}.{base32(number).rjust(_HASH_LENGTH, '0')}"


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decide_correlate(command: Correlate, state: DefinitionState, ctx: Decision) -> Outcome:
    """Start an instance for a message or signal that the newest version has a start for."""
    owner = (ctx.aggregate_id, "", command.subscription, command.message_id)
    kind = command.channel_id.partition(":")[0]
    start = next((s for s in state.starts if (s.kind, s.name) == (kind, command.name)), None)
    channel = command.channel_id
    if start is None:
        reason = f"{ctx.aggregate_id} is not started by {kind} {command.name}"
        answer = RejectMessage(*owner, reason, owner_type="definition")
        return Accepted([], [SendCommand("channel", channel, "", answer)], state)
    accept = AcceptMessage(*owner, owner_type="definition")
    run = TriggerInstance(
        ctx.aggregate_id, state.newest, start.node, kind, command.payload, command.message_id
    )
    instance = started_id(ctx.aggregate_id, channel, command.message_id)
    effects: list[Effect] = [SendCommand("channel", channel, "", accept), begun(instance, run)]
    return Accepted([], effects, state)


def begun(instance: str, body: TriggerInstance) -> SendCommand:
    """Return the start of an instance.

    It goes by the topic, so that whoever decides it waits for the version to be known there.
    """
    return SendCommand("instance", instance, "", body, hop=True)


def decide_closed(_: SubscriptionClosed, state: DefinitionState, ctx: Decision) -> Outcome:
    """A channel has ended what it asked for by itself: nothing hangs on it."""
    del ctx
    return Accepted([], [], state)
