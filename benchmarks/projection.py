"""How soon an event is in the views, and how fast they catch up, beside plain consumers.

    python benchmarks/projection.py [--events 100000] [--rate 1000] [--seconds 15] [--database URL]

Views that the database holds are emptied.

The same topic is read twice: by a plain consumer, read committed, that decodes nothing and writes
no SQL (the reference), and by the projector. Latency runs from before an event is produced, so
that the Kafka transaction is in both figures, until the consumer has it, or a query sees its
position in the database. Afterwards the views are counted, so that a figure stands for rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import func, select

from projections.positions import Place, places_of
from projections.projection import NAME
from projections.projector import Projector
from projections.settings import ProjectionSettings
from projections.store import open_engine, reading
from projections.tables import history, instances
from streams.testing.event_writer import EventWriter
from streams.testing.processes import until
from topics.apply import admin_of, apply
from topics.bootstrap import connected
from topics.catalogue import Catalogue
from topics.names import Names
from topics.reading import read

PARTITIONS = 4
PER_SECOND = 50
"""Transactions a second of the paced load."""


def consumer_of(settings: ProjectionSettings, topic: str) -> Consumer:
    """Return a plain consumer of all partitions, from the beginning."""
    made = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": "reference",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
    )
    made.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    return made


class Seen:
    """Latencies of what was written, told by whoever sees how far a reader is."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self._pending: dict[int, deque[tuple[int, float]]] = {p: deque() for p in range(PARTITIONS)}

    def written(self, numbers: dict[int, int], begun: float) -> None:
        for partition, number in numbers.items():
            self._pending[partition].append((number, begun))

    def reached(self, partition: int, number: int) -> None:
        waiting, now = self._pending[partition], time.perf_counter()
        while waiting and waiting[0][0] <= number:
            self.latencies.append(1_000 * (now - waiting.popleft()[1]))

    def done(self) -> bool:
        return not any(self._pending.values())

    def figures(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        at = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.99, 1)]
        return dict(zip(("p50_ms", "p99_ms", "max_ms"), (round(one, 1) for one in at), strict=True))


def paced(writer: EventWriter, seen: Seen, rate: int, seconds: int, name: str) -> float:
    """Write events at a steady rate."""
    begun, each = time.perf_counter(), max(1, rate // PER_SECOND)
    for number in range(seconds * PER_SECOND):
        time.sleep(max(0.0, begun + number / PER_SECOND - time.perf_counter()))
        while len(writer.open()) < each:
            writer.begin(f"{name}-{number}-{len(writer.open())}", 4)
        names, start = writer.open()[:each], time.perf_counter()
        seen.written(writer.write(names), start)
    return time.perf_counter() - begun


def reference_latency(
    settings: ProjectionSettings, topic: str, writer: EventWriter, rate: int, seconds: int
) -> dict[str, float]:
    """Measure a plain consumer in the same way; offsets count as its position."""
    seen, stop, counts = Seen(), threading.Event(), dict.fromkeys(range(PARTITIONS), 0)
    consumer = consumer_of(settings, topic)

    def consume() -> None:
        while not stop.is_set():
            for record in read(consumer, 1_000, 0.05)[0]:
                counts[record.partition] += 1
            for partition, count in counts.items():
                seen.reached(partition, count)

    thread = threading.Thread(target=consume)
    thread.start()
    paced(writer, seen, rate, seconds, "reference")
    until(seen.done)
    stop.set()
    thread.join()
    consumer.close()
    return seen.figures()


def view_latency(
    settings: ProjectionSettings, writer: EventWriter, rate: int, seconds: int
) -> dict[str, float]:
    """Measure the projector as a process, by asking the database as a reader would."""
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "TIDEMILL_TOPIC_PREFIX": settings.topic_prefix,
        "TIDEMILL_DATABASE_URL": settings.url().render_as_string(hide_password=False),
    }
    command = [sys.executable, "-m", "connectors.cli", "project"]
    engine, seen, stop = open_engine(settings), Seen(), threading.Event()

    def places() -> dict[int, Place]:
        with reading(engine) as connection:
            return places_of(connection, NAME)

    def ask() -> None:
        while not stop.is_set():
            for partition, place in places().items():
                seen.reached(partition, place.number)
            time.sleep(0.003)

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as projector:
        writer.begin("first")
        writer.write(["first"] * 4)  # Seen once the process has started.
        until(lambda: {p: place.number for p, place in places().items()} == writer.numbers)
        thread = threading.Thread(target=ask)
        thread.start()
        lasted = paced(writer, seen, rate, seconds, "view")
        until(seen.done)
        stop.set()
        thread.join()
        projector.terminate()
    engine.dispose()
    return {**seen.figures(), "rate": round(rate * seconds / lasted)}


def reference_catching_up(settings: ProjectionSettings, topic: str, events: int) -> int:
    """Return events a second of a plain consumer."""
    consumer, count, begun = consumer_of(settings, topic), 0, time.perf_counter()
    while count < events:
        count += len(read(consumer, 5_000, 0.2)[0])
    seconds = time.perf_counter() - begun
    consumer.close()
    return round(events / seconds)


def catching_up(settings: ProjectionSettings, events: int) -> dict[str, float]:
    """Return events a second of the projector from an empty database."""
    projector, begun = Projector(settings, threading.Event()), time.perf_counter()
    cpu = time.process_time()
    projector.rebuild(lambda _at, _end: None)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    projector.close()
    return {"events_per_s": round(events / seconds), "cpu_us_per_event": round(1e6 * cpu / events)}


def check(settings: ProjectionSettings, writer: EventWriter) -> dict[str, int]:
    """Make sure that every event has its row."""
    engine = open_engine(settings)
    with reading(engine) as connection:
        found = connection.execute(select(func.count()).select_from(history)).scalar_one()
        rows = connection.execute(select(func.count()).select_from(instances)).scalar_one()
    engine.dispose()
    assert found == sum(writer.numbers.values()), f"{found} events in the view, not all"
    return {"events": found, "instances": rows}


def fill(writer: EventWriter, events: int) -> None:
    """Write whole instances of ten events each, interleaved."""
    begun = 0
    while begun < events // 10:
        for number in range(begun, min(begun + 400, events // 10)):
            writer.begin(f"bulk-{number}", 4)
        begun += 400
        while names := writer.open():
            writer.write(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--database", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = ProjectionSettings(
            data_dir=Path(folder), database_url=given.database, topic_prefix=f"b{os.getpid()}."
        )
        with connected(start, lambda _text: None) as settings:
            print(json.dumps(run(settings, given), indent=1))


def run(settings: ProjectionSettings, given: argparse.Namespace) -> dict[str, object]:
    """Measure everything on topics of this run's own."""
    catalogue = Catalogue(settings.topic_prefix, partitions=PARTITIONS)
    apply(admin_of(settings.kafka_bootstrap_servers), catalogue)
    topic = (names := Names(settings.topic_prefix)).events
    with EventWriter(settings.kafka_bootstrap_servers, names, PARTITIONS) as writer:
        reference = reference_latency(settings, topic, writer, given.rate, given.seconds)
        fill(writer, given.events)
        total = sum(writer.numbers.values())
        plain = reference_catching_up(settings, topic, total)
        caught = catching_up(settings, total)
        view = view_latency(settings, writer, given.rate, given.seconds)
        counted = check(settings, writer)
    return {
        "database": settings.url().get_backend_name(),
        "latency_of_plain_consumer": reference,
        "latency_of_view": view,
        "plain_consumer_events_per_s": plain,
        "catching_up": caught,
        "in_the_views": counted,
    }


if __name__ == "__main__":
    main()
