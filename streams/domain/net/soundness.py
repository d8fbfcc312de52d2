"""Soundness: whether every run of a definition can end, and ends properly.

Decided over the net with every choice open (van der Aalst, The application of Petri nets to
workflow management, 1998, with several ends as BPMN has them): no flow ever carries two tokens
(1-safe), no end is reached twice (proper completion), from wherever a run has come it can end
(option to complete), and every node can act (no dead nodes).
"""

from __future__ import annotations

from typing import Final

import msgspec

from streams.domain.net.bounded import Bound, bound_of
from streams.domain.net.explore import Clash, Explored, explore
from streams.domain.net.model import Definition, InclusiveGateway, Property, Scope
from streams.domain.net.petri import Net, Step
from streams.domain.net.properties import decide
from streams.domain.net.reduce import reduced
from streams.domain.net.scopes import compensations_of, event_scopes_of, handlers_of
from streams.domain.net.shorten import shortened
from streams.domain.net.translate import TooManyChoicesError, petri_net

STATES_MAX: Final = 2_000_000
"""Half a minute and 500 MB at most; the reduction leaves a tiny part of what is drawn."""
_DRAWN_MAX: Final = 20_000
"""States of the net as it was drawn, among which the shortest run is looked for."""
SAFE, PROPER, OPTION, NO_DEAD = (
    "1-safe",
    "proper completion",
    "option to complete",
    "no dead nodes",
)


class Violation(msgspec.Struct, frozen=True):
    """A property that does not hold, and the run that shows it."""

    property: str
    node: str
    """Where to look."""
    message: str
    trace: list[Step]
    """From the start; empty where no run is needed to see it."""
    place: tuple[str | int, ...] = ()
    """Where in the definition it is stated; empty for the node."""

    def __str__(self) -> str:
        """Return the message, and the trace in the author's names."""
        run = " → ".join(map(str, self.trace))
        return f"{self.message}: {run}" if run else self.message


class Verdict(msgspec.Struct, frozen=True):
    """What is known of a definition's soundness."""

    sound: bool | None
    """And all that the author states holds. None where that is not known: `why_unknown`."""
    states: int
    """Markings that were seen, after reduction."""
    violations: list[Violation]
    why_unknown: str = ""
    bound: Bound | None = None
    """Most tokens of a place; None where it is not known."""


def soundness(definition: Definition, max_states: int = STATES_MAX) -> Verdict:
    """Decide the soundness of a definition whose structure is in order.

    The workflow and each of its scopes is judged by itself, a scope being one node of what is
    around it. A net is reduced before it is explored. Where something is wrong, the net as it
    was drawn is explored too, for the shortest run that shows it; where that would take too
    long, the reduced net's run is cut to what it needs.
    """
    scopes = [node.id for node in definition.nodes.values() if isinstance(node.kind, Scope)]
    verdicts = [_judged(definition, scope, max_states) for scope in ["", *scopes]]
    unknown = [verdict.why_unknown for verdict in verdicts if verdict.sound is None]
    violations = [violation for verdict in verdicts for violation in verdict.violations]
    sound = False if violations else None if unknown else True
    states = sum(verdict.states for verdict in verdicts)
    why = unknown[0] if unknown else ""
    verdict = Verdict(sound, states, violations, why, _widest([one.bound for one in verdicts]))
    return _with_properties(definition, verdict, max_states) if sound else verdict


def _with_properties(definition: Definition, verdict: Verdict, max_states: int) -> Verdict:
    """Decide what the author states of a sound definition."""
    violations, unknown, states = [], "", verdict.states
    for number, stated in enumerate(definition.properties):
        net = petri_net(definition, definition.nodes[stated.node].scope)
        decided = decide(net, stated, max_states)
        states += decided.states
        if decided.holds is None:
            unknown = f"{stated}: more than {max_states:,} states: raise --max-states"
        elif not decided.holds:
            violations.append(_broken(number, stated, decided.trace))
    sound = False if violations else None if unknown else True
    return msgspec.structs.replace(
        verdict, sound=sound, states=states, violations=violations, why_unknown=unknown
    )


def _broken(number: int, stated: Property, run: list[Step]) -> Violation:
    node, other = stated.node, stated.other
    messages = {
        "before": f"{node} can act although {other} has not acted yet",
        "after": f"{node} can act although {other} has acted",
        "always": f"a run can come to where {node} has acted and {other} cannot act any more",
    }
    return Violation(str(stated), node, messages[stated.kind], run, ("properties", number))


