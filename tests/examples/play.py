"""One way through one example: what happens, and what came of it."""

import json
import re
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.client.events import ENDS
from connectors.workers.errors import ActivityError, NonRetryableError
from schemas.partition import partition_of

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples"
FILES = {
    path.relative_to(FOLDER).with_suffix("").as_posix(): path
    for path in sorted(FOLDER.rglob("*.yaml"))
}
"""Every example by its name."""
SCENES = {}
"""Name of the instance → (example, function)."""
FIRST = {}
"""Example → name of the instance whose scene is over before others of the example begin."""
BERLIN = ZoneInfo("Europe/Berlin")
ANY = object()
PLAIN = {"activity", "event", "timer", "node"}
"""What needs not be said of an event: its verb tells."""


def scene(example, *, first=False):
    """Let a function play a way through an example; its name is what happens.

    One that broadcasts a signal goes `first`: it would reach the others of the example.
    """
    path = FILES[example]

    def add(function):
        name = f"{path.stem}-{function.__name__}".replace("_", "-")
        assert name not in SCENES, f"two scenes are {name}"
        SCENES[name] = (example, function)
        if first:
            FIRST[example] = name
        return function

    return add


def definition_id(example):
    """The id in an example's file."""
    return re.search(r"^id: (.+)$", FILES[example].read_text(), re.MULTILINE)[1]


def berlin(milliseconds):
    """What clocks in Berlin show."""
    return datetime.fromtimestamp(milliseconds / 1000, BERLIN)


