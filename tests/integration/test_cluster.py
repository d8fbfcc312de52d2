"""`tidemill cluster`: who runs, who owns what, and who is behind."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from streams.testing.processes import Process, until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def cluster(environment, *words):
    done = subprocess.run(
        [sys.executable, "-m", "connectors.cli", "cluster", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_engines_are_shown_with_their_partitions_and_lag(environment, kafka, names, tmp_path):
    assert "no engine runs" in cluster(environment)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(names.commands, b"nobody reads this yet", b"k", 2)
    producer.flush(20)
    engines = [
        Process(
            ["-m", "streams"],
            environment | {"TIDEMILL_ENGINE_ID": name, "TIDEMILL_DATA_DIR": str(tmp_path / name)},
            tmp_path / f"{name}.log",
        )
        for name in ("ann", "bob")
    ]

    def shown():
        return json.loads(cluster(environment, "--json"))

    with engines[0], engines[1]:
        until(lambda: [m["group"] for m in shown()] == ["stable", "stable"], 60, engines[0].tail)
        until(lambda: sum(m["lag"] for m in shown()) == 0, 30, engines[0].tail)
        until(lambda: all(m["last_heartbeat"] for m in shown()), 30, engines[0].tail)
        found = shown()
        assert [m["engine"].split("-")[0] for m in found] == ["ann", "bob"]
        owned = [number for m in found for number in m["partitions"].split(", ")]
        assert sorted(owned) == ["0", "1", "2", "3"]
        now = datetime.now(UTC)
        for member in found:
            age = now - datetime.fromisoformat(member["last_heartbeat"])
            assert timedelta(seconds=-1) < age < timedelta(seconds=8)
        assert "ann" in cluster(environment)
        for engine in engines:
            assert engine.stop() == 0
