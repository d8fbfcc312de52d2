"""Activities of real workers, on a real Kafka, for a real engine."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import BaseModel

from connectors.workers import ActivityCancelledError, ActivityContext
from schemas.json_text import parse
from streams.testing.processes import until

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(180)]


@dataclass
class Order:
    number: int


class Receipt(BaseModel):
    number: int
    paid: float = 1.5


def sync_charge(order: Order) -> Receipt:
    return Receipt(number=order.number)


async def async_charge(order: Order) -> Receipt:
    await asyncio.sleep(0.01)
    return Receipt(number=order.number)


@pytest.mark.parametrize("charge", [sync_charge, async_charge])
def test_typed_input_and_output_pass_and_wrong_input_fails_without_retry(
    start_worker, run_job, charge
):
    start_worker({"work": charge})
    (right,) = run_job("retry: {max_attempts: 3},", {"number": 7})
    assert right.kinds[-1] == "workflow.completed"
    assert parse(right.body("activity.completed").output) == {"number": 7, "paid": 1.5}
    (wrong,) = run_job("retry: {max_attempts: 3},", {"number": "seven"}, ["j-2"])
    assert wrong.kinds.count("activity.failed") == 1
    failed = wrong.body("workflow.failed")
    assert failed.code == "InvalidInput"
    assert "number" in failed.message


def test_an_activity_sees_its_place_its_input_and_the_variables_it_declares(start_worker, run_job):
    def work(ctx: ActivityContext) -> list:
        with pytest.raises(TypeError):
            ctx.variables["data"] = 2
        facts = ctx.instance_id, ctx.activity_id, ctx.activity_type, ctx.attempt
        return [*facts, ctx.definition_version, ctx.input, dict(ctx.variables)]

    start_worker({"work": work})
    (job,) = run_job("reads: [data],", {"a": 1})
    assert parse(job.body("activity.completed").output) == [
        "j-1", "work", "work", 1, "1.0.0", {"a": 1}, {"data": {"a": 1}},
    ]  # fmt: skip


def test_heartbeats_keep_a_long_activity_alive(start_worker, run_job):
    def work(ctx: ActivityContext) -> int:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            ctx.heartbeat()
            time.sleep(0.05)
        return ctx.attempt

    start_worker({"work": work})
    (job,) = run_job("heartbeat: 1.5,")
    assert job.kinds == [
        "workflow.started",
        "activity.scheduled",
        "activity.started",
        "activity.completed",
        "workflow.completed",
    ]


@pytest.mark.parametrize("limit", ["heartbeat", "start_to_close"])
def test_a_silent_activity_times_out_is_told_so_and_is_given_out_again(
    start_worker, run_job, limit
):
    keys, told = [], threading.Event()

    def work(ctx: ActivityContext) -> int:
        keys.append(ctx.idempotency_key)
        if ctx.attempt == 1:
            assert ctx.cancelled.wait(60)
            told.set()
            ctx.check()
        return ctx.attempt

    start_worker({"work": work})
    (job,) = run_job(f"{limit}: 1, retry: {{max_attempts: 1}},")
    assert job.body("activity.failed").code == "Timeout"
    assert limit.replace("_", "-") in job.body("activity.failed").message
    assert parse(job.body("activity.completed").output) == 2
    assert told.wait(30)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert ("activity.started" in job.kinds) == (limit == "heartbeat")


def test_cancelling_the_instance_ends_sync_and_async_activities(start_worker, run_job, client):
    began, ended = threading.Semaphore(0), Counter()

    def work(ctx: ActivityContext) -> None:
        began.release()
        try:
            while True:
                ctx.heartbeat()
                time.sleep(0.02)
        except ActivityCancelledError as error:
            ended[str(error)] += 1
            raise

    async def work_async(ctx: ActivityContext) -> None:
        began.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended[ctx.cancel_reason] += 1
            raise

    jobs = []
    for number, function in enumerate((work, work_async)):
        worker = start_worker({"work": function})
        jobs += run_job(names=[f"c-{number}"])
        assert began.acquire(timeout=60)
        client.cancel(f"c-{number}", "no longer wanted")
        assert jobs[-1].kinds[-1] == "workflow.cancelled"
        deadline = time.monotonic() + 30
        while sum(ended.values()) <= number and time.monotonic() < deadline:
            time.sleep(0.02)
        worker.stop()
    assert sum(ended.values()) == 2
    assert all("no longer wanted" in reason for reason in ended)
    assert "activity.failed" not in jobs[0].kinds + jobs[1].kinds


@pytest.mark.parametrize("is_async", [False, True])
def test_no_more_activities_run_at_a_time_than_the_worker_may(start_worker, run_job, is_async):
    active, most, lock = set(), [], threading.Lock()

    def begin(ctx):
        with lock:
            active.add(ctx.instance_id)
            most.append(len(active))

    def work(ctx: ActivityContext) -> None:
        begin(ctx)
        time.sleep(0.1)
        active.discard(ctx.instance_id)

    async def work_async(ctx: ActivityContext) -> None:
        begin(ctx)
        await asyncio.sleep(0.1)
        active.discard(ctx.instance_id)

    start_worker({"work": work_async if is_async else work}, worker_concurrency=3)
    jobs = run_job(names=[f"b-{number}" for number in range(15)])
    assert {job.kinds[-1] for job in jobs} == {"workflow.completed"}
    assert max(most) == 3


def test_two_workers_share_a_queue_and_do_each_task_once(start_worker, run_job):
    done = []

    def as_worker(name):
        def work(ctx: ActivityContext) -> str:
            done.append((ctx.instance_id, name))
            time.sleep(0.02)
            return name

        return work

    feeds = [start_worker({"work": as_worker(n)}, worker_id=n)._feeds[0] for n in ("a", "b")]
    deadline = time.monotonic() + 60
    while sorted(len(feed._marks) for feed in feeds) != [2, 2]:
        assert time.monotonic() < deadline, "each worker has half of the queue's partitions"
        time.sleep(0.05)
    jobs = run_job(names=[f"s-{number}" for number in range(40)])
    assert {job.kinds[-1] for job in jobs} == {"workflow.completed"}
    assert sorted(instance for instance, _ in done) == sorted(job.name for job in jobs)
    assert {name for _, name in done} == {"a", "b"}
    assert {job.body("activity.completed").worker for job in jobs} == {"a", "b"}


def test_an_activity_that_no_worker_of_the_queue_knows_fails_with_what_to_do(start_worker, run_job):
    start_worker({"other": lambda: None})
    (job,) = run_job()
    failed = job.body("workflow.failed")
    assert failed.code == "NotFound"
    assert "knows no activity 'work' (it knows other)" in failed.message
    assert "start it with a module that declares this one" in failed.message


def test_a_result_above_the_limit_fails_the_activity_and_says_so(start_worker, run_job):
    start_worker({"work": lambda: "x" * 600_000})
    (job,) = run_job("retry: {max_attempts: 3},")
    assert job.kinds.count("activity.failed") == 1
    failed = job.body("workflow.failed")
    assert failed.code == "limit_exceeded"
    assert "pass large data by reference" in failed.message


def test_a_long_activity_is_detached_and_no_longer_holds_the_queue_back(
    start_worker, run_job, settings_of, names
):
    gate = threading.Event()

    def work(ctx: ActivityContext) -> int:
        assert gate.wait(60)
        return ctx.attempt

    start_worker({"work": work}, detach_after=0.5, detached_heartbeat=3.0)
    (job,) = run_job()
    deadline = time.monotonic() + 60
    while not passed(settings_of(), names):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(4)  # Longer than its heartbeat: the worker gives signs of life for it.
    gate.set()
    assert parse(job.body("activity.completed").output) == 1
    assert job.body("activity.started").heartbeat_ms == 3_000
    assert "activity.failed" not in job.kinds


def passed(settings, names):
    """Tell whether the workers' group has committed past a task."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"{settings.topic_prefix}workers.default",
        }
    )
    places = [TopicPartition(names.queue("default"), number) for number in range(4)]
    committed = consumer.committed(places, timeout=30)
    consumer.close()
    return any(place.offset > 0 for place in committed)


def test_a_worker_at_its_limit_pauses_and_goes_on_when_there_is_room(start_worker, run_job):
    room, done = threading.Event(), Counter()

    def work(ctx: ActivityContext):
        assert room.wait(60)
        done[ctx.instance_id] += 1

    worker = start_worker({"work": work}, worker_prefetch=4, worker_concurrency=2)
    names = [f"j-{number}" for number in range(20)]
    jobs = run_job(names=names[:10])
    (feed,) = worker._feeds
    until(lambda: feed._paused)
    jobs += run_job(names=names[10:])
    room.set()
    assert {job.kinds[-1] for job in jobs} == {"workflow.completed"}
    assert done == dict.fromkeys(names, 1)
    assert not feed._paused
