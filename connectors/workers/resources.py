"""What activities keep open: connections made at the first use, closed when the worker stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

import msgspec
import structlog

T = TypeVar("T")
log = structlog.get_logger(__name__)
_CLOSE_SECONDS: Final = 10.0


class _Opened(msgspec.Struct):
    """A resource on one event loop, and the task that holds it open."""

    value: asyncio.Future[Any]
    stop: asyncio.Event
    keeper: asyncio.Task[None]


_OPEN: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, _Opened]] = WeakKeyDictionary()


class Resource(Generic[T]):
    """Something that async activities share: one for each worker, opened when first asked for."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        """Take what makes it; that is called at the first `get`, and again after a failure."""
        self._make = make

    async def get(self) -> T:
        """Return it, open; whatever opening raises is raised for each that waits for it."""
        mine = _OPEN.setdefault(asyncio.get_running_loop(), {})
        opened = mine.get(self)
        if opened is None or opened.keeper.done():
            opened = mine[self] = self._open()
        value: T = await asyncio.shield(opened.value)
        return value

    def _open(self) -> _Opened:
        value: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        return _Opened(value, stop, asyncio.create_task(self._keep(value, stop)))

    async def _keep(self, value: asyncio.Future[T], stop: asyncio.Event) -> None:
        """Enter and leave it in one task, as task groups and time limits inside it need."""
        try:
            async with self._make() as made:
                value.set_result(made)
                await stop.wait()
        except Exception as error:
            if not value.done():
                value.set_exception(error)
            else:
                log.warning("closing what activities had open", exc_info=error)


async def close_resources() -> None:
    """Close what was opened on this event loop."""
    opened = _OPEN.pop(asyncio.get_running_loop(), {}).values()
    for one in opened:
        one.stop.set()
    keepers = [one.keeper for one in opened]
    if not keepers:
        return
    _, late = await asyncio.wait(keepers, timeout=_CLOSE_SECONDS)
    for keeper in late:
        keeper.cancel()
