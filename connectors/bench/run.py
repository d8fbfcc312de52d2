"""The measurements of `tidemill bench`, each runnable alone."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from connectors.bench import workflows
from connectors.bench.load import Load
from connectors.bench.reference import produce_per_second
from connectors.bench.setting import Setting, peak_rss_mb, setting
from streams.testing.audit import audit
from topics.names import Names
from topics.settings import KafkaSettings

Figures = dict[str, float]
Progress = Callable[[str], None]
_WARM_SECONDS = 12.0
_CATCH_UP_SECONDS = 600.0


def _one_activity(_made: Setting, load: Load, seconds: float) -> Figures:
    wide = load.closed_loop("bench-one", 4_096, seconds)
    return {"one_activity_per_s": wide.per_second}


def _narrow(_made: Setting, load: Load, seconds: float) -> Figures:
    found = load.closed_loop("bench-one", 128, seconds)
    return {
        "one_activity_128_per_s": found.per_second,
        "one_activity_128_p50_ms": found.percentile(0.5),
    }


def _ten(_made: Setting, load: Load, seconds: float) -> Figures:
    return {"ten_activities_per_s": load.closed_loop("bench-ten", 4_096, seconds).per_second}


def _latency(made: Setting, _load: Load, seconds: float) -> Figures:
    load = Load(made.settings, linger_ms=1)
    found = load.at_rate("bench-one", 50, seconds)
    load.close()
    return {"latency_p50_ms": found.percentile(0.5), "latency_p99_ms": found.percentile(0.99)}


def _commands(_made: Setting, load: Load, seconds: float) -> Figures:
    return {"commands_per_s": load.closed_loop("bench-none", 8_192, seconds).per_second}


def _rebalance(made: Setting, load: Load, seconds: float) -> Figures:
    """A second engine joins, and leaves, under load."""
    second = made.engine("second")
    joined = load.closed_loop("bench-one", 128, max(seconds, 20))
    second.terminate()
    left = load.closed_loop("bench-one", 128, max(seconds, 20))
    second.wait(60)
    return {"rebalance_pause_s": max(joined.longest_gap, left.longest_gap)}


MEASUREMENTS: dict[str, Callable[[Setting, Load, float], Figures]] = {
    "one-activity": _one_activity,
    "one-activity-128": _narrow,
    "ten-activities": _ten,
    "latency": _latency,
    "commands": _commands,
    "rebalance": _rebalance,
}
ALL = (*MEASUREMENTS, "recovery")


def bench(
    settings: KafkaSettings,
    chosen: Iterable[str],
    seconds: float,
    live: int,
    progress: Progress,
) -> dict[str, object]:
    """Run the chosen measurements; the oracle holds in the same run.

    Raises:
        TimeoutError: instances do not complete.
    """
    wanted = tuple(chosen) or ALL
    progress("reference: raw librdkafka")
    result: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}",
        "reference_produce_per_s": round(produce_per_second(settings.kafka_bootstrap_servers)),
    }
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        loads = [name for name in wanted if name in MEASUREMENTS]
        if loads:
            with setting(settings, Path(folder)) as made:
                result |= _loads(made, loads, seconds, progress)
        if "recovery" in wanted:
            with setting(settings, Path(folder)) as made:
                result |= _recovery(made, live, progress)
    return result


def _loads(
    made: Setting, names: list[str], seconds: float, progress: Progress
) -> dict[str, object]:
    engine = made.engine()
    made.worker()
    sources = {
        "bench-one": workflows.ONE,
        "bench-none": workflows.NONE,
        "bench-ten": workflows.sequence(10),
    }
    for definition, source in sources.items():
        made.publish(definition, source)
    load = Load(made.settings)
    progress("warming up")
    load.closed_loop("bench-one", 1_024, _WARM_SECONDS)
    result: dict[str, object] = {}
    for name in names:
        progress(f"{name}: {seconds:g} s")
        result |= {
            key: round(value, 2) for key, value in MEASUREMENTS[name](made, load, seconds).items()
        }
    load.close()
    result["engine_rss_mb"] = peak_rss_mb(engine)
    progress("oracle: reading every event")
    found = audit(
        made.settings.kafka_bootstrap_servers,
        Names(made.settings.topic_prefix),
        made.settings.partitions,
    )
    result["events"] = found.events
    result["faults"] = found.faults
    return result


def _recovery(made: Setting, live: int, progress: Progress) -> dict[str, object]:
    """Time from kill -9 until every partition answers: with its store, and with none."""
    progress(f"recovery: starting {live:,} instances that wait")
    engine = made.engine()
    for definition, source in (
        ("bench-waiting", workflows.WAITING),
        ("bench-none", workflows.NONE),
    ):
        made.publish(definition, source)
    load = Load(made.settings)
    load.send_only("bench-waiting", live)
    made.until_serving(_CATCH_UP_SECONDS)
    result: dict[str, object] = {"recovery_instances": live, "live_rss_mb": peak_rss_mb(engine)}
    for name, forget in (("recovery", False), ("rebuild", True)):
        engine.kill()
        engine.wait(60)
        if forget:
            made.forget_stores()
        progress(f"{name}: an engine begins after kill -9")
        begun = time.perf_counter()
        engine = made.engine()
        made.until_serving(_CATCH_UP_SECONDS)
        result[f"{name}_s"] = round(time.perf_counter() - begun, 2)
    result["recovery_rss_mb"] = peak_rss_mb(engine)
    load.close()
    return result
