"""Definitions that a message or a signal starts: they come after all that waits.

No definition waits at a channel. A channel that has something nobody takes asks the definitions
that are known to start by its name, one after the other, by a subscription that it opens for
each itself; a signal asks them all. The definition answers as any subscriber does.
"""

from __future__ import annotations

from schemas import channel_events as e
from schemas.ids import subscription_ref
from streams.domain.channel.state import DEFINITION, Subscription, is_buffered
from streams.domain.channel.work import Work


def start_by_message(work: Work, number: int, *, after: str = "") -> None:
    """Offer a message that nobody took to the next definition, in the order of their ids.

    It stays for those that wait where one of them is only busy with another message.
    """
    message = work.state.messages.get(number)
    if message is None or not is_buffered(message):
        return
    ctx = work.ctx
    known = ctx.definitions.started_by(ctx.tenant, "message", message.name)
    following = next((one for one in known if one > after), None)
    if following is None or _is_awaited(work, message.rejected):
        return
    if following in work.state.singles:
        return  # It waits for the instance that lives to end.
    asked = _opened(work, following)
    ref = _ref(work, following)
    work.emit(e.SubscriptionOpened(*asked, offers=[e.Offer(number, ref)]))
    work.correlate(ref)


def listeners_of_signal(work: Work, name: str) -> list[str]:
    """Let the definitions that a signal starts wait for it; return their subscriptions."""
    ctx = work.ctx
    refs = []
    for definition in ctx.definitions.started_by(ctx.tenant, "signal", name):
        refs.append(_ref(work, definition))
        work.emit(e.SubscriptionOpened(*_opened(work, definition)))
    return refs


def end_asking(work: Work, asked: Subscription) -> None:
    """End a subscription whose definition did not take what it was opened for."""
    owner = (asked.owner_type, asked.owner_id, asked.owner_incarnation)
    work.emit(e.SubscriptionEnded(*owner, asked.subscription, asked.node))


def _is_awaited(work: Work, rejected: tuple[str, ...]) -> bool:
    """Tell whether one that takes many has another message now, and will take this one then."""
    return any(
        not (one.once or one.closed or ref in rejected)
        for ref, one in work.state.subscriptions.items()
    )


def _opened(work: Work, definition: str) -> tuple[str, str, str, int, str, bool]:
    """Return the subscription that a channel opens for a definition; its event names it."""
    return DEFINITION, definition, "", work.state.sequence + 1, "", True


def _ref(work: Work, definition: str) -> str:
    return subscription_ref(DEFINITION, definition, "", work.state.sequence + 1)
