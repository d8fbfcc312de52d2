"""Locks as a client asks for them.

A holder that is paused for longer than its time to live does not notice that another has the
lock now. What a lock protects should therefore ask for the token and refuse a smaller one than
it has seen: tokens of a lock only grow.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from concurrent.futures import Future
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from connectors.client.errors import (
    ClientError,
    CommandRejectedError,
    NoAnswerError,
)
from connectors.client.options import PLAIN, Options
from connectors.client.sender import ANSWER_SECONDS, Sender
from schemas.commands import AcquireLock, ReleaseLock
from schemas.json_text import parse_object
from schemas.replies import Reply

NO_ANSWER: Final = (
    "no answer to AcquireLock: is an engine running (`tidemill engine` or `tidemill up`)? The "
    "request was withdrawn"
)
_RETRIED: Final = frozenset({"LockAcquisition", "limit_exceeded"})


class HeldLock(NamedTuple):
    """A lock that was acquired."""

    name: str
    owner: str
    token: int
    """The fencing token: greater than those of all former holders."""
    expires_at: int
    """By the engine's clock, milliseconds since 1970, unless it is extended."""


class Wanted(msgspec.Struct, frozen=True):
    """A lock to acquire. Times are seconds."""

    name: str
    ttl: float
    owner: str
    wait: float = 0.0
    """How long each attempt waits in the queue."""
    retry_count: int = 0
    """Further attempts after the first."""
    retry_delay: float = 0.2
    """Between two attempts."""
    options: Options = PLAIN

    def send(self, client: Sender, attempt: int) -> Future[Reply]:
        """Ask; only the first attempt may have a command id of the caller's."""
        options = self.options
        if attempt:
            options = replace(options, command_id="", idempotency_key="")
        body = AcquireLock(self.owner, milliseconds(self.ttl), milliseconds(self.wait))
        return client.send("lock", self.name, body, options)

    def withdraw(self, client: Sender) -> None:
        """Leave the queue, or give back what was granted meanwhile; nobody waits for it."""
        with contextlib.suppress(ClientError):
            client.send("lock", self.name, ReleaseLock(self.owner), plain(self.options))

    def got(self, reply: Reply, attempt: int) -> HeldLock | None:
        """Return what was acquired; None where another attempt is due.

        Raises:
            CommandRejectedError: it is refused; as `LockAcquisition` where another has it.
        """
        if reply.accepted:
            result = parse_object(reply.result)
            return HeldLock(self.name, self.owner, result["token"], result["expires_at"])
        if reply.code in _RETRIED and attempt < self.retry_count:
            return None
        raise CommandRejectedError(reply)


def milliseconds(seconds: float) -> int:
    """Return a time as commands carry it."""
    return round(seconds * 1000)


def plain(options: Options) -> Options:
    """Return the options for another command than the one that the caller may have named."""
    return replace(options, command_id="", idempotency_key="", expected_sequence=-1)


def wanted(
    name: str,
    ttl: float,
    owner: str,
    wait: float,
    retries: tuple[int, float],
    options: Options,
) -> Wanted:
    """Return what to acquire; an owner is made up where none is given."""
    return Wanted(name, ttl, owner or uuid.uuid4().hex, wait, *retries, options)


def acquire(client: Sender, lock: Wanted) -> HeldLock:
    """Acquire a lock, waiting on this thread."""
    attempt = 0
    while True:
        future = lock.send(client, attempt)
        try:
            reply = future.result(lock.wait + ANSWER_SECONDS)
        except TimeoutError:
            lock.withdraw(client)
            raise NoAnswerError(NO_ANSWER) from None
        held = lock.got(reply, attempt)
        if held is not None:
            return held
        time.sleep(lock.retry_delay)
        attempt += 1
