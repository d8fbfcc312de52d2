"""Who speaks with whom: messages, signals and calls between several definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from streams.domain.net.model import (
    Boundary,
    Call,
    Catch,
    Channelled,
    Definition,
    MessageTrigger,
    Node,
    SignalTrigger,
    Start,
    Throw,
)
from streams.domain.net.petri import Step
from streams.domain.net.scopes import event_scopes_of, scopes_around

Definitions = Mapping[str, Definition]
"""By id."""


class Discord(msgspec.Struct, frozen=True):
    """What does not hold of definitions together, and the run that shows it."""

    property: str
    definition: str
    """Where to look, and at which node."""
    node: str
    message: str
    trace: list[Step]
    is_error: bool = True

    def __str__(self) -> str:
        """Return the message, and the run, each step with its workflow."""
        run = " → ".join(map(str, self.trace))
        return f"{self.message}: {run}" if run else self.message


class Conversation(NamedTuple):
    """What is exchanged inside a set of definitions; all else comes from outside, and is free."""

    definitions: Definitions
    messages: frozenset[str]
    """Names that one throws and one waits for."""
    signals: frozenset[str]

    def is_inside(self, trigger: object) -> bool:
        """Tell whether it is one of these that an event waits for or throws."""
        if isinstance(trigger, MessageTrigger):
            return trigger.message in self.messages
        return isinstance(trigger, SignalTrigger) and trigger.signal in self.signals

    def callee(self, node: Node) -> Definition | None:
        """Return the definition that a node calls, where it takes part itself."""
        kind = node.kind
        called = self.definitions.get(kind.definition_id) if isinstance(kind, Call) else None
        return called if called is not None and self.takes_part(called) else None

    def takes_part(self, definition: Definition, scope: str = "") -> bool:
        """Tell whether a definition, or one of its scopes, exchanges something, itself or below."""
        return self._takes_part(definition, scope, set())

    def _takes_part(self, definition: Definition, scope: str, seen: set[str]) -> bool:
        if not scope:
            if definition.id in seen:
                return False
            seen.add(definition.id)
        for node in definition.nodes.values():
            if scope and scope not in scopes_around(definition, node.scope):
                continue
            if self.is_inside(trigger_of(node)):
                return True
            called = called_by(node)
            if called in self.definitions and self._takes_part(self.definitions[called], "", seen):
                return True
        return False

    def roots(self) -> list[Definition]:
        """Return those that take part and that no other of them calls."""
        called = {
            called_by(node)
            for definition in self.definitions.values()
            for node in _begun_by_flows(definition)
            if called_by(node) != definition.id
        }
        parts = [one for one in self.definitions.values() if self.takes_part(one)]
        return [one for one in parts if one.id not in called] or parts[:1]


def conversation(definitions: Sequence[Definition]) -> Conversation:
    """Return what definitions exchange."""
    nodes = [node for one in definitions for node in one.nodes.values()]
    thrown = {_name(node) for node in nodes if isinstance(node.kind, Throw)}
    awaited = {_name(node) for node in nodes if not isinstance(node.kind, Throw)}
    # When an event sub-process runs nobody here can see: what it says or hears is free.
    aside = {_name(node) for one in definitions for node in _aside(one)}
    both = (thrown & awaited) - aside
    messages = frozenset(name for kind, name in both if kind is MessageTrigger)
    signals = frozenset(name for kind, name in both if kind is SignalTrigger)
    return Conversation({one.id: one for one in definitions}, messages, signals)


def _aside(definition: Definition) -> list[Node]:
    """Return the nodes in event sub-processes."""
    events = {*event_scopes_of(definition)}
    if not events:
        return []
    nodes = definition.nodes.values()
    return [node for node in nodes if events & {*scopes_around(definition, node.scope)}]


def _begun_by_flows(definition: Definition) -> list[Node]:
    aside = {node.id for node in _aside(definition)}
    return [node for node in definition.nodes.values() if node.id not in aside]


def trigger_of(node: Node) -> object:
    """Return what an event waits for or throws; None for all other nodes."""
    kind = node.kind
    return kind.trigger if isinstance(kind, Start | Catch | Throw | Boundary) else None


def called_by(node: Node) -> str:
    """Return the id of the definition that a node calls; empty for all other nodes."""
    return node.kind.definition_id if isinstance(node.kind, Call) else ""


def name_of(trigger: Channelled) -> str:
    """Return the name of a message or signal."""
    return trigger.message if isinstance(trigger, MessageTrigger) else trigger.signal


def _name(node: Node) -> tuple[type | None, str]:
    trigger = trigger_of(node)
    if isinstance(trigger, MessageTrigger | SignalTrigger):
        return type(trigger), name_of(trigger)
    return None, ""
