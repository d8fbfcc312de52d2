"""The engine's Prometheus metrics: read off the shards when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streams.runtime.engine import Engine, Place
from streams.runtime.inbox import INPUTS
from streams.runtime.meter import Histogram
from streams.runtime.runner import Runner


def _delay(runner: Runner) -> float:
    due = runner.shard.next_due
    return max(0.0, time.time() - due / 1000) if due else 0.0


_COUNTERS: tuple[tuple[str, str, Callable[[Runner], float]], ...] = (
    ("records", "Input records applied", lambda r: r.shard.meter.records),
    ("timers", "Timers fired", lambda r: r.shard.meter.timers),
    ("events", "Events written", lambda r: r.shard.meter.events),
    ("aborts", "Transactions aborted", lambda r: r.shard.meter.aborts),
    ("recoveries", "Times that the partition was taken", lambda r: r.shard.meter.recoveries),
    ("replayed", "Changelog records read in doing so", lambda r: r.shard.meter.replayed),
    ("stalled", "Aggregates stopped by a defect", lambda r: r.shard.meter.stalled),
)
_GAUGES: tuple[tuple[str, str, Callable[[Runner], float]], ...] = (
    ("queued", "Records waiting for the shard", lambda r: r.shard.inbox.queued),
    ("position", "Number of the last event", lambda r: r.shard.position.number),
    ("batch", "Number of the last batch", lambda r: r.shard.position.batch),
    ("refused", "1 where the partition is not served", lambda r: bool(r.refusal)),
    ("timer_delay_seconds", "How long the earliest timer is overdue", _delay),
)


class EngineCollector(Collector):
    """Everything by partition."""

    def __init__(self, engine: Engine, end: Callable[[Place], int | None]) -> None:
        """Take the engine, and what tells an input's end as far as it is known."""
        self._engine = engine
        self._end = end

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        runners = list(self._engine.runners.values())
        for name, text, value in _COUNTERS:
            counter = CounterMetricFamily(f"tidemill_{name}", text, labels=["partition"])
            for runner in runners:
                counter.add_metric([str(runner.partition)], value(runner))
            yield counter
        for name, text, value in _GAUGES:
            gauge = GaugeMetricFamily(f"tidemill_{name}", text, labels=["partition"])
            for runner in runners:
                gauge.add_metric([str(runner.partition)], value(runner))
            yield gauge
        yield self._lag(runners)
        yield _histogram(
            "transaction_seconds", "Duration", {r.partition: r.shard.meter.seconds for r in runners}
        )
        yield _histogram(
            "batch_records", "Records", {r.partition: r.shard.meter.sizes for r in runners}
        )

    def _lag(self, runners: list[Runner]) -> Metric:
        lag = GaugeMetricFamily(
            "tidemill_lag", "Records that are not applied yet", labels=["partition", "input"]
        )
        for runner in runners:
            for source in INPUTS:
                end = self._end((source, runner.partition))
                if end is not None:
                    behind = max(0, end - runner.shard.position.inputs.get(source, 0))
                    lag.add_metric([str(runner.partition), source], behind)
        return lag


def _histogram(name: str, text: str, found: dict[int, Histogram]) -> Metric:
    family = HistogramMetricFamily(
        f"tidemill_{name}", f"{text} of transactions", labels=["partition"]
    )
    for partition, one in found.items():
        bounds = [*(f"{bound:g}" for bound in one.bounds), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(one.counts)), strict=True))
        family.add_metric([str(partition)], buckets, one.sum)
    return family


class MetricsPortError(Exception):
    """The metrics cannot be served."""


def serve_metrics(
    engine: Engine, end: Callable[[Place], int | None], port: int
) -> Callable[[], None]:
    """Serve /metrics in a thread of its own; return what ends it."""
    registry = CollectorRegistry()
    registry.register(EngineCollector(engine, end))
    try:
        server, thread = start_http_server(port, registry=registry)
    except OSError as error:
        raise MetricsPortError(
            f"cannot serve metrics on port {port} ({error.strerror}): set TIDEMILL_METRICS_PORT "
            "to another one for each engine of this machine"
        ) from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(5)

    return stop
