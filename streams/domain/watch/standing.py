"""Standing waits: what definitions are started by, as the engine knows it.

No definition opens one. The watch opens them itself, as a channel does for what it asks a
definition ([0015](../../docs/adr/0015-devices-look-for-what-they-start.md)); the definition
decides with each match whether its newest version has that start.
"""

from __future__ import annotations

from schemas import watch_events as e
from schemas.ids import subscription_ref
from schemas.watch_commands import StandWatch, UnwatchDevice, WatchDevice
from streams.domain.net.device_starts import Standing
from streams.domain.protocol import Decision, Outcome
from streams.domain.watch.state import NOTHING, Wait, WatchState
from streams.domain.watch.work import Work

OWNER = "definition"


def decide_stand(command: StandWatch, state: WatchState | None, ctx: Decision) -> Outcome:
    """Open and end standing waits, so that they are what definitions are started by now."""
    work = Work(state, ctx)
    starts = ctx.definitions.device_starts(ctx.tenant)
    wanted = starts.of(ctx.aggregate_id)
    standing = {ref: wait for ref, wait in work.state.waits.items() if wait.stands}
    # Who takes a partition over may have read less than who had it: it changes nothing then.
    later = {w.owner_id for w in standing.values() if starts.is_behind(w.owner_id, w.subscription)}
    for ref, wait in standing.items():
        kept = (wait.node, wait.awaits)
        mine = [(one.node, one.awaits) for one in wanted.get(wait.owner_id, ())]
        if wait.owner_id not in later and kept not in mine:
            end(work, ref)
    known = {
        (wait.owner_id, wait.node, wait.awaits.start)
        for ref, wait in work.state.waits.items()
        if wait.stands and not work.state.pending.get(ref, NOTHING).closed
    }
    for definition, several in wanted.items():
        for one in several:
            if definition not in later and (definition, one.node, one.awaits.start) not in known:
                _open(work, definition, one)
    for reading in command.readings:
        work.tell_device(reading)
    return work.accepted()


def _open(work: Work, definition: str, one: Standing) -> None:
    if subscription_ref(OWNER, definition, "", one.number) in work.state.waits:
        return  # It has just ended, and an answer is still to come.
    number = work.emit(
        e.WatchOpened(OWNER, definition, "", one.number, one.node, once=False, awaits=one.awaits)
    )
    work.tell_device(WatchDevice(number))


def end(work: Work, ref: str) -> None:
    """End a standing wait: at once, or with the answer that is still to come."""
    wait, pending = work.state.waits[ref], work.state.pending.get(ref, NOTHING)
    if pending.closed:
        return
    awaits_answer = bool(pending.matches) and not pending.ask_at
    work.emit(e.WatchEnded(*owner_of(wait), awaits_answer))
    if not awaits_answer:
        work.tell_device(UnwatchDevice(wait.opened))


def owner_of(wait: Wait) -> tuple[str, str, str, int, str]:
    """Return the fields with which an event names a wait."""
    return (
        wait.owner_type,
        wait.owner_id,
        wait.owner_incarnation,
        wait.subscription,
        wait.node,
    )
