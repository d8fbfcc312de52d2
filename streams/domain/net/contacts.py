"""Whom a definition calls, and which messages and signals it throws or waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.domain.net.conversation import name_of, trigger_of
from streams.domain.net.model import (
    Call,
    Definition,
    MessageTrigger,
    Node,
    SignalTrigger,
    Throw,
    Wait,
)
from streams.domain.net.wait import leaves_of

Name = tuple[str, str]
"""`message` or `signal`, and its name."""


class Contacts(NamedTuple):
    """What connects a definition with others."""

    calls: frozenset[tuple[str, str]]
    """Id and version or range of each that it calls."""
    throws: frozenset[Name]
    awaits: frozenset[Name]

    def speaks_with(self, other: Contacts) -> bool:
        """Tell whether one waits for what the other throws."""
        return bool(self.throws & other.awaits or other.throws & self.awaits)


def contacts_of(definition: Definition) -> Contacts:
    """Return what connects a definition with others."""
    nodes = definition.nodes.values()
    calls = {(n.kind.definition_id, n.kind.version) for n in nodes if isinstance(n.kind, Call)}
    throws = {name for n in nodes if isinstance(n.kind, Throw) for name in _names(n)}
    awaits = {name for n in nodes if not isinstance(n.kind, Throw) for name in _names(n)}
    return Contacts(frozenset(calls), frozenset(throws), frozenset(awaits))


def _names(node: Node) -> Iterator[Name]:
    """Yield the messages and signals of an event."""
    triggers = [trigger_of(node)]
    if isinstance(node.kind, Wait):
        triggers += [leaf.trigger for _, leaf in leaves_of(node.kind.whole)]
    for trigger in triggers:
        if isinstance(trigger, MessageTrigger):
            yield "message", name_of(trigger)
        elif isinstance(trigger, SignalTrigger):
            yield "signal", name_of(trigger)
