"""Skip, complete, set variables: an operator helps an instance on, by the command line."""

import json

import pytest
from typer.testing import CliRunner

from connectors.cli.main import app_of
from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream

SOURCE = """
id: helped
version: 1.0.0
nodes:
  start: {type: start, next: pick}
  pick: {type: exclusive, next: [{to: hard, when: "${n > 5}"}, {to: easy, when: "${n < 0}"}]}
  easy: {type: activity, activity_type: nobody, next: end}
  hard:
    type: activity
    activity_type: nobody
    result_path: got
    output: {y: "${output.x + n}"}
    next: sum
  sum: {type: timer, duration: 0, output: {z: "${y + more}"}, next: end}
  end: {type: end}
result: {z: "${z}"}
"""


def run(environment, *words):
    return CliRunner().invoke(app_of(), ["instance", *words], env=environment)


@pytest.mark.kafka
def test_an_operator_skips_completes_and_sets(engine, client, environment, settings_of):
    client.publish("helped", SOURCE)
    client.run("helped", {"n": 3}, "h-1")
    with pytest.raises(CommandRejectedError, match="pick->hard, pick->easy"):
        client.skip("h-1", 2)
    refused = run(environment, "skip", "h-1", "--incident", "2", "--flow", "pick->nowhere")
    assert refused.exit_code != 0
    done = run(
        environment, "skip", "h-1", "--incident", "2", "--flow", "pick->hard", "--reason", "so"
    )
    assert (done.exit_code, done.stdout.strip()) == (0, "h-1 goes on"), done.output
    # 3 incident.resolved, 4 node.skipped, 5 activity.scheduled
    done = run(environment, "complete", "h-1", "--activity", "5", "--result", '{"x": 4}', "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["id"] == "h-1"
    with pytest.raises(CommandRejectedError, match="already_closed"):
        client.complete("h-1", {"x": 5}, activity=5)
    stream = EventStream(settings_of(), beginning=True, instance_id="h-1")
    broken = set()
    for _ in range(100):
        events = [event.message for event in stream.read(0.3)]
        broken |= {e.body.node for e in events if e.envelope.type == "error.occurred"}
        if "sum" in broken:
            break
    stream.close()
    assert "sum" in broken
    done = run(environment, "set", "h-1", "-v", "more=2")
    assert (done.exit_code, done.stdout.strip()) == (0, "h-1 has the variables"), done.output
    client.retry("h-1")
    stream = EventStream(settings_of(), beginning=True, instance_id="h-1")
    events = [event.message for event in stream.watch(60)]
    stream.close()
    kinds = [message.envelope.type for message in events]
    assert {"node.skipped", "node.completed", "variables.set"} <= set(kinds)
    assert (kinds[-1], events[-1].body.result) == ("workflow.completed", b'{"z":9}')


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("complete", "i"), "exactly one of"),
        (("complete", "i", "--incident", "1", "--call", "2"), "exactly one of"),
        (("complete", "i", "--activity", "1", "--result", "done"), "quotation marks"),
        (("set", "i", "-v", "x"), "is not name=value"),
        (("skip", "i"), "--incident"),
    ],
)
def test_a_wrong_use_is_told_before_anything_is_sent(words, said):
    done = CliRunner().invoke(app_of(), ["instance", *words], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert said in done.output
