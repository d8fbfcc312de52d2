"""A lock that is kept for as long as a block of code runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import Future
from types import TracebackType
from typing import Final

import msgspec
import structlog

from connectors.client.errors import (
    ClientError,
    LockLostError,
    NoAnswerError,
    TooManyInFlightError,
)
from connectors.client.locks import (
    NO_ANSWER,
    HeldLock,
    Wanted,
    milliseconds,
    plain,
)
from connectors.client.sender import ANSWER_SECONDS, Sender
from schemas.commands import ExtendLock, ReleaseLock
from schemas.replies import Reply

log = structlog.get_logger(__name__)
_RELEASE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.05


async def acquire_async(client: Sender, lock: Wanted) -> HeldLock:
    """Acquire a lock without blocking the loop; a cancelled task leaves the queue."""
    attempt = 0
    try:
        while True:
            reply = await _answered(lock.send(client, attempt), lock.wait + ANSWER_SECONDS)
            held = lock.got(reply, attempt)
            if held is not None:
                return held
            await asyncio.sleep(lock.retry_delay)
            attempt += 1
    except TimeoutError:
        lock.withdraw(client)
        raise NoAnswerError(NO_ANSWER) from None
    except asyncio.CancelledError:
        lock.withdraw(client)
        raise


async def _answered(future: Future[Reply], seconds: float) -> Reply:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: Future[Reply]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    async with asyncio.timeout(seconds):
        await done.wait()
    return future.result()


class LockKeeper:
    """Holds a lock for an `async with` block, extending it at a third of its time to live.

    The block is cancelled where the lock is lost, or may be: the engine did not answer an
    extension while the lock lasted by this process's own clock. `LockLostError` is then raised.
    """

    def __init__(self, client: Sender, lock: Wanted) -> None:
        """Take what to hold; nothing is asked for yet."""
        self._client = client
        self._wanted = lock
        self._until = 0.0
        self._lost: LockLostError | None = None

    async def __aenter__(self) -> HeldLock:
        """Acquire; raises as `Client.acquire_lock` does."""
        sent = time.monotonic()
        self._held = await acquire_async(self._client, self._wanted)
        # The time to live began at the grant, which nobody here saw: count from before it.
        self._until = sent + self._wanted.ttl
        if time.monotonic() - sent > self._wanted.ttl / 3:
            await self._extend_at_once()
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._keeper = asyncio.create_task(self._keep())
        return self._held

    async def _extend_at_once(self) -> None:
        self._until = time.monotonic() + self._wanted.ttl
        try:
            await self._extend()
        except BaseException:
            self._wanted.withdraw(self._client)
            raise

    async def _keep(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._wanted.ttl / 3)
                await self._extend()
        except LockLostError as error:
            self._lost = error
            self._task.cancel()

    async def _extend(self) -> None:
        body = ExtendLock(self._held.owner, self._held.token, milliseconds(self._wanted.ttl))
        while True:
            sent = time.monotonic()
            try:
                reply = await _answered(self._send(body), max(0.0, self._until - sent))
                break
            except TooManyInFlightError:
                await asyncio.sleep(min(_PAUSE_SECONDS, self._wanted.ttl / 10))
                if time.monotonic() > self._until:
                    raise self._is_lost("it could not be extended in time") from None
            except TimeoutError:
                raise self._is_lost("no engine answered while it lasted") from None
            except ClientError as error:
                raise self._is_lost(str(error)) from error
        if not reply.accepted:
            raise self._is_lost(f"{reply.code}: {reply.message}")
        self._until = sent + self._wanted.ttl

    def _send(self, body: msgspec.Struct) -> Future[Reply]:
        return self._client.send("lock", self._held.name, body, plain(self._wanted.options))

    def _is_lost(self, why: str) -> LockLostError:
        return LockLostError(f"lock {self._held.name!r} is lost: {why}")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back; `LockLostError` where it was lost before."""
        self._keeper.cancel()
        if self._lost is None:
            lost = await self._released()
            if lost is not None and kind is None:
                raise lost
            return
        if kind is None:  # The block ended before its cancellation came: it comes here.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        others = self._task.uncancel() > self._cancelling
        if kind is None or (kind is asyncio.CancelledError and not others):
            raise self._lost from error

    async def _released(self) -> LockLostError | None:
        """Give the lock back; return why it was lost, if it was."""
        body = ReleaseLock(self._held.owner, self._held.token)
        in_time = time.monotonic() < self._until
        try:
            reply = await _answered(self._send(body), _RELEASE_SECONDS)
        except (TimeoutError, ClientError) as problem:
            log.warning("a lock ends by itself", lock=self._held.name, problem=repr(problem))
            return None if in_time else self._is_lost("no engine answered while it lasted")
        if reply.accepted and reply.result == b"true":
            return None
        return self._is_lost("another has it, or it was released by force")