class Play:
    """The words of a scene: it runs an instance, answers what it asks, and says how it ended."""

    def __init__(self, stage, name, example):
        self._stage, self.id, self._example = stage, name, example
        self.client = stage.client
        self._seen = 0
        self._readings = 0

    # Commands.

    def runs(self, **variables):
        """Start the instance; the answer must say where the start stands in the log."""
        answer = self.client.run(definition_id(self._example), variables, self.id)
        partition, _, number = answer.reply.position.partition(":")
        assert (answer.id, answer.reply.accepted) == (self.id, True)
        assert int(partition) == partition_of(self.id.encode(), 4)
        last = self._history(answer.reply.sequence)[answer.reply.sequence - 1].envelope
        assert (last.sequence, last.position) == (answer.reply.sequence, int(number))
        assert last.incarnation == answer.reply.incarnation

    def later(self, **much):
        """Let so much time pass on the engine's clock."""
        self._stage.sleep(timedelta(**much) // timedelta(milliseconds=1))

    def now(self):
        """The engine's clock, in ms since 1970."""
        return self._stage.now()

    def measures(self, device, event_type="telemetry", **metrics):
        """Let a device send a reading."""
        self._readings += 1
        self._stage.reading(device, self._readings, metrics, event_type)

    # Workers.

    def works(self, node, gives=None, got=ANY, settled="completed"):
        """Let a worker do the next task of a node; return the variables that it reads."""
        task = self._task(node)
        assert got is ANY or task.context.input == got, f"{node} got {task.context.input}"
        task.answer(gives)
        self._settled(task.context, f"activity.{settled}")
        return dict(task.context.variables)

    def fails(self, node, code, message="so it is", *, retryable=False):
        """Let the worker of the next task of a node fail."""
        kind = ActivityError if retryable else NonRetryableError
        task = self._task(node)
        task.answer(kind(message, code))
        self._settled(task.context, "activity.failed")

    def begins(self, node):
        """Let a worker take the next task of a node, and leave it unanswered."""
        return self._task(node)

    def finishes(self, task, gives=None):
        """Let the worker who has begun a task end it."""
        task.answer(gives)
        self._settled(task.context, "activity.completed")

    def tells(self, node, *recipients):
        """Let a worker send the mails about a node."""
        for recipient in recipients:
            task = self._task(node)
            assert task.context.activity_type == "notification_activity"
            assert task.context.input["recipients"] == [recipient], task.context.input
            task.answer(None)
            self._settled(task.context, "notification.completed")

    def _task(self, node):
        waiting = self._stage.tasks[self.id, node]
        self._stage.until(lambda: waiting, partial(self._hint, f"a task of {node}"))
        return waiting.popleft()

    def _settled(self, context, kind):
        """Wait for the event of an answer, so that the next one comes after it."""

        task = context.task.activity, context.attempt

        def there():
            return any(
                event.envelope.type == kind and task == task_of(event.body)
                for event in self._stage.events[context.instance_id]
            )

        self._stage.until(there, partial(self._hint, f"{kind} of {context.activity_id}"))

    # Events.

    def sees(self, words, count=1):
        """Wait for the next events like `repair scheduled`; return the last one."""
        for _ in range(count):
            found = self._stage.until(
                lambda: self._next(words), partial(self._hint, f"the event {words!r}")
            )
            self._seen = found
        return self._events()[self._seen - 1]

    def _next(self, words):
        for number, event in enumerate(self._events()[self._seen :], self._seen + 1):
            if word(event) == words:
                return number
        return 0

    def _events(self):
        return self._stage.events[self.id]

    def _history(self, count):
        return self._stage.until(
            lambda: self._events() if len(self._events()) >= count else None,
            partial(self._hint, f"{count} events"),
        )

    def ends(self, how, history, result=None, code=""):
        """Wait for the end: how it is, all events in their order, and some of what it gives.

        A history that is no text but a list may be in any order.
        """
        self._stage.until(self._ended, partial(self._hint, "the end"))
        events = self._events()
        last = events[-1]
        assert last.envelope.type == f"workflow.{how}"
        said = f"{getattr(last.body, 'code', '')}: {getattr(last.body, 'message', '')}"
        assert said == (code or ": "), said
        if result:
            given = json.loads(last.body.result)
            assert {key: given.get(key) for key in result} == result, given
        found = [word(event) for event in events]
        in_order = isinstance(history, str)
        same = found == split(history) if in_order else sorted(found) == sorted(history)
        assert same, f"the history is: {', '.join(found)}"

    def started(self, node):
        """Wait for instances that an event at this start has begun; return their histories."""
        workflow = definition_id(self._example)

        def begun():
            return [
                [word(event) for event in events]
                for name, events in self._stage.events.items()
                if name.startswith(f"{workflow}.")
                and events[-1].envelope.type in ENDS
                and events[1].body.node == node
            ]

        return self._stage.until(begun, lambda: f"an end of what {node} has started")

    def all(self, words):
        """Return the events so far that are these words."""
        return [event for event in self._events() if word(event) == words]

    def happens(self, kind, aggregate, count=1):
        """Wait for so many events of a kind of another aggregate; return the last one's body."""

        def there():
            of_it = self._stage.events[aggregate]
            found = [event.body for event in of_it if event.envelope.type == kind]
            return found if len(found) >= count else None

        return self._stage.until(there, partial(self._hint, f"{kind} of {aggregate}"))[-1]

    def _ended(self):
        return any(event.envelope.type in ENDS for event in self._events())

    def _hint(self, what):
        so_far = ", ".join(
            word(event) + getattr(event.body, "code", "") for event in self._events()
        )
        return f"{what} of {self.id}; so far: {so_far}"


def word(event):
    """An event in words: `repair scheduled`, `trip scope started`; of the workflow in one."""
    subject, _, verb = event.envelope.type.partition(".")
    body = event.body
    node = getattr(body, "activity_id", "") or getattr(body, "node", "")
    if subject == "workflow":
        return verb
    if subject in PLAIN:
        return f"{node} {verb}"
    return f"{node} {subject} {verb}".strip()


def task_of(body):
    """The number and the attempt of the task that an event is about."""
    return getattr(body, "activity", 0) or body.notification, body.attempt


def split(history):
    """The words of a history; `4 x order completed` stands for four of them."""
    found = []
    for part in " ".join(history.split()).split(", "):
        times, _, words = part.rpartition(" x ")
        found += [words] * int(times or 1)
    return found
