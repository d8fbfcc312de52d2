"""The Petri net of a definition, to be read: as plain data and as text."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streams.domain.net.model import Definition, Scope
from streams.domain.net.petri import Firing, Net
from streams.domain.net.translate import petri_net


class ShownTransition(msgspec.Struct, frozen=True):
    """One way through a node."""

    node: str
    taken: list[str]
    """The flows that it takes, where the node has a choice."""
    before: list[str]
    """Places from which it takes a token each."""
    after: list[str]
    """Places on which it puts a token each."""
    absent: list[str] = []
    """Places that must be empty."""
    urgent: bool = False
    """Happens before anything else."""
    clears: bool = False
    """Takes every other token with it."""

    def __str__(self) -> str:
        """Return `node (flow): place, … → place, …`, and in brackets what is special."""
        choice = f" ({', '.join(self.taken)})" if self.taken else ""
        special = [f"while there is none on {', '.join(self.absent)}"] if self.absent else []
        special += ["before anything else"] * self.urgent
        special += ["takes every other token with it"] * self.clears
        text = f"{self.node}{choice}: {', '.join(self.before)} → {', '.join(self.after)}"
        return f"{text} [{'; '.join(special)}]" if special else text


class ShownNet(msgspec.Struct, frozen=True):
    """The net of a definition or of a scope in it, in the author's names.

    Places are its flows, its start and its ends, and marks of nodes that need some.
    """

    id: str
    version: str
    scope: str
    """The scope's node; empty for the workflow itself."""
    places: list[str]
    transitions: list[ShownTransition]
    initial: list[str]
    """The places that have a token at first."""
    final: list[str]
    """The places that may have one when all is done: one at most each, and no other any."""

    def __str__(self) -> str:
        """Return the net, a place or transition on each line."""
        count = f"{len(self.places)} places, {len(self.transitions)} transitions"
        lines = [
            f"{self.id} {self.version}{f', scope {self.scope}' if self.scope else ''}: {count}",
            "places:",
            *(f"  {place}" for place in self.places),
            "transitions:",
            *(f"  {transition}" for transition in self.transitions),
            f"initial marking: {', '.join(self.initial)}",
            f"final marking: at most a token each on {', '.join(self.final)}, none elsewhere",
        ]
        return "\n".join(lines)


def nets_of(definition: Definition) -> Iterator[tuple[str, Net]]:
    """Yield every net that is proved: the workflow's under the empty name, and each scope's."""
    scopes = [node.id for node in definition.nodes.values() if isinstance(node.kind, Scope)]
    for scope in ["", *scopes]:
        yield scope, petri_net(definition, scope)


def shown_nets(definition: Definition) -> list[ShownNet]:
    """Return the nets of a definition whose structure is in order.

    Raises:
        TooManyChoicesError: a node has more combinations of flows than are looked at.
    """
    return [_shown(definition, scope, net) for scope, net in nets_of(definition)]


def _shown(definition: Definition, scope: str, net: Net) -> ShownNet:
    return ShownNet(
        definition.id,
        str(definition.version),
        scope,
        list(net.places),
        [_transition(net, firing) for firing in net.firings],
        net.names(net.start),
        net.names(net.ends),
    )


def _transition(net: Net, firing: Firing) -> ShownTransition:
    (step,) = firing.steps
    return ShownTransition(
        step.node,
        list(step.taken),
        net.names(firing.pre),
        net.names(firing.post),
        net.names(firing.absent),
        firing.urgent,
        firing.clears,
    )
