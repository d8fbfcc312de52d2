"""The events that a combined wait waits for now."""

from __future__ import annotations

from streams.domain.instance.awaiting import Awaited, await_events, awaited_by
from streams.domain.instance.places import scope_of
from streams.domain.instance.state import NO_WAIT
from streams.domain.instance.work import Work
from streams.domain.net.model import Wait
from streams.domain.net.wait import Leaf, place_of, wanted


def await_parts(work: Work, node: str, token: int) -> None:
    """Begin to wait for what is not waited for yet, and can come next.

    Raises one of `enter.UNBEGUN` where a moment or a key cannot be computed: nothing is begun.
    """
    kind = work.graph.nodes[node].kind
    assert isinstance(kind, Wait)
    scope = scope_of(work.state.tokens.get(token, ""))
    came = work.state.waits.get(token, NO_WAIT).came
    waits = {one.part for one in work.state.subscriptions.values() if one.token == token}
    leaves = [leaf for leaf in wanted(kind.whole, came) if leaf.number not in waits]
    await_events(work, token, [_awaited(work, node, leaf, scope) for leaf in leaves], node)


def _awaited(work: Work, node: str, leaf: Leaf, scope: int) -> Awaited:
    found = awaited_by(work, place_of(node, leaf.number), leaf.trigger, scope)
    return found._replace(node=node, part=leaf.number)
