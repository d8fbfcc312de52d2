"""Limits of what an instance holds."""

from __future__ import annotations

from streams.domain.protocol import Decision, Rejected


class LimitError(ValueError):
    """A value, or all of them together, would be larger than the limits allow."""


def too_large(variables: dict[str, bytes], ctx: Decision) -> Rejected | None:
    """Return the refusal of variables above their limits, or None."""
    limits = ctx.limits
    total = 0
    for name, value in variables.items():
        size = len(value)
        total += size + len(name)
        if size > limits.variable:
            return Rejected(
                "limit_exceeded",
                f"variable {name!r} has {size} bytes, the limit is {limits.variable} "
                "(variable_bytes_max): pass large data by reference",
            )
    if total > limits.state:
        return Rejected(
            "limit_exceeded",
            f"the variables have {total} bytes together, the limit of an instance is "
            f"{limits.state} (state_bytes_max)",
        )
    return None
