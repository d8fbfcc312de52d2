"""What the view of channels shows: the engine's own fold, with the moments and counts beside it."""

import os

import pytest
from sqlalchemy import select

from projections import tables
from projections.channels import channel_of, find_channel
from projections.errors import PoisonEventError
from projections.events import event_of
from projections.positions import Source
from projections.projection import FORM, Projection
from projections.store import reading
from schemas import channel_events as e
from schemas import commands as c
from schemas.ids import channel_id
from streams.testing.crossing import Crossing
from streams.testing.oracle import Oracle
from streams.testing.world import World
from topics.reading import Consumed

SEEDS = int(os.environ.get("TIDEMILL_SEEDS", "10"))
WAITS = """
id: waits
version: 1.0.0
nodes:
  start: {type: start, next: part}
  part:
    type: scope
    nodes: {in: {type: start, next: got}, got: {type: catch, message: m, key: k, next: out},
            out: {type: end}}
    next: end
  rung: {type: boundary, on: part, signal: bell, interrupting: false, next: told}
  told: {type: end}
  end: {type: end}
"""
STARTED = WAITS.replace("id: waits", "id: started").replace(
    "start: {type: start,", "start: {type: start, signal: bell,"
)
MESSAGE, SIGNAL = channel_id("message", "m", "k"), "signal:bell"
HOUR = 3_600_000
OPENED = e.SubscriptionOpened("instance", "i", "life", 3, "wait", once=True)
REF = "instance/i@life:3"
SENT = e.MessagePublished("m1", "m", "k", b"12345", HOUR, 0)


def shown(row):
    """What a row and the engine's state have in common, of a row."""
    return {
        "sequence": row.sequence,
        "waits": {
            one.ref: (one.node, one.once, one.offers, one.closing, one.ask_at)
            for one in row.subscribers
        },
        "kept": {
            one.number: (one.id, one.bytes, one.expires_at, one.is_signal, one.offered)
            for one in row.messages
        },
    }


def folded(state):
    """The same of the engine's state."""
    return {
        "sequence": state.sequence,
        "waits": {
            ref: (one.node, one.once, list(one.offers), one.closed, one.ask_at)
            for ref, one in state.subscriptions.items()
        },
        "kept": {
            number: (one.id, len(one.payload), one.expires_at, one.is_signal, one.offered)
            for number, one in state.messages.items()
        },
    }


def compare(world, projection, sql, seed):
    """Project all that is committed, in chunks, and hold every row against the fold."""
    wanted = {}
    for partition in range(world.partitions):
        found = world.kafka.committed(world.names.events, partition)
        oracle = Oracle(partition, world.aggregates)
        for entry in found:
            oracle.see(entry.value)
        events = [
            event_of(Consumed(partition, x.offset, x.timestamp, x.key, x.value)) for x in found
        ]
        for first in range(0, len(events), 7):
            projection.apply(events[first : first + 7], {})
        wanted |= {
            key.decode().split("/", 2)[2]: folded(state)
            for key, state in oracle.states().items()
            if key.startswith(b"channel/")
        }
    with reading(sql) as connection:
        rows = [channel_of(row) for row in connection.execute(select(tables.channels)).all()]
    assert {row.id: shown(row) for row in rows} == wanted, f"seed {seed}"
    return rows


def played(seed):
    """Messages and signals, waits that are suspended and cancelled, and faults."""
    world = World(seed, [WAITS, STARTED], partitions=1 + seed % 3)
    for number in range(world.random.randint(20, 50)):
        chance, name = world.random.random(), f"i{world.random.randrange(6)}"
        if chance < 0.3:
            world.run_instance(name, "waits", b"{}")
        elif chance < 0.5:
            ttl = world.random.choice([0, 900, HOUR])
            body = c.PublishMessage("m", "k", f"m{number}", b"1", ttl)
            world.command(MESSAGE, body, kind="channel")
        elif chance < 0.6:
            world.command(SIGNAL, c.BroadcastSignal("bell", f"s{number}"), kind="channel")
        else:
            world.disturb(name)
        for partition in range(world.partitions):
            world.feed(partition)
            world.step(partition)
        world.sleep(world.random.choice([0, 1, 1_500]))
    return world


@pytest.mark.usefixtures("projection")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_rows_are_the_engines_own_fold_whatever_strikes(seed, sql):
    world = played(seed)
    projection = Projection(sql)
    projection.restart(Source("cluster", "events", f"id-{seed}", FORM), world.partitions)
    rows = compare(world, projection, sql, seed)
    assert {row.kind for row in rows} <= {"message", "signal"}
    assert sum(row.published for row in rows) > 0


