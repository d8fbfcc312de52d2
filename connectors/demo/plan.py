"""What is to be played, and what must come of it: decided before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, Protocol

from connectors.demo.errors import DemoError
from connectors.demo.sensor_file import (
    Alert,
    Slice,
    default_file,
    default_threshold,
    expected_alerts,
    slices_by_day,
)
from connectors.mqtt.broker import Kind
from streams.forms import read_definition

DEFINITION: Final = "temperature_monitoring"
INTERVAL: Final = "monitoringInterval"


class Wishes(NamedTuple):
    """What the user chose."""

    file: Path | None = None
    threshold: float | None = None
    """Default: the 95th percentile of the file."""
    speed: float = 600.0
    """The workflow's interval between two looks is divided by it."""
    mqtt: Kind = "auto"
    keep: bool = False


class Plan(NamedTuple):
    """One run."""

    file: Path
    slices: list[Slice]
    threshold: float
    alerts: list[Alert]
    """What a plain loop over the file says."""
    source: str
    """The workflow's definition."""
    interval: float
    """Seconds between two looks at a device."""
    mqtt: Kind

    @property
    def readings(self) -> int:
        """Return how many readings the file has."""
        return sum(len(part.samples) for part in self.slices)


class Counts(NamedTuple):
    """How far a run is."""

    instances: int
    readings: int
    alerts: int


class Progress(Protocol):
    """Is told how it goes."""

    def say(self, text: str) -> None:
        """Say what is being done."""
        ...

    def show(self, counts: Counts) -> None:
        """Show how far it is."""
        ...


def plan_of(wishes: Wishes, definition: Path) -> Plan:
    """Read the file and the definition.

    Raises:
        SensorFileError: the file is no recording; names file and line.
        DemoError: the definition is not there, or cannot be read.
    """
    file = wishes.file or default_file()
    slices = slices_by_day(file)
    threshold = default_threshold(slices) if wishes.threshold is None else wishes.threshold
    source, interval = _definition(definition)
    alerts = expected_alerts(slices, threshold)
    return Plan(file, slices, threshold, alerts, source, interval / wishes.speed, wishes.mqtt)


def _definition(path: Path) -> tuple[str, float]:
    """Return source and default interval of the workflow that is played."""
    if not path.is_file():
        raise DemoError(f"{path} is missing: run this in a copy of the whole project")
    source = path.read_text(encoding="utf-8")
    found = read_definition(source, str(path))
    if isinstance(found, list):
        raise DemoError("\n".join(map(str, found)))
    interval = found.defaults.get(INTERVAL)
    if found.id != DEFINITION or not isinstance(interval, int | float):
        raise DemoError(f"{path} is no {DEFINITION} with a number {INTERVAL}")
    return source, float(interval)
