"""Merging what a node writes with what others wrote while it worked."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from schemas.data_events import VariablesObserved
from schemas.json_text import canonical
from streams.domain.instance.fitting import UnfitError
from streams.domain.instance.policies import MERGES, NEUTRAL, additions, elements, set_of
from streams.domain.instance.state import Observed
from streams.domain.instance.variables import addressed, seen_from
from streams.domain.instance.work import Work

_decode = msgspec.json.decode
_NOTHING = b"null"


def observe(work: Work, node: str, token: int, scope: int) -> None:
    """Note what a node's work sees of the merging variables that it writes."""
    names = work.graph.merges.get(node)
    if names:
        seen = seen_from(work.state, scope)
        present = {name: seen.get(name, _NOTHING) for name in names}
        values = {n: NEUTRAL[names[n]] if v == _NOTHING else v for n, v in present.items()}
        work.emit(VariablesObserved(node, token, addressed(work.state, scope, values)))


def observe_again(work: Work, token: int, begun: Observed | None) -> None:
    """Keep what was seen by work whose node its token has not left after all."""
    if begun is not None:
        work.emit(VariablesObserved(begun.node, token, begun.variables, begun.added))


class Merging:
    """The merging variables that a node is about to write."""

    def __init__(self, work: Work, node: str, token: int, scope: int) -> None:
        """Take the token that waited at the node, and the running scope that is written to."""
        self._work = work
        self._token = token
        self._policies = work.graph.merges[node]
        self._now = seen_from(work.state, scope)
        keys = addressed(work.state, scope, dict.fromkeys(self._policies, b""))
        self._keys = dict(zip(self._policies, keys, strict=True))
        """Name in events by name in the definition."""
        self._begun = work.state.observed.get(token)

    def seen(self) -> dict[str, bytes]:
        """Return the variables as the node's work saw them, where that was before now."""
        begun = self._begun
        if begun is None:
            return {}
        keys = self._keys.items()
        return {name: begun.variables[key] for name, key in keys if key in begun.variables}

    def merged(self, writes: dict[str, bytes]) -> dict[str, bytes]:
        """Return the writes, each with what others wrote meanwhile; may raise `UnfitError`."""
        found = dict(writes)
        for name, policy in self._policies.items():
            if name not in writes:
                continue
            read, now, added = self._read(name)
            try:
                value = MERGES[policy](read, _decode(writes[name]), now, added)
            except UnfitError as error:
                raise UnfitError(f"variable {name!r}: {error}") from None
            found[name] = canonical(value)
        return found

    def _read(self, name: str) -> tuple[object, object, object]:
        """Return a variable as it was read, as it is now, and what was added to it since."""
        key, now = self._keys[name], self._now.get(name, _NOTHING)
        if self._begun is None:
            return _decode(now), _decode(now), ()
        added = self._begun.added.get(key, b"[]")
        return _decode(self._begun.variables.get(key, now)), _decode(now), _decode(added)

    def tell(self, writes: dict[str, bytes]) -> None:
        """Let others that had read an element of a set know that it was added anew.

        `writes` are the node's own, before they were merged.
        """
        for name, policy in self._policies.items():
            if policy == "add_wins_set" and name in writes:
                new = additions(self._read(name)[0], _decode(writes[name]))
                if new:
                    self._tell(self._keys[name], new)

    def _tell(self, key: str, new: dict[bytes, object]) -> None:
        for token, other in self._work.state.observed.items():
            if token == self._token or key not in other.variables:
                continue
            known = elements(_decode(other.added.get(key, b"[]")))
            read = elements(_decode(other.variables[key]))
            unseen = [item for text, item in new.items() if text in read and text not in known]
            if unseen:
                added = canonical(set_of([*known.values(), *unseen]))
                told = replace(other, added={**other.added, key: added})
                observe_again(self._work, token, told)
