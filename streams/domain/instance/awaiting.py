"""Events that a token waits for: timers, messages, signals; on a boundary or by themselves."""

from __future__ import annotations

from typing import NamedTuple

from schemas.commands import BroadcastSignal, OpenSubscription, PublishMessage
from schemas.events import EventAwaited
from schemas.ids import channel_id
from schemas.json_text import canonical
from streams.domain.expressions.schedules import Next, read_schedule
from streams.domain.instance.state import OpenSubscription as Waiting
from streams.domain.instance.variables import seen_from
from streams.domain.instance.watching import device_wait, open_watch
from streams.domain.instance.work import Work
from streams.domain.net.condition import ConditionTrigger
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.escalation import EscalationTrigger
from streams.domain.net.model import (
    Boundary,
    Channelled,
    ErrorTrigger,
    MessageTrigger,
    Start,
    Throw,
    TimerTrigger,
)
from streams.domain.net.timing import due_of

KEY_LENGTH_MAX = 1_000


class Awaited(NamedTuple):
    """An event that begins to be waited for."""

    node: str
    kind: str
    due: int = 0
    channel: str = ""
    schedule: str = ""
    """Of what comes again and again: when; see `streams.domain.expressions.schedules`."""
    part: int = 0
    """Of a combined wait: the number of the event."""
    wait: bytes = b""
    """Devices: JSON of what is waited for."""


def events_on(work: Work, host: str, token: int, scope: int) -> list[Awaited]:
    """Return what a host's boundary events wait for; nothing where they wait already.

    Raises one of `enter.UNBEGUN` where a moment or a key cannot be computed.
    """
    names = work.graph.boundaries.get(host, ())
    waiting = work.state.subscriptions.values()
    if any(one.token == token and one.node in names for one in waiting):
        return []
    return [awaited(work, name, scope) for name in names if not is_thrown(work, name)]


def is_thrown(work: Work, name: str) -> bool:
    """Tell whether an event takes what is thrown inside: it waits for nothing."""
    return isinstance(
        getattr(work.graph.nodes[name].kind, "trigger", None), ErrorTrigger | EscalationTrigger
    )


def awaited(work: Work, name: str, scope: int) -> Awaited:
    """Return what an event waits for that begins to wait now."""
    return awaited_by(work, name, getattr(work.graph.nodes[name].kind, "trigger", None), scope)


def awaited_by(work: Work, name: str, trigger: object, scope: int) -> Awaited:
    """Return what a trigger waits for whose values are compiled under this name."""
    if isinstance(trigger, Channelled):
        channel = _channel(work, name, trigger, scope)
        kind = "message" if isinstance(trigger, MessageTrigger) else "signal"
        return Awaited(name, kind, channel=channel)
    if isinstance(trigger, DeviceTrigger):
        channel, wait = device_wait(work, name, scope)
        return Awaited(name, "device", channel=channel, wait=wait)
    if isinstance(trigger, ConditionTrigger):
        return Awaited(name, "condition")
    due, schedule = timed(work, name, scope)
    again = name in work.graph.nodes and takes_many(work, name)
    return Awaited(name, "timer", due, schedule=schedule if again else "")


def timed(work: Work, node: str, scope: int) -> tuple[int, str]:
    """Return when a timer event is due that begins to wait now, and its schedule, if it has one."""
    variables = seen_from(work.state, scope)
    values = {word: one.evaluate(variables) for word, one in work.graph.timing[node].items()}
    return due_of(values, work.ctx.now)


def _channel(work: Work, node: str, trigger: Channelled, scope: int) -> str:
    if isinstance(trigger, MessageTrigger):
        return channel_id("message", trigger.message, _key(work, node, scope))
    return channel_id("signal", trigger.signal)


def _key(work: Work, node: str, scope: int) -> str:
    """Return a correlation key: text as it is, a number or a boolean as JSON."""
    value = work.graph.keys[node].evaluate(seen_from(work.state, scope))
    if not isinstance(value, str | int | float | bool):
        text = canonical(value).decode()[:80]
        raise ValueError(f"the key of {node} is {text}: text is needed")  # noqa: TRY004 - data
    key = value if isinstance(value, str) else canonical(value).decode()
    if len(key) > KEY_LENGTH_MAX:
        raise ValueError(f"the key of {node} has {len(key)} characters, {KEY_LENGTH_MAX} at most")
    return key


def await_events(work: Work, token: int, events: list[Awaited], host: str = "") -> None:
    """Wait for events beside what the token does; with `host` it waits there for them alone."""
    for event in events:
        number = work.emit(
            EventAwaited(
                event.node,
                token,
                event.kind,
                host,
                event.due,
                event.channel,
                event.schedule,
                event.part,
                event.wait,
            )
        )
        if event.channel:
            subscribe(work, number)


def subscribe(work: Work, number: int) -> None:
    """Tell a channel that a subscription waits, or is ready again."""
    opened = work.state.subscriptions[number]
    once = not takes_many(work, opened.node)
    owner = (work.ctx.aggregate_id, work.state.incarnation)
    if opened.wait:
        work.tell_channel(opened.channel, open_watch(owner, number, opened, once=once))
        return
    body = OpenSubscription(*owner, number, opened.node, once)
    work.tell_channel(opened.channel, body)


def takes_many(work: Work, node: str) -> bool:
    """Tell whether an event is waited for again after it came: beside a host that goes on."""
    kind = work.graph.nodes[node].kind
    return isinstance(kind, Boundary | Start) and not kind.interrupting


def following(work: Work, opened: Waiting) -> Next:
    """Return when a timer comes again that fires now, and how many times were missed.

    What was missed comes once with what is due, or each by itself where the author says so.
    """
    schedule = read_schedule(opened.schedule)
    kind = work.graph.nodes[opened.node].kind
    trigger = getattr(kind, "trigger", None)
    each = isinstance(trigger, TimerTrigger) and trigger.each
    each = each or (isinstance(kind, Start) and kind.missed == "each")
    return schedule.next_due(opened.due, opened.due if each else work.ctx.now)


def throw_to_channel(work: Work, node: str, kind: Throw, scope: int) -> bytes:
    """Publish a throw event's message or signal; return its payload."""
    payload = work.graph.inputs[node].json(seen_from(work.state, scope))
    assert not isinstance(kind.trigger, EscalationTrigger)
    channel = _channel(work, node, kind.trigger, scope)
    name = f"{work.ctx.aggregate_id}@{work.state.incarnation}:{work.next_sequence}"
    if isinstance(kind.trigger, MessageTrigger):
        key = _key(work, node, scope)
        message = PublishMessage(kind.trigger.message, key, name, payload, kind.ttl_ms)
        work.tell_channel(channel, message)
    else:
        work.tell_channel(channel, BroadcastSignal(kind.trigger.signal, name, payload))
    return payload
