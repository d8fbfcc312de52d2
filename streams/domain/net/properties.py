"""Properties that an author states of every run, decided over the net with every choice open.

Three forms (precedence, absence and response after Dwyer, Avrunin and Corbett, Patterns in
property specifications for finite-state verification, 1999):

- never A before B: A acts in no run in which B has not acted yet;
- never A after B: A acts in no run in which B has acted;
- after A always B: once A has acted, B acts at last. As for the option to complete, what can go
  on goes on, and a choice that comes again and again is taken each way at last: it does not hold
  where a run can come to a point, after A and without B, from which B cannot act any more.

The net gets three places more: whether the first node has acted yet, whether it has, and that
something happened against the property. Then all is a question of which markings are reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from streams.domain.net.explore import Explored, explore
from streams.domain.net.model import Definition, Property
from streams.domain.net.petri import Firing, Net, Step
from streams.domain.net.problem import Problems, StructureProblem
from streams.domain.net.reduce import reduced

_DRAWN_MAX: Final = 20_000
"""States of the net as it was drawn, among which the shortest run is looked for."""


class Decided(NamedTuple):
    """Whether a property holds."""

    holds: bool | None
    """None where the budget did not suffice."""
    states: int
    trace: list[Step]
    """A run that breaks it: to what must not happen, or to where B cannot act any more."""


class _Watch(NamedTuple):
    """The places that a property adds to a net."""

    off: int
    on: int
    broken: int


def decide(net: Net, stated: Property, max_states: int) -> Decided:
    """Decide a property over a net whose places never have two tokens."""
    watch = _Watch(*(1 << len(net.places) + number for number in range(3)))
    watched = _watched(net, stated, watch)
    small = explore(reduced(watched), max_states)
    marking = _against(small, stated, watch)
    if marking is None:
        return Decided(small.complete or None, small.states, [])
    drawn = explore(watched, min(max_states, _DRAWN_MAX))
    nearer = _against(drawn, stated, watch)
    run = small.run_to(marking) if nearer is None else drawn.run_to(nearer)
    return Decided(holds=False, states=small.states, trace=run)


def _watched(net: Net, stated: Property, watch: _Watch) -> Net:
    firings = (one for firing in net.firings for one in _firings(firing, stated, watch))
    return Net(
        (*net.places, "not yet", "since", "broken"),
        tuple(firings),
        net.start | watch.off,
        net.ends | sum(watch),  # Kept by the reduction.
    )


def _firings(firing: Firing, stated: Property, watch: _Watch) -> Iterator[Firing]:
    """Yield a firing in each phase, where it begins or ends one, or may not be in one."""
    (step,) = firing.steps
    if step.node not in {stated.node, stated.other} and not firing.clears:
        yield firing
        return
    response = stated.kind == "always"
    begins, stops = (stated.node, stated.other) if response else (stated.other, "")
    for phase in (watch.off, watch.on):
        after = watch.on if step.node == begins else watch.off if step.node == stops else phase
        wrong = watch.off if stated.kind == "before" else watch.on
        post = firing.post | after
        if not response and step.node == stated.node and phase == wrong:
            post = watch.broken
        yield firing._replace(pre=firing.pre | phase, post=post)


def _against(found: Explored, stated: Property, watch: _Watch) -> int | None:
    """Return the first marking that shows that a property does not hold."""
    if stated.kind != "always":
        return next((marking for marking in found.numbers if marking & watch.broken), None)
    if not found.complete:
        return None
    unable = found.unable(bytearray(bool(marking & watch.off) for marking in found.numbers))
    if not unable:
        return None
    return next(marking for marking, number in found.numbers.items() if number == unable[-1])


def property_problems(definition: Definition) -> Problems:
    """Return what is wrong with the properties of a definition, apart from not holding."""
    found = []
    for number, stated in enumerate(definition.properties):
        where = ("properties", number)
        names = [stated.node, stated.other]
        missing = [name for name in names if name not in definition.nodes]
        found += [
            StructureProblem(where, f"{name!r} is no node of this definition") for name in missing
        ]
        if missing:
            continue
        if stated.node == stated.other:
            found.append(StructureProblem(where, "a property is of two nodes, this is of one"))
        elif len({definition.nodes[name].scope for name in names}) > 1:
            message = f"{stated}: both nodes have to be in the same scope, or in none"
            found.append(StructureProblem(where, message))
    return found
