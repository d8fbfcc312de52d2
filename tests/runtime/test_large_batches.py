"""A large batch is decided and encoded in pieces, of which nobody may see anything."""

from schemas.commands import CancelInstance, RunInstance
from streams.runtime.inbox import COMMANDS
from streams.runtime.ports import Record
from streams.runtime.processor import _TOGETHER
from streams.runtime.shard import ShardOptions
from streams.testing.world import run

COUNT = 2 * _TOGETHER + 50


def applied(lab, at_once):
    """Start instances and cancel some, so many records in a batch; what was written then."""
    shard, done = lab.shards[0], len(lab.events())
    shard._options = ShardOptions(batch_records_max=at_once)
    for number in range(COUNT):
        lab.command(f"i-{number}", RunInstance("hello"))
        if number % 3 == 0:
            lab.command(f"i-{number - number % 2}", CancelInstance("enough"))
    entries = lab.kafka.committed(COMMANDS, 0, shard.position.inputs[COMMANDS])
    batches = shard.position.batch
    shard.submit(COMMANDS, [Record(e.offset, e.timestamp, e.key, e.value) for e in entries])
    while shard.inbox.queued:
        run(shard.step())
    written = [entry.value for entry in lab.kafka.committed(lab.names.events, 0)[done:]]
    return written, shard.position.batch - batches, shard.position.number


def test_a_batch_of_hundreds_writes_the_events_that_its_records_write_one_by_one(lab_of):
    large, few, last = applied(lab_of(), 10_000)
    single, many, same = applied(lab_of(), 1)
    assert few == 1
    assert many > COUNT
    assert len(large) > 2 * COUNT
    assert large == single
    assert last == same


def test_the_events_of_a_batch_of_hundreds_are_numbered_without_a_gap(lab):
    applied(lab, 10_000)
    positions = [envelope.position for envelope, _ in lab.events()]
    assert positions == list(range(1, len(positions) + 1))
