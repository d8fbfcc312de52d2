"""The Petri net of a definition, to be read: as plain data and as text."""

from __future__ import annotations

import msgspec

from streams.domain.net.model import Definition
from streams.domain.net.petri import Firing, Net, petri_net


class ShownTransition(msgspec.Struct, frozen=True):
    """One way through a node."""

    node: str
    taken: list[str]
    """The flows that it takes, where the node has a choice."""
    before: list[str]
    """Places from which it takes a token each."""
    after: list[str]
    """Places on which it puts a token each."""

    def __str__(self) -> str:
        """Return `node (flow): place, … → place, …`."""
        choice = f" ({', '.join(self.taken)})" if self.taken else ""
        return f"{self.node}{choice}: {', '.join(self.before)} → {', '.join(self.after)}"


class ShownNet(msgspec.Struct, frozen=True):
    """A definition's net in the author's names: places are its flows, its start and its ends."""

    id: str
    version: str
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
            f"{self.id} {self.version}: {count}",
            "places:",
            *(f"  {place}" for place in self.places),
            "transitions:",
            *(f"  {transition}" for transition in self.transitions),
            f"initial marking: {', '.join(self.initial)}",
            f"final marking: at most a token each on {', '.join(self.final)}, none elsewhere",
        ]
        return "\n".join(lines)


def shown_net(definition: Definition) -> ShownNet:
    """Return the net of a definition whose structure is in order.

    Raises:
        TooManyChoicesError: a split has more combinations than are looked at.
    """
    net = petri_net(definition)
    return ShownNet(
        definition.id,
        str(definition.version),
        list(net.places),
        [_transition(net, firing) for firing in net.firings],
        net.names(net.start),
        net.names(net.ends),
    )


def _transition(net: Net, firing: Firing) -> ShownTransition:
    (step,) = firing.steps
    return ShownTransition(
        step.node, list(step.taken), net.names(firing.pre), net.names(firing.post)
    )
