"""The device: readings once each, and the last value of each metric."""

import pytest

from schemas.commands import SuspendInstance
from schemas.json_text import parse
from schemas.telemetry import Reading
from streams.domain.device.aggregate import WINDOW
from streams.testing.spec import device


def reading(name, metrics, device_time=1, arrival_time=2):
    return Reading(name, metrics, device_time, arrival_time)


def test_the_last_value_of_each_metric_is_kept():
    spec = device("d").given(
        reading("1", b'{"t":20,"h":5}', 10, 11), reading("2", b'{"t":21}', 12, 13)
    )
    state = spec.state
    assert parse(state.metrics) == {"t": 21, "h": 5}
    assert (state.device_time, state.arrival_time, state.readings) == (12, 13, 2)
    assert spec.past == ()


def test_a_reading_that_comes_again_has_no_effect():
    spec = device("d").given(reading("1", b'{"t":20}'), reading("2", b'{"t":21}'))
    after = spec.when(reading("1", b'{"t":20}')).then_nothing()
    assert after.state == spec.state


def test_a_reading_that_comes_late_is_counted_but_does_not_overwrite():
    spec = device("d").given(reading("2", b'{"t":21}', 20, 20), reading("1", b'{"t":5}', 10, 30))
    assert parse(spec.state.metrics) == {"t": 21}
    assert (spec.state.device_time, spec.state.arrival_time, spec.state.readings) == (20, 30, 2)


def test_the_window_of_known_readings_is_bounded():
    spec = device("d")
    for number in range(WINDOW + 1):
        spec = spec.given(reading(str(number), b"{}"))
    assert len(spec.state.recent) == WINDOW * 6
    assert spec.when(reading("1", b"{}")).accepted().state.readings == WINDOW + 1
    # The oldest has left the window.
    assert spec.when(reading("0", b"{}")).accepted().state.readings == WINDOW + 2


@pytest.mark.parametrize("metrics", [b"[]", b"{", b'{"n":9223372036854775808}'])
def test_metrics_that_are_no_json_object_are_refused(metrics):
    device("d").when(reading("1", metrics)).then_rejected("InvalidInput", "metrics of d")


def test_a_device_takes_readings_only():
    device("d").when(SuspendInstance()).then_rejected("UnsupportedOperation")


def test_a_device_waits_for_nothing_and_never_ends():
    spec = device("d").given(reading("1", b"{}"))
    assert spec.next_due() == 0
    assert spec.aggregate.sequence(spec.state) == 0
    assert not spec.aggregate.is_finished(spec.state)
    assert spec.aggregate.remnant(spec.state) == spec.state
