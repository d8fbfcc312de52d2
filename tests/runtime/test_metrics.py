"""What an engine tells Prometheus, asked over HTTP."""

import asyncio
import socket

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.commands import RunInstance
from schemas.results import CompleteActivity
from streams.domain.instance.aggregate import INSTANCE
from streams.metrics import MetricsPortError, serve_metrics
from streams.runtime.engine import Engine
from streams.runtime.inbox import COMMANDS
from streams.runtime.meter import Histogram


@pytest.fixture
def port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def scrape(port):
    """Every sample by name and labels."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def behind(samples):
    return sum(samples["tidemill_lag", COMMANDS, partition] for partition in "01")


async def test_a_shards_counts_are_served_by_partition(lab_of, feed_of, runner_of, port):
    lab = lab_of(2)
    engine = Engine(lambda partition: runner_of(lab, partition), 1_000)
    engine.feed = feed_of(lab)
    stop = serve_metrics(engine, lambda place: lab.kafka.end_offset(*place), port)
    try:
        assert not any(len(key) > 1 for key in await scrape(port)), "no partition is owned yet"
        await engine.own([0, 1])
        await engine.seek_all()
        before = await scrape(port)
        for number in range(20):
            lab.command(f"i-{number}", RunInstance("hello"))
        lab.command(lab.at(0), RunInstance("pause"))
        assert behind(await scrape(port)) == 21
        engine.feed.fetch_all(engine)
        async with asyncio.timeout(20):
            while behind(after := await scrape(port)):
                await asyncio.sleep(0.01)
    finally:
        stop()
        await engine.close()

    def grown(name):
        return sum(after[name, p] - before[name, p] for p in "01")

    assert grown("tidemill_records_total") == 21
    assert grown("tidemill_events_total") == 42
    assert grown("tidemill_position") == 42
    assert grown("tidemill_batch") == grown("tidemill_transaction_seconds_count") > 0
    assert grown("tidemill_batch_records_sum") == 21
    assert (
        after["tidemill_transaction_seconds_bucket", "+Inf", "0"]
        == (after["tidemill_transaction_seconds_count", "0"])
    )
    assert [after["tidemill_queued", p] for p in "01"] == [0, 0]
    assert [after["tidemill_refused", p] for p in "01"] == [0, 0]
    assert after["tidemill_timer_delay_seconds", "0"] > 0, "the lab's clock is long ago"
    assert after["tidemill_recoveries_total", "0"] >= 2


async def test_aborts_stalls_and_refusals_are_counted(lab, monkeypatch, runner_of):
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    original = INSTANCE.decide

    def decide(command, state, ctx):
        if isinstance(command, CompleteActivity):
            raise ZeroDivisionError
        return original(command, state, ctx)

    monkeypatch.setattr(type(INSTANCE), "decide", staticmethod(decide))
    lab.put(lab.names.results, "i-1", CompleteActivity(2, 1, b"1"))
    lab.settle()
    meter = lab.shards[0].meter
    assert (meter.stalled, meter.aborts) == (1, 0)
    assert meter.records == 6, "two publications, their verdicts, a start, a result"
    assert sum(meter.seconds.counts) == lab.shards[0].position.batch


def test_a_histogram_counts_by_the_smallest_bound_that_holds():
    one = Histogram((1, 10))
    for value in (0.5, 1, 1.5, 10, 11):
        one.add(value)
    assert one.counts == [2, 2, 1]
    assert one.sum == 24


def test_a_port_that_is_taken_is_told_with_the_setting(port):
    engine = Engine(lambda _: None, 1)
    stop = serve_metrics(engine, lambda _: None, port)
    with pytest.raises(MetricsPortError, match="TIDEMILL_METRICS_PORT"):
        serve_metrics(engine, lambda _: None, port)
    stop()
