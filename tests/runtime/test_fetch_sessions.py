"""Incremental fetch sessions under aiokafka's fetcher, on a real broker."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.agents.fetch_sessions import FetchSessions

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def reading(kafka, topic):
    """A consumer of all four partitions that fetches in sessions, and a producer."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, fetch_max_wait_ms=50, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await consumer.start()
    await producer.start()
    sessions = FetchSessions(consumer._fetcher)
    places = [TopicPartition(topic, number) for number in range(4)]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, 0)
    try:
        yield consumer, producer, sessions
    finally:
        await producer.stop()
        await consumer.stop()


async def read(consumer, count):
    """The next records as (partition, value), by partition in order."""
    found = []
    async with asyncio.timeout(30):
        while len(found) < count:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                found += [(place.partition, record.value) for record in records]
    return found


async def session_of(consumer, sessions):
    """The session, once the broker has given it a number."""
    async with asyncio.timeout(30):
        while not any(one.id for one in sessions.sessions.values()):
            await consumer.getmany(timeout_ms=50)
    (session,) = sessions.sessions.values()
    return session


async def test_records_of_all_partitions_arrive_in_order_in_one_session(kafka, names):
    async with reading(kafka, names.commands) as (consumer, producer, sessions):
        first = (await session_of(consumer, sessions)).id
        for number in range(20):
            await producer.send_and_wait(names.commands, b"%d" % number, partition=number % 4)
            assert await read(consumer, 1) == [(number % 4, b"%d" % number)]
        (session,) = sessions.sessions.values()
        assert session.id == first
        assert session.epoch > 20


async def test_a_fetch_names_only_what_has_moved(kafka, names):
    async with reading(kafka, names.commands) as (consumer, producer, sessions):
        session = await session_of(consumer, sessions)
        asked = []
        honest = session.next

        def watched(request):
            found = honest(request)
            asked.append({(t, p[0]) for t, parts in found.topics for p in parts})
            return found

        session.next = watched
        await producer.send_and_wait(names.commands, b"x", partition=2)
        assert await read(consumer, 1) == [(2, b"x")]
        await consumer.getmany(timeout_ms=500)
        assert {(names.commands, 2)} in asked
        assert all(one <= {(names.commands, 2)} for one in asked), asked


@pytest.mark.parametrize("harm", ["epoch", "unknown", "unanswered"])
async def test_a_session_that_went_wrong_is_begun_anew_and_no_record_is_missed(kafka, names, harm):
    async with reading(kafka, names.commands) as (consumer, producer, sessions):
        session = await session_of(consumer, sessions)
        before = session.id
        if harm == "epoch":
            session.epoch += 7
        elif harm == "unknown":
            session.id = before = 1_234_567
        else:
            await asyncio.sleep(0)
            session.forget()
            session.asked = True
        for number in range(4):
            await producer.send_and_wait(names.commands, b"%d" % number, partition=number)
        assert sorted(await read(consumer, 4)) == [(n, b"%d" % n) for n in range(4)]
        assert session.id != before


async def test_a_seek_and_a_pause_are_told_to_the_broker(kafka, names):
    async with reading(kafka, names.commands) as (consumer, producer, _sessions):
        place = TopicPartition(names.commands, 1)
        for number in range(3):
            await producer.send_and_wait(names.commands, b"%d" % number, partition=1)
        await read(consumer, 3)
        consumer.seek(place, 1)
        assert await read(consumer, 2) == [(1, b"1"), (1, b"2")]
        consumer.pause(place)
        await producer.send_and_wait(names.commands, b"3", partition=1)
        await producer.send_and_wait(names.commands, b"a", partition=0)
        assert await read(consumer, 1) == [(0, b"a")]
        consumer.resume(place)
        assert await read(consumer, 1) == [(1, b"3")]


async def test_an_empty_partition_that_is_deleted_below_is_read_from_its_new_start(kafka, names):
    async with reading(kafka, names.commands) as (consumer, producer, sessions):
        await session_of(consumer, sessions)
        consumer.seek(TopicPartition(names.commands, 3), 50)
        await producer.send_and_wait(names.commands, b"again", partition=3)
        assert await read(consumer, 1) == [(3, b"again")]
