"""Parts of a composition: what a firing of a definition's own net is in the net of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from streams.domain.net.model import Boundary, Definition, ErrorTrigger, EventGateway, Node
from streams.domain.net.petri import Firing, Net, Step


class Part(NamedTuple):
    """A definition or a scope that runs: where its places are among all."""

    block: int
    """All its places, those of the parts that it runs included."""
    done: int
    """Places on which tokens may rest when it is over."""
    failed: dict[int, str]
    """Places that say that it ended with an error, with its code; empty: any."""
    start: int


class Frame(NamedTuple):
    """A part while its firings are made."""

    definition: Definition
    net: Net
    label: str
    shift: int
    children: dict[str, Part]
    busy: dict[str, int]
    failed: int


class Woken(NamedTuple):
    """What a signal wakes."""

    firing: Firing
    waits: int
    """The place whose token says that it waits; 0 where none says it for certain."""


def alone(moved: Firing) -> int:
    """Return the one place that a firing takes from; 0 where there are several.

    Of an event beside a host that goes on it is not said: it may be woken or not.
    """
    return moved.pre if moved.pre.bit_count() == 1 else 0


def waiting_at(firing: Firing, frame: Frame, node: str) -> int:
    """Return the place that says that a node waits beside its boundary events; 0 for others."""
    active = f"{node}/active"
    place = 1 << frame.net.places.index(active) if active in frame.net.places else 0
    return place << frame.shift if firing.pre & place else 0


def begins_to_wait(firing: Firing, frame: Frame, node: str) -> bool:
    """Tell whether a node begins to wait beside its boundary events: nothing has come yet."""
    active = f"{node}/active"
    place = 1 << frame.net.places.index(active) if active in frame.net.places else 0
    return bool(firing.post & place) and not firing.pre & place


def together(moved: Firing, woken: list[Firing], others: list[int]) -> Iterator[Firing]:
    """Yield a throw with those that it wakes, where the others, by their places, do not wait."""
    pre = moved.pre | sum(one.pre for one in woken)
    post = moved.post | sum(one.post for one in woken)
    steps = (*moved.steps, *(step for one in woken for step in one.steps))
    absent = moved.absent
    for other in others:
        absent |= other & ~pre
    resets = moved.resets
    for one in woken:
        absent, resets = absent | one.absent, resets | one.resets
    yield moved._replace(steps=steps, pre=pre, post=post, absent=absent, resets=resets)


def take(moved: Firing, places: list[int]) -> Iterator[Firing]:
    """Yield a firing that takes a message, by how many of its name wait."""
    for place, after in zip(places, [*places[1:], 0], strict=True):
        yield moved._replace(pre=moved.pre | place, absent=moved.absent | after)


def block_of(begin: int, end: int) -> int:
    """Return the places with numbers from `begin` to before `end`."""
    return (1 << end) - (1 << begin)


def shifted(firing: Firing, frame: Frame, block: int) -> Firing:
    """Return a firing of a definition's own net over the places of all."""
    (step,) = firing.steps
    moved = Firing(
        (Step(f"{frame.label}: {step.node}", step.taken),),
        firing.pre << frame.shift,
        firing.post << frame.shift,
        absent=firing.absent << frame.shift,
        urgent=firing.urgent,
        resets=block if firing.clears else 0,
    )
    # Where a token before a node holds a join back, so does the part that runs in it.
    for host, busy in frame.busy.items():
        if moved.absent & _before(frame, host):
            moved = moved._replace(absent=moved.absent | busy)
    return moved


def _before(frame: Frame, host: str) -> int:
    flows = [flow.id for flow in frame.definition.flows.values() if flow.target == host]
    return sum(1 << frame.shift + frame.net.places.index(flow) for flow in flows)


def running(moved: Firing, frame: Frame, host: str) -> Iterator[Firing]:
    """Yield how a node begins its part and how it goes on at once when that is done."""
    part, busy = frame.children[host], frame.busy[host]
    if not moved.pre & busy:
        begun = moved.post if moved.post & busy else busy
        yield moved._replace(post=begun | part.start)
    if not moved.post & busy:
        pre = moved.pre if moved.pre & busy else busy
        absent = part.block & ~part.done | sum(part.failed)
        yield moved._replace(pre=pre, absent=absent, urgent=True, resets=part.block)


def interrupting(moved: Firing, frame: Frame, host: str) -> Firing:
    """Return what an event on the edge of a running part does: it stops it, or goes beside."""
    busy = frame.busy[host]
    if moved.post & busy:
        return moved
    pre = moved.pre if moved.pre & busy else busy
    return moved._replace(pre=pre, absent=0, resets=moved.resets | frame.children[host].block)


def abandoning(frame: Frame, host: str, block: int) -> Iterator[Firing]:
    """Yield what an error does that ends a node's part and that no event on its edge catches."""
    caught = {
        node.kind.trigger.code
        for node in frame.definition.nodes.values()
        if isinstance(node.kind, Boundary)
        and node.kind.host == host
        and isinstance(node.kind.trigger, ErrorTrigger)
    }
    step = (Step(f"{frame.label}: {host}"),)
    for place, code in frame.children[host].failed.items():
        if not caught & {"", code} and not (caught and not code):
            yield Firing(step, place, frame.failed, urgent=True, resets=block)


def chosen(firing: Firing, frame: Frame) -> Node:
    """Return the event that an event gateway takes with a firing."""
    (flow,) = frame.net.names(firing.post)
    return frame.definition.nodes[frame.definition.flows[flow].target]


def is_chosen(definition: Definition, node: Node) -> bool:
    """Tell whether an event gateway comes before an event, and has waited for it."""
    return any(
        flow.target == node.id and isinstance(definition.nodes[flow.source].kind, EventGateway)
        for flow in definition.flows.values()
    )
