"""A node that is run several times: for each item of a list, or in a loop.

The token that came waits at the node for all of it. Each run has a scope of its own, with the
item and its index as local variables, and in it a token that goes through the node as if it were
run once. At most so many runs are under way as the window says: what an instance holds at a
time, and so what a run costs, does not grow with the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from schemas.commands import Continue
from schemas.events import Moves
from schemas.iteration_events import ItemsListed, ItemStarted, IterationCompleted, IterationStarted
from schemas.json_text import parse
from streams.domain.instance.awaiting import await_events, events_on
from streams.domain.instance.chunks import value_at, values_of
from streams.domain.instance.enter import UNBEGUN, incident, not_begun
from streams.domain.instance.fitting import unfit_writes
from streams.domain.instance.interrupt import stop_token
from streams.domain.instance.limits import LimitError, too_large
from streams.domain.instance.outputs import written
from streams.domain.instance.places import scope_of
from streams.domain.instance.runs import iteration_at
from streams.domain.instance.state import RUNNING, Iteration
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.repeat_graph import Repeated
from streams.domain.protocol import SendCommand

_LOT_ITEMS: Final = 500
_LOT_BYTES: Final = 128 * 1024
ALL, UNTIL, WHILE = "all", "until", "while"


class Ways(NamedTuple):
    """How tokens come to nodes and leave them, as `advance.py` has it."""

    begin: Callable[[Work, str, int], None]
    leave: Callable[..., None]


def begin_iteration(work: Work, node: str, token: int, ways: Ways) -> None:
    """Begin the runs of a node; or go on with them, where an incident stopped that."""
    key = iteration_at(work.state, token)
    if key:
        go_on(work, key, ways)
        return
    scope = scope_of(work.state.tokens.get(token, ""))
    try:
        items, total = work.graph.repeats[node].runs(node, seen_from(work.state, scope))
        _check_size(work, node, items)
        events = events_on(work, node, token, scope)
    except UNBEGUN as error:
        not_begun(work, node, token, error)
        return
    key = work.emit(IterationStarted(node, token, total))
    for lot in _lots(items):
        work.emit(ItemsListed(key, lot))
    await_events(work, token, events)
    go_on(work, key, ways)


def _check_size(work: Work, node: str, items: list[bytes]) -> None:
    size, limits = sum(map(len, items)), work.ctx.limits
    if size > limits.state or max(map(len, items), default=0) > limits.variable:
        raise LimitError(
            f"the items of {node} have {size} bytes, the limit of an instance is {limits.state} "
            f"(state_bytes_max), of one item {limits.variable} (variable_bytes_max): pass large "
            "data by reference"
        )


def _lots(items: list[bytes]) -> Iterator[list[bytes]]:
    """Divide the items, so that none of their events is too large a record."""
    lot: list[bytes] = []
    size = 0
    for item in items:
        if lot and (len(lot) == _LOT_ITEMS or size + len(item) > _LOT_BYTES):
            yield lot
            lot, size = [], 0
        lot.append(item)
        size += len(item)
    if lot:
        yield lot


def go_on(work: Work, key: int, ways: Ways) -> None:
    """Begin as many runs as there is room for; leave the node when all are done."""
    if key in work.going_on:
        return  # A run that never waited: whoever began it goes on.
    work.going_on = (*work.going_on, key)
    reason = ""
    while not reason and work.state.status == RUNNING and key in work.state.iterations:
        opened = work.state.iterations[key]
        repeated = work.graph.repeats[opened.node]
        if opened.begun == opened.total:
            break
        if opened.begun - opened.done >= repeated.window:
            break
        if work.exhausted():
            work.effects.append(_continue(work))
            break
        try:
            goes = _goes(work, repeated, opened)
        except UNBEGUN as error:
            not_begun(work, opened.node, opened.token, error)
            break
        if goes:
            _begin_run(work, key, opened, repeated, ways)
        else:
            reason = WHILE
    work.going_on = work.going_on[:-1]
    left = work.state.iterations.get(key)
    if left is not None and (reason or left.done == left.total):
        finish(work, key, reason or ALL, ways)


def _continue(work: Work) -> SendCommand:
    """Ask for another share: by way of the topic, so that other work has its turn."""
    owner = (work.ctx.aggregate_id, work.state.incarnation)
    return SendCommand("instance", *owner, Continue(), hop=True)


def _goes(work: Work, repeated: Repeated, opened: Iteration) -> bool:
    """Test a loop's condition before a run."""
    if repeated.before is None:
        return True
    scope = scope_of(work.state.tokens[opened.token])
    return repeated.before.truth(
        seen_from(work.state, scope), {repeated.repeat.index: opened.begun}
    )


def _begin_run(work: Work, key: int, opened: Iteration, repeated: Repeated, ways: Ways) -> None:
    work.steps += 1
    token, index = work.state.next_token, opened.begun
    own = repeated.local(index, value_at(opened.items, index))
    work.emit(ItemStarted(key, opened.node, index, token, own))
    ways.begin(work, opened.node, token)


def finish(work: Work, key: int, reason: str, ways: Ways) -> None:
    """Stop what still runs, write the list, and leave the node."""
    opened = work.state.iterations[key]
    node, token = opened.node, opened.token
    scope = scope_of(work.state.tokens[token])
    seen = seen_from(work.state, scope)
    writes = _collected(work.graph.repeats[node], opened, seen)
    refusal = too_large({**seen, **writes}, work.ctx) if writes else None
    if refusal is not None:
        incident(work, node, token, refusal.code, f"output of {node}: {refusal.message}")
        return
    unfit = unfit_writes(work, writes, scope)
    if unfit:
        said = f"output of {node}: variable {next(iter(unfit.values()))}"
        incident(work, node, token, "schema_violation", said)
        return
    consumed = stop_token(work, token, f"{node} needs no further runs")

    def cause(moves: Moves) -> IterationCompleted:
        return IterationCompleted(key, node, reason, opened.done, moves)

    ways.leave(work, node, consumed, writes, cause, scope)


def _collected(repeated: Repeated, opened: Iteration, seen: dict[str, bytes]) -> dict[str, bytes]:
    """Return the variable that takes the list: a place for each item, null where none is."""
    path = repeated.into
    if not path:
        return {}
    values = (value or b"null" for value in values_of(opened.outputs, opened.total))
    text = b"[" + b",".join(values) + b"]"
    if len(path) == 1:
        return {path[0]: text}
    return {path[0]: written(seen, path, parse(text))}
