"""What a defect stopped: commands that are kept, in events, until an operator retries them.

An instance has incidents of its own; every other aggregate that has events has these.
"""

from __future__ import annotations

from schemas.commands import RetryIncident
from schemas.events import ErrorOccurred, IncidentResolved
from streams.domain.protocol import EventPlace, RedriveCommand, Rejected

Kept = dict[int, bytes]
"""Commands that a defect kept from being applied, by sequence of `error.occurred`."""


def stalled(kept: Kept, event: ErrorOccurred, at: EventPlace) -> Kept:
    """Keep a command."""
    return {**kept, at.sequence: event.command}


def resolved(kept: Kept, event: IncidentResolved) -> Kept:
    """Let go of a command that is applied again."""
    return {number: one for number, one in kept.items() if number != event.incident}


def retried(
    command: RetryIncident, kept: Kept, who: str
) -> Rejected | list[tuple[IncidentResolved, RedriveCommand]]:
    """Return what is to happen for each command that is applied again; 0 means all."""
    wanted = [command.incident] if command.incident else sorted(kept)
    if not wanted or any(number not in kept for number in wanted):
        number = f" {command.incident}" if command.incident else ""
        return Rejected("NotFound", f"{who} has no open incident{number}")
    return [(IncidentResolved(one, "retried"), RedriveCommand(kept[one])) for one in wanted]
