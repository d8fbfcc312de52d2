"""`lock:` of a scope or of work: its shape, and from the shape to the model and back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from streams.domain.net.expression import Expression
from streams.domain.net.locking import FENCE, Locking
from streams.forms.build_parts import optional
from streams.forms.shape_base import Shape
from streams.forms.write_parts import there


class LockShape(Shape):
    """`lock:`; its times may be expressions."""

    name: Any
    ttl: Any = None
    wait: Any = None
    token: str = Field(default=FENCE, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


Lock = Annotated[LockShape | None, BeforeValidator(_named)]


def locking(shape: LockShape | None) -> Locking | None:
    """Return the lock of a shape."""
    if shape is None:
        return None
    return Locking(Expression(shape.name), optional(shape.ttl), optional(shape.wait), shape.token)


def plain_lock(kind: Locking | None) -> dict[str, Any] | None:
    """Return the keys of a lock."""
    if kind is None:
        return None
    named = kind.fence if kind.fence != FENCE else None
    return {key: value.source for key, value in kind.values()} | there(token=named)
