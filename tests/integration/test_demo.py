"""`make demo`: a sensor's file through everything, held against what the file itself says."""

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from connectors.demo.sensor_file import default_file
from streams.testing.processes import Process, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

SMALL = """timestamp,value
2024-01-01 00:00:00,-12.5
2024-01-01 01:00:00,21
2024-01-01 05:30:00,22.25
2024-01-02 00:00:00,-3
2024-01-02 23:00:00,-1
2024-01-04 07:00:00,25.5
2024-01-04 08:00:00,25.5
2024-01-04 20:00:00,20.5
"""


@pytest.fixture
def home(tmp_path):
    """A data directory, and a check that nothing which knows of it is left running."""
    yield tmp_path / "data"
    left = [line for line in processes() if str(tmp_path) in line]
    assert not left, f"{len(left)} processes are left running"


def processes():
    """Command line and environment of every process of ours but this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name != str(os.getpid()):
            try:
                parts = [(folder / name).read_bytes() for name in ("cmdline", "environ")]
            except OSError:
                continue
            yield b" ".join(parts).decode(errors="replace").replace("\0", " ")


def demo(home, *words, kafka=""):
    """Run the command of `make demo`."""
    return subprocess.run(
        [sys.executable, "-m", "connectors.cli", "demo", *map(str, words)],
        env=environment(home, kafka),
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )


def environment(home, kafka):
    given = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "TIDEMILL_DATA_DIR": str(home)}
    # What is set for the user's own systems must neither be reached nor do harm.
    foreign = {"TIDEMILL_MQTT_URL": "mqtt://127.0.0.1:1", "TIDEMILL_SMTP_PORT": "1"}
    return os.environ | given | foreign


def figures(done):
    """The only line of the output, an object."""
    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    [line] = done.stdout.splitlines()
    return json.loads(line)


def values_of(path):
    """The file's values, read without the code under test."""
    with path.open(encoding="utf-8") as file:
        return [float(row[1]) for row in list(csv.reader(file))[1:]]


def threshold_of(values):
    """The 95th percentile by nearest rank, which lies next to the 95th of 100 cuts."""
    ordered = sorted(values)
    rank = next(rank for rank in range(1, len(ordered) + 1) if 100 * rank >= 95 * len(ordered))
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    assert ordered[rank - 2] <= cuts[95 - 1] <= ordered[rank]
    return ordered[rank - 1]


def check(found, values, threshold, days):
    alerts = sum(value > threshold for value in values)
    assert found["problems"] == []
    assert found["threshold"] == threshold
    assert (found["alerts"], found["alerts_expected"], found["requests"]) == (alerts,) * 3
    assert found["readings_sent"] == found["readings_received"] == len(values)
    assert (found["lost"], found["duplicated"]) == (0, 0)
    assert found["instances"] == found["instances_in_views"] == days
    # At least: an instance starts and ends, and each look is scheduled, answered and waited out.
    assert found["events"] >= 2 * days + 3 * len(values)
    received = Path(found["folder"]) / "mails"
    assert len(list(received.glob("*.eml"))) >= alerts
    assert len((received.parent / "requests.jsonl").read_text().splitlines()) == alerts


def test_every_alert_of_a_file_with_gaps_and_frost_is_sent_once(home, tmp_path, kafka):
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    done = demo(home, "--telemetry", path, "--threshold", 20.75, "--json", kafka=kafka)
    check(figures(done), values_of(path), 20.75, days=3)
    topics = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics
    assert not [name for name in topics if name.startswith("demo-")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timestamp,humidity\n2024-01-01,1\n", ["bad.csv:1", "no column value"]),
        ("timestamp,value\n2024-01-01,1\n2024-01-02,hot\n", ["bad.csv:3", "not a timestamp"]),
        ("", ["bad.csv:1", "no column timestamp"]),
        ("timestamp,value\n", ["bad.csv:1", "no reading below the header"]),
    ],
)
def test_a_file_that_cannot_be_played_is_refused_before_anything_is_started(
    home, tmp_path, text, words
):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = demo(home, "--telemetry", path, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert not home.exists()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to look around")
@pytest.mark.slow
def test_ctrl_c_in_the_middle_leaves_nothing_behind(home, tmp_path, kafka):
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    words = ["-m", "connectors.cli", "demo", "--telemetry", str(path), "--speed", "1"]
    log = tmp_path / "demo.log"
    with Process(words, environment(home, kafka), log) as process:
        until(lambda: "playing" in process.tail(), 90, process.tail)
        assert len([line for line in processes() if str(home) in line]) > 4
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130, process.tail()
    assert "stopped" in process.tail()
    topics = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=30).topics
    assert not [name for name in topics if name.startswith("demo-")]


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["auto", "artemis"])
def test_a_year_of_hours_is_played_with_a_kafka_of_its_own(home, broker):
    values = values_of(default_file())
    check(figures(demo(home, "--mqtt", broker, "--json")), values, threshold_of(values), days=365)
    assert (home / "demo").is_dir()


@pytest.mark.slow
def test_a_machine_that_breaks_down_is_played_whole(home, shared_dir, kafka):
    path = shared_dir / "data/machine-temperature/machine_temperature_system_failure.csv"
    if not path.is_file():
        pytest.skip(f"no recording at {path}")
    values = values_of(path)
    with path.open(encoding="utf-8") as file:
        days = len({row[0][:10] for row in list(csv.reader(file))[1:]})
    done = demo(home, "--telemetry", path, "--json", kafka=kafka)
    check(figures(done), values, threshold_of(values), days)
