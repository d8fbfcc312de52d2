"""A bounded table of what was computed before."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


class Memo(dict[K, bytes]):
    """Encoded values that recur, found by a look-up; forgets all when it is full."""

    def __init__(self, encode: Callable[[K], bytes], most: int) -> None:
        """Take what encodes a key that is not known, and how many are kept."""
        super().__init__()
        self._encode = encode
        self._most = most

    def __missing__(self, key: K) -> bytes:
        if len(self) >= self._most:
            self.clear()
        data = self[key] = self._encode(key)
        return data
