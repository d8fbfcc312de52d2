"""What devices start: which of them each definition names, and what of them it waits for.

An engine has all of it in one value, which is replaced as a whole, since it is read beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from schemas.json_text import canonical
from schemas.watch_events import DeviceWait
from streams.domain.expressions.moments import duration_ms
from streams.domain.net.device import DeviceTrigger
from streams.domain.net.model import Definition
from streams.domain.net.starts import name_of, triggered_starts

ALL: Final = "*"
"""At the end of an id: every device whose id begins so."""
_NUMBERS: Final = 100_000
"""More starts than a definition has room for."""


class Standing(NamedTuple):
    """A start of a definition's newest version."""

    device: str
    """An id, or the beginning of ids with `*`."""
    node: str
    number: int
    """Tells the starts apart of all records of the definition; later ones are greater."""
    awaits: DeviceWait


class Newest(NamedTuple):
    """What a definition's newest version is started by."""

    position: int
    """Number of the definition's record that made it the newest."""
    starts: tuple[Standing, ...]


class DeviceStarts:
    """What every definition is started by; never changes."""

    __slots__ = ("_newest", "mark")

    def __init__(self, newest: dict[str, Newest]) -> None:
        """Take what each definition is started by, those too that no longer are."""
        self._newest = newest
        places = sorted((name, one.position) for name, one in newest.items())
        self.mark = blake2b(repr(places).encode(), digest_size=8).digest() if newest else b""
        """Another where anything has changed."""

    def put(self, definition: Definition, position: int) -> DeviceStarts:
        """Return this with a definition's newest version."""
        return self._with(definition.id, Newest(position, tuple(_standing(definition, position))))

    def drop(self, definition_id: str, position: int) -> DeviceStarts:
        """Return this without a definition."""
        return self._with(definition_id, Newest(position, ()))

    def _with(self, name: str, newest: Newest) -> DeviceStarts:
        if not newest.starts and name not in self._newest:
            return self
        return DeviceStarts({**self._newest, name: newest})

    def of(self, device_id: str) -> dict[str, list[Standing]]:
        """Return the starts that a device may trigger, by definition."""
        found = {
            name: [one for one in newest.starts if is_meant(one.device, device_id)]
            for name, newest in self._newest.items()
        }
        return {name: starts for name, starts in found.items() if starts}

    def is_behind(self, definition_id: str, number: int) -> bool:
        """Tell whether a start is of a later record than all that is known here."""
        newest = self._newest.get(definition_id)
        return newest is None or newest.position < number // _NUMBERS


NOTHING_STARTED: Final = DeviceStarts({})


def is_meant(pattern: str, device_id: str) -> bool:
    """Tell whether an id, or the beginning of ids, means a device."""
    if pattern.endswith(ALL):
        return device_id.startswith(pattern[:-1])
    return pattern == device_id


def _standing(definition: Definition, position: int) -> Iterator[Standing]:
    for count, (node, start) in enumerate(triggered_starts(definition)):
        trigger = start.trigger
        if isinstance(trigger, DeviceTrigger):
            _, name = name_of(start)
            number = position * _NUMBERS + count
            yield Standing(trigger.device.source, node, number, _waited(trigger, name))


def _waited(trigger: DeviceTrigger, name: str) -> DeviceWait:
    """Return what is waited for; a start's values are literals."""
    return DeviceWait(
        trigger.metric,
        trigger.event_type,
        trigger.test,
        b"null" if trigger.bound is None else canonical(trigger.bound.source),
        trigger.condition,
        {},
        0 if trigger.duration is None else duration_ms(trigger.duration.source),
        start=name,
    )
