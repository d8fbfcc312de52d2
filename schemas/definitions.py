"""The record of `workflow.definitions`: a version, its state, its source."""

from __future__ import annotations

import msgspec


class DefinitionRecord(msgspec.Struct, frozen=True, gc=False):
    """One version of a definition, as every process keeps it."""

    definition_id: str
    version: str
    status: str
    """`submitted`, `published` or `refused`."""
    source: str
    message: str = ""
