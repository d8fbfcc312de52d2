"""Calls that never end: a workflow that on every way calls itself, at once or through others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streams.domain.net.conversation import Discord, called_by
from streams.domain.net.explore import explore
from streams.domain.net.model import Definition
from streams.domain.net.translate import TooManyChoicesError, petri_net

CALLS_END: Final = "calls end"
_LOOKED_AT: Final = 20_000
_Ending = set[tuple[str, str]]
"""Definition and scope: those of which some run ends."""


def endless_calls(definitions: Sequence[Definition]) -> list[Discord]:
    """Return the definitions of which no run ends, since each calls one of which none does."""
    known = {one.id for one in definitions}
    parts = [(one, scope) for one in definitions for scope in _scopes(one)]
    ending: _Ending = set()
    grown = True
    while grown:
        more = {
            (one.id, scope)
            for one, scope in parts
            if (one.id, scope) not in ending and _can_end(one, scope, known, ending)
        }
        ending |= more
        grown = bool(more)
    return [
        _calls_for_ever(one, known, ending) for one in definitions if (one.id, "") not in ending
    ]


def _scopes(definition: Definition) -> list[str]:
    return list(dict.fromkeys(node.scope for node in definition.nodes.values()))


def _can_end(definition: Definition, scope: str, known: set[str], ending: _Ending) -> bool:
    """Tell whether some run ends without a call or a scope of which that is not known."""
    try:
        net = petri_net(definition, scope)
    except TooManyChoicesError:
        return True
    firings = tuple(
        firing
        for firing in net.firings
        if not _is_barred(definition, firing.steps[0].node, known, ending)
    )
    if len(firings) == len(net.firings):
        return True
    seen = explore(net._replace(firings=firings), _LOOKED_AT)
    return not seen.complete or any(map(seen.is_final, seen.numbers))


def _is_barred(definition: Definition, name: str, known: set[str], ending: _Ending) -> bool:
    node = definition.nodes[name]
    called = called_by(node)
    if called:
        return called in known and (called, "") not in ending
    inside = any(other.scope == name for other in definition.nodes.values())
    return inside and (definition.id, name) not in ending


def _calls_for_ever(definition: Definition, known: set[str], ending: _Ending) -> Discord:
    node = next(
        name
        for name, one in definition.nodes.items()
        if called_by(one) in known and (called_by(one), "") not in ending
    )
    called = called_by(definition.nodes[node])
    message = f"no run of {definition.id} ends: on every way it calls {called}, which never ends"
    return Discord(CALLS_END, definition.id, node, message, [])
