"""One engine for all examples: real workers, messages and devices, and a clock that jumps.

The engine's clock is moved when every scene that still plays waits for a later time: to the
earliest of these times. So each example is played as it is written, its days and weeks too.
"""

import threading
import time
from collections import defaultdict, deque

from confluent_kafka import Producer

from connectors.client.events import EventStream
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.json_text import canonical
from schemas.telemetry import Reading
from topics.names import Names

PATIENCE = 60.0
"""Seconds of the machine's time that anything may take."""
_JUMP_MIN = 5_000
"""The pulses come more often: each of them sees a jump."""
PULSE = """
id: pulse
version: 1.0.0
nodes:
  start: {type: start, next: hold}
  hold: {type: activity, activity_type: hold, next: end}
  beat: {type: boundary, on: hold, cycle: R/PT1S, interrupting: false, next: beaten}
  beaten: {type: end}
  end: {type: end}
"""


class Offered:
    """A task that a worker has begun, and that a scene has not answered yet."""

    def __init__(self, context, future):
        self.context, self._future = context, future

    def answer(self, value):
        self._future.get_loop().call_soon_threadsafe(self._settle, value)

    def _settle(self, value):
        if self._future.done():
            return
        if isinstance(value, Exception):
            self._future.set_exception(value)
        else:
            self._future.set_result(value)


class Stage:
    """What all scenes share."""

    def __init__(self, settings, client, clock_file, pulses):
        self.client = client
        self._settings = settings
        self._names = Names(settings.topic_prefix)
        self._file, self._ahead = clock_file, 0
        self._pulses = pulses
        self.changed = threading.Condition()
        self.events = defaultdict(list)
        self.tasks = defaultdict(deque)
        self._playing, self._later, self._broken = 0, [], ""
        self._stop = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka_bootstrap_servers,
                "partitioner": "murmur2_random",
            }
        )
        self._reader = threading.Thread(target=self._read, name="events", daemon=True)
        self._reader.start()

    def close(self):
        self._stop.set()
        self._reader.join(10)

    # What comes in: events from the log, tasks from workers.

    def _read(self):
        stream = EventStream(self._settings, beginning=True)
        while not self._stop.is_set():
            found = [event.message for event in stream.read(0.2)]
            with self.changed:
                for message in found:
                    self.events[message.envelope.aggregate_id].append(message)
                self.changed.notify_all()
        stream.close()

    def offer(self, task):
        """Take a task from a worker."""
        context = task.context
        with self.changed:
            self.tasks[root(context.instance_id), context.activity_id].append(task)
            self.changed.notify_all()

    def until(self, what, hint):
        """Return what is found, once it is; `hint` says what was looked for."""
        with self.changed:
            found = self.changed.wait_for(what, PATIENCE)
            assert found, f"not within {PATIENCE:.0f} s: {hint()}"
            return found

    # What goes out beside commands.

    def reading(self, device, number, metrics, event_type):
        now = self.now()
        name = f"{device}:{number}"
        body = Reading(name, canonical(metrics), now, now, event_type)
        value = encode(Envelope(name, "Reading", now, "device", device), body)
        self._producer.produce(self._names.telemetry, key=device.encode(), value=value)
        assert self._producer.flush(30) == 0

    # The clock.

    def now(self):
        """The engine's clock, in ms since 1970."""
        return time.time_ns() // 1_000_000 + self._ahead

    def enter(self):
        """Say that one scene more plays."""
        with self.changed:
            self._playing += 1

    def leave(self):
        """Say that a scene is over."""
        with self.changed:
            self._playing -= 1
            self._jump_if_all_wait()

    def sleep(self, milliseconds):
        """Return when the engine's clock has gone on so far, for all of its partitions."""
        with self.changed:
            moment = self.now() + milliseconds
            self._later.append(moment)
            self._jump_if_all_wait()
            # Others may take their time: only a stage that stands still is an error.
            over = self.changed.wait_for(
                lambda: self._broken or moment not in self._later, 5 * PATIENCE
            )
            assert over, "others go on playing: the clock cannot be moved"
            assert not self._broken, self._broken

    def _jump_if_all_wait(self):
        if not self._later or len(self._later) < self._playing:
            return
        self._ahead += max(_JUMP_MIN, min(self._later) - self.now())
        self._file.write_text(str(self._ahead))
        moment = self.now()
        for pulse in self._pulses:
            there = self.changed.wait_for(
                lambda pulse=pulse: self.events[pulse][-1].envelope.time >= moment, PATIENCE
            )
            if not there:
                self._broken = f"{pulse} does not follow the clock"
                break
        self._later = [later for later in self._later if later > moment]
        self.changed.notify_all()


def root(instance_id):
    """The instance that a scene has started, of which this may be a child."""
    return instance_id.partition("~")[0].partition(".")[0]
