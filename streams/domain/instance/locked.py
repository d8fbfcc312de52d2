"""What a section hears of its lock: granted, refused, lost."""

from __future__ import annotations

from schemas.commands import LockGranted, LockLost, LockRefused
from schemas.events import Moves
from schemas.section_events import SectionEnded, SectionLocked
from streams.domain.instance.advance import begin, throw
from streams.domain.instance.enter import incident
from streams.domain.instance.handlers import handler_of
from streams.domain.instance.interrupt import stop_token
from streams.domain.instance.places import at, scope_of
from streams.domain.instance.sections import extend_at
from streams.domain.instance.state import RUNNING, InstanceState, OpenSection
from streams.domain.instance.work import Work
from streams.domain.protocol import Accepted, Decision, Outcome, Rejected

REFUSED = "LockAcquisition"
LOST = "LockLost"


def decide_granted(command: LockGranted, state: InstanceState, ctx: Decision) -> Outcome:
    """Begin the section; a lock that nobody waits for any more goes back by the rejection."""
    opened = state.sections.get(command.section)
    if opened is None:
        return Rejected("already_closed", f"section {command.section} is over")
    if opened.fence:  # It was extended.
        return Accepted([], [], state)
    work = Work(state, ctx)
    work.emit(SectionLocked(command.section, command.token, extend_at(work, opened)))
    if state.status == RUNNING:
        begin(work, opened.node, opened.token)
    return work.accepted()


def begin_locked(work: Work) -> None:
    """Begin what got its lock while the instance was suspended."""
    state = work.state
    begun = (state.scopes, state.activities, state.approvals, state.calls, state.incidents)
    busy = {one.token for group in begun for one in group.values()}
    for opened in list(state.sections.values()):
        if opened.fence and opened.token not in busy:
            begin(work, opened.node, opened.token)


def decide_refused(command: LockRefused, state: InstanceState, ctx: Decision) -> Outcome:
    """The section does not begin: an error that a boundary event may catch, else an incident."""
    opened = state.sections.get(command.section)
    if opened is None or opened.fence:
        return Accepted([], [], state)
    work = Work(state, ctx)
    _end(work, command.section, opened, REFUSED, command.message, "refused")
    return work.accepted()


def decide_lost(command: LockLost, state: InstanceState, ctx: Decision) -> Outcome:
    """What the lock protected is stopped: an error that may be caught, else an incident."""
    opened = state.sections.get(command.section)
    if opened is None or opened.fence != command.token:
        return Accepted([], [], state)
    work = Work(state, ctx)
    how = "its time was over" if command.how == "expired" else "an operator released it"
    message = f"{opened.node} has lost lock {command.lock!r}: {how}"
    _end(work, command.section, opened, LOST, message, command.how)
    return work.accepted()


def _end(work: Work, section: int, opened: OpenSection, code: str, message: str, how: str) -> None:
    node, token = opened.node, opened.token
    around = scope_of(work.state.tokens[token])
    handler = handler_of(work, code, node, token, around)
    if handler is not None:
        work.emit(SectionEnded(section, node, how))
        throw(work, code, message, node, handler)
        return
    consumed = stop_token(work, token, message)
    work.emit(SectionEnded(section, node, how, Moves(consumed)))
    stays = work.state.next_token
    incident(work, node, stays, code, message, place=at(node, around))
