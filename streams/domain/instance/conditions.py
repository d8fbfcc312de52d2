"""Conditional events: which of them act on what a command has written.

They are judged when all else that the command led to is done. Only those are looked at whose
variables were written, and those that begin to wait. Of several that are true the one that began
to wait first acts; then all are judged again that read what this has written, and so on, in the
same command. One whose turn comes again when the command's share
of steps is used up is stopped by an incident, as they make each other true for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.commands import Continue
from schemas.condition_events import ConditionEnded
from schemas.events import EventAwaited, IncidentResolved, WorkflowResumed
from schemas.json_text import canonical
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.combined import came
from streams.domain.instance.enter import incident
from streams.domain.instance.places import bare, scope_of
from streams.domain.instance.state import RUNNING, OpenSubscription
from streams.domain.instance.variables import LOCAL, seen_from
from streams.domain.instance.work import Work
from streams.domain.net.wait import place_of
from streams.domain.protocol import Accepted, Decision

CONDITION: Final = "condition"
"""Kind of such a subscription."""
_ENDLESS: Final = "limit_exceeded"


def conditions_settled(outcome: Accepted, command: msgspec.Struct, ctx: Decision) -> Accepted:
    """Return what was decided, and what the conditions lead to that it made true."""
    state = outcome.state
    waiting = {n for n, one in state.subscriptions.items() if one.kind == CONDITION}
    if not waiting or state.status != RUNNING:
        return outcome
    work = Work(state, ctx)
    if not _looks_at_all(outcome.events, command):
        waiting &= _touched(work, outcome.events)
    if not waiting:
        return outcome
    work.events, work.effects = list(outcome.events), list(outcome.effects)
    _settle(work, waiting)
    done = work.accepted(outcome.result)
    return replace(outcome, events=done.events, effects=done.effects, state=done.state)


def _looks_at_all(events: Iterable[msgspec.Struct], command: msgspec.Struct) -> bool:
    """Tell whether conditions may have been put off, or failed, before."""
    if isinstance(command, Continue):
        return True
    return any(isinstance(event, WorkflowResumed | IncidentResolved) for event in events)


def _touched(work: Work, events: Iterable[msgspec.Struct]) -> set[int]:
    """Return the subscriptions that begin with these events, or read what they write."""
    nodes: set[str] = set()
    names: set[str] = set()
    for event in events:
        if isinstance(event, EventAwaited):
            nodes.add(place_of(event.node, event.part))
        moves: Any = getattr(event, "moves", None)
        if moves is not None:
            names.update(_plain(name) for name in moves.writes)
    nodes |= work.graph.conditions.reading(names)
    subscriptions = work.state.subscriptions.items()
    return {n for n, one in subscriptions if one.kind == CONDITION and _place(one) in nodes}


def _place(opened: OpenSubscription) -> str:
    """Return the name under which a condition is compiled."""
    return place_of(opened.node, opened.part)


def _plain(name: str) -> str:
    """Return a written variable's name without whose it is."""
    return name.partition("/")[2] if name.startswith(LOCAL) else name


def _settle(work: Work, pending: set[int]) -> None:
    """Judge what is pending and let the first act that is true, until none is."""
    acted: set[str] = set()
    ready: set[int] = set()
    while work.state.status == RUNNING:
        for number in sorted(pending):
            ready.discard(number)
            opened = work.state.subscriptions[number]
            if _is_true(work, number, opened) and not opened.met:
                ready.add(number)
        ready &= work.state.subscriptions.keys()
        if not ready:
            return
        number = min(ready)
        ready.discard(number)
        opened, before = work.state.subscriptions[number], len(work.events)
        if not work.exhausted():
            came(work, number, opened)
            acted.add(_place(opened))
        elif _place(opened) in acted:
            _stop(work, opened)
        else:
            work.send(work.ctx.aggregate_id, work.state.incarnation, Continue())
            return
        pending = _touched(work, work.events[before:])


def _is_true(work: Work, number: int, opened: OpenSubscription) -> bool:
    """Evaluate a condition that is not stopped, and note what has changed but that it is true."""
    if _incidents(work, opened, _ENDLESS):
        return False
    variables = seen_from(work.state, scope_of(work.state.tokens[opened.token]))
    try:
        truth = work.graph.conditions.programs[_place(opened)].truth(variables)
    except ExpressionError as error:
        if not _incidents(work, opened, "expression_failed"):
            _raise(work, opened, "expression_failed", error)
        return False
    for key in _incidents(work, opened, "expression_failed"):
        work.emit(IncidentResolved(key, "retried"))
    if opened.met and not truth:
        work.emit(ConditionEnded(opened.node, number))
    return truth


def _incidents(work: Work, opened: OpenSubscription, code: str) -> list[int]:
    tokens = (0, opened.token)
    return [
        key
        for key, one in work.state.incidents.items()
        if one.node == opened.node and one.code == code and one.token in tokens
    ]


def _stop(work: Work, opened: OpenSubscription) -> None:
    limits = work.ctx.limits
    source = work.graph.conditions.programs[_place(opened)].source
    message = (
        f"`{source[:200]}` became true again and again within one command, until its limit of "
        f"{limits.steps_per_command} steps or {limits.events_per_command} events was reached: what "
        "follows it must not make it true at once; set the variables, then retry this incident"
    )
    _raise(work, opened, _ENDLESS, ExpressionError(source, message, {}), message)


def _raise(
    work: Work, opened: OpenSubscription, code: str, error: ExpressionError, message: str = ""
) -> None:
    """Raise an incident; a host's token goes on with its work, so that it is not named."""
    alone = bare(work.state.tokens[opened.token]) == opened.node
    token, seen = opened.token if alone else 0, canonical(error.values)
    incident(work, opened.node, token, code, message or str(error), error.source, seen)
