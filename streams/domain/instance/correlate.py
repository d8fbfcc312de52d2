"""A channel offers a message, or says that a subscription is over."""

from __future__ import annotations

from schemas.commands import AcceptMessage, Correlate, RejectMessage, SubscriptionClosed
from streams.domain.instance.awaiting import takes_many
from streams.domain.instance.combined import came
from streams.domain.instance.enter import incident
from streams.domain.instance.places import bare
from streams.domain.instance.state import RUNNING, SUSPENDED, InstanceState
from streams.domain.instance.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome


def decide_correlate(command: Correlate, state: InstanceState, ctx: Decision) -> Outcome:
    """Take an offered message once, or say why not; the channel waits for one answer."""
    work = Work(state, ctx)
    owner = (ctx.aggregate_id, state.incarnation, command.subscription, command.message_id)
    opened = state.subscriptions.get(command.subscription)
    if opened is None or state.status not in {RUNNING, SUSPENDED}:
        reason = f"{ctx.aggregate_id} no longer waits for it"
        work.tell_channel(command.channel_id, RejectMessage(*owner, reason))
        return work.accepted()
    if opened.taken == command.message_id:
        work.tell_channel(command.channel_id, AcceptMessage(*owner))
        return work.accepted()
    if state.status == SUSPENDED:
        reason = f"{ctx.aggregate_id} is suspended"
        work.tell_channel(command.channel_id, RejectMessage(*owner, reason, final=False))
        return work.accepted()
    if not takes_many(work, opened.node):
        work.answered(command.subscription)
    work.tell_channel(command.channel_id, AcceptMessage(*owner))
    came(work, command.subscription, opened, command.payload, command.message_id)
    return work.accepted()


def decide_closed(command: SubscriptionClosed, state: InstanceState, ctx: Decision) -> Outcome:
    """A channel confirms an end, or could not open the subscription: an incident."""
    opened = state.subscriptions.get(command.subscription)
    if opened is None or not command.code:
        return Accepted([], [], state)
    work = Work(state, ctx)
    message = f"{opened.node} cannot wait for {opened.channel}: {command.message}"
    host = bare(state.tokens.get(opened.token, ""))
    # The token of a host goes on with its work: only what waits for nothing else can be retried.
    token = opened.token if host == opened.node else 0
    incident(work, opened.node, token, command.code, message)
    return work.accepted()
