"""What can be wrong with a view; every message says what to do."""

from __future__ import annotations


class ProjectionError(Exception):
    """The views cannot go on as they are; waiting does not help."""


class ForeignLogError(ProjectionError):
    """The stored positions belong to another log, or to a part of it that is gone."""


class TakenOverError(ProjectionError):
    """Another projector moved the positions of this database."""


class PoisonEventError(ProjectionError):
    """An event that cannot be applied; nothing after it in its chunk was."""

    def __init__(self, partition: int, offset: int, reason: str, *, index: int = 0) -> None:
        """Name the place; `index` is the event's place in the chunk that held it."""
        super().__init__(
            f"the views stop before partition {partition}, offset {offset}: {reason}. Nothing is "
            "passed over: if a newer release wrote it, run that; if the view is damaged, "
            "`tidemill projection rebuild`"
        )
        self.partition = partition
        self.offset = offset
        self.index = index


class ViewsNotReadyError(Exception):
    """There is no view to ask yet."""


class NotReachedError(Exception):
    """The view has not come to the position that was asked for in time."""

    def __init__(self, wanted: str, reached: str, seconds: float) -> None:
        """Name both positions."""
        super().__init__(
            f"the view has not passed {wanted} within {seconds:g} s; it reflects {reached}: "
            "is `tidemill project` running, and how far is it (`tidemill projection lag`)?"
        )
        self.wanted = wanted
        self.reached = reached


class BadTokenError(ValueError):
    """A position token or a cursor that is none."""
