"""Given, when, then: one sentence about an aggregate.

    instance(HELLO).given(RunInstance("hello")).when(CompleteActivity(2, 1)).then(
        ActivityCompleted, "workflow.completed"
    )

A spec never changes: each step returns another. Every decision is made twice and its
events are folded over the state before, so that a sentence that holds also says: deciding
is deterministic, `evolve` gives the decided state, and the state survives its encoding.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import msgspec
from msgspec.structs import replace

from schemas.registry import EVENT_TYPES, public_type
from streams.domain.activity_type.aggregate import ACTIVITY_TYPE
from streams.domain.channel.aggregate import CHANNEL
from streams.domain.definition.aggregate import DEFINITION
from streams.domain.device.aggregate import DEVICE
from streams.domain.instance.aggregate import INSTANCE
from streams.domain.lock.aggregate import LOCK
from streams.domain.protocol import (
    Accepted,
    Aggregate,
    Decision,
    Effect,
    EventPlace,
    Limits,
    Outcome,
    Rejected,
)
from streams.domain.watch.aggregate import WATCH
from streams.forms import read_for_decision
from streams.testing.known_definitions import KnownDefinitions

NOW: Final = 1_700_000_000_000
"""When every spec begins, in ms since 1970."""
INCARNATION: Final = "first"
"""The life that a start takes."""
_LIVES: Final = frozenset({INSTANCE.type, CHANNEL.type, LOCK.type, WATCH.type})
"""Kinds whose ids may be used again, for another life."""
_DERIVED: Final = frozenset({DEVICE.type})
"""Kinds whose state follows from their input, not from events: it cannot be folded."""


class Partial(msgspec.Struct, frozen=True):
    """A body of which only some fields matter."""

    body: type[msgspec.Struct]
    fields: dict[str, Any]


def has(body: type[msgspec.Struct], **fields: Any) -> Partial:
    """Expect a body of this class with at least these fields."""
    return Partial(body, fields)


Expected = msgspec.Struct | type[msgspec.Struct] | str
"""A body as it is, a `has(…)`, a class, or an event's public type."""