def _judged(definition: Definition, scope: str, max_states: int) -> Verdict:
    try:
        net = petri_net(definition, scope)
    except TooManyChoicesError as error:
        text = f"{error} has too many conditional flows: put an exclusive gateway before some"
        return Verdict(None, 0, [], text)
    small = explore(reduced(net), max_states)
    violations = violations_of(small, definition, scope)
    if violations:
        drawn = explore(net, min(max_states, _DRAWN_MAX))
        violations = violations_of(drawn, definition, scope) or _in_short(net, small, violations)
        bound = _bound(net, small)
        told = _with_bound(violations, bound)
        return Verdict(sound=False, states=small.states, violations=told, bound=bound)
    if not small.complete:
        text = f"more than {max_states:,} states: raise --max-states, or split the workflow"
        return Verdict(None, small.states, [], text)
    return Verdict(sound=True, states=small.states, violations=[], bound=Bound(1))


def _bound(net: Net, small: Explored) -> Bound | None:
    if small.clash is not None:
        return bound_of(net, _DRAWN_MAX)
    return Bound(1) if small.complete else None


def _widest(bounds: list[Bound | None]) -> Bound | None:
    """Return the bound of several nets; none is more than any."""
    known = [bound for bound in bounds if bound is not None]
    if any(not bound.most for bound in known):
        return Bound(0)
    return max(known, key=lambda bound: bound.most) if len(known) == len(bounds) else None


def _with_bound(violations: list[Violation], bound: Bound | None) -> list[Violation]:
    """Say of a place with two tokens how many it can be."""
    return [
        msgspec.structs.replace(one, message=f"{one.message} ({bound})")
        if bound is not None and one.property in {SAFE, PROPER}
        else one
        for one in violations
    ]


def _in_short(net: Net, small: Explored, violations: list[Violation]) -> list[Violation]:
    """Leave out of the reduced net's runs what they do not need."""
    if small.clash is None:
        return violations
    first, *others = violations
    run = shortened(net, first.trace, small.clash.places)
    return [msgspec.structs.replace(first, trace=run), *others]


def violations_of(found: Explored, definition: Definition, scope: str = "") -> list[Violation]:
    """Return what an exploration shows; each property once, with the first run against it."""
    violations = []
    if found.clash is not None:
        violations.append(_clash(found, found.clash, definition))
    if found.stuck is not None:
        violations.append(_stuck(found, found.stuck, definition))
    elif found.complete and found.clash is None:
        endless = found.endless()
        if endless is not None:
            violations.append(_endless(found, endless))
    if found.complete and found.clash is None:
        violations.extend(_dead(found, definition, scope))
    return violations


def _clash(found: Explored, clash: Clash, definition: Definition) -> Violation:
    net = found.net
    place = net.names(clash.places)[0]
    trace = [*found.run_to(clash.marking), *net.firings[clash.firing].steps]
    if place in definition.nodes:
        message = f"the end {place} can be reached twice in one run"
        return Violation(PROPER, place, message, trace)
    if place not in definition.flows:
        host = place.partition("/")[0]
        message = f"{host} can be reached again while it is still at work"
        return Violation(SAFE, host, message, trace)
    flow = definition.flows[place]
    message = (
        f"flow {flow.id} from {flow.source} to {flow.target} can carry two tokens at once: what "
        "was split in parallel has to be joined by a parallel gateway first"
    )
    return Violation(SAFE, flow.source, message, trace)


def _stuck(found: Explored, marking: int, definition: Definition) -> Violation:
    resting = [name for name in found.net.names(marking) if name in definition.flows]
    node = definition.flows[resting[0]].target
    here = [name for name in resting if definition.flows[name].target == node]
    lacking = [f.id for f in definition.flows.values() if f.target == node and f.id not in here]
    if isinstance(definition.nodes[node].kind, InclusiveGateway):
        message = (
            f"a run can stop for ever: {node} has a token on {', '.join(here)} and waits for "
            "tokens that wait for it in turn"
        )
        return Violation(OPTION, node, message, found.run_to(marking))
    message = (
        f"a run can stop for ever: {node} has a token on {', '.join(here)} and waits for one on "
        f"{', '.join(lacking)}, which cannot come any more"
    )
    return Violation(OPTION, node, message, found.run_to(marking))


def _endless(found: Explored, marking: int) -> Violation:
    trace = found.run_to(marking)
    node = trace[-1].node if trace else found.net.places[0]
    return Violation(OPTION, node, f"from {node} on no run can end any more", trace)


def _dead(found: Explored, definition: Definition, scope: str) -> list[Violation]:
    # A compensation activity acts within its host: the fallback after it is the host's way out.
    # A compensation handler runs when its node is undone, which lies outside the flow.
    # An event sub-process is started from outside the net, or by what nobody here can see.
    alive = {*found.alive(), *compensations_of(definition), *handlers_of(definition)}
    alive |= {*event_scopes_of(definition)}
    return [
        Violation(NO_DEAD, name, f"{name} can never act, whatever the conditions", [])
        for name, node in definition.nodes.items()
        if node.scope == scope and name not in alive
    ]
