"""Runs attempts: sync activities in threads, async ones on one event loop, both bounded."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec
import uvloop

from connectors.workers.attempt import Prepared, Task, prepare, run, run_async
from connectors.workers.context import ActivityContext
from connectors.workers.declare import Activity
from connectors.workers.resources import close_resources
from schemas.results import FailActivity, ReportActivityStarted

_CANCELLED_KEPT = 10_000
_CLOSE_SECONDS = 15.0
Key = tuple[str, int]
Finish = Callable[[Task, msgspec.Struct | None], None]
Report = Callable[[Task, msgspec.Struct], None]


class Running(msgspec.Struct):
    """An attempt that has begun."""

    number: int
    task: Task
    context: ActivityContext
    begun: float
    places: int = 1
    """How many it takes among those that run: none where it only waits."""
    job: asyncio.Task[None] | None = None
    detached: bool = False
    beat_at: float = 0.0


class Executor:
    """Runs the tasks of one queue; `finish` is called once for each, from any thread."""

    def __init__(
        self, activities: Mapping[str, Activity], concurrency: int, worker: str, finish: Finish
    ) -> None:
        """Start nothing yet."""
        self._activities = activities
        self._concurrency = concurrency
        self._worker = worker
        self._finish = finish
        self._threads = ThreadPoolExecutor(concurrency, "activity")
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()
        self._waiting: deque[tuple[Task, Prepared]] = deque()
        self._active = 0
        self._cancelled: OrderedDict[Key, str] = OrderedDict()
        self._lock = threading.Lock()
        self.running: dict[int, Running] = {}
        self._begun = 0
        self._closing = False
        self.held = 0
        """Tasks that were handed over and are not finished, but for those that only wait."""

    def submit(self, tasks: Iterable[Task], report: Report) -> None:
        """Run tasks as soon as there is room; many at once cost the loop one wake-up."""
        calls = [(task, self._prepare(task, report)) for task in tasks]
        with self._lock:
            self.held += sum(_places(call) for _, call in calls)
        for_loop: list[tuple[Task, Prepared]] = []
        for task, call in calls:
            if not isinstance(call, Prepared):
                self._end(task, None, call, 1)
            elif call.activity.is_async:
                for_loop.append((task, call))
            else:
                self._threads.submit(self._run, task, call, report)
        if for_loop:
            self._loop.call_soon_threadsafe(self._take, for_loop, report)

    def _prepare(self, task: Task, report: Report) -> Prepared | FailActivity:
        context = ActivityContext(task.envelope, task.body, self._worker, partial(report, task))
        return prepare(self._activities, context)

    def cancel(self, key: Key, reason: str) -> None:
        """Stop an attempt that runs, or keep one from beginning."""
        with self._lock:
            self._cancelled[key] = reason
            while len(self._cancelled) > _CANCELLED_KEPT:
                self._cancelled.popitem(last=False)
            hit = [one for one in self.running.values() if one.context.key == key]
        for running in hit:
            running.context.cancel_reason = reason
            running.context.cancelled.set()
            if running.job is not None:
                self._loop.call_soon_threadsafe(running.job.cancel)

    def drop_waiting(self) -> None:
        """Forget what has not begun: it stays on the queue for another worker."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._waiting.clear)

    def drain(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Wait for running attempts, not for those that only wait; return how many are left."""
        deadline = time.monotonic() + seconds
        while self._busy() and time.monotonic() < deadline:
            meanwhile()
            time.sleep(0.01)
        return len(self.running)

    def _busy(self) -> bool:
        return any(running.places for running in list(self.running.values()))

    def close(self) -> None:
        """Stop the loop; attempts that still run are told so, and stay on the queue."""
        self._closing = True
        for running in list(self.running.values()):
            running.context.cancelled.set()
            if running.job is not None:
                self._loop.call_soon_threadsafe(running.job.cancel)
        closed = asyncio.run_coroutine_threadsafe(close_resources(), self._loop)
        with contextlib.suppress(TimeoutError):
            closed.result(_CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()

    # Running.

    def _begin(self, task: Task, call: Prepared, report: Report) -> Running | None:
        """Note the start; None where the task was cancelled before it, or is another's now."""
        with self._lock:
            if task.is_lost or call.context.key in self._cancelled:
                return None
            self._begun += 1
            running = Running(self._begun, task, call.context, time.monotonic(), _places(call))
            self.running[self._begun] = running
        call.context.started_at = time.time_ns() // 1_000_000
        if task.body.report_started:
            report(task, started(running, 0))
        return running

    def _end(
        self, task: Task, begun: Running | None, result: msgspec.Struct | None, places: int
    ) -> None:
        with self._lock:
            self.held -= places
            if begun is not None:
                del self.running[begun.number]
            wanted = (task.envelope.id, task.body.attempt) not in self._cancelled
        if result is None and wanted and (self._closing or task.is_lost):
            return  # Not done, and not cancelled by the engine: another worker does it.
        self._finish(task, result)

    def _run(self, task: Task, call: Prepared, report: Report) -> None:
        begun = self._begin(task, call, report)
        self._end(task, begun, None if begun is None else run(call), 1)

    def _take(self, calls: list[tuple[Task, Prepared]], report: Report) -> None:
        for task, call in calls:
            if call.activity.waits:
                self._launch(task, call, report)
            else:
                self._waiting.append((task, call))
        self._next(report)

    def _next(self, report: Report) -> None:
        while self._waiting and self._active < self._concurrency:
            task, call = self._waiting.popleft()
            self._launch(task, call, report)

    def _launch(self, task: Task, call: Prepared, report: Report) -> None:
        running = self._begin(task, call, report)
        if running is None:
            self._end(task, None, None, _places(call))
            return
        self._active += running.places
        running.job = self._loop.create_task(self._run_async(running, call, report))

    async def _run_async(self, running: Running, call: Prepared, report: Report) -> None:
        try:
            result = await run_async(call)
        finally:
            self._active -= running.places
        self._end(running.task, running, result, running.places)
        self._next(report)


def _places(call: object) -> int:
    return 0 if isinstance(call, Prepared) and call.activity.waits else 1


def started(running: Running, heartbeat_ms: int) -> msgspec.Struct:
    """Return the report of an attempt's start."""
    body, context = running.task.body, running.context
    return ReportActivityStarted(
        body.activity, body.attempt, context.worker, context.started_at, heartbeat_ms
    )
