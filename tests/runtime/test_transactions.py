"""Our own transactional producer: answers get lost, owners change, records are large."""

import asyncio
import os
from contextlib import suppress

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest_v0, EndTxnRequest_v0

from schemas.partition import partition_of
from streams.runtime import kafka_requests
from streams.runtime.batches import Batch, Stamp, by_place, encode_batches, in_rounds
from streams.runtime.kafka_nodes import Nodes
from streams.runtime.kafka_requests import Classic, Implicit
from streams.runtime.ports import AbortedError, FencedError, Out
from streams.runtime.transactions import Transactions
from streams.testing.audit import read_partition

PRODUCE = (ProduceRequest_v7, kafka_requests.ProduceRequest)
END = (EndTxnRequest_v0, kafka_requests.EndTxnRequest)
ADD = (AddPartitionsToTxnRequest_v0,)


class Forgetful(Nodes):
    """Loses the response of the first request of a kind: the broker has seen it."""

    def __init__(self, bootstrap, name, kind):
        super().__init__(bootstrap, name, 10)
        self.kind = kind
        self.lost = 0

    async def send(self, node, request):
        response = await super().send(node, request)
        if isinstance(request.prepare({}), self.kind) and not self.lost:
            self.lost += 1
            raise KafkaConnectionError("the response is lost")
        return response


@pytest.fixture
async def begin(kafka):
    """Return a producer that owns its name; all are closed at the end."""
    opened = []

    async def begun(name, dialect, kind=()):
        nodes = Forgetful(kafka, name, kind)
        transactions = Transactions(nodes, name, 10, dialect)
        opened.append((transactions, nodes))
        await transactions.init()
        return transactions

    yield begun
    for transactions, nodes in opened:
        with suppress(FencedError):
            await transactions.close()
        await nodes.close()


@pytest.fixture(params=[Classic, Implicit])
def dialect(request):
    return request.param


def values(kafka, topic, partition=0):
    return [record.value for record in read_partition(kafka, topic, partition)]


def batch(names, text):
    return [Out(names.events, 0, b"k", text), Out(names.state, 0, b"k", text)]


@pytest.mark.kafka
@pytest.mark.parametrize("kind", [ADD, PRODUCE, END], ids=["add", "produce", "end"])
async def test_a_request_whose_response_was_lost_takes_effect_once(
    kafka, names, begin, dialect, kind
):
    transactions = await begin(f"{names.prefix}lost", dialect, kind)
    offsets = [await transactions.write(batch(names, text)) for text in (b"1", b"2", b"3")]
    assert transactions._nodes.lost == (0 if kind is ADD and dialect is Implicit else 1)
    for topic in (names.events, names.state):
        assert values(kafka, topic) == [b"1", b"2", b"3"]
        assert [found[topic, 0] for found in offsets] == [1, 3, 5]


@pytest.mark.kafka
async def test_many_records_are_spread_over_requests_and_stay_in_order(
    kafka, names, begin, dialect
):
    transactions = await begin(f"{names.prefix}many", dialect)
    noise = os.urandom(100_000)
    texts = [b"%d " % number + noise for number in range(70)]
    records = [Out(names.events, number % 2, b"k", text) for number, text in enumerate(texts)]
    await transactions.write([*records, Out(names.state, 0, b"k", b"done")])
    await transactions.write(batch(names, b"next"))
    assert values(kafka, names.events) == [*texts[::2], b"next"]
    assert values(kafka, names.events, 1) == texts[1::2]


@pytest.mark.kafka
async def test_a_topic_that_does_not_exist_is_named_and_the_next_transaction_stands(
    kafka, names, begin, dialect
):
    transactions = await begin(f"{names.prefix}gone", dialect)
    with pytest.raises(AbortedError, match=r"there is no topic activity\.gone") as caught:
        await transactions.write([*batch(names, b"1"), Out("activity.gone", 0, b"k", b"1")])
    assert not caught.value.transport
    await transactions.write(batch(names, b"2"))
    assert values(kafka, names.events) == [b"2"]


@pytest.mark.kafka
async def test_a_partition_that_does_not_exist_is_named(kafka, names, begin, dialect):
    transactions = await begin(f"{names.prefix}nowhere", dialect)
    with pytest.raises(AbortedError, match="there is no partition 99 of topic"):
        await transactions.write([*batch(names, b"1"), Out(names.events, 99, b"k", b"1")])
    await transactions.write(batch(names, b"2"))
    assert values(kafka, names.events) == [b"2"]


@pytest.mark.kafka
async def test_two_owners_never_both_write(kafka, names, begin, dialect):
    """Whoever began last owns the name; all that the other tries is refused, and unseen."""
    name = f"{names.prefix}two"
    first, second = await begin(name, dialect), await begin(name, dialect)
    written = []
    for number in range(12):
        owner, other = (first, second) if number % 2 else (second, first)
        await owner.init()
        outcomes = await asyncio.gather(
            other.write(batch(names, b"no %d" % number)),
            owner.write(batch(names, b"%d" % number)),
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], FencedError), outcomes
        assert isinstance(outcomes[1], dict), outcomes
        written.append(b"%d" % number)
    assert values(kafka, names.events) == written


@pytest.mark.kafka
async def test_a_key_goes_where_every_client_puts_it(kafka, names, begin, dialect):
    transactions = await begin(f"{names.prefix}key", dialect)
    keys = [b"key %d" % number for number in range(20)]
    await transactions.write([Out(names.internal, -1, key, key) for key in keys])
    await transactions.close()
    for partition in range(4):
        expected = [key for key in keys if partition_of(key, 4) == partition]
        assert values(kafka, names.internal, partition) == expected


def test_sequence_numbers_go_round_after_the_greatest():
    groups = by_place([Out("t", 0, b"k", b"v")] * 3, {"t": 1})
    sequences = {("t", 0): 0x7FFFFFFE}
    list(encode_batches(groups, Stamp(1, 0), sequences))
    assert sequences == {("t", 0): 1}


def test_a_request_holds_one_batch_of_a_partition_and_not_too_much():
    big = bytes(9_000_000)
    batches = [Batch(("t", 0), 1, b"a"), Batch(("t", 0), 1, big), Batch(("t", 1), 1, big)]
    found = in_rounds([*batches, Batch(("t", 0), 1, b"b")])
    assert [[(one.place[1], len(one.data)) for one in part] for part in found] == [
        [(0, 1), (1, 9_000_000)],
        [(0, 9_000_000)],
        [(0, 1)],
    ]
