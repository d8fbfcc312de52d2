"""`tidemill up`: one command starts everything, Ctrl-C ends it, and the data stays."""

import os
import signal
import subprocess
import sys

import pytest

from streams.testing.processes import Process, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

GREETER = """
from connectors.workers import activity


@activity("greet")
def greet(data: dict[str, str]) -> str:
    return f"hello {data['who']}"
"""
COMMAND = [sys.executable, "-m", "connectors.cli"]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "greeter.py").write_text(GREETER)
    return tmp_path / "data"


def environment(home):
    # No Kafka is named: it is a matter of this folder alone.
    more = {"KAFKA_BOOTSTRAP_SERVERS": "", "TIDEMILL_DATA_DIR": str(home)}
    return more | {"PYTHONPATH": str(home.parent)}


def tidemill(home, *words):
    done = subprocess.run(
        [*COMMAND, *words],
        env=os.environ | environment(home),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def up(home, run, *words):
    log = home.parent / f"up-{run}.log"
    arguments = ["-m", "connectors.cli", "up", "--worker", "greeter", *words]
    process = Process(arguments, environment(home), log)
    process.start()
    until(lambda: "Tidemill runs on" in process.tail() or not process.running(), 90)
    assert process.running(), process.tail()
    return process


def stop(process):
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(90) == 0, process.tail()
    assert "Traceback" not in process.tail(), process.tail()


@pytest.mark.slow
def test_everything_starts_with_one_command_and_its_data_outlives_ctrl_c(home):
    first = up(home, 1, "--mqtt")
    try:
        tidemill(home, "definition", "publish", "examples/hello.yaml")
        said = tidemill(home, "instance", "start", "hello", "--id", "h-1", "--wait")
        assert said.splitlines()[-1].split()[-1] == "workflow.completed"
        until(lambda: "MQTT connected" in first.tail(20_000), 60, first.tail)
        stop(first)
    finally:
        if first.running():
            first.kill()
    second = up(home, 2)
    try:
        assert "hello" in tidemill(home, "definition", "list")
        tidemill(home, "instance", "start", "hello", "--id", "h-2", "--wait")
        assert "Completed" in tidemill(home, "instance", "show", "h-1")
        stop(second)
    finally:
        if second.running():
            second.kill()


@pytest.mark.slow
def test_one_process_that_ends_by_itself_ends_all_and_is_named(home, tmp_path):
    process = up(home, 1, "--worker", "no_such_module")
    assert process.wait(90) == 1
    assert "worker no_such_module ended with code 2" in process.tail()
