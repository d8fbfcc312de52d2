"""What of an instance's state is kept apart: large variables, and the lists of iterations.

The state's header has an empty value in their place. A part is the very object that the state
holds, so that a part that did not change is known without looking into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from streams.domain.instance.chunks import Chunks
from streams.domain.instance.state import InstanceState, Iteration

LARGE: Final = 4_096
"""Bytes from which on a variable is a part of its own."""
Part = bytes | list[bytes]
_VARIABLE, _ITEMS, _OUTPUTS = "v", "i", "o"


def divide(state: InstanceState) -> tuple[InstanceState, dict[str, Part]] | None:
    """Return the header and the parts by name; None where the state is one record."""
    if not state.iterations:
        for value in state.variables.values():
            if len(value) >= LARGE:
                break
        else:
            return None  # As with nearly all.
    parts: dict[str, Part] = {}
    for name, value in state.variables.items():
        if len(value) >= LARGE:
            parts[_VARIABLE + name] = value
    for key, one in state.iterations.items():
        parts |= _chunks(key, one)
    if not parts:
        return None
    variables = {n: b"" if _VARIABLE + n in parts else v for n, v in state.variables.items()}
    iterations = {
        key: replace(one, items=[[]] * len(one.items), outputs=[[]] * len(one.outputs))
        if _is_divided(one)
        else one
        for key, one in state.iterations.items()
    }
    return replace(state, variables=variables, iterations=iterations), parts


def _is_divided(one: Iteration) -> bool:
    """A list of a few dozen stays where it is."""
    return len(one.items) + len(one.outputs) > 2


def _chunks(key: int, one: Iteration) -> dict[str, Part]:
    if not _is_divided(one):
        return {}
    named = ((_ITEMS, one.items), (_OUTPUTS, one.outputs))
    return {f"{kind}{key}/{n}": chunk for kind, all_ in named for n, chunk in enumerate(all_)}


def joined(header: InstanceState, parts: Mapping[str, Part]) -> InstanceState:
    """Return the state of a header and its parts; `KeyError` where one is missing."""
    if not parts:
        return header
    variables = {
        name: value or _text(parts[_VARIABLE + name]) for name, value in header.variables.items()
    }
    iterations = {
        key: replace(
            one,
            items=_filled(parts, f"{_ITEMS}{key}", one.items),
            outputs=_filled(parts, f"{_OUTPUTS}{key}", one.outputs),
        )
        if _is_divided(one)
        else one
        for key, one in header.iterations.items()
    }
    return replace(header, variables=variables, iterations=iterations)


def _text(part: Part) -> bytes:
    assert isinstance(part, bytes)
    return part


def _filled(parts: Mapping[str, Part], name: str, chunks: Chunks) -> Chunks:
    found = (parts[f"{name}/{number}"] for number in range(len(chunks)))
    return [chunk for chunk in found if isinstance(chunk, list)]
