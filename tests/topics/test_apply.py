"""Topics against a real Kafka."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from topics.apply import TopicsRefusedError, admin_of, apply, ensure_queues, verify
from topics.catalogue import Catalogue


@pytest.fixture
def catalogue(topic_prefix):
    return Catalogue(topic_prefix, partitions=2, activity_partitions=3)


def test_applying_twice_creates_once_and_verifies_clean(kafka, catalogue):
    admin = admin_of(kafka)
    first = apply(admin, catalogue)
    assert len(first.created) == len(catalogue.topics())
    second = apply(admin, catalogue)
    assert second.created == []
    assert verify(admin, catalogue) == []


@pytest.mark.parametrize(
    ("partitions", "config", "setting"),
    [
        (5, {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}, "partitions"),
        (2, {"message.timestamp.type": "CreateTime"}, "message.timestamp.type"),
        (2, {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}, "cleanup"),
    ],
)
def test_a_topic_of_another_form_is_refused_with_the_difference(
    kafka, catalogue, topic_prefix, partitions, config, setting
):
    admin = admin_of(kafka)
    name = f"{topic_prefix}workflow.commands"
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()
    with pytest.raises(TopicsRefusedError) as refused:
        apply(admin, catalogue)
    assert name in str(refused.value)
    assert setting in str(refused.value)


def test_a_missing_queue_is_created_with_its_own_partitions(kafka, catalogue, topic_prefix):
    admin = admin_of(kafka)
    assert ensure_queues(admin, catalogue, ["slow"]) == [f"{topic_prefix}activity.slow"]
    topic = admin.list_topics(f"{topic_prefix}activity.slow", timeout=10)
    assert len(topic.topics[f"{topic_prefix}activity.slow"].partitions) == 3


def test_a_committed_transaction_is_read_and_an_aborted_one_is_not(kafka, names):
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": names.prefix})
    producer.init_transactions(30)
    for text, keep in ((b"aborted", False), (b"committed", True)):
        producer.begin_transaction()
        producer.produce(names.events, text, b"k", partition=0)
        if keep:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()
    consumer = Consumer(
        {"bootstrap.servers": kafka, "group.id": "t", "isolation.level": "read_committed"}
    )
    consumer.assign([TopicPartition(names.events, 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert message.value() == b"committed"
    assert message.timestamp()[0] == 2  # LogAppendTime
