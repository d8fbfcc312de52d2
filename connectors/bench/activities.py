"""The activity of the benchmark's workflows: it hands its input back."""

from __future__ import annotations

from typing import Any

from connectors.workers import activity


@activity("echo")
async def echo(data: Any) -> Any:
    """Return the input."""
    return data
