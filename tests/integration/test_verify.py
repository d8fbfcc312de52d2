"""`tidemill verify` on a live cluster: no false alarm under load, every tampering is named."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from schemas.commands import RunInstance
from schemas.ids import store_key
from schemas.partition import partition_of
from streams.domain.aggregates import AGGREGATES
from streams.runtime.records import EMPTY_BOOK, StateRecord, decode_state, encode_record
from streams.testing import verify
from streams.testing.audit import audit, stored
from streams.testing.event_writer import EventWriter
from streams.testing.oracle import Oracle
from streams.testing.shelves import DiskShelf, MemoryShelf
from streams.testing.verify import LOOKS_MAX, verify_partition
from streams.testing.world import World

HELLO = """
id: hello
version: 1.0.0
nodes:
  start: {type: start, next: greet}
  greet: {type: activity, activity_type: greet, next: end}
  end: {type: end}
"""


def tidemill(environment, *words):
    return subprocess.run(
        [sys.executable, "-m", "connectors.cli", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def verified(kafka, names, partition, folder):
    folder.mkdir()
    told = []
    found = verify_partition(kafka, names, partition, folder, lambda *one: told.append(one))
    assert all(done <= of for done, of in told)
    return found


@pytest.mark.kafka
@pytest.mark.slow
def test_a_live_log_is_proved_while_an_engine_writes_to_it(
    engine, client, start_worker, kafka, names, tmp_path, environment
):
    start_worker({"greet": lambda data: data})
    client.publish("hello", HELLO)
    stop, sent = threading.Event(), []

    def load():
        while not stop.wait(0.002):
            sent.append(client.send("instance", f"l-{len(sent)}", RunInstance("hello")))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        rounds = [
            verified(kafka, names, partition, tmp_path / f"{number}-{partition}")
            for number in range(3)
            for partition in range(4)
        ]
        done = tidemill(environment, "verify", "--json", "--partition", "1", "--partition", "3")
    finally:
        stop.set()
        thread.join()
    assert [one.faults for one in rounds] == [[]] * 12
    assert [a.events < b.events for a, b in zip(rounds, rounds[4:], strict=False)] == [True] * 8
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["faults"] == []
    assert all(future.result(60).accepted for future in sent)
    assert engine.stop() == 0
    whole = audit(kafka, names, 4)
    last = [verified(kafka, names, p, tmp_path / f"last-{p}") for p in range(4)]
    assert sum(one.events for one in last) == whole.events
    assert sum(one.under_way for one in last) == len(whole.unfinished)
    assert [one.looks for one in last] == [1] * 4, "what is at rest needs one look"


@pytest.mark.slow
@pytest.mark.kafka
def test_what_was_tampered_with_is_named_and_what_was_compacted_away_is_looked_up_again(
    engine, client, kafka, names, tmp_path, environment, monkeypatch
):
    client.publish("hello", HELLO)
    for name in ("good", "bad", "gone"):
        client.run("hello", instance_id=name)
    assert engine.stop() == 0
    key = store_key("instance", "default", "bad")
    place = partition_of(b"bad", 4)
    found = looked_up_again(kafka, names, place, key, tmp_path / "again", monkeypatch)
    assert (found.faults, found.looks) == ([], 2)
    record = decode_state(stored(kafka, names, place)[key])
    state = AGGREGATES["instance"].decode(record.domain)
    other = AGGREGATES["instance"].encode(replace(state, definition_id="another"))
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{names.prefix}evil"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(names.state, encode_record(replace(record, domain=other)), key, place)
    gone = store_key("instance", "default", "gone")
    producer.produce(names.state, None, gone, partition_of(b"gone", 4))
    ghost = store_key("instance", "default", "ghost")
    producer.produce(names.state, encode_record(record), ghost, 0)
    producer.commit_transaction(20)
    done = tidemill(environment, "verify", "--json")
    assert done.returncode == 1, done.stderr
    assert sorted(json.loads(done.stdout)["faults"]) == [
        "instance/default/bad: the stored state is not fold(events)",
        "instance/default/ghost: stored, but has no events",
        "instance/default/gone: the stored state is not fold(events)",
    ]
    spared = next(p for p in range(4) if p not in {0, place, partition_of(b"gone", 4)})
    assert verified(kafka, names, spared, tmp_path / "spared").faults == []
    assert verified(kafka, names, place, tmp_path / "bad").looks == LOOKS_MAX
    refused = tidemill(environment, "verify", "--partition", "9")
    assert (refused.returncode, "there is no partition 9" in refused.stderr) == (5, True)


def looked_up_again(kafka, names, place, key, folder, monkeypatch):
    """Prove a partition whose record of a key is compacted away while it is first read."""
    cut = verify._Run._cut

    def compacted(run, stored, only):
        number = cut(run, stored, only)
        if only is None:
            stored.write([(key, None)])
        return number

    with monkeypatch.context() as patch:
        patch.setattr(verify._Run, "_cut", compacted)
        return verified(kafka, names, place, folder)


@pytest.mark.kafka
def test_events_without_any_state_are_not_called_proved(kafka, names, tmp_path):
    with EventWriter(kafka, names, 4) as writer:
        writer.begin("i-1")
        writer.write(["i-1"])
    found = verified(kafka, names, partition_of(b"i-1", 4), tmp_path / "0")
    assert found.events == 0, "no position says that they are committed with their state"


def values_of(world):
    return [entry.value for entry in world.kafka.committed(world.names.events, 0)]


def test_on_disk_the_oracle_says_what_it_says_in_memory(tmp_path):
    source = (Path(__file__).resolve().parents[2] / "examples/hello.yaml").read_text()
    world = World(5, [source], partitions=1, fault_rate=0.0)
    for number in range(60):
        world.run_instance(f"i-{number}", "hello", b'{"who":"x"}')
        world.settle()
        world.work()
    world.settle()
    shelf = DiskShelf(tmp_path / "fold", AGGREGATES, cached=8)
    oracles = [Oracle(0, AGGREGATES, MemoryShelf()), Oracle(0, AGGREGATES, shelf)]
    values = values_of(world)
    for oracle in oracles:
        for value in [*values[:-1], values[0], values[-1]]:
            oracle.see(value)
        oracle.compare([*world.stores[0].states(), (b"instance/default/zz", ghost())])
    memory, disk = oracles
    assert disk.faults == memory.faults
    assert len(disk.faults) >= 3
    assert sorted(disk.unfinished()) == sorted(memory.unfinished())
    assert disk.under_way() == len(memory.unfinished()) > 0
    assert len(shelf._states) <= 8
    shelf.close()


def ghost():
    return encode_record(StateRecord(1, 1, b"x", EMPTY_BOOK))
