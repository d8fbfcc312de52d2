"""Messages and signals by the command line and the client, through an engine and Kafka."""

import json
import time

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from connectors.cli.main import app_of
from connectors.client.errors import CommandRejectedError
from connectors.client.events import EventStream
from schemas.codec import encode
from schemas.commands import OpenSubscription
from schemas.envelope import Envelope
from schemas.ids import channel_id
from streams.testing.audit import audit


@pytest.fixture
def tidemill(environment, engine):
    """Run a command of the command line."""

    def run(*arguments):
        done = CliRunner().invoke(app_of(), arguments, env=environment)
        assert done.exit_code == 0, done.output
        # The verifier of this process may have logged something before.
        return done.stdout.strip().splitlines()[-1]

    return run


@pytest.fixture
def events_of(settings_of):
    """Wait for so many events of an aggregate."""

    def events(name, count):
        stream = EventStream(settings_of(), beginning=True, instance_id=name)
        found, end = [], time.monotonic() + 40
        while len(found) < count and time.monotonic() < end:
            found += [event.message for event in stream.read(0.3)]
        stream.close()
        return found

    return events


@pytest.mark.kafka
def test_a_message_is_published_once_and_expires(tidemill, events_of):
    publish = ("message", "publish", "paid", "--key", "o 7", "--data", '{"a": 5}', "--id", "m-1")
    channel = channel_id("message", "paid", "o 7")
    said = tidemill(*publish, "--ttl", "PT1S")
    assert said == f"message paid is published as m-1, in the channel {channel}"
    again = json.loads(tidemill(*publish, "--ttl", "PT1S", "--json"))
    assert (again["channel"], again["message_id"]) == (channel, "m-1")
    published, expired = events_of(channel, 2)
    assert (published.envelope.type, expired.envelope.type) == (
        "message.published",
        "message.expired",
    )
    assert (published.body.key, published.body.payload) == ("o 7", b'{"a":5}')
    assert expired.envelope.time - published.envelope.time >= 1_000


@pytest.mark.kafka
def test_a_message_for_an_owner_that_is_gone_comes_back_and_waits(
    settings_of, names, client, engine, events_of
):
    channel = channel_id("message", "paid", "8")
    opening = OpenSubscription("nobody", "life", 3, "wait")
    envelope = Envelope("open-1", "OpenSubscription", 1, "channel", channel)
    producer = Producer(
        {
            "bootstrap.servers": settings_of().kafka_bootstrap_servers,
            "partitioner": "murmur2_random",
        }
    )
    producer.produce(names.internal, encode(envelope, opening), channel)
    producer.flush(20)
    events_of(channel, 1)
    answer = client.publish_message("paid", "8", {"a": 1}, ttl=60)
    assert answer.id == channel
    assert [event.envelope.type for event in events_of(channel, 4)] == [
        "subscription.opened",
        "message.published",
        "message.rejected",
        "subscription.ended",
    ]
    said = audit(settings_of().kafka_bootstrap_servers, names, 4)
    assert (said.events, said.faults) == (4, [])


@pytest.mark.kafka
def test_a_signal_is_broadcast(tidemill, client, events_of):
    said = tidemill("signal", "broadcast", "evening", "--data", "1", "--id", "s-1")
    assert said == "signal evening is broadcast as s-1, in the channel signal:evening"
    client.broadcast_signal("evening", 1, "s-1")
    client.broadcast_signal("evening", 2, "s-2")
    first, second = events_of("signal:evening", 2)
    assert (first.body.signal_id, second.body.signal_id) == ("s-1", "s-2")


@pytest.mark.kafka
def test_what_is_wrong_is_said(client, engine, environment):
    with pytest.raises(CommandRejectedError, match="name has 1 to 256 characters"):
        client.publish_message("x" * 300)
    with pytest.raises(CommandRejectedError, match="holds no message and no subscription"):
        client.retry_channel("message:paid")
    for arguments, words in (
        (("message", "publish", "paid", "--data", "{"), "not valid JSON"),
        (("message", "publish", "paid", "--data", "word"), "text is JSON in quotes"),
        (("message", "publish", "paid", "--ttl", "5 min"), "no ISO 8601 duration"),
    ):
        done = CliRunner().invoke(app_of(), arguments, env=environment)
        assert done.exit_code == 2
        assert words in done.output
    done = CliRunner().invoke(app_of(), ("signal", "retry", "evening"), env=environment)
    assert done.exit_code != 0