class Spec(msgspec.Struct, frozen=True):
    """An aggregate with a past, at a moment."""

    aggregate: Any
    """A `streams.domain.protocol.Aggregate`."""
    definitions: KnownDefinitions
    aggregate_id: str
    limits: Limits = Limits()
    now: int = NOW
    state: Any = None
    past: tuple[msgspec.Struct, ...] = ()
    """Every event so far."""
    times: tuple[int, ...] = ()
    """When each of them happened, in ms since 1970."""
    effects: tuple[Effect, ...] = ()
    """Every effect so far."""
    beats: dict[int, int] = {}
    actor: str = "tester"
    """Who gives the next commands."""
    actors: tuple[str, ...] = ()
    """Who caused each event."""
    beside: Any = None
    """A device's: the state of its watch."""

    def given(self, *steps: msgspec.Struct) -> Spec:
        """Go through commands, which must be accepted, and events, which are facts."""
        spec = self
        for step in steps:
            if public_type(step) not in EVENT_TYPES:
                spec = spec.when(step).accepted()
            else:
                spec = spec.happened(step)
        return spec

    def later(self, milliseconds: int) -> Spec:
        """Let time pass."""
        return replace(self, now=self.now + milliseconds)

    def by(self, actor: str) -> Spec:
        """Let somebody give the next commands."""
        return replace(self, actor=actor)

    def with_limits(self, **limits: int) -> Spec:
        """Set limits of `streams.domain.protocol.Limits`."""
        return replace(self, limits=replace(self.limits, **limits))

    def when(
        self,
        command: msgspec.Struct,
        *,
        incarnation: str = "",
        expected_sequence: int = -1,
        command_id: str = "",
    ) -> Decided:
        """Decide a command, and check what must hold of every decision."""
        begins = INCARNATION if self.state is None else ""
        identity = command_id or f"command-{len(self.past)}"
        context = self._context(identity, incarnation or begins, expected_sequence)
        before = None if self.state is None else self.aggregate.encode(self.state)
        outcome = self.aggregate.decide(command, self.state, context)
        again = self.aggregate.decide(command, self.state, context)
        name = type(command).__name__
        _check(outcome == again, f"{name} was decided twice, with two outcomes")
        if self.state is not None:
            unchanged = self.aggregate.encode(self.state) == before
            _check(unchanged, f"deciding {name} changed the state that it was given")
        if isinstance(outcome, Accepted):
            self._check_fold(name, outcome)
        return Decided(self, outcome)

    def next_due(self) -> int:
        """Return when the earliest timer is due, in ms since 1970; 0 for none."""
        due: int = self.aggregate.next_due(self.state, self.beats)
        return due

    def _context(self, command_id: str, incarnation: str, expected_sequence: int) -> Decision:
        return Decision(
            self.now,
            self.aggregate_id,
            "default",
            command_id,
            self.actor,
            incarnation,
            expected_sequence,
            self.definitions,
            self.limits,
            self.beats,
            read_for_decision,
            f"reply-{len(self.past)}:0",
            self.beside,
        )

    def _place(self, sequence: int) -> EventPlace:
        life = INCARNATION if self.aggregate.type in _LIVES else ""
        return EventPlace(self.aggregate_id, "default", life, sequence, self.now, self.actor)

    def happened(self, event: msgspec.Struct) -> Spec:
        """Apply one event, a fact."""
        place = self._place(len(self.past) + 1)
        state = self.aggregate.evolve(self.state, event, place)
        past, times = (*self.past, event), (*self.times, self.now)
        actors = (*self.actors, self.actor)
        return replace(self, state=state, past=past, times=times, actors=actors)

    def replayed(self) -> Any:
        """Return the state that the whole past gives, event by event."""
        spec = replace(self, state=None, past=(), times=(), actors=())
        for event, time, actor in zip(self.past, self.times, self.actors, strict=True):
            spec = replace(spec, now=time, actor=actor).happened(event)
        return spec.state

    def _check_fold(self, name: str, outcome: Accepted) -> None:
        aggregate: Aggregate = self.aggregate
        decided = outcome.state
        if decided is None:
            return
        data = aggregate.encode(decided)
        read = aggregate.decode(data)
        _check(read == decided, f"after {name} the state is not what its encoding reads back as")
        if aggregate.type in _DERIVED:
            return
        folded = self
        for event in outcome.events:
            folded = folded.happened(event)
        _check(
            folded.state == decided and aggregate.encode(folded.state) == data,
            f"folding the events of {name} gives\n  {folded.state}\nnot the decided\n  {decided}",
        )


class Decided(msgspec.Struct, frozen=True):
    """What a command led to."""

    before: Spec
    outcome: Outcome

    def accepted(self) -> Spec:
        """Expect that the command takes effect; return the spec after it."""
        outcome, before = self.outcome, self.before
        if isinstance(outcome, Rejected):
            _fail(f"it was rejected: {outcome.code}: {outcome.message}")
        beats = {**before.beats, outcome.beat: before.now} if outcome.beat else before.beats
        return replace(
            before,
            state=outcome.state,
            past=(*before.past, *outcome.events),
            times=(*before.times, *(before.now for _ in outcome.events)),
            actors=(*before.actors, *(before.actor for _ in outcome.events)),
            effects=(*before.effects, *outcome.effects),
            beats=beats,
        )

    @property
    def events(self) -> list[msgspec.Struct]:
        """The events of the accepted command."""
        return list(self.accepted().past[len(self.before.past) :])

    @property
    def effects(self) -> list[Effect]:
        """The effects of the accepted command."""
        return list(self.accepted().effects[len(self.before.effects) :])

    def then(self, *expected: Expected) -> Spec:
        """Expect exactly these events; return the spec after them."""
        _compare("events", self.events, expected)
        return self.accepted()

    def then_nothing(self) -> Spec:
        """Expect that the command is taken and changes nothing."""
        _compare("effects", list(self.effects), ())
        return self.then()

    def then_effects(self, *expected: Expected) -> Spec:
        """Expect exactly these effects; return the spec after them."""
        _compare("effects", list(self.effects), expected)
        return self.accepted()

    def then_rejected(self, code: str, *words: str) -> Spec:
        """Expect a refusal with this code and these words; return the spec before it."""
        outcome = self.outcome
        if isinstance(outcome, Accepted):
            names = ", ".join(map(_name, outcome.events)) or "no event"
            _fail(f"it was accepted, with {names}; {code} was expected")
        said = f"{outcome.code}: {outcome.message}"
        _check(outcome.code == code, f"{code} was expected, not {said}")
        for word in words:
            _check(word in outcome.message, f"{word!r} is missing in: {outcome.message}")
        return self.before


