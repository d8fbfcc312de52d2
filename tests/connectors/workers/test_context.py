"""What an activity sees of its task."""

import pytest

from connectors.workers.attempt import prepare, run
from connectors.workers.context import ActivityContext
from connectors.workers.declare import activity_of
from connectors.workers.errors import ActivityError
from schemas.envelope import Envelope
from schemas.json_text import parse
from schemas.tasks import ActivityTask

TASK = ActivityTask(
    4, "charge", "charge-card", 2, b'{"amount":5}', "order", "1.2.3", variables=b'{"who":["Ann"]}'
)


def context(task=TASK):
    envelope = Envelope("i@1:4", "ActivityTask", 1, "instance", "i", "1")
    return ActivityContext(envelope, task, "w", print)


def test_an_activity_knows_its_place_its_attempt_and_its_input():
    ctx = context()
    assert (ctx.instance_id, ctx.activity_id, ctx.activity_type) == ("i", "charge", "charge-card")
    assert (ctx.attempt, ctx.definition_version) == (2, "1.2.3")
    assert ctx.input == {"amount": 5}


def test_the_variables_that_the_node_declares_can_be_read_and_not_written():
    ctx = context()
    assert ctx.variables == {"who": ["Ann"]}
    with pytest.raises(TypeError):
        ctx.variables["who"] = "Bob"
    with pytest.raises(AttributeError):
        ctx.input = {}


def test_a_node_that_reads_nothing_gives_no_variables():
    assert context(ActivityTask(4, "n", "t", 1, b"null", "d", "1.0.0")).variables == {}


def test_a_failure_names_the_service_that_failed_and_why():
    def work():
        raise ActivityError("no answer", "ConnectionError", {"host": "erp"}, "erp") from OSError(
            "x"
        )

    failure = run(prepare({"charge-card": activity_of(work, "charge-card")}, context()))
    assert failure.code == "ConnectionError"
    assert parse(failure.details) == {
        "activity": "charge-card",
        "service": "erp",
        "cause": ["OSError: x"],
        "details": {"host": "erp"},
    }
