"""Drives one shard: waits for work, paces transactions, takes ownership again when fenced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from streams.runtime.ports import FencedError
from streams.runtime.records import UnknownFormError
from streams.runtime.recovery import LossError
from streams.runtime.shard import Shard

log = structlog.get_logger(__name__)
_IDLE_SECONDS = 0.25
_REOPEN_SECONDS = 1.0
_QUIESCE_SECONDS = 10.0
_PAUSE_PER_RECORD = 0.004


class Pacing:
    """When to commit: an idle shard at once, a busy one after gathering more.

    At low concurrency the number of transactions is what costs, whatever they hold. The
    pause grows with the batch before it: a batch of one record is followed soon, as
    nothing tells that more will come; a fuller one shows that they do. It grows steeply:
    where small batches had short pauses, a busy broker would make batches smaller still.
    """

    def __init__(self, pause_ms: float, enough: int) -> None:
        """Pause this long at most, and not at all where `enough` records are queued."""
        self._most = pause_ms / 1000
        self._enough = enough
        self._until = 0.0

    def committed(self, records: int) -> None:
        """Note that a transaction with so many records has ended."""
        self._until = time.monotonic() + min(self._most, records * _PAUSE_PER_RECORD)

    def wait(self, queued: int) -> float:
        """Return how many seconds to gather before the next transaction."""
        if queued >= self._enough:
            return 0.0
        return max(0.0, self._until - time.monotonic())


class Runner:
    """One shard and the task that drives it."""

    def __init__(
        self, shard: Shard, pacing: Pacing, reseek: Callable[[int], Awaitable[None]]
    ) -> None:
        """Take the shard; `reseek` moves the consumer to the shard's position again."""
        self.shard = shard
        self.partition = shard.partition
        self.refusal = ""
        """Why the shard does not serve; empty while it does."""
        self.opened = False
        self._pacing = pacing
        self._reseek = reseek
        self._wake = asyncio.Event()
        self._resumed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> bool:
        """Take ownership; False where the shard must not serve, with `refusal` set."""
        began = time.monotonic()
        try:
            recovered = await self.shard.open()
        except (UnknownFormError, LossError) as error:
            self.refusal = str(error)
            log.critical("partition refused", partition=self.partition, why=self.refusal)
            return False
        self.opened = True
        log.info(
            "partition owned",
            partition=self.partition,
            batch=self.shard.position.batch,
            replayed=recovered.replayed,
            seconds=round(time.monotonic() - began, 3),
        )
        return True

    async def take(self) -> None:
        """Take ownership now, or where Kafka does not answer, again and again once started."""
        try:
            await self.open()
        except Exception:
            log.exception("cannot take the partition yet", partition=self.partition)

    def start(self) -> None:
        """Begin to serve."""
        self._resumed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"shard-{self.partition}")

    async def quiesce(self) -> None:
        """Finish the batch under way and begin no other."""
        self._resumed.clear()
        self._wake.set()
        try:
            await asyncio.wait_for(self._idle.wait(), _QUIESCE_SECONDS)
        except TimeoutError:
            log.warning("a batch is still under way", partition=self.partition)

    async def close(self) -> None:
        """Stop for good and let go of log and store."""
        await self.quiesce()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.shard.close()

    def submit(self, source: str, records: Sequence[Any]) -> None:
        """Queue records."""
        self.shard.submit(source, records)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._resumed.wait()
            if not self.opened:
                await self._reopen()
                continue
            await self._wait_for_work()
            if not self._resumed.is_set():
                continue
            self._idle.clear()
            try:
                await self._step()
            finally:
                self._idle.set()

    async def _wait_for_work(self) -> None:
        shard = self.shard
        if not shard.has_work():
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), self._until_timer())
            except TimeoutError:
                return
        pause = self._pacing.wait(shard.inbox.queued)
        if pause > 0:
            await asyncio.sleep(pause)

    def _until_timer(self) -> float:
        due = self.shard.next_due
        if not due:
            return _IDLE_SECONDS
        return min(_IDLE_SECONDS, max(0.0, due / 1000 - time.time()))

    async def _step(self) -> None:
        try:
            done = await self.shard.step()
            if done:
                self._pacing.committed(done)
        except FencedError as error:
            log.warning("ownership in doubt", partition=self.partition, why=str(error))
            await self._reopen()
        except UnknownFormError as error:
            self.refusal = str(error)
            self._resumed.clear()
            log.critical("partition refused", partition=self.partition, why=self.refusal)
        except Exception:
            log.exception("batch failed; taking the partition again", partition=self.partition)
            await self._reopen()

    async def _reopen(self) -> None:
        """Start from what the log says, if the partition is still ours by then.

        The pause lets a rebalance that took the partition away reach this process first:
        opening would fence the rightful owner, who would have to do the same in turn.
        """
        while self._resumed.is_set():
            await asyncio.sleep(_REOPEN_SECONDS)
            if not self._resumed.is_set():
                return
            try:
                if await self.open():
                    await self._reseek(self.partition)
                else:
                    self._resumed.clear()
                return
            except Exception:
                log.exception("cannot take the partition yet", partition=self.partition)
