"""Which waits a reading meets, begins to meet, or breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from schemas.json_text import canonical
from schemas.watch_commands import MeetWaits, WaitMet
from streams.domain.device.index import MISSING, Condition, Index, meets
from streams.domain.device.state import DeviceState, Hold
from streams.domain.expressions.cel import ExpressionError
from streams.domain.protocol import SendCommand
from streams.domain.watch.state import Wait

READING, HELD, SILENT, INITIAL = "reading", "held", "silent", "initial"
LOOSE: Final = ""
"""In the place of a metric's name, where a condition is over all of them."""
Metrics = Mapping[str, Any]
"""Values by metric."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What the device says, or has said, when its waits are judged."""

    device: str
    now: int
    moment: int
    """When it was measured, ms since 1970."""
    metrics: dict[str, Any]
    """The last value of each metric, this reading's included."""
    said: dict[str, Any] = {}
    """What this reading says itself."""
    former: dict[str, Any] = {}
    """The last values before it."""
    event_type: str = ""
    heard: int = 0
    """When the last reading before it arrived."""
    count: int = 0
    """How many distinct readings were before it."""


class Judge:
    """Collects what came about; the device's state follows."""

    __slots__ = ("_index", "_payloads", "met", "seen", "state")

    def __init__(self, state: DeviceState, seen: Seen, index: Index) -> None:
        """Judge what is seen, starting from a state that has its values already."""
        self.state, self.seen, self._index = state, seen, index
        self.met: list[WaitMet] = []
        self._payloads: dict[tuple[str, str, bool], bytes] = {}

    def effects(self) -> list[SendCommand]:
        """Return what the watch is told."""
        if not self.met:
            return []
        return [SendCommand("watch", self.seen.device, "", MeetWaits(self.met))]

    def came(self, number: int, how: str) -> None:
        """Note that a wait came about."""
        wait = self._index.by_number.get(number)
        if wait is not None:
            self.met.append(WaitMet(number, self._payload(wait, how)))

    def _payload(self, wait: Wait, how: str) -> bytes:
        metric, stands = wait.awaits.metric, wait.stands
        key = (metric, how, stands)
        if key not in self._payloads:
            seen = self.seen
            payload: dict[str, Any] = {"device": seen.device, "how": how, "time": seen.moment}
            if how == SILENT:
                payload |= {"time": seen.heard, "metrics": seen.former}
            elif metric:
                payload |= {"metric": metric, "value": seen.metrics.get(metric)}
            else:
                payload["metrics"] = seen.said or seen.metrics
            if seen.event_type and how != SILENT:
                payload["event_type"] = seen.event_type
            if stands:  # The same for a silence, whether a reading or the clock has shown it.
                payload["reading"] = seen.count if how == SILENT else self.state.readings
            self._payloads[key] = canonical(payload)
        return self._payloads[key]

    def _asked(self, wait: Wait, holds: Callable[[Metrics], bool], metrics: Metrics) -> bool:
        """Ask whether a condition holds; one that fails is told to its watch.

        Of a start nobody could take it up: what fails does not hold.
        """
        try:
            return holds(metrics)
        except ExpressionError as error:
            if wait.stands:
                return False
            message = f"{wait.node} cannot judge device {self.seen.device}: {error}"
            self.met.append(WaitMet(wait.opened, b"null", "expression_failed", message))
            return False

    # Events count by themselves, levels where they change.

    def events(self) -> None:
        """Meet the waits for readings of this type."""
        seen = self.seen
        waits = self._index.by_event.get(seen.event_type)
        if not waits:
            return
        values = {**seen.metrics, **seen.said}
        for wait in waits:
            metric = wait.awaits.metric
            if metric and metric not in seen.said:
                continue
            if self._asked(wait, partial(meets, wait), values):
                self.came(wait.opened, READING)

    def levels(self) -> None:
        """Meet, begin or break what the reading's metrics are waited for."""
        seen, index = self.seen, self._index
        if self.state.held_at and seen.moment >= self.state.held_at:
            self._held_by(lambda hold: seen.moment >= hold.until)
        for metric in seen.said:
            levels = index.by_metric.get(metric)
            if levels is None:
                continue
            fresh = self._no_longer_fresh(metric)
            met, broken = levels.changed(seen.former.get(metric, MISSING), seen.said[metric])
            self._turned([n for n in met if n not in fresh], broken)
            self._conditions(levels.conditions, fresh)
            self._first(n for n in sorted(fresh) if not self._is_condition(n))
        if index.loose:
            self._conditions(index.loose, self._no_longer_fresh(LOOSE))

    def _no_longer_fresh(self, metric: str) -> frozenset[int]:
        """Return the waits that see a metric for the first time."""
        fresh = self.state.fresh
        if metric not in fresh:
            return frozenset()
        rest = {name: numbers for name, numbers in fresh.items() if name != metric}
        self.state = replace(self.state, fresh=rest)
        return frozenset(fresh[metric])

    def _is_condition(self, number: int) -> bool:
        wait = self._index.by_number.get(number)
        return wait is None or wait.awaits.test == "condition"

    def _conditions(self, conditions: list[Condition], fresh: frozenset[int]) -> None:
        seen, waits = self.seen, self._index.by_number
        for one in conditions:
            wait = waits[one.number]
            if self._asked(wait, one.holds, seen.metrics):
                if one.number in fresh or not one.held(seen.former):
                    self._turned([one.number], [])
            else:
                self._turned([], [one.number])

    def _first(self, numbers: Iterable[int]) -> None:
        """Judge thresholds that see their metric for the first time."""
        waits = self._index.by_number
        self._turned([n for n in numbers if meets(waits[n], self.seen.said)], [])

    def _turned(self, met: list[int], broken: list[int]) -> None:
        """Meet what has no duration, begin what has one, let go of what is broken."""
        holds = self.state.holds
        if met:
            waits, seen = self._index.by_number, self.seen
            begun = {n: waits[n].awaits.duration_ms for n in met if waits[n].awaits.duration_ms}
            for number in met:
                if number not in begun:
                    self.came(number, READING)
            made = {n: Hold(seen.moment + ms, seen.now + ms) for n, ms in begun.items()}
            if made:
                self._keep_holds({**holds, **made})
        elif holds and broken:
            kept = {number: hold for number, hold in holds.items() if number not in broken}
            if len(kept) != len(holds):
                self._keep_holds(kept)

    def _keep_holds(self, holds: dict[int, Hold]) -> None:
        held_at = min((one.until for one in holds.values()), default=0)
        self.state = replace(self.state, holds=holds, held_at=held_at)

    def _held_by(self, is_over: Callable[[Hold], bool]) -> None:
        """Meet what has held long enough."""
        over = [number for number, hold in self.state.holds.items() if is_over(hold)]
        for number in over:
            self.came(number, HELD)
        if over:
            self._keep_holds({n: one for n, one in self.state.holds.items() if n not in over})

    # Silence, and what the clock shows.

    def silences(self, arrived: int, heard: int) -> None:
        """Meet the waits whose silence this reading ends; `heard` is the arrival before it."""
        state, index = self.state, self._index
        if state.silences and arrived >= heard + index.silent_min:
            self._silent(arrived, heard)
        state = self.state
        if state.quiet:
            again = {n: self._silence_over(n, 0, arrived) for n in state.quiet}
            self.state = replace(state, silences={**state.silences, **again}, quiet=())

    def _silence_over(self, number: int, due: int, heard: int) -> int:
        """Return when a device that was heard last at a moment has been silent long enough."""
        wait = self._index.by_number.get(number)
        return max(due, heard + (wait.awaits.duration_ms if wait is not None else 0))

    def _silent(self, clock: int, heard: int) -> None:
        left: dict[int, int] = {}
        quiet = self.state.quiet
        for number, due in self.state.silences.items():
            over = self._silence_over(number, due, heard)
            if over > clock:
                left[number] = over
                continue
            self.came(number, SILENT)
            wait = self._index.by_number.get(number)
            if wait is not None and not wait.once:
                quiet = (*quiet, number)
        self.state = replace(self.state, silences=left, quiet=quiet)

    def looked(self, clock: int) -> None:
        """Judge by the clock: every reading before this moment is known."""
        self._held_by(lambda hold: hold.due <= clock)
        if self.state.silences:
            self._silent(clock, self.state.heard)

    def may_be_over(self) -> bool:
        """Move the moments that readings have put off; tell whether one is over all the same."""
        state, now = self.state, self.seen.now
        moved = {
            number: self._silence_over(number, due, state.heard) if due <= now else due
            for number, due in state.silences.items()
        }
        self.state = replace(state, silences=moved)
        return any(due <= now for due in moved.values()) or any(
            hold.due <= now for hold in state.holds.values()
        )

    # Waits come and go.

    def opened(self, number: int) -> None:
        """Begin to judge a wait; with `initial`, the last values count as if they came now."""
        wait = self._index.by_number[number]
        awaits, state = wait.awaits, self.state
        if awaits.test == SILENT:
            since = state.heard if awaits.initial and state.heard else self.seen.now
            due = since + awaits.duration_ms
            self.state = replace(state, silences={**state.silences, number: due})
            return
        if awaits.event_type:
            return
        known = awaits.metric in self.seen.metrics if awaits.metric else bool(state.readings)
        if not (awaits.initial and known):
            fresh = (*state.fresh.get(awaits.metric, ()), number)
            self.state = replace(state, fresh={**state.fresh, awaits.metric: fresh})
        elif self._asked(wait, partial(meets, wait), self.seen.metrics):
            if awaits.duration_ms:
                self._turned([number], [])
            else:
                self.came(number, INITIAL)


def without(state: DeviceState, number: int) -> DeviceState:
    """Return a device's state without a wait that is over."""
    fresh = {m: tuple(n for n in numbers if n != number) for m, numbers in state.fresh.items()}
    holds = {n: hold for n, hold in state.holds.items() if n != number}
    return replace(
        state,
        fresh={metric: numbers for metric, numbers in fresh.items() if numbers},
        holds=holds,
        held_at=min((one.until for one in holds.values()), default=0),
        silences={n: due for n, due in state.silences.items() if n != number},
        quiet=tuple(n for n in state.quiet if n != number),
    )
