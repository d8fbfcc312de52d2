"""Recordings: reading, cutting, and the plain loop."""

import os
from pathlib import Path

import pytest

from connectors.demo.sensor_file import (
    Alert,
    Sample,
    SensorFileError,
    default_file,
    default_threshold,
    expected_alerts,
    percentile,
    slices_by_day,
)

SHARED = Path(os.environ.get("TIDEMILL_SHARED", "../shared"))
NAB = SHARED / "data/machine-temperature/machine_temperature_system_failure.csv"


def test_the_default_recording_is_a_year_of_hours_with_one_device_a_day():
    slices = slices_by_day(default_file())
    assert len(slices) == 365
    assert sum(len(part.samples) for part in slices) == 8_759
    assert slices[0].device_id == "sensor-2010-01-01"
    assert slices[0].samples[0] == Sample("2010-01-01T00:00:00Z", 39.4)


def test_alerts_of_the_default_recording_are_the_readings_above_the_95th_percentile():
    slices = slices_by_day(default_file())
    threshold = default_threshold(slices)
    alerts = expected_alerts(slices, threshold)
    readings = [s.temperature for part in slices for s in part.samples]
    assert len(alerts) == sum(value > threshold for value in readings)
    assert 0 < len(alerts) <= 0.05 * len(readings)


def test_any_file_of_timestamps_and_values_will_do(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("timestamp,value\n2013-12-02 21:15:00,73.9\n2013-12-03T00:00:00+01:00,80\n")
    [only] = slices_by_day(path)
    assert only.device_id == "sensor-2013-12-02"
    assert only.samples[1] == Sample("2013-12-02T23:00:00Z", 80.0)
    assert expected_alerts([only], 73.9) == [
        Alert("sensor-2013-12-02", "2013-12-02T23:00:00Z", 80.0)
    ]


@pytest.mark.skipif(not NAB.exists(), reason=f"{NAB} is not there; set TIDEMILL_SHARED")
def test_the_machine_temperature_recording_is_read_whole():
    slices = slices_by_day(NAB)
    assert sum(len(part.samples) for part in slices) == 22_695
    assert slices[0].samples[0] == Sample("2013-12-02T21:15:00Z", 73.96732207)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no column timestamp or time or date"),
        ("timestamp,b\n1,2\n", "no column value"),
        ("", "no column"),
        ("timestamp,value\nnoon,1\n", ":2: not a timestamp"),
        ("timestamp,value\n2020-01-01,hot\n", ":2: not a timestamp"),
        ("timestamp,value\n2020-01-01,1\n2020-01-02\n", ":3: not a timestamp"),
        ("timestamp,value\n2020-01-01,nan\n", ":2: nan is no temperature"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_file_and_line(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(SensorFileError, match=words) as caught:
        slices_by_day(path)
    assert "bad.csv" in str(caught.value)


def test_the_percentile_is_the_nearest_rank():
    assert percentile(range(1, 101)) == 95
    assert percentile([5.0]) == 5.0
    assert percentile([1, 2], 0.5) == 1
    with pytest.raises(SensorFileError):
        percentile([])
