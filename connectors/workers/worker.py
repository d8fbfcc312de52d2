"""A worker process: one feed and one executor for each queue."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import structlog
from confluent_kafka.admin import AdminClient

from connectors.workers.announce import announce
from connectors.workers.attempt import Task
from connectors.workers.cancellations import CancellationTail
from connectors.workers.declare import Activity, by_place
from connectors.workers.errors import NoActivitiesError
from connectors.workers.executor import Executor
from connectors.workers.queue_feed import QueueFeed
from connectors.workers.settings import WorkerSettings
from topics.apply import ensure_queues
from topics.catalogue import Catalogue
from topics.names import Names

log = structlog.get_logger(__name__)


class Worker:
    """Runs activities until told to stop."""

    def __init__(self, settings: WorkerSettings, activities: Iterable[Activity]) -> None:
        """Connect, make topics for queues that have none, and register the activity types.

        Raises:
            NoActivitiesError: there is nothing to run.
            ActivityDefinitionError: two functions share a queue and a name.
        """
        places = by_place(activities)
        if not places:
            raise NoActivitiesError("a worker needs at least one activity")
        self._names = Names(settings.topic_prefix)
        admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
        queues = sorted({queue for queue, _ in places})
        ensure_queues(admin, Catalogue.of(settings), queues)
        announce(settings, self._names, places.values())
        self._feeds: list[QueueFeed] = []
        self._executors: list[Executor] = []
        for queue in queues:
            mine = {name: one for (place, name), one in places.items() if place == queue}
            self._add(settings, queue, mine)
        self._threads: list[threading.Thread] = []
        self._tail = CancellationTail(settings.kafka_bootstrap_servers, self._names, self._cancel)

    def _add(self, settings: WorkerSettings, queue: str, mine: dict[str, Activity]) -> None:
        feeds: list[QueueFeed] = []

        def finish(task: Task, result: object) -> None:
            feeds[0].finish(task, result)  # type: ignore[arg-type]

        executor = Executor(mine, settings.worker_concurrency, settings.worker_id, finish)
        feeds.append(QueueFeed(settings, self._names, queue, executor))
        self._feeds += feeds
        self._executors.append(executor)

    def _cancel(self, key: tuple[str, int], reason: str) -> None:
        for executor in self._executors:
            executor.cancel(key, reason)

    def start(self) -> None:
        """Begin to read in threads."""
        for feed in self._feeds:
            thread = threading.Thread(target=feed.run, name="queue", daemon=True)
            thread.start()
            self._threads.append(thread)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then let running activities end.

        Raises:
            RuntimeError: a feed has died; the log says why.
        """
        self.start()
        try:
            while not stop.wait(0.2):
                if not all(thread.is_alive() for thread in self._threads):
                    raise RuntimeError("a queue is no longer read: see the log")
        finally:
            self.stop()

    def stop(self) -> None:
        """Drain and commit."""
        for feed in self._feeds:
            feed.stopping.set()
        for thread in self._threads:
            thread.join()
        self._tail.close()
