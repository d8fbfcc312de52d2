"""Events of an instance's data beside those of its nodes."""

from __future__ import annotations

import msgspec


class VariablesObserved(msgspec.Struct, frozen=True, gc=False):
    """A node's work began; what it writes later is merged by what has changed since.

    Only for nodes that write variables with a merge policy. It comes again where another branch
    has meanwhile added to a set what this work may take out unseen.
    """

    node: str
    token: int
    """The token that waits at the node."""
    variables: dict[str, bytes]
    """Canonical JSON by name, 0 or `[]` where there is none; `@SCOPE/name` is a scope's own."""
    added: dict[str, bytes] = {}
    """Of add-wins sets: a JSON list of elements that others have added since."""
