"""Combined waits: what they wait for next, and what follows when one of their events comes."""

from __future__ import annotations

from schemas.events import Moves, NodeExecuted
from schemas.json_text import canonical, parse
from schemas.wait_events import WaitProgressed
from streams.domain.instance.advance import Cause, catch, leave
from streams.domain.instance.await_parts import await_parts
from streams.domain.instance.enter import UNBEGUN, incident, not_begun
from streams.domain.instance.outputs import UNMAPPED, mapped, result_writes
from streams.domain.instance.places import at, scope_of
from streams.domain.instance.state import NO_WAIT, OpenSubscription
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work
from streams.domain.net.model import Wait
from streams.domain.net.wait import MET, OPEN, leaves_of, status_of, wanted


def came(
    work: Work, key: int, opened: OpenSubscription, payload: bytes = b"null", message_id: str = ""
) -> None:
    """Let an event act that is waited for, alone or together with others."""
    if opened.part:
        if opened.due:
            payload = canonical({"due": opened.due})
        _progress(work, key, opened, payload, message_id)
    else:
        catch(work, key, opened, payload, message_id)


def _progress(
    work: Work, key: int, opened: OpenSubscription, payload: bytes, message_id: str
) -> None:
    node, token = opened.node, opened.token
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Wait)
    (name,) = [leaf.name for _, leaf in leaves_of(kind.whole) if leaf.number == opened.part]
    former = work.state.waits.get(token, NO_WAIT).came
    values = {**former, opened.part: payload}
    status = status_of(kind.whole, values)
    left = {leaf.number for leaf in wanted(kind.whole, values)}
    closed = [
        number
        for number, one in work.state.subscriptions.items()
        if one.token == token and one.part and number != key and one.part not in left
    ]

    def cause(moves: Moves) -> WaitProgressed:
        return WaitProgressed(
            node,
            token,
            opened.part,
            name,
            opened.kind,
            key,
            status,
            closed,
            opened.due,
            payload,
            message_id,
            moves,
        )

    if sum(map(len, values.values())) > work.ctx.limits.state:
        _too_much(work, node, token, cause)
    elif status == OPEN:
        work.emit(cause(Moves()))
        go_on(work, node, token)
    else:
        _over(work, node, token, cause, values)


def go_on(work: Work, node: str, token: int) -> None:
    """Wait for what the last event made the next, or leave the node where nothing is left."""
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Wait)
    values = work.state.waits.get(token, NO_WAIT).came
    if status_of(kind.whole, values) != OPEN:
        _over(work, node, token, lambda moves: NodeExecuted(node, "retry", moves), values)
        return
    try:
        await_parts(work, node, token)
    except UNBEGUN as error:
        not_begun(work, node, token, error)


def _over(work: Work, node: str, token: int, cause: Cause, values: dict[int, bytes]) -> None:
    """Leave the node with the output mapping; one that fails is tried again with what came."""
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Wait)
    scope = scope_of(work.state.tokens[token])
    leaves = {leaf.number: leaf.name for _, leaf in leaves_of(kind.whole)}
    output = {leaves[n]: parse(value) for n, value in values.items() if leaves[n]}
    extra = {"output": output, "met": status_of(kind.whole, values) == MET}
    try:
        writes: dict[str, bytes] = {}
        if kind.result_path:
            seen = seen_from(work.state, scope)
            writes = result_writes(seen, kind.result_path, output, canonical(output))
        writes = mapped(work, node, writes, extra, scope)
    except UNMAPPED as error:
        if values != work.state.waits.get(token, NO_WAIT).came:
            work.emit(cause(Moves()))
        not_begun(work, node, token, error)
        return
    leave(work, node, [token], writes, cause, scope)


def _too_much(work: Work, node: str, token: int, cause: Cause) -> None:
    """Give up a wait whose payloads are too large together; its retry begins anew."""
    scope = scope_of(work.state.tokens[token])
    limit = work.ctx.limits.state
    work.emit(cause(Moves([token])))
    text = (
        f"what came at {node} has more than {limit} bytes together (state_bytes_max): pass large "
        "data by reference; a retry waits for everything again"
    )
    place = at(node, scope)
    incident(work, node, work.state.next_token, "limit_exceeded", text, place=place)
