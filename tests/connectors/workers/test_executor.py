"""How attempts run: places, waiting, stopping, and what activities keep open."""

import asyncio
import threading
import time
from contextlib import asynccontextmanager

import pytest

from connectors.workers import ActivityContext
from connectors.workers.attempt import Task
from connectors.workers.declare import activity_of
from connectors.workers.errors import ActivityDefinitionError
from connectors.workers.executor import Executor
from connectors.workers.resources import Resource
from schemas.envelope import Envelope
from schemas.results import CompleteActivity
from schemas.tasks import ActivityTask


def task(number, kind="work", data=b"{}"):
    body = ActivityTask(number, "a", kind, 1, data, "d", "1.0.0")
    return Task(0, number, Envelope(f"t-{number}", "ActivityTask", 0, "instance", "i"), body)


class Running:
    """An executor, and what it finished."""

    def __init__(self, concurrency, *activities):
        self.results = {}
        self.executor = Executor({a.name: a for a in activities}, concurrency, "w", self.finish)

    def finish(self, task, result):
        self.results[task.offset] = result

    def submit(self, *tasks):
        for one in tasks:
            self.executor.submit([one], lambda _task, _body: None)


@pytest.fixture
def running():
    made = []

    def make(concurrency, *activities):
        made.append(Running(concurrency, *activities))
        return made[-1]

    yield make
    for one in made:
        if not one.executor._loop.is_closed():
            one.executor.close()


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def forever():
    await asyncio.Event().wait()


async def quick():
    return 1


def test_no_more_attempts_run_at_a_time_than_there_are_places(running):
    gate, seen = threading.Event(), []

    async def work():
        seen.append(1)
        while not gate.is_set():
            await asyncio.sleep(0.01)

    one = running(2, activity_of(work, "work"))
    one.submit(*(task(n) for n in range(5)))
    until(lambda: len(seen) == 2)
    assert one.executor.held == 5
    gate.set()
    until(lambda: len(one.results) == 5)
    assert one.executor.held == 0


def test_what_only_waits_takes_no_place_and_holds_nothing_back(running):
    waiting = activity_of(forever, "wait", waits=True)
    one = running(1, waiting, activity_of(quick, "work"))
    one.submit(*(task(n, "wait") for n in range(100)), task(100))
    until(lambda: 100 in one.results)
    assert isinstance(one.results[100], CompleteActivity)
    until(lambda: len(one.executor.running) == 100)
    assert one.executor.held == 0


def test_a_stop_does_not_wait_for_what_only_waits(running):
    one = running(1, activity_of(forever, "wait", waits=True))
    one.submit(task(1, "wait"))
    until(lambda: one.executor.running)
    assert one.executor.drain(60) == 1


def test_an_attempt_that_a_stop_ends_is_not_finished_and_stays_on_the_queue(running):
    def sync(context: ActivityContext):
        while True:
            context.check()
            time.sleep(0.005)

    one = running(2, activity_of(forever, "async"), activity_of(sync, "sync"))
    one.submit(task(1, "async"), task(2, "sync"))
    until(lambda: len(one.executor.running) == 2)
    one.executor.close()
    until(lambda: not one.executor.running)
    assert one.results == {}


def test_an_attempt_that_the_engine_cancels_is_finished_without_a_result(running):
    one = running(1, activity_of(forever, "work"))
    one.submit(task(1))
    until(lambda: one.executor.running)
    one.executor.cancel(("t-1", 1), "timed out")
    until(lambda: one.results == {1: None})


def test_only_an_async_function_can_wait():
    with pytest.raises(ActivityDefinitionError, match="only an async function"):
        activity_of(time.sleep, "wait", waits=True)


def test_activities_share_what_they_keep_open_and_a_stop_closes_it(running):
    said = []

    @asynccontextmanager
    async def connection():
        said.append("open")
        yield object()
        said.append("closed")

    kept, found = Resource(connection), set()

    async def work():
        found.add(id(await kept.get()))

    one = running(8, activity_of(work, "work"))
    one.submit(*(task(n) for n in range(20)))
    until(lambda: len(one.results) == 20)
    assert (said, len(found)) == (["open"], 1)
    one.executor.close()
    assert said == ["open", "closed"]


def test_what_cannot_be_opened_fails_the_attempt_and_is_tried_again_by_the_next(running):
    tries = []

    @asynccontextmanager
    async def connection():
        tries.append(1)
        if len(tries) == 1:
            raise OSError("nobody listens")
        yield "connected"

    kept = Resource(connection)

    async def work():
        return await kept.get()

    one = running(1, activity_of(work, "work"))
    one.submit(task(1))
    until(lambda: 1 in one.results)
    assert "nobody listens" in one.results[1].message
    one.submit(task(2))
    until(lambda: 2 in one.results)
    assert one.results[2].output == b'"connected"'
