"""Commands in, activities run, events out: real engine process, real Kafka, real worker."""

import threading
import time

import pytest

from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream
from connectors.workers import ActivityContext, ActivityError, NonRetryableError
from connectors.workers.declare import activity_of
from connectors.workers.settings import WorkerSettings
from connectors.workers.worker import Worker
from schemas.json_text import parse
from streams.testing.audit import audit

HELLO = """
id: hello
version: 1.0.0
variables: {who: {type: string, default: world}}
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, input: {who: "${who}"}, next: end}
  end: {type: end}
"""
CANCELLABLE = """
id: long
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: work, next: end}
  end: {type: end}
"""
RETRYING = """
id: retrying
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: flaky, retry: {immediate: 3}, next: end}
  end: {type: end}
"""


@pytest.fixture
def working(settings_of):
    """Start workers for functions by activity name; stop them at the end."""
    workers = []

    def start(**functions):
        worker = Worker(
            settings_of(WorkerSettings, worker_session_timeout=6.0, worker_drain=3.0),
            [activity_of(function, name) for name, function in functions.items()],
        )
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


def ended(settings, instance, seconds=30):
    """Return the instance's events until it ends."""
    stream = EventStream(settings, beginning=True, instance_id=instance)
    try:
        return [event.message for event in stream.watch(seconds)]
    finally:
        stream.close()


def test_an_instance_runs_its_activity_and_ends(engine, client, working, settings_of, kafka, names):
    def greet(data: dict) -> str:
        return f"hello {data['who']}"

    working(greet=greet)
    published = client.publish("hello", HELLO)
    assert published.reply.accepted
    first = client.run("hello", {"who": "Ada"}, instance_id="i-1")
    assert first.reply.accepted, engine.tail()
    events = ended(settings_of(), "i-1")
    assert [event.envelope.type for event in events] == [
        "workflow.started",
        "activity.scheduled",
        "activity.completed",
        "workflow.completed",
    ]
    assert parse(events[2].body.output) == "hello Ada"
    with pytest.raises(CommandRejectedError, match="already_exists"):
        client.run("hello", {}, instance_id="i-1")
    assert engine.stop() == 0
    found = audit(kafka, names, 4)
    assert (found.faults, found.unfinished) == ([], [])


def test_failures_are_retried_as_the_definition_says(engine, client, working, settings_of):
    def flaky(ctx: ActivityContext) -> int:
        if ctx.attempt < 3:
            raise ActivityError("not yet", "busy")
        return ctx.attempt

    working(flaky=flaky)
    client.publish("retrying", RETRYING)
    client.run("retrying", instance_id="r-1")
    kinds = [event.envelope.type for event in ended(settings_of(), "r-1")]
    assert kinds.count("activity.failed") == 2
    assert kinds[-1] == "workflow.completed"


def test_a_failure_without_retry_ends_the_instance_with_its_code(
    engine, client, working, settings_of
):
    def flaky() -> str:
        raise NonRetryableError("card is stolen", "card_stolen")

    working(flaky=flaky)
    client.publish("retrying", RETRYING)
    client.run("retrying", instance_id="n-1")
    events = ended(settings_of(), "n-1")
    assert [event.envelope.type for event in events][-2:] == ["activity.failed", "workflow.failed"]
    assert (events[-1].body.code, events[-1].body.message) == ("card_stolen", "card is stolen")


def test_cancelling_an_instance_stops_its_activity(engine, client, working, settings_of):
    began, stopped = threading.Event(), threading.Event()

    def work(ctx: ActivityContext) -> None:
        began.set()
        assert ctx.cancelled.wait(20)
        stopped.set()

    working(work=work)
    client.publish("long", CANCELLABLE)
    client.run("long", instance_id="c-1")
    assert began.wait(20), engine.tail()
    client.cancel("c-1", "no longer wanted")
    assert stopped.wait(20)
    assert ended(settings_of(), "c-1")[-1].envelope.type == "workflow.cancelled"


def test_async_activities_share_the_limit_and_drain(engine, client, working, settings_of):
    import asyncio

    async def greet(data: dict) -> str:
        await asyncio.sleep(0.05)
        return data["who"]

    working(greet=greet)
    client.publish("hello", HELLO)
    for number in range(100):
        client.run("hello", {"who": str(number)}, instance_id=f"a-{number}")
    deadline = time.monotonic() + 30
    done = 0
    stream = EventStream(settings_of(), beginning=True, types=["workflow.completed"])
    while done < 100 and time.monotonic() < deadline:
        done += sum(1 for _ in stream.read(0.2))
    stream.close()
    assert done == 100, engine.tail()
