"""What starts instances by itself: starts of newest versions that something triggers."""

from __future__ import annotations

from collections.abc import Iterator

from streams.domain.net.device import DeviceTrigger, device_values
from streams.domain.net.model import Definition, MessageTrigger, SignalTrigger, Start, TimerTrigger
from streams.domain.net.timing import timing_of

NOBODY: list[str] = []


def triggered_starts(definition: Definition) -> Iterator[tuple[str, Start]]:
    """Yield id and kind of the starts that something triggers, in the author's order."""
    for node in definition.nodes.values():
        if isinstance(node.kind, Start) and node.kind.trigger is not None and not node.scope:
            yield node.id, node.kind


def name_of(start: Start) -> tuple[str, str]:
    """Return what triggers a start: `message` or `signal` and its name, `timer` and its values.

    Of a `device` its id, or the pattern of ids, comes first.
    """
    trigger = start.trigger
    assert trigger is not None
    if isinstance(trigger, TimerTrigger):
        words = [f"{word} {value.source}" for word, value in timing_of(trigger).items()]
        return "timer", ", ".join(words)
    if isinstance(trigger, MessageTrigger):
        return "message", trigger.message
    if isinstance(trigger, DeviceTrigger):
        return "device", ", ".join(_of_device(trigger))
    assert isinstance(trigger, SignalTrigger)  # Nothing else starts a workflow.
    return "signal", trigger.signal


def _of_device(trigger: DeviceTrigger) -> Iterator[str]:
    values = {word: value.source for word, value in device_values(trigger).items()}
    yield str(values.pop("device"))
    given = {"metric": trigger.metric, "event_type": trigger.event_type}
    for word, value in {**given, "condition": trigger.condition, **values}.items():
        if value not in (None, ""):
            yield f"{word} {value}"


class StartsByName:
    """Which definitions a message or a signal starts; each definition has its newest version."""

    def __init__(self) -> None:
        """Know of no definition."""
        self._by_name: dict[tuple[str, str], list[str]] = {}
        self._by_definition: dict[str, list[tuple[str, str]]] = {}

    def put(self, definition: Definition) -> None:
        """Take a definition's newest version in the place of a former one."""
        self.drop(definition.id)
        starts = [start for _, start in triggered_starts(definition)]
        by_name = [one for one in starts if isinstance(one.trigger, MessageTrigger | SignalTrigger)]
        names = [name_of(one) for one in by_name]
        if names:
            self._by_definition[definition.id] = names
        for name in names:
            self._by_name[name] = sorted([*self._by_name.get(name, ()), definition.id])

    def drop(self, definition_id: str) -> None:
        """Forget a definition: nothing starts it any more."""
        for name in self._by_definition.pop(definition_id, ()):
            self._by_name[name] = [one for one in self._by_name[name] if one != definition_id]

    def of(self, kind: str, name: str) -> list[str]:
        """Return the definitions that this starts, in the order of their ids."""
        return self._by_name.get((kind, name), NOBODY)
