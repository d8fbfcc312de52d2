"""What a node that is done writes: its result, and its output mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas.json_text import JsonError, canonical
from streams.domain.expressions.cel import ExpressionError
from streams.domain.instance.enter import code_of, incident
from streams.domain.instance.fitting import UnfitError, check_writes
from streams.domain.instance.limits import LimitError, too_large
from streams.domain.instance.merging import Merging, observe_again
from streams.domain.instance.places import OUT, ROOT, at
from streams.domain.instance.state import Observed
from streams.domain.instance.variables import seen_from
from streams.domain.instance.work import Work

UNMAPPED: Final = (ExpressionError, JsonError, LimitError, UnfitError)
"""What `mapped` raises."""


_UNMAPPED: Final = "output of "


def is_unmapped(message: str) -> bool:
    """Tell whether an incident is one that `stay` raised: its node's outputs are still due."""
    return message.startswith(_UNMAPPED)


def stay(
    work: Work,
    node: str,
    token: int,
    error: Exception,
    scope: int = ROOT,
    begun: Observed | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Keep a token whose node is done but whose outputs cannot be computed.

    `begun` is what its work saw, where the event that came before took it with the token;
    `extra` what an event brought that nothing else keeps for a retry.
    """
    source, values = "", b"null"
    if isinstance(error, ExpressionError):
        source, values = error.source, canonical(error.values)
    code = code_of(error)
    message = f"{_UNMAPPED}{node}: {error}"
    kept = b"" if extra is None else canonical(dict(extra))
    incident(work, node, token, code, message, source, values, at(node + OUT, scope), kept)
    observe_again(work, token, begun)


def result_writes(
    variables: dict[str, bytes], path: str, output: Any, text: bytes
) -> dict[str, bytes]:
    """Return the variable that takes an output: `path`, else `result`; `text` is its JSON."""
    if not path:
        return {"result": text}
    steps = tuple(path.split("."))
    return {steps[0]: written(variables, steps, output)}


def mapped(
    work: Work,
    node: str,
    writes: dict[str, bytes],
    extra: Mapping[str, Any],
    scope: int = ROOT,
    into: int | None = None,
    token: int = 0,
) -> dict[str, bytes]:
    """Add the node's output mappings to the writes; one of `UNMAPPED` where that fails.

    `extra` are the names that the mappings see beside the variables; `scope` is the running
    scope that the node is in, `into` the one that is written to, if it is another; `token` waits
    at the node: what its work saw of variables that merge is what the mappings see of them.
    """
    mappings = work.graph.outputs.get(node)
    if not mappings:
        return writes if work.graph.schemas is None else check_writes(work, writes, scope)
    seen = seen_from(work.state, scope)
    variables = {**seen, **writes}
    target = variables if into is None else seen_from(work.state, into)
    result = dict(writes)
    owner = scope if into is None else into
    merging = Merging(work, node, token, owner) if node in work.graph.merges else None
    if merging is not None:
        own = {} if into is None else work.state.scopes[scope].variables
        variables |= {name: one for name, one in merging.seen().items() if name not in own}
    for path, value in mappings:
        base = {**target, **result}
        result[path[0]] = written(base, path, value.evaluate(variables, extra))
    unmerged = result
    if merging is not None:
        result = merging.merged(unmerged)
    refusal = too_large({**variables, **result}, work.ctx)
    if refusal is not None:
        raise LimitError(refusal.message)
    check_writes(work, result, owner)
    if merging is not None:
        merging.tell(unmerged)
    return result


def written(variables: dict[str, bytes], path: tuple[str, ...], value: object) -> bytes:
    """Return the variable `path[0]` after setting what the rest of the path names."""
    if len(path) == 1:
        return canonical(value)
    root = msgspec.json.decode(variables.get(path[0], b"{}"))
    if not isinstance(root, dict):
        root = {}
    place = root
    for name in path[1:-1]:
        inner = place.get(name)
        if not isinstance(inner, dict):
            inner = place[name] = {}
        place = inner
    place[path[-1]] = value
    return canonical(root)
