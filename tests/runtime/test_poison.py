"""What cannot be decided, or cannot be committed, stops itself and nothing else."""

import asyncio

import pytest
from msgspec.structs import replace

from schemas.commands import CompleteCall, RetryIncident, RunInstance, SuspendInstance
from schemas.results import CompleteActivity
from streams.domain.instance.aggregate import INSTANCE
from streams.runtime import runner as runner_module
from streams.runtime.ports import AbortedError, Record
from streams.runtime.runner import Pacing, Runner
from streams.runtime.shard import ABORTS_MAX


@pytest.fixture
def broken(monkeypatch):
    """Let `decide` raise for the commands of a type; returns what turns it on and off."""
    original, wanted = INSTANCE.decide, set()

    def decide(command, state, ctx):
        if type(command).__name__ in wanted:
            raise ZeroDivisionError("a defect of the engine")
        return original(command, state, ctx)

    monkeypatch.setattr(type(INSTANCE), "decide", staticmethod(decide))
    return wanted


def test_a_command_that_cannot_be_decided_is_rejected_and_kept(lab, broken):
    broken.add("SuspendInstance")
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    events = len(lab.events())
    name = lab.command("i-1", SuspendInstance())
    lab.command("i-2", RunInstance("hello"))
    lab.settle()
    (reply,) = lab.answers(name)
    assert (reply.accepted, reply.code) == (False, "engine_error")
    assert "ZeroDivisionError: a defect of the engine" in reply.message
    ((reason, value),) = lab.dead()
    assert reason.startswith("engine_error: ZeroDivisionError")
    assert value in [e.value for e in lab.kafka.committed(lab.names.commands, 0)]
    assert "workflow.started" in lab.kinds("i-2")
    assert len(lab.events()) == events + 2


def test_a_rejected_command_may_be_sent_again_once_the_defect_is_gone(lab, broken):
    broken.add("RunInstance")
    name = lab.command("i-1", RunInstance("hello"))
    lab.settle()
    broken.clear()
    lab.resend(name, "i-1", RunInstance("hello"))
    lab.settle()
    assert [reply.accepted for reply in lab.answers(name)] == [False, True]
    assert lab.kinds("i-1")[0] == "workflow.started"


def test_a_result_that_cannot_be_decided_stalls_its_instance_until_it_is_retried(lab, broken):
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    broken.add("CompleteActivity")
    while not lab.tasks:
        lab.poll_tasks()
    while lab.tasks:
        lab.work(failures=0.0, twice=0.0)
    lab.settle()
    assert lab.kinds("i-1")[-1] == "error.occurred"
    error = lab.events()[-1][1]
    assert (error.code, "ZeroDivisionError" in error.message) == ("engine_error", True)
    assert lab.dead() == [], "nothing is lost: the incident keeps the command"
    assert lab.shards[0]._cache.get(b"instance/default/i-1").book.stalled
    lab.sleep(10_000_000)
    lab.settle()
    broken.clear()
    lab.reopen()
    lab.command("i-1", RetryIncident(0))
    lab.settle()
    assert lab.kinds("i-1")[-3:] == [
        "incident.resolved",
        "activity.completed",
        "workflow.completed",
    ]


def test_a_defect_that_is_still_there_makes_an_incident_again(lab, broken):
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    broken.add("CompleteActivity")
    lab.put(lab.names.results, "i-1", CompleteActivity(2, 1, b"1"))
    lab.settle()
    lab.command("i-1", RetryIncident(0))
    lab.settle()
    assert lab.kinds("i-1")[-3:] == ["error.occurred", "incident.resolved", "error.occurred"]
    assert not lab.shards[0].has_work()
    broken.clear()
    lab.command("i-1", RetryIncident(0))
    lab.settle()
    assert lab.kinds("i-1")[-1] == "workflow.completed"


def test_an_internal_command_that_cannot_be_decided_stalls_whom_it_was_for(lab, broken):
    lab.command("i-1", RunInstance("hello"))
    lab.settle()
    broken.add("CompleteCall")
    lab.put(lab.names.internal, "i-1", CompleteCall(7, b"{}"))
    lab.settle()
    assert lab.kinds("i-1")[-1] == "error.occurred"
    lab.put(lab.names.internal, "nobody", CompleteCall(7, b"{}"))
    lab.settle()
    ((reason, _),) = lab.dead()
    assert reason.startswith("engine_error"), "where there is no instance it is kept elsewhere"


def test_a_timer_that_cannot_be_decided_stalls_its_instance_and_is_not_tried_for_ever(lab, broken):
    lab.command("i-1", RunInstance("pause"))
    lab.settle()
    broken.add("FireTimer")
    lab.sleep(60_000)
    lab.settle()
    assert lab.kinds("i-1")[-1] == "error.occurred"
    assert not lab.shards[0].has_work()
    batch = lab.shards[0].position.batch
    for _ in range(3):
        lab.sleep(60_000)
        lab.step(0)
    assert lab.shards[0].position.batch == batch
    broken.clear()
    lab.command("i-1", RetryIncident(0))
    lab.settle()
    assert lab.kinds("i-1")[-1] == "workflow.completed"


# A batch that cannot be committed.


class Choosy:
    """A simulated log whose broker refuses transactions that name something."""

    def __init__(self, inner, word, *, transport, times=10**9):
        self._inner, self.word, self.transport, self.times = inner, word, transport, times
        self.refused = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def transact(self, records):
        guilty = any(
            self.word in (out.value or b"")
            for out in records
            if out.topic.endswith(("events", "state")) and b"engine_error" not in (out.value or b"")
        )
        if guilty and self.refused < self.times:
            self.refused += 1
            raise AbortedError("the broker does not take it", transport=self.transport)
        return await self._inner.transact(records)


