"""Declaring activities."""

import types
from dataclasses import dataclass

import pytest

from connectors.workers import ActivityContext, ActivityError, NonRetryableError, activity
from connectors.workers.attempt import prepare, run
from connectors.workers.context import ActivityContext as Context
from connectors.workers.declare import activities_in, activity_of
from connectors.workers.errors import ActivityDefinitionError, NoActivitiesError
from schemas.envelope import Envelope
from schemas.json_text import parse
from schemas.results import CompleteActivity, FailActivity
from schemas.tasks import ActivityTask


@dataclass
class Order:
    number: int
    amount: float = 1.5


@dataclass
class Receipt:
    number: int
    paid: float


def charge(order: Order, ctx: ActivityContext) -> Receipt:
    return Receipt(order.number, order.amount * ctx.attempt)


def attempt_of(function, data, attempt=2):
    reports = []
    task = ActivityTask(4, "node", "work", attempt, data, "d", "1.0.0")
    envelope = Envelope("i@1:4", "ActivityTask", 1, "instance", "i", "1")
    context = Context(envelope, task, "w", reports.append)
    call = prepare({"work": activity_of(function, "work")}, context)
    return (call if isinstance(call, FailActivity) else run(call)), context, reports


def test_input_and_output_are_typed():
    result, _, _ = attempt_of(charge, b'{"number": 7}')
    assert isinstance(result, CompleteActivity)
    assert parse(result.output) == {"number": 7, "paid": 3.0}


def test_an_input_of_the_wrong_type_fails_without_retry_and_names_the_field():
    result, _, _ = attempt_of(charge, b'{"number": "x"}')
    assert (result.code, result.retryable) == ("InvalidInput", False)
    assert "number" in result.message


def test_an_unknown_activity_says_what_the_worker_knows():
    envelope = Envelope("i@1:4", "ActivityTask", 1, "instance", "i", "1")
    context = Context(envelope, ActivityTask(4, "n", "other", 1, b"{}", "d", "1"), "w", print)
    failure = prepare({"work": activity_of(charge, "work")}, context)
    assert (failure.code, failure.retryable) == ("NotFound", True)
    assert "'other' (it knows work)" in failure.message


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (ActivityError("no", "card_declined"), "card_declined", True),
        (NonRetryableError("no", "card_stolen"), "card_stolen", False),
        (ZeroDivisionError("by zero"), "ActivityExecution", True),
    ],
)
def test_what_a_function_raises_becomes_a_failure(error, code, retryable):
    def work():
        raise error from KeyError("cause")

    result, _, _ = attempt_of(work, b"null")
    assert (result.code, result.retryable) == (code, retryable)
    assert parse(result.details)["cause"] == ["KeyError: 'cause'"]


def test_an_output_that_is_no_json_fails_without_retry():
    result, _, _ = attempt_of(object, b"null")
    assert (result.code, result.retryable) == ("Serialization", False)


def test_a_cancelled_attempt_reports_nothing():
    def work(ctx: ActivityContext):
        ctx.cancelled.set()
        ctx.heartbeat()

    result, _, _ = attempt_of(work, b"null")
    assert result is None


def test_heartbeats_are_thinned_out():
    def work(ctx: ActivityContext):
        for _ in range(100):
            ctx.heartbeat({"done": 1})

    _, _, reports = attempt_of(work, b"null")
    assert len(reports) == 1


def test_functions_that_fit_no_activity_are_refused():
    def two(first, second):
        return first, second

    with pytest.raises(ActivityDefinitionError, match="at most one input"):
        activity("two")(two)
    with pytest.raises(ActivityDefinitionError, match="cannot be called"):
        activity("one", queue="a b")(charge)


def test_a_module_without_activities_is_refused_and_a_double_name_too():
    module = types.ModuleType("jobs")
    with pytest.raises(NoActivitiesError, match="declares no activity"):
        activities_in(module)
    module.first = activity("same")(lambda: 1)
    module.second = activity("same")(lambda: 2)
    with pytest.raises(ActivityDefinitionError, match="two functions"):
        activities_in(module)
