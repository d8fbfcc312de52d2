"""What can go wrong for a client; every message says what to do."""

from __future__ import annotations

from schemas.replies import Reply


class ClientError(Exception):
    """Base of everything that the client raises."""


class CommandRejectedError(ClientError):
    """The engine refused a command."""

    def __init__(self, reply: Reply) -> None:
        """Take the reply."""
        super().__init__(f"{reply.code}: {reply.message}")
        self.reply = reply
        self.code = reply.code
        self.message = reply.message


class DefinitionRefusedError(CommandRejectedError):
    """A definition was submitted, and refused for what the verifier found."""

    def __init__(self, reply: Reply, violations: bytes) -> None:
        """Take a reply with code and message, and what does not hold, as JSON."""
        super().__init__(reply)
        self.violations = violations


class TooManyInFlightError(ClientError):
    """The window of unanswered commands is full; try again after `retry_after` seconds."""

    def __init__(self, window: int, retry_after: float) -> None:
        """Take the window's size, and how long to wait."""
        super().__init__(
            f"{window} commands are unanswered: wait for replies, or try again in "
            f"{retry_after:.1f} s"
        )
        self.retry_after = retry_after


class NoAnswerError(ClientError):
    """No reply came in time; the command may still take effect (its id makes it safe to repeat)."""


class LockLostError(ClientError):
    """A lock is no longer held: stop what it protects."""


class NotReadyError(ClientError):
    """Kafka or its topics are not there."""