@pytest.mark.usefixtures("projection")
@pytest.mark.parametrize("kind", ["message", "signal"])
def test_each_step_of_a_conversation_is_shown(kind, sql):
    cross = Crossing(kind)
    steps = [
        lambda: cross.start(cross.one),
        lambda: cross.start(cross.two),
        lambda: cross.say(cross.one, c.SuspendInstance()),
        cross.trigger,
        lambda: cross.offered(cross.one),
        cross.rejected,
        lambda: cross.say(cross.one, c.CancelInstance("enough")),
        cross.closed,
        cross.rest,
    ]
    for number, step in enumerate(steps):
        step()
        projection = Projection(sql)
        projection.restart(Source("cluster", "events", f"{kind}-{number}", FORM), 3)
        compare(cross, projection, sql, number)
    with reading(sql) as connection:
        row = find_channel(connection, cross.channel)
    assert (row.published, row.taken) == (1, 1)
    assert ([one.owner_id for one in row.subscribers], row.messages) == ([], [])


def test_a_channel_shows_what_is_kept_who_waits_and_what_was_last(projection, written, reader):
    written.add(SENT, MESSAGE, kind="channel", time=7)
    projection.apply(written.events, {})
    row = reader.channel(MESSAGE).value
    assert (row.kind, row.name, row.key, row.last_id, row.last_at) == ("message", "m", "k", "m1", 7)
    assert [(one.id, one.bytes, one.since, one.expires_at) for one in row.messages] == [
        ("m1", 5, 7, HOUR)
    ]
    opened = e.SubscriptionOpened("instance", "i", "life", 3, "wait", True, [e.Offer(1, REF)])
    written.add(opened, MESSAGE, kind="channel", time=9)
    taken = e.MessageCorrelated(1, "m1", "instance", "i", "life", 3, "wait", ended=True)
    projection.apply(written.events[1:], {})
    assert [one.offers for one in reader.channel(MESSAGE).value.subscribers] == [[1]]
    written.add(taken, MESSAGE, kind="channel")
    projection.apply(written.events[2:], {})
    row = reader.channel(MESSAGE).value
    assert (row.subscribers, row.messages, row.taken) == ([], [], 1)
    assert reader.channel(MESSAGE).position == "0:3"
    assert reader.channel(MESSAGE, "acme").value is None


def test_a_channel_goes_on_after_the_end_of_what_it_lets_live_alone(projection, written, reader):
    written.add(SENT, MESSAGE, kind="channel")
    written.add(e.SingleEnded("flow", "flow.1"), MESSAGE, kind="channel")
    written.add(OPENED, MESSAGE, kind="channel")
    projection.apply(written.events, {})
    assert reader.channel(MESSAGE).value.sequence == 3


def test_the_list_is_of_channels_where_something_waits_by_pages(projection, written, reader):
    for name in ("signal:d", "signal:b", "signal:a"):
        written.add(OPENED, name, kind="channel")
    written.add(e.SignalBroadcast("s1", "quiet", b"1", 0), "signal:quiet", kind="channel")
    projection.apply(written.events, {})
    assert [row.id for row in reader.channels().value] == ["signal:a", "signal:b", "signal:d"]
    assert [row.id for row in reader.channels(after="signal:a", limit=1).value] == ["signal:b"]
    (quiet,) = reader.channels(at_rest=True, after="signal:d").value
    assert (quiet.name, quiet.published, quiet.last_id) == ("quiet", 1, "s1")


def test_a_channel_whose_name_is_a_hash_is_named_by_its_first_message(projection, written, reader):
    channel = channel_id("message", "m", "kéy")
    written.add(OPENED, channel, kind="channel")
    projection.apply(written.events, {})
    assert (reader.channel(channel).value.name, reader.channel(channel).value.key) == ("", "")
    written.add(e.MessagePublished("m1", "m", "kéy", b"1", HOUR, 0), channel, kind="channel")
    projection.apply(written.events[1:], {})
    row = reader.channel(channel).value
    assert (row.name, row.key) == ("m", "kéy")


def test_a_swept_channel_begins_another_life_and_an_older_one_is_refused(
    projection, written, reader
):
    written.add(SENT, MESSAGE, "b", kind="channel")
    written.add(OPENED, MESSAGE, "c", kind="channel")
    projection.apply(written.events, {})
    row = reader.channel(MESSAGE).value
    assert (row.incarnation, row.published, row.messages) == ("c", 0, [])
    written.add(SENT, MESSAGE, "a", kind="channel")
    with pytest.raises(PoisonEventError, match="began already, and is not older"):
        projection.apply(written.events[2:], {})


def test_an_event_that_does_not_follow_is_refused(projection, written):
    written.add(SENT, MESSAGE, kind="channel", sequence=5)
    with pytest.raises(PoisonEventError, match="its channel is not in the view"):
        projection.apply(written.events, {})