def instance(
    *sources: str,
    aggregate_id: str = "one",
    missing_queues: frozenset[str] = frozenset(),
    deleted: frozenset[str] = frozenset(),
) -> Spec:
    """Begin a sentence about an instance; the sources are the published definitions.

    Of these `deleted`, as `id@version`, start nothing new.
    """
    return Spec(INSTANCE, KnownDefinitions(sources, missing_queues, deleted), aggregate_id)


def definition(
    aggregate_id: str, *sources: str, missing_queues: frozenset[str] = frozenset()
) -> Spec:
    """Begin a sentence about a definition; the sources are what the engine has read of it."""
    return Spec(DEFINITION, KnownDefinitions(sources, missing_queues), aggregate_id)


def activity_type(name: str) -> Spec:
    """Begin a sentence about an activity type."""
    return Spec(ACTIVITY_TYPE, KnownDefinitions((), frozenset()), name)


def channel(aggregate_id: str, *sources: str) -> Spec:
    """Begin a sentence about a channel: `schemas.ids.channel_id` gives its id.

    The sources are the published definitions, which its messages may start.
    """
    return Spec(CHANNEL, KnownDefinitions(sources, frozenset()), aggregate_id)


def device(aggregate_id: str, *sources: str) -> Spec:
    """Begin a sentence about a device; the sources are the definitions that it may start."""
    return Spec(DEVICE, KnownDefinitions(sources, frozenset()), aggregate_id)


def watch(aggregate_id: str, *sources: str) -> Spec:
    """Begin a sentence about the watch of a device, with the definitions that it may start."""
    return Spec(WATCH, KnownDefinitions(sources, frozenset()), aggregate_id)


def lock(name: str = "one") -> Spec:
    """Begin a sentence about a lock."""
    return Spec(LOCK, KnownDefinitions((), frozenset()), name)


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)


def _check(holds: bool, message: str) -> None:  # noqa: FBT001 - as `assert` reads
    if not holds:
        _fail(message)


def _compare(what: str, found: list[Any], expected: tuple[Expected, ...]) -> None:
    same = len(found) == len(expected) and all(map(_matches, expected, found))
    if same:
        return
    wanted = "\n  ".join(map(str, expected)) or "(none)"
    given = "\n  ".join(map(str, found)) or "(none)"
    raise AssertionError(f"these {what} were expected:\n  {wanted}\nthere are:\n  {given}")


def _matches(expected: Expected, found: msgspec.Struct) -> bool:
    if isinstance(expected, str):
        _check(expected in EVENT_TYPES, f"{expected!r} is no event's public type")
        return _name(found) == expected
    if isinstance(expected, type):
        return type(found) is expected
    if isinstance(expected, Partial):
        return type(found) is expected.body and all(
            getattr(found, name) == value for name, value in expected.fields.items()
        )
    return found == expected


def _name(body: msgspec.Struct) -> str:
    return public_type(body)
