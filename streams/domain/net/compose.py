"""One net of several definitions that send each other messages and signals, or call each other.

Every definition that nobody calls runs once; a call or a scope in which something is exchanged is a
part of its own, which runs while its node is busy and ends with it. A message waits in a place of
its own until somebody takes it, at most `WAITING_MAX` of one name; a signal goes to all that wait
at that moment. What nobody inside throws comes from outside, whenever it is waited for.

Keys are not looked at, and no message expires: it is one conversation, in good time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

from streams.domain.net.compose_parts import (
    Frame,
    Part,
    Woken,
    abandoning,
    alone,
    begins_to_wait,
    block_of,
    chosen,
    interrupting,
    is_chosen,
    running,
    shifted,
    take,
    together,
    waiting_at,
)
from streams.domain.net.conversation import Conversation, trigger_of
from streams.domain.net.model import (
    Boundary,
    Definition,
    End,
    EventGateway,
    MessageTrigger,
    Node,
    Scope,
    SignalTrigger,
    Start,
    Throw,
)
from streams.domain.net.petri import Firing, Net
from streams.domain.net.translate import SPLIT_MAX, TooManyChoicesError, petri_net

WAITING_MAX: Final = 3
"""Messages of one name that may wait; with more, nothing is said."""
_DEEP_MAX: Final = 10
"""Calls of which one makes the next."""
_OVERFLOW: Final = "too many"


class Origin(NamedTuple):
    """What a place stands for."""

    definition: str
    """Its id; empty for the place of a message."""
    place: str
    """Its name in the definition's own net, or the message's."""


class Composed(NamedTuple):
    """The net, and what its places are."""

    net: Net
    origins: list[Origin]
    """By bit."""
    waiting: int
    """Places of messages that nobody has taken yet."""
    overflow: int
    """Has a token where more messages of a name wait than are counted."""


def compose(found: Conversation) -> Composed:
    """Return the net of a conversation.

    Raises:
        TooManyChoicesError: a node has too many ways, or calls lie too deep in each other.
    """
    return _Composition(found).composed()


class _Composition:
    """The net while it is made."""

    def __init__(self, found: Conversation) -> None:
        self._found = found
        self._origins: list[Origin] = []
        self._firings: list[Firing] = []
        self._throws: list[tuple[str, Firing]] = []
        self._woken: dict[str, list[Woken]] = {name: [] for name in found.signals}
        self._waiting = {
            name: [self._place("", name) for _ in range(WAITING_MAX)]
            for name in sorted(found.messages)
        }
        self._overflow = self._place("", _OVERFLOW)

    def composed(self) -> Composed:
        parts = [self._part(one, "", one.id, 0) for one in self._found.roots()]
        for name, firing in self._throws:
            self._firings.extend(self._broadcasts(name, firing))
        waiting = sum(place for places in self._waiting.values() for place in places)
        done = sum(part.done for part in parts) | waiting
        names = tuple(f"{one.definition}:{one.place}" for one in self._origins)
        start = sum(part.start for part in parts)
        net = Net(names, tuple(self._firings), start, done)
        return Composed(net, self._origins, waiting, self._overflow)

    def _place(self, definition: str, name: str) -> int:
        self._origins.append(Origin(definition, name))
        return 1 << len(self._origins) - 1

    def _part(self, definition: Definition, scope: str, label: str, depth: int) -> Part:
        """Add the places and firings of a definition or of one of its scopes."""
        if depth > _DEEP_MAX:
            raise TooManyChoicesError(label)
        net = petri_net(definition, scope)
        shift = len(self._origins)
        for name in net.places:
            self._place(definition.id, name)
        children = self._children(definition, scope, label, depth)
        busy = {host: self._busy(definition.id, net, shift, host) for host in children}
        failed = self._place(definition.id, "failed")
        frame = Frame(definition, net, label, shift, children, busy, failed)
        block = block_of(shift, len(self._origins))
        called = depth > 0 and not scope
        for firing in net.firings:
            if not called or not _is_triggered(definition.nodes[firing.steps[0].node]):
                self._firings.extend(self._of(firing, frame, block))
        for host in children:
            self._firings.extend(abandoning(frame, host, block))
        named = {name: 1 << shift + number for number, name in enumerate(net.places)}
        errors = {
            named[node.id]: node.kind.error.code
            for node in definition.nodes.values()
            if isinstance(node.kind, End) and node.kind.error is not None and node.id in named
        }
        done = net.ends << shift | failed
        if not called and self._waits_to_start(definition):
            done |= net.start << shift
        return Part(block, done, errors | {failed: ""}, net.start << shift)

    def _waits_to_start(self, definition: Definition) -> bool:
        """Tell whether only the others start a definition: it need never begin."""
        kinds = (node.kind for node in definition.nodes.values() if not node.scope)
        starts = [kind for kind in kinds if isinstance(kind, Start)]
        return all(self._found.is_inside(kind.trigger) for kind in starts)

    def _children(
        self, definition: Definition, scope: str, label: str, depth: int
    ) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for node in definition.nodes.values():
            if node.scope != scope:
                continue
            callee = self._found.callee(node)
            if callee is not None:
                found[node.id] = self._part(callee, "", f"{label}/{node.id}", depth + 1)
            elif self._is_part(definition, node):
                found[node.id] = self._part(definition, node.id, label, depth)
        return found

    def _is_part(self, definition: Definition, node: Node) -> bool:
        scope = isinstance(node.kind, Scope) and not node.kind.event
        return scope and self._found.takes_part(definition, node.id)

    def _busy(self, definition: str, net: Net, shift: int, host: str) -> int:
        """Return the place that says that a node runs its part."""
        active = f"{host}/active"
        if active in net.places:
            return 1 << shift + net.places.index(active)
        return self._place(definition, f"{host}/busy")

    def _of(self, firing: Firing, frame: Frame, block: int) -> Iterator[Firing]:
        """Yield what a firing of a definition's own net is in the whole."""
        (step,) = firing.steps
        node = frame.definition.nodes[step.node]
        moved = shifted(firing, frame, block)
        if node.id in frame.children:
            yield from running(moved, frame, node.id)
            return
        host = node.kind.host if isinstance(node.kind, Boundary) else ""
        if host in frame.children:
            moved = interrupting(moved, frame, host)
        if isinstance(node.kind, EventGateway):
            yield from self._awaiting(chosen(firing, frame), moved)
        elif is_chosen(frame.definition, node) or begins_to_wait(firing, frame, node.id):
            yield moved
        else:
            yield from self._awaiting(node, moved, waiting_at(firing, frame, node.id))

    def _awaiting(self, node: Node, moved: Firing, active: int = 0) -> Iterator[Firing]:
        """Yield a firing together with the message that it takes or throws.

        `active` says that it waits beside its boundary events; 0 where a flow's token does.
        """
        trigger = trigger_of(node)
        if not self._found.is_inside(trigger):
            yield moved
        elif isinstance(trigger, MessageTrigger):
            places = self._waiting[trigger.message]
            thrown = isinstance(node.kind, Throw)
            yield from self._put(moved, places) if thrown else take(moved, places)
        elif isinstance(trigger, SignalTrigger) and isinstance(node.kind, Throw):
            self._throws.append((trigger.signal, moved))
        elif isinstance(trigger, SignalTrigger):
            self._woken[trigger.signal].append(Woken(moved, active or alone(moved)))

    def _put(self, moved: Firing, places: list[int]) -> Iterator[Firing]:
        for before, place in zip([0, *places], [*places, self._overflow], strict=True):
            absent = place if place != self._overflow else 0
            yield moved._replace(
                pre=moved.pre | before,
                post=moved.post | before | place,
                absent=moved.absent | absent,
            )

    def _broadcasts(self, name: str, moved: Firing) -> Iterator[Firing]:
        """Yield a throw with each set of those that can be waiting."""
        waiting = self._woken[name]
        if len(waiting) > SPLIT_MAX // 2:
            raise TooManyChoicesError(f"the signal {name}")
        for count in range(len(waiting) + 1):
            for some in combinations(range(len(waiting)), count):
                woken = [waiting[number].firing for number in some]
                others = [one for number, one in enumerate(waiting) if number not in some]
                if len({one.pre for one in woken}) == count:
                    yield from together(moved, woken, [one.waits for one in others])


def _is_triggered(node: Node) -> bool:
    """Tell whether a node is a start that a call does not take."""
    return isinstance(node.kind, Start) and node.kind.trigger is not None
