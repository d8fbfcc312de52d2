"""The working state of one decision: events are applied as they are made."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import msgspec

from schemas.commands import CloseSubscription, DiscardCompensation, ReturnLock
from schemas.events import EventAwaited
from schemas.ids import channel_address
from schemas.section_events import SectionAwaited
from schemas.start_commands import EndSingle
from schemas.tasks import ActivityCancellation
from streams.domain.instance.evolve import APPLIERS
from streams.domain.instance.state import (
    FINISHED,
    NOTHING,
    InstanceState,
    OpenSection,
    OpenSubscription,
)
from streams.domain.net.graph import Graph, graph_of
from streams.domain.protocol import (
    Accepted,
    CancelTask,
    Decision,
    Effect,
    EventPlace,
    SendCommand,
)

_NOBODY: Final[frozenset[str]] = frozenset()
_NOTHING: Final[dict[int, Any]] = {}


def _children(state: InstanceState) -> frozenset[str]:
    """Return the children that an instance may have undone."""
    return frozenset(one.child_id for one in state.completions_kept() if one.child_id)


class _Unknown:
    """In place of a graph that this engine does not have: what needs none goes on without it."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def __getattr__(self, name: str) -> NoReturn:
        raise LookupError(self._sentence)


_NO_GRAPH: Final[Any] = _Unknown("what has not begun runs no definition")


def _graph(state: InstanceState, ctx: Decision) -> Any:
    name, version = state.definition_id, state.definition_version
    definition = ctx.definitions.find(ctx.tenant, name, version)
    if definition is None:
        return _Unknown(f"definition {name} {version} is not known to this engine")
    return graph_of(definition)


class Work:
    """Collects the events and effects of a decision over a working state."""

    __slots__ = (
        "_children",
        "_incarnation",
        "_opened",
        "_over",
        "_sections",
        "_was_over",
        "ctx",
        "effects",
        "events",
        "going_on",
        "graph",
        "state",
        "steps",
    )

    def __init__(self, state: InstanceState | None, ctx: Decision) -> None:
        """Start from the state before; None for an instance that begins."""
        self.ctx = ctx
        self.state: InstanceState = state  # type: ignore[assignment]
        self.events: list[msgspec.Struct] = []
        self.effects: list[Effect] = []
        self.steps = 0
        self.going_on: tuple[int, ...] = ()
        """The iterations whose runs are being begun."""
        self._over: tuple[int, ...] = ()
        self._was_over = False
        self._children: frozenset[str] = _NOBODY
        self._opened: dict[int, OpenSubscription] = _NOTHING
        self._sections: dict[int, OpenSection] = _NOTHING
        self.graph: Graph = _NO_GRAPH
        """The pinned definition's; where it is not known, what asks for it raises `LookupError`.

        No property: a decision asks for it a dozen times."""
        if state is None:
            self._incarnation = ctx.incarnation
            return
        self._incarnation = state.incarnation
        self._opened, self._sections = state.subscriptions, state.sections
        self.graph = _graph(state, ctx)
        if state.single:
            self._was_over = state.status in FINISHED
        if state.completions or state.rollbacks:
            self._children = _children(state)

    @property
    def next_sequence(self) -> int:
        """The sequence that the next event will have."""
        return 1 if self.state is None else self.state.sequence + 1

    def use(self, graph: Graph) -> None:
        """Work with this graph: a start knows it before there is a state."""
        self.graph = graph

    def emit(self, event: msgspec.Struct) -> int:
        """Apply an event and keep it; return its sequence."""
        ctx, state = self.ctx, self.state
        sequence = 1 if state is None else state.sequence + 1
        place = EventPlace(
            ctx.aggregate_id, ctx.tenant, self._incarnation, sequence, ctx.now, ctx.actor
        )
        self.state = APPLIERS[type(event)](NOTHING if state is None else state, event, place)
        self.events.append(event)
        if type(event) is EventAwaited:
            self._opened = {**self._opened, sequence: self.state.subscriptions[sequence]}
        elif type(event) is SectionAwaited:
            self._sections = {**self._sections, sequence: self.state.sections[sequence]}
        return sequence

    def send(self, aggregate_id: str, incarnation: str, body: msgspec.Struct) -> None:
        """Ask another instance for something."""
        self.effects.append(SendCommand("instance", aggregate_id, incarnation, body))

    def tell_channel(self, channel: str, body: msgspec.Struct) -> None:
        """Send a command to a channel, or to the watch of a device."""
        self.effects.append(SendCommand(*channel_address(channel), "", body))

    def answered(self, subscription: int) -> None:
        """Note that a channel knows itself that this subscription is over."""
        self._over = (*self._over, subscription)

    def reaches(self, child_id: str) -> None:
        """Note that a child is done that can undo what it did."""
        self._children |= {child_id}

    def settled(self, child_id: str) -> None:
        """Note that a child has undone what it did: nothing more need be said to it."""
        self._children -= {child_id}

    def _discard_children(self) -> None:
        """Tell the children that nobody will have them undone any more."""
        for child in sorted(self._children - _children(self.state)):
            self.send(child, "", DiscardCompensation())

    def _close_subscriptions(self) -> None:
        """Tell the channels of which subscriptions this decision made an end."""
        mine = {n: one for n, one in self._opened.items() if one.channel and n not in self._over}
        left = {} if self.state is None else self.state.subscriptions
        for number in sorted(mine.keys() - left.keys()):
            owner = (self.ctx.aggregate_id, self._incarnation)
            self.tell_channel(mine[number].channel, CloseSubscription(*owner, number))

    def _return_locks(self) -> None:
        """Give back the locks of sections of which this decision made an end."""
        left = {} if self.state is None else self.state.sections
        for number in sorted(self._sections.keys() - left.keys()):
            back = ReturnLock("instance", self.ctx.aggregate_id, self._incarnation, number)
            self.effects.append(SendCommand("lock", self._sections[number].lock, "", back))

    def cancel_task(self, activity: int, attempt: int, reason: str) -> None:
        """Tell workers that a task is no longer wanted."""
        self.effects.append(CancelTask(ActivityCancellation(activity, attempt, reason)))

    def exhausted(self, steps: int = 1) -> bool:
        """Tell whether so many steps exceed this command's share: `Continue` does the rest."""
        limits = self.ctx.limits
        return (
            self.steps + steps > limits.steps_per_command
            or len(self.events) >= limits.events_per_command - 2
        )

    def accepted(self, result: bytes = b"null") -> Accepted:
        """Return what was decided."""
        if self._opened:
            self._close_subscriptions()
        state = self.state
        if state is not None and state.single and state.status in FINISHED and not self._was_over:
            over = EndSingle(state.definition_id, self.ctx.aggregate_id)
            self.tell_channel(state.single, over)
        if self._sections:
            self._return_locks()
        if self._children:
            self._discard_children()
        return Accepted(self.events, self.effects, self.state, result)
