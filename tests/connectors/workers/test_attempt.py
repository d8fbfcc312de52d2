"""What becomes of an attempt that ends in an unusual way."""

import asyncio
import sys
from dataclasses import dataclass

import msgspec
import pytest

from connectors.workers import ActivityCancelledError
from connectors.workers.attempt import Task, prepare, run, run_async, too_large
from connectors.workers.context import ActivityContext
from connectors.workers.declare import activity_of
from connectors.workers.errors import ActivityDefinitionError
from connectors.workers.executor import Executor
from connectors.workers.marks import Marks
from schemas.envelope import Envelope
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityTask

TASK = ActivityTask(4, "node", "work", 2, b"null", "d", "1.0.0")
ENVELOPE = Envelope("i@1:4", "ActivityTask", 1, "instance", "i", "1")


@dataclass
class Receipt:
    number: int


def prepared(function):
    context = ActivityContext(ENVELOPE, TASK, "w", print)
    return prepare({"work": activity_of(function, "work")}, context)


def leave():
    sys.exit("tired")


def give_up():
    raise ActivityCancelledError


def cancel_itself():
    raise asyncio.CancelledError


@pytest.mark.parametrize("function", [leave, give_up, cancel_itself])
def test_who_ends_itself_has_failed_and_is_tried_again(function):
    async def alike():
        function()

    for result in (run(prepared(function)), asyncio.run(run_async(prepared(alike)))):
        assert (result.code, result.retryable) == ("ActivityExecution", True)


def test_an_output_that_is_not_of_the_declared_type_fails_without_retry():
    def work() -> Receipt:
        return "a receipt"

    result = run(prepared(work))
    assert (result.code, result.retryable) == ("Serialization", False)
    assert "output of activity work" in result.message


def test_a_type_that_pydantic_cannot_make_is_refused_at_the_declaration():
    class Order(msgspec.Struct):
        number: int

    def work(order: Order):
        return order.number

    with pytest.raises(ActivityDefinitionError, match="take a pydantic model"):
        activity_of(work, "work")


def test_a_result_that_no_engine_would_take_becomes_a_failure_that_says_so():
    task = Task(0, 1, ENVELOPE, TASK)
    done = too_large(task, CompleteActivity(4, 2, b'"..."', "w", 7), 900_000, 524_288)
    assert (done.code, done.retryable, done.attempt) == ("limit_exceeded", False, 2)
    assert "has 900000 bytes, the limit is 524288" in done.message
    failed = too_large(task, FailActivity(4, 2, "busy", "..."), 900_000, 524_288)
    assert failed.retryable


def test_what_waits_when_its_partition_goes_to_another_worker_is_not_begun():
    seen, finished, marks = [], [], Marks(0)

    async def work():
        seen.append(1)
        marks.lost = True
        await asyncio.sleep(0.01)

    executor = Executor(
        {"work": activity_of(work, "work")}, 1, "w", lambda task, _: finished.append(task.offset)
    )
    for offset in range(3):
        executor.submit([Task(0, offset, ENVELOPE, TASK, marks)], lambda _task, _body: None)
    while executor.held:
        asyncio.run(asyncio.sleep(0.01))
    executor.close()
    assert (seen, finished) == ([1], [0])
