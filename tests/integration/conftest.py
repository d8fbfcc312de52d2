"""What several tests of running activities need."""

import pytest

from connectors.client.events import EventStream
from connectors.workers.declare import activity_of
from connectors.workers.settings import WorkerSettings
from connectors.workers.worker import Worker


@pytest.fixture
def start_worker(settings_of):
    """Start workers in this process for functions by activity name; stop them at the end."""
    workers = []

    def start(functions, **settings):
        settings = {"worker_session_timeout": 6.0, "worker_drain": 3.0} | settings
        worker = Worker(
            settings_of(WorkerSettings, **settings),
            [activity_of(function, name) for name, function in functions.items()],
        )
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


@pytest.fixture
def run_job(client, settings_of):
    """Publish a workflow of one activity `work`; run instances of it; return their events."""

    def run(node="", data=None, names=("j-1",), seconds=60):
        published = client.publish("job", JOB.format(node=node))
        assert published.reply.accepted, published
        for name in names:
            client.run("job", {"data": data}, instance_id=name)
        return [Ended(settings_of(), name, seconds) for name in names]

    return run


JOB = """
id: job
version: 1.0.0
variables: {{data: {{type: any, default: null}}}}
nodes:
  start: {{type: start, next: work}}
  work: {{type: activity, activity_type: work, input: "${{data}}", {node} next: end}}
  end: {{type: end}}
"""


class Ended:
    """The events of an instance that is waited for when they are first asked for."""

    def __init__(self, settings, name, seconds):
        self._settings, self.name, self._seconds = settings, name, seconds
        self._events = []

    @property
    def events(self):
        """All events, up to the one that ended it."""
        if not self._events:
            stream = EventStream(self._settings, beginning=True, instance_id=self.name)
            self._events = [event.message for event in stream.watch(self._seconds)]
            stream.close()
        return self._events

    @property
    def kinds(self):
        """Their types."""
        return [event.envelope.type for event in self.events]

    def body(self, kind):
        """The body of the last of a type."""
        return next(event.body for event in reversed(self.events) if event.envelope.type == kind)
