"""The waits of a device, compiled: thresholds in order by metric, CEL for what is left.

A reading asks for the thresholds between a metric's last value and its new one: two searches
by halves, however many wait. An index is kept as long as its watch's waits are the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from typing import Any, Final

from schemas.json_text import canonical, parse
from streams.domain.expressions.cel import ExpressionError, Program, compile_cel
from streams.domain.watch.state import Wait

MISSING: Final = object()
"""The value of a metric that the device has not said."""


@lru_cache(4_096)
def _program(source: str) -> Program:
    return compile_cel(source, {})


class Condition:
    """A wait whose condition is CEL."""

    __slots__ = ("_program", "metric", "number", "variables")

    def __init__(self, wait: Wait) -> None:
        """Compile; the source was compiled when the definition was published."""
        self.number = wait.opened
        self.metric = wait.awaits.metric
        self.variables = wait.awaits.variables
        self._program: Program = _program(wait.awaits.condition)

    def holds(self, metrics: Mapping[str, Any]) -> bool:
        """Tell whether the device's last values meet it; `ExpressionError` where it fails."""
        if self.metric and self.metric not in metrics:
            return False
        seen = {"metrics": metrics, "value": as_double(metrics.get(self.metric))}
        return self._program.truth(self.variables, seen)

    def held(self, metrics: Mapping[str, Any]) -> bool:
        """Tell whether former values met it: where it failed, they did not."""
        try:
            return self.holds(metrics)
        except ExpressionError:
            return False


class Levels:
    """The waits for one metric."""

    __slots__ = ("_above", "_above_at", "_below", "_below_at", "_equal", "conditions", "exact")

    def __init__(self) -> None:
        """Begin without any."""
        self._above: list[tuple[float, int]] = []
        self._below: list[tuple[float, int]] = []
        self._above_at: list[float] = []
        self._below_at: list[float] = []
        self._equal: dict[Any, list[int]] = {}
        self.conditions: list[Condition] = []
        self.exact = False
        """Whether some wait for one value."""

    def add(self, wait: Wait) -> None:
        """Take a wait in."""
        awaits = wait.awaits
        if awaits.test == "condition":
            self.conditions.append(Condition(wait))
            return
        value = parse(awaits.value)
        if awaits.test == "equals":
            self.exact = True
            self._equal.setdefault(_key(value), []).append(wait.opened)
        else:
            side = self._above if awaits.test == "above" else self._below
            side.append((float(value), wait.opened))

    def sort(self) -> None:
        """Make ready: every wait is in."""
        self._above.sort()
        self._below.sort()
        self._above_at = [value for value, _ in self._above]
        self._below_at = [value for value, _ in self._below]

    def changed(self, before: Any, now: Any) -> tuple[list[int], list[int]]:
        """Return the thresholds that are met now and were not, and the other way round."""
        up_before, up_now = _number(before, -inf), _number(now, -inf)
        low_before, low_now = _number(before, inf), _number(now, inf)
        met, broken = _between(self._above, self._above_at, up_before, up_now, bisect_left)
        lost, gained = _between(self._below, self._below_at, low_before, low_now, bisect_right)
        met, broken = met + gained, broken + lost
        if self.exact and _key(before) != _key(now):
            met = met + self._equal.get(_key(now), [])
            broken = broken + self._equal.get(_key(before), [])
        return met, broken


def _between(
    side: list[tuple[float, int]], places: list[float], before: float, now: float, cut: Any
) -> tuple[list[int], list[int]]:
    """Return the waits that a value passed on its way up, and on its way down."""
    if before == now or not places:
        return [], []
    start, end = cut(places, before), cut(places, now)
    if start <= end:
        return [number for _, number in side[start:end]], []
    return [], [number for _, number in side[end:start]]


def _number(value: Any, other: float) -> float:
    """Return a number; what is none is neither above nor below anything."""
    return float(value) if type(value) is int or type(value) is float else other


def _key(value: Any) -> Any:
    """Return what equal values have in common: 1 and 1.0 are equal, 1 and true are not."""
    if value is MISSING:
        return MISSING
    if type(value) is int or type(value) is float:
        return float(value)
    return canonical(value)


def as_double(value: Any) -> Any:
    """Return a metric's value as CEL sees it: every number is a double, as in `number`."""
    return float(value) if type(value) is int else value


def meets(wait: Wait, metrics: Mapping[str, Any]) -> bool:
    """Tell whether values meet a wait for a level, alone; `ExpressionError` where CEL fails."""
    awaits = wait.awaits
    if awaits.test == "condition":
        return Condition(wait).holds(metrics)
    value = metrics.get(awaits.metric, MISSING)
    if not awaits.test or value is MISSING:
        return value is not MISSING or not awaits.metric
    bound = parse(awaits.value)
    if awaits.test == "equals":
        return bool(_key(value) == _key(bound))
    if awaits.test == "above":
        return _number(value, -inf) > float(bound)
    return _number(value, inf) < float(bound)


class Index:
    """Every wait of a device, by what makes it come about."""

    __slots__ = ("by_event", "by_metric", "by_number", "loose", "silent_min", "waits")

    def __init__(self, waits: dict[str, Wait]) -> None:
        """Compile the waits of a watch."""
        self.waits = waits
        self.by_number: dict[int, Wait] = {}
        self.by_event: dict[str, list[Wait]] = {}
        self.by_metric: dict[str, Levels] = {}
        self.loose: list[Condition] = []
        """Conditions over several metrics: every reading asks them."""
        self.silent_min = 0
        """The shortest silence that is waited for; 0 for none."""
        for wait in waits.values():
            self.by_number[wait.opened] = wait
            self._add(wait)
        for levels in self.by_metric.values():
            levels.sort()

    def _add(self, wait: Wait) -> None:
        awaits = wait.awaits
        if awaits.test == "silent":
            self.silent_min = min(self.silent_min or awaits.duration_ms, awaits.duration_ms)
        elif awaits.event_type:
            self.by_event.setdefault(awaits.event_type, []).append(wait)
        elif awaits.metric:
            self.by_metric.setdefault(awaits.metric, Levels()).add(wait)
        else:
            self.loose.append(Condition(wait))


_INDEXES: dict[int, Index] = {}
_INDEXES_MAX = 2_000


def index_of(waits: dict[str, Wait]) -> Index:
    """Return the index of a watch's waits, compiled on first use and kept with them."""
    index = _INDEXES.get(id(waits))
    if index is None or index.waits is not waits:
        if len(_INDEXES) >= _INDEXES_MAX:
            _INDEXES.clear()
        index = _INDEXES[id(waits)] = Index(waits)
    return index
