"""Moments: messages expire, and deferred ones are offered again."""

from __future__ import annotations

from schemas import channel_events as e
from schemas.commands import FireTimer
from streams.domain.channel.state import ChannelState
from streams.domain.channel.work import Work
from streams.domain.protocol import Decision, Outcome


def decide_fire(_: FireTimer, state: ChannelState, ctx: Decision) -> Outcome:
    """Do everything that is due by now, or as much of it as one command may."""
    work = Work(state, ctx)
    work.expire()
    due = sorted(
        (found.ask_at, found.opened, ref)
        for ref, found in state.subscriptions.items()
        if 0 < found.ask_at <= ctx.now
    )
    offers = [
        e.Offer(state.subscriptions[ref].offers[0], ref) for _, _, ref in due[: ctx.limits.fan_out]
    ]
    if offers:
        work.emit(e.MessageOffered(offers))
        work.ask(offers)
    return work.accepted()
