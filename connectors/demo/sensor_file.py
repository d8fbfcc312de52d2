"""A sensor's recording, cut into days, and what a plain loop says about it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

_TIME_COLUMNS: Final = ("timestamp", "time", "date", "datetime")
_VALUE_COLUMNS: Final = ("value", "temperature", "temp")
_FORMATS: Final = ("%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")
_PERCENTILE: Final = 0.95


class SensorFileError(ValueError):
    """The file is no recording of `timestamp,value`."""


class Sample(NamedTuple):
    """One row of the file."""

    time: str
    """RFC 3339, UTC."""
    temperature: float


class Slice(NamedTuple):
    """One day of the recording, played by one device."""

    device_id: str
    samples: tuple[Sample, ...]


class Alert(NamedTuple):
    """One reading above the threshold."""

    device_id: str
    time: str
    temperature: float


def default_file() -> Path:
    """Return the recording that ships with `vega_datasets`: Seattle's hourly temperatures, 2010."""
    return Path(str(files("vega_datasets") / "_data" / "seattle-temps.csv"))


def read_samples(path: Path) -> list[Sample]:
    """Read the rows of a CSV file with a column of times and one of values.

    Raises:
        SensorFileError: a column is missing or a row cannot be read; names file and line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        try:
            samples = list(_samples(path, rows))
        except (csv.Error, UnicodeDecodeError) as error:
            raise SensorFileError(f"{path}:{rows.line_num + 1}: no CSV file: {error}") from error
    if not samples:
        raise SensorFileError(f"{path}:1: there is no reading below the header")
    return samples


def _samples(path: Path, rows: Any) -> Iterator[Sample]:
    header = [name.strip().lower() for name in next(rows, [])]
    time = _column(path, header, _TIME_COLUMNS)
    value = _column(path, header, _VALUE_COLUMNS)
    for row in rows:
        if row:
            yield _sample(path, rows.line_num, row, time, value)


def slices_by_day(path: Path) -> list[Slice]:
    """Cut a file into days; one device plays one day, in the order of the file."""
    days: dict[str, list[Sample]] = {}
    for sample in read_samples(path):
        days.setdefault(sample.time[:10], []).append(sample)
    return [Slice(f"sensor-{day}", tuple(samples)) for day, samples in days.items()]


def percentile(values: Iterable[float], share: float = _PERCENTILE) -> float:
    """Return the nearest-rank percentile: the smallest value that so many do not exceed."""
    ordered = sorted(values)
    if not ordered:
        raise SensorFileError("the recording is empty")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def default_threshold(slices: Sequence[Slice]) -> float:
    """Return the 95th percentile of all temperatures."""
    return percentile(sample.temperature for part in slices for sample in part.samples)


def expected_alerts(slices: Sequence[Slice], threshold: float) -> list[Alert]:
    """Say in a plain loop which readings must raise an alert."""
    return [
        Alert(part.device_id, sample.time, sample.temperature)
        for part in slices
        for sample in part.samples
        if sample.temperature > threshold
    ]


def _column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise SensorFileError(
        f"{path}:1: no column {' or '.join(names)} in the first line, which is {','.join(header)!r}"
    )


def _sample(path: Path, line: int, row: list[str], time: int, value: int) -> Sample:
    try:
        temperature = float(row[value])
        moment = _moment(row[time].strip())
    except (ValueError, IndexError) as error:
        raise SensorFileError(f"{path}:{line}: not a timestamp and a number: {row}") from error
    if not math.isfinite(temperature):
        raise SensorFileError(f"{path}:{line}: {row[value]} is no temperature")
    return Sample(moment.strftime("%Y-%m-%dT%H:%M:%SZ"), temperature)


def _moment(text: str) -> datetime:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
