"""What a long list costs in one instance, beside as many instances of one activity.

    python benchmarks/iterations.py [--items 10000]

Each item of the list is one activity; each command is a batch of its own, the dearest case, and
goes through the core, the overlay and a store in memory, without a broker. The reference takes
the same way: as many workflows of one activity. A list that is not whole at its end, or a half
list that costs more than 0.6 of the whole, ends it.
"""

import argparse
import json
import platform
import sys
import time

from schemas.commands import Continue, RunInstance
from schemas.results import CompleteActivity
from streams.domain.instance.aggregate import INSTANCE
from streams.domain.protocol import Decision, DispatchActivity, Limits, SendCommand
from streams.forms import read_for_decision
from streams.runtime.slots import Cache, Overlay
from streams.runtime.store import Meta
from streams.testing.known_definitions import KnownDefinitions
from streams.testing.memory_store import MemoryStore

EACH = """
id: list
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work:
    type: activity
    activity_type: job
    each: {items: "${orders}", as: order, collect: {into: costs, value: "${output.cost}"}}
    input: {order: "${order}"}
    next: end
  end: {type: end}
"""
ONE = """
id: one
version: 1.0.0
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: job, input: {order: "${order}"}, next: end}
  end: {type: end}
"""
NOW = 1_700_000_000_000


class Partition:
    """A store, and what was written to it."""

    def __init__(self) -> None:
        """Start empty."""
        self._definitions = KnownDefinitions((EACH, ONE), frozenset())
        self._store, self._cache = MemoryStore(), Cache(100_000)
        self.bytes = self.records = self.events = 0
        self.tasks: list[tuple[str, int]] = []
        self.result = b""

    def do(self, name: str, command: object) -> None:
        """Decide a command and write what it changed, as one batch."""
        overlay = Overlay(self._store, self._cache, 1_000)  # type: ignore[arg-type] - by its shape
        slot = overlay.get(INSTANCE, "default", name)
        nothing = ("default", "c", "bench", "life", -1)
        decision = Decision(NOW, name, *nothing, self._definitions, Limits(), {}, read_for_decision)
        outcome = INSTANCE.decide(command, slot.state, decision)  # type: ignore[arg-type]
        slot.state = outcome.state  # type: ignore[union-attr]
        overlay.touch(slot)
        changes = overlay.changes(NOW)
        self._store.write(changes, Meta("c", "t", 1, 1, NOW))
        overlay.commit()
        self.records += len(changes)
        self.bytes += sum(len(one.key) + len(one.value or b"") for one in changes)
        self.events += len(outcome.events)  # type: ignore[union-attr]
        self.result = getattr(outcome.events[-1], "result", b"")  # type: ignore[union-attr]
        for effect in outcome.effects:  # type: ignore[union-attr]
            if isinstance(effect, DispatchActivity):
                self.tasks.append((name, effect.task.activity))
            elif isinstance(effect, SendCommand) and isinstance(effect.body, Continue):
                self.do(name, effect.body)


def order(number: int) -> dict[str, object]:
    """Return an item of some forty bytes, less in long lists: a variable holds 256 KiB."""
    return {"id": number, "of": "ann"}


def work_off(partition: Partition) -> None:
    """Complete every task, each in a batch of its own."""
    while partition.tasks:
        name, key = partition.tasks.pop()
        partition.do(name, CompleteActivity(key, 1, b'{"cost":7}'))


def one_list(count: int) -> tuple[Partition, float]:
    """Work through one list."""
    partition, begun = Partition(), time.perf_counter()
    variables = json.dumps({"orders": [order(n) for n in range(count)]}).encode()
    partition.do("i", RunInstance("list", "", variables))
    work_off(partition)
    seconds = time.perf_counter() - begun
    if json.loads(partition.result)["costs"] != [7] * count:
        sys.exit("the list is not whole")
    return partition, seconds


def many_instances(count: int) -> tuple[Partition, float]:
    """Run as many workflows of one activity."""
    partition, begun = Partition(), time.perf_counter()
    for number in range(count):
        variables = json.dumps({"order": order(number)}).encode()
        partition.do(f"i{number}", RunInstance("one", "", variables))
    work_off(partition)
    return partition, time.perf_counter() - begun


def figures(count: int, partition: Partition, seconds: float) -> dict[str, object]:
    """Return what an item took."""
    return {
        "items": count,
        "items_per_second": round(count / seconds),
        "bytes_per_item": round(partition.bytes / count),
        "records_per_item": round(partition.records / count, 2),
        "events_per_item": round(partition.events / count, 2),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--items", type=int, default=10_000)
    count = arguments.parse_args().items
    half, whole = one_list(count // 2), one_list(count)
    if half[0].bytes > 0.6 * whole[0].bytes:
        sys.exit("half a list costs more than 0.6 of the whole: fixed costs hide the figure")
    found = {
        "machine": platform.platform(),
        "half the list": figures(count // 2, *half),
        "the list": figures(count, *whole),
        "reference: instances of one activity": figures(count, *many_instances(count)),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
