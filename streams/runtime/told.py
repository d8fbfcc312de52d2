"""Who is told when a command between aggregates is refused.

A client reads the rejection. An aggregate that waits for an answer gets the answer that the
other one would have given.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from schemas.commands import (
    CloseSubscription,
    CompensateInstance,
    Correlate,
    FailCall,
    LockGranted,
    LockRefused,
    OpenSubscription,
    RejectMessage,
    RequestLock,
    ReturnLock,
    StartChild,
    SubscriptionClosed,
    TriggerInstance,
)
from schemas.envelope import Envelope
from schemas.ids import channel_address
from schemas.start_commands import EndSingle
from schemas.watch_commands import OpenWatch
from streams.domain.protocol import Rejected, SendCommand


def told(body: msgspec.Struct, envelope: Envelope, refusal: Rejected) -> Iterator[SendCommand]:
    """Yield what others must hear of a command that is refused."""
    if isinstance(body, StartChild):
        failed = FailCall(body.parent_call, refusal.code, refusal.message, refused=True)
        yield SendCommand("instance", body.parent_id, body.parent_incarnation, failed)
    elif isinstance(body, CompensateInstance):
        failed = FailCall(body.call, refusal.code, refusal.message)
        yield SendCommand("instance", body.parent_id, body.parent_incarnation, failed)
    elif isinstance(body, OpenSubscription | OpenWatch):
        closed = SubscriptionClosed(body.subscription, refusal.code, refusal.message)
        yield SendCommand(body.owner_type, body.owner_id, body.owner_incarnation, closed)
    elif isinstance(body, CloseSubscription):  # What is not there is closed.
        closed = SubscriptionClosed(body.subscription)
        yield SendCommand(body.owner_type, body.owner_id, body.owner_incarnation, closed)
    elif isinstance(body, TriggerInstance):
        if body.single:  # What never lived must not keep others from it.
            over = EndSingle(body.definition_id, envelope.aggregate_id)
            yield SendCommand("channel", body.single, "", over)
    elif isinstance(body, Correlate):
        yield from _owner_gone(envelope, body, refusal)
    else:
        yield from _told_of_locks(body, envelope, refusal)


def _owner_gone(envelope: Envelope, body: Correlate, refusal: Rejected) -> Iterator[SendCommand]:
    """The owner of a subscription is no longer there: the message is for another one."""
    owner_id, life, kind = envelope.aggregate_id, envelope.incarnation, envelope.aggregate_type
    number, reason = body.subscription, f"{refusal.code}: {refusal.message}"
    rejected = RejectMessage(
        owner_id, life, number, body.message_id, reason, final=True, owner_type=kind
    )
    address = channel_address(body.channel_id)
    yield SendCommand(*address, "", rejected)
    closing = CloseSubscription(owner_id, life, number, kind)
    yield SendCommand(*address, "", closing)


def _told_of_locks(
    body: msgspec.Struct, envelope: Envelope, refusal: Rejected
) -> Iterator[SendCommand]:
    """Tell a section that it may not begin, and a lock that whom it was granted to is gone.

    Nothing is held by what no longer exists.
    """
    if isinstance(body, RequestLock):
        lock = envelope.aggregate_id
        refused = LockRefused(lock, body.section, refusal.code, refusal.message)
        yield SendCommand(body.aggregate_type, body.aggregate_id, body.incarnation, refused)
    elif isinstance(body, LockGranted):
        kind, name, life = envelope.aggregate_type, envelope.aggregate_id, envelope.incarnation
        yield SendCommand("lock", body.lock, "", ReturnLock(kind, name, life, body.section))
