"""What an activity may raise, and what a worker cannot start with."""

from __future__ import annotations


class ActivityError(Exception):
    """The activity failed, and the definition's retry policy decides what follows.

    Raise it to choose the code that the author's definition sees; any other exception
    becomes `ActivityExecution` and is retried as well.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        code: str = "ActivityExecution",
        details: object = None,
        service: str = "",
    ) -> None:
        """Take a sentence, a code of the catalogue or the author's own, a JSON value.

        `service` names the system that failed, where it was another one.
        """
        super().__init__(message)
        self.code = code
        self.details = details
        self.service = service


class NonRetryableError(ActivityError):
    """The activity failed, and trying again would not help."""

    retryable = False


class ActivityDefinitionError(Exception):
    """A function cannot be an activity; the message says why."""


class NoActivitiesError(Exception):
    """A module has no activities to run."""
