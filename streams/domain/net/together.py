"""Message-soundness: whether definitions that speak with each other can all end.

Each is sound by itself, where every message comes from outside when it is waited for. Together they
may still wait for each other, or for a message that the other does not send on the way it has
taken (van der Aalst, Lohmann, Massuthe, Stahl and Wolf, Multiparty contracts: agreeing and
implementing interorganizational processes, 2010): then the composition has no option to complete.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams.domain.net.compose import WAITING_MAX, Composed, Origin, compose
from streams.domain.net.conversation import Conversation, Discord, conversation, name_of, trigger_of
from streams.domain.net.endless_calls import endless_calls
from streams.domain.net.explore import Explored, explore
from streams.domain.net.model import (
    Definition,
    EventGateway,
    MessageTrigger,
    Node,
    SignalTrigger,
    Throw,
    Wait,
)
from streams.domain.net.petri import bits
from streams.domain.net.scopes import boundaries_of
from streams.domain.net.soundness import STATES_MAX
from streams.domain.net.translate import TooManyChoicesError
from streams.domain.net.wait import leaves_of

TOGETHER, TAKEN = "option to complete together", "messages are taken"


class Accord(msgspec.Struct, frozen=True):
    """What is known of definitions together."""

    sound: bool | None
    """None where that is not known: `why_unknown`."""
    states: int
    discords: list[Discord]
    parties: list[str]
    """Ids of those that speak with each other; empty where none does."""
    why_unknown: str = ""


def together(definitions: Sequence[Definition], max_states: int = STATES_MAX) -> Accord:
    """Decide whether definitions, each of them sound by itself, can all end together.

    One instance of each that nobody calls takes part, in one conversation: correlation keys are
    not looked at, and messages do not expire.
    """
    endless = endless_calls(definitions)
    if endless:
        return Accord(sound=False, states=0, discords=endless, parties=[])
    found = conversation(definitions)
    parties = [one.id for one in definitions if found.takes_part(one)]
    combined = _combined(definitions)
    if combined:
        return Accord(sound=None, states=0, discords=[], parties=parties, why_unknown=combined)
    if not parties:
        return Accord(sound=True, states=0, discords=[], parties=[])
    try:
        whole = compose(found)
    except TooManyChoicesError as error:
        text = f"{error} has too many ways to be looked at together with the others"
        return Accord(sound=None, states=0, discords=[], parties=parties, why_unknown=text)
    return _judged(found, whole, parties, max_states)


def _combined(definitions: Sequence[Definition]) -> str:
    """Say which node combines events of which another definition throws one."""
    kinds = [(one.id, node) for one in definitions for node in one.nodes.values()]
    thrown = {_named(node.kind.trigger) for _, node in kinds if isinstance(node.kind, Throw)}
    for name, node in kinds:
        if isinstance(node.kind, Wait):
            triggers = [leaf.trigger for _, leaf in leaves_of(node.kind.whole)]
            if any(_named(trigger) in thrown for trigger in triggers):
                return f"{name}: {node.id} waits for several events, which is not looked at here"
    return ""


def _named(trigger: object) -> tuple[type, str]:
    if isinstance(trigger, MessageTrigger | SignalTrigger):
        return type(trigger), name_of(trigger)
    return type(trigger), ""


def _judged(found: Conversation, whole: Composed, parties: list[str], max_states: int) -> Accord:
    seen = explore(whole.net, max_states)
    states = seen.states
    if seen.stuck is not None and not seen.stuck & whole.overflow:
        discord = _stuck(found, whole, seen, seen.stuck)
        return Accord(sound=False, states=states, discords=[discord], parties=parties)
    why = ""
    if not seen.complete:
        why = f"more than {max_states:,} states: raise --max-states"
    elif seen.clash is not None or any(marking & whole.overflow for marking in seen.numbers):
        why = f"more than {WAITING_MAX} messages of one name can wait"
    if why:
        return Accord(sound=None, states=states, discords=[], parties=parties, why_unknown=why)
    endless = seen.endless()
    if endless is not None:
        discord = _stuck(found, whole, seen, endless)
        return Accord(sound=False, states=states, discords=[discord], parties=parties)
    left = [*_left(whole, seen)]
    return Accord(sound=True, states=states, discords=left, parties=parties)


def _stuck(found: Conversation, whole: Composed, seen: Explored, marking: int) -> Discord:
    """Say who waits for what where a run cannot end any more."""
    resting = [whole.origins[place.bit_length() - 1] for place in bits(marking & ~whole.net.ends)]
    waits = [(one, _wait_of(found, one)) for one in resting]
    told = [f"{one.definition} {text}" for one, (_, text) in waits if text]
    where, (node, _) = next((pair for pair in waits if pair[1][1]), waits[0])
    if any(marking & place for place in bits(whole.waiting)):
        names = [whole.origins[p.bit_length() - 1].place for p in bits(marking & whole.waiting)]
        told.append(f"nobody takes {', '.join(dict.fromkeys(names))}")
    message = f"together they can come to where not all can end: {'; '.join(told)}"
    return Discord(TOGETHER, where.definition, node, message, seen.run_to(marking))


def _wait_of(found: Conversation, origin: Origin) -> tuple[str, str]:
    """Return the node at which a token rests, and what it waits for; empty where for nothing."""
    definition = found.definitions[origin.definition]
    flow = definition.flows.get(origin.place)
    name, _, rest = origin.place.partition("/")
    if flow is None and rest != "active":
        return name, ""
    node = definition.nodes[name if flow is None else flow.target]
    events = [node, *(definition.nodes[b] for b in boundaries_of(definition).get(node.id, ()))]
    if isinstance(node.kind, EventGateway):
        following = (f.target for f in definition.flows.values() if f.source == node.id)
        events = [definition.nodes[name] for name in following]
    names = [text for event in events if (text := _awaited(found, event))]
    return node.id, f"waits at {node.id} for {' or '.join(names)}" if names else ""


def _awaited(found: Conversation, node: Node) -> str:
    trigger = trigger_of(node)
    if not found.is_inside(trigger):
        return ""
    if isinstance(trigger, MessageTrigger):
        return f"the message {trigger.message}"
    assert isinstance(trigger, SignalTrigger)
    return f"the signal {trigger.signal}"


def _left(whole: Composed, seen: Explored) -> list[Discord]:
    """Return the messages that can be left when all have ended: no fault, but worth a word."""
    found: dict[str, Discord] = {}
    for marking in seen.numbers:
        if not marking & whole.waiting or not seen.is_final(marking):
            continue
        for place in bits(marking & whole.waiting):
            name = whole.origins[place.bit_length() - 1].place
            if name not in found:
                message = f"all can end and leave the message {name} that nobody takes"
                run = seen.run_to(marking)
                found[name] = Discord(TAKEN, "", "", message, run, is_error=False)
    return list(found.values())
