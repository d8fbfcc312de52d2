"""A device and its watch side by side, as a shard drives them: for sentences about waits."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from schemas.commands import AcceptMessage, CloseSubscription, Correlate, FireTimer, RejectMessage
from schemas.json_text import canonical, parse
from schemas.telemetry import DeviceCheck, Reading
from schemas.watch_commands import OpenWatch
from schemas.watch_events import DeviceWait
from streams.domain.protocol import SendCommand
from streams.testing.spec import Decided, Spec, device, watch

LIFE = "life"
"""The incarnation of every owner."""


class Watched:
    """One device with its watch; owners are told in `told`, marks lie in `marks` until read."""

    def __init__(self, *sources: str, **limits: int) -> None:
        """Begin with a device that nobody has heard of, and what it may start."""
        self.device: Spec = device("d", *sources)
        self.watch: Spec = watch("d", *sources).with_limits(**limits)
        self.told: list[tuple[str, msgspec.Struct]] = []
        self.marks: list[DeviceCheck] = []
        self._readings = 0

    @property
    def now(self) -> int:
        """The shard's clock, ms since 1970."""
        return self.device.now

    def knows(self, *sources: str) -> Watched:
        """Let the engine know other definitions than before, or newer ones."""
        known = device("d", *sources).definitions
        self.device = replace(self.device, definitions=known)
        self.watch = replace(self.watch, definitions=known)
        return self

    def later(self, milliseconds: int) -> Watched:
        """Let time pass; nothing fires by itself."""
        self.device, self.watch = self.device.later(milliseconds), self.watch.later(milliseconds)
        return self

    def to_device(self, body: msgspec.Struct) -> Decided:
        """Let the device decide, and what follows from it."""
        beside = self.watch.state if self.watch.past else None
        decided = replace(self.device, beside=beside).when(body)
        self.device = decided.accepted()
        self._route(decided)
        return decided

    def to_watch(self, body: msgspec.Struct) -> Decided:
        """Let the watch decide, and what follows from it."""
        decided = self.watch.when(body)
        self.watch = decided.accepted()
        self._route(decided)
        return decided

    def _route(self, decided: Decided) -> None:
        for effect in decided.effects:
            assert isinstance(effect, SendCommand)
            if isinstance(effect.body, DeviceCheck):
                self.marks.append(effect.body)
            elif effect.aggregate_type == "watch":
                self.to_watch(effect.body)
            elif effect.aggregate_type == "device":
                self.to_device(effect.body)
            else:
                self.told.append((effect.aggregate_id, effect.body))

    def wait(self, owner: str = "one", *, once: bool = True, **awaits: Any) -> Watched:
        """Let an owner wait; the arguments are the fields of `DeviceWait`."""
        body = OpenWatch(owner, LIFE, 1, "wait", DeviceWait(**awaits), once)
        self.to_watch(body)
        return self

    def close(self, owner: str = "one") -> Watched:
        """Let an owner wait no longer."""
        self.to_watch(CloseSubscription(owner, LIFE, 1))
        return self

    def says(self, *, name: str = "", at: int = 0, kind: str = "telemetry", **said: Any) -> Watched:
        """Let the device say something, measured at a moment or now."""
        self._readings += 1
        reading = name or f"r{self._readings}"
        self.to_device(Reading(reading, canonical(said), at or self.now, self.now, kind))
        return self

    def fire(self) -> Watched:
        """Let time pass until a timer of the device is due, and fire it."""
        due = self.device.next_due()
        self.later(max(0, due - self.now))
        self.to_device(FireTimer(due))
        return self

    def read_marks(self) -> Watched:
        """Let the marks come back that the shard wrote among the readings."""
        while self.marks:
            self.to_device(self.marks.pop(0))
        return self

    def offers(self, owner: str = "one") -> list[dict[str, Any]]:
        """Return what an owner was offered so far."""
        return [parse(b.payload) for o, b in self.told if o == owner and isinstance(b, Correlate)]

    def take(self, owner: str = "one") -> Watched:
        """Let an owner take what it was offered last."""
        self.to_watch(AcceptMessage(owner, LIFE, 1, self._last(owner)))
        return self

    def defer(self, owner: str = "one", *, final: bool = False) -> Watched:
        """Let an owner defer, or refuse, what it was offered last."""
        self.to_watch(RejectMessage(owner, LIFE, 1, self._last(owner), "asleep", final))
        return self

    def _last(self, owner: str) -> str:
        return [b for o, b in self.told if o == owner and isinstance(b, Correlate)][-1].message_id