def refusing(lab, word, **how):
    log = Choosy(lab.shards[0]._log, word, **how)
    lab.shards[0]._log = log
    return log


def batch(lab, *names):
    """Queue one command for each instance as one batch; return the command ids."""
    shard = lab.shards[0]
    shard._options = replace(shard._options, batch_records_max=50)
    sent = [lab.command(name, RunInstance("hello")) for name in names]
    start = shard.position.inputs["workflow.commands"]
    found = lab.kafka.committed(lab.names.commands, 0, start)
    shard.submit(
        "workflow.commands", [Record(e.offset, e.timestamp, e.key, e.value) for e in found]
    )
    lab._taken["workflow.commands", 0] = found[-1].offset + 1
    return sent


def test_the_one_record_that_no_broker_takes_is_quarantined_and_the_others_have_their_effect(lab):
    log = refusing(lab, b"guilty", transport=False)
    names = ["a", "b", "guilty-1", "c", "d"]
    sent = batch(lab, *names)
    lab.step(0)
    assert log.refused == 2 * ABORTS_MAX
    replies = [lab.answers(name)[0] for name in sent]
    assert [reply.accepted for reply in replies] == [True, True, False, True, True]
    assert replies[2].code == "engine_error"
    ((reason, _),) = lab.dead()
    assert "cannot be committed" in reason
    for name in names:
        wanted = 0 if name.startswith("guilty") else 1
        assert lab.kinds(name).count("workflow.started") == wanted
    assert lab.shards[0].position.inputs["workflow.commands"] == lab.kafka.end_offset(
        lab.names.commands, 0
    )


def test_two_guilty_records_of_a_batch_are_both_quarantined(lab):
    refusing(lab, b"guilty", transport=False)
    sent = batch(lab, "guilty-1", "a", "guilty-2")
    lab.step(0)
    assert [lab.answers(name)[0].accepted for name in sent] == [False, True, False]


def test_a_batch_that_the_third_try_brings_in_quarantines_nothing(lab):
    refusing(lab, b"guilty", transport=False, times=ABORTS_MAX - 1)
    sent = batch(lab, "a", "guilty-1")
    lab.step(0)
    assert [lab.answers(name)[0].accepted for name in sent] == [True, True]
    assert lab.dead() == []


def test_what_the_connection_aborts_is_tried_as_often_as_it_takes_and_never_quarantined(lab):
    log = refusing(lab, b"guilty", transport=True, times=50)
    before = lab.shards[0].position.batch
    sent = batch(lab, "a", "guilty-1", "b")
    lab.step(0)
    assert log.refused == 50
    assert [lab.answers(name)[0].accepted for name in sent] == [True, True, True]
    assert lab.dead() == []
    assert lab.shards[0].position.batch == before + 1, "one for all three"


def test_a_result_that_no_broker_takes_stalls_its_instance(lab):
    lab.command("i-1", RunInstance("hello"))
    lab.command("i-2", RunInstance("hello"))
    lab.settle()
    refusing(lab, b"guilty", transport=False)
    lab.put(lab.names.results, "i-1", CompleteActivity(2, 1, b'"guilty"'))
    lab.put(lab.names.results, "i-2", CompleteActivity(2, 1, b'"fine"'))
    lab.settle()
    assert lab.kinds("i-2")[-1] == "workflow.completed"
    assert lab.kinds("i-1")[-1] == "error.occurred"
    lab.shards[0]._log.word = b"nothing"
    lab.command("i-1", RetryIncident(0))
    lab.settle()
    assert lab.kinds("i-1")[-1] == "workflow.completed"


def test_a_timer_whose_batch_no_broker_takes_stalls_its_instance_and_no_other(lab):
    lab.command("guilty-1", RunInstance("pause"))
    lab.command("i-2", RunInstance("pause"))
    lab.settle()
    refusing(lab, b"guilty", transport=False)
    lab.sleep(60_000)
    sent = batch(lab, "a", "b")
    lab.settle()
    assert lab.kinds("i-2")[-1] == "workflow.completed"
    assert [lab.answers(name)[0].accepted for name in sent] == [True, True]
    assert lab.kinds("guilty-1")[-1] == "error.occurred"


def test_a_record_whose_outcome_cannot_be_written_is_quarantined_and_the_others_go_on(
    lab, monkeypatch
):
    original = INSTANCE.decide

    def decide(command, state, ctx):
        outcome = original(command, state, ctx)
        if ctx.aggregate_id.startswith("guilty"):
            outcome.events[0] = object()  # Nothing that an encoder knows.
        return outcome

    monkeypatch.setattr(type(INSTANCE), "decide", staticmethod(decide))
    sent = batch(lab, "a", "guilty-1", "b")
    lab.step(0)
    assert [lab.answers(name)[0].accepted for name in sent] == [True, False, True]
    ((reason, _),) = lab.dead()
    assert "cannot be committed" in reason


async def test_a_runner_survives_what_nobody_foresaw_and_takes_the_partition_again(
    lab, monkeypatch
):
    monkeypatch.setattr(runner_module, "_REOPEN_SECONDS", 0.01)
    sought = []

    async def reseek(partition):
        sought.append(partition)

    shard = lab.shards[0]
    runner = Runner(shard, Pacing(0, 1), reseek)
    step, failures = shard.step, [OSError("the disk is gone")]

    async def failing():
        if failures:
            raise failures.pop()
        return await step()

    monkeypatch.setattr(shard, "step", failing)
    batch(lab, "a")
    runner.start()
    while not sought:
        await asyncio.sleep(0.001)
    await runner.quiesce()
    assert shard.inbox.queued == 0, "what was queued is fetched again from the position"
    assert runner.refusal == ""
    await runner.close()
