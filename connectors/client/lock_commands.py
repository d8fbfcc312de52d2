"""The client's commands for locks."""

from __future__ import annotations

from connectors.client.lock_keeper import LockKeeper
from connectors.client.locks import HeldLock, acquire, milliseconds, wanted
from connectors.client.options import PLAIN, Options
from connectors.client.sender import Answer, Sender
from schemas import commands as c


class LockCommands(Sender):
    """Acquires, extends and releases locks.

    Times are seconds; an owner is made up where none is given.
    """

    def acquire_lock(
        self,
        name: str,
        ttl: float,
        owner: str = "",
        *,
        wait: float = 0.0,
        retry_count: int = 0,
        retry_delay: float = 0.2,
        options: Options = PLAIN,
    ) -> HeldLock:
        """Acquire a lock: in the queue for `wait`, then again `retry_count` times.

        Raises:
            CommandRejectedError: code `LockAcquisition`: another owner has it.
            NoAnswerError: no engine answered; the request is withdrawn.
        """
        retries = retry_count, retry_delay
        return acquire(self, wanted(name, ttl, owner, wait, retries, options))

    def hold_lock(
        self,
        name: str,
        ttl: float = 30.0,
        owner: str = "",
        *,
        wait: float = 0.0,
        retry_count: int = 0,
        retry_delay: float = 0.2,
        options: Options = PLAIN,
    ) -> LockKeeper:
        """Return a lock for an `async with` block: kept as long as the block, then released."""
        retries = retry_count, retry_delay
        return LockKeeper(self, wanted(name, ttl, owner, wait, retries, options))

    def extend_lock(
        self, name: str, owner: str, token: int, ttl: float, options: Options = PLAIN
    ) -> Answer:
        """Keep a lock for `ttl` from now; refused as `LockExtension` where it is lost."""
        return self.call("lock", name, c.ExtendLock(owner, token, milliseconds(ttl)), options)

    def release_lock(self, name: str, owner: str, token: int = 0, options: Options = PLAIN) -> bool:
        """Give a lock back; False where it is not this owner's."""
        answer = self.call("lock", name, c.ReleaseLock(owner, token), options)
        return answer.reply.result == b"true"

    def force_release_lock(self, name: str, reason: str = "", options: Options = PLAIN) -> Answer:
        """Take a lock from its holder, whoever it is."""
        return self.call("lock", name, c.ForceReleaseLock(reason), options)
