"""The metrics of a real engine: its records, and the lag that its own consumer knows."""

import socket

import httpx
import pytest

from streams.testing.processes import Process, until

pytestmark = pytest.mark.kafka
HELLO = """
id: hello
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""


def test_an_engine_serves_what_it_has_applied_and_its_lag(environment, client, tmp_path):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    more = {"TIDEMILL_METRICS_PORT": str(port)}
    with Process(["-m", "streams"], environment | more, tmp_path / "engine.log") as engine:
        # A command that waits for longer is sent again, and counts as a record.
        until(lambda: engine.tail().count("partition owned") == 4, hint=engine.tail)
        client.publish("hello", HELLO)
        for number in range(20):
            client.run("hello", instance_id=f"i-{number}")

        def lines():
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            return [line for line in text.splitlines() if not line.startswith("#")]

        def total(name):
            return sum(float(line.split()[-1]) for line in lines() if line.startswith(name + "{"))

        assert total("tidemill_records_total") == 22
        assert total("tidemill_events_total") == total("tidemill_position") == 42
        assert total("tidemill_transaction_seconds_count") == total("tidemill_batch") > 0
        until(lambda: any('lag{input="workflow.commands"' in line for line in lines()))
        until(lambda: total("tidemill_lag") == 0, hint=lambda: "\n".join(lines()))
        assert engine.stop() == 0
