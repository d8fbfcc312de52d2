"""The record of `workflow.definitions`: a version, its state, its source."""

from __future__ import annotations

import msgspec


class DefinitionRecord(msgspec.Struct, frozen=True, gc=False):
    """One version of a definition, as every process keeps it."""

    definition_id: str
    version: str
    status: str
    """`submitted`, `published`, `refused` or `deleted`."""
    source: str
    message: str = ""
    """Why it was refused; of a published one what does not hold, or is worth a word."""
    verdict: str = ""
    """`sound`, `unsound` or `unknown`; empty while submitted, and where nobody verified it."""
    violations: bytes = b"[]"
    """A JSON array of what does not hold: property, node, line, message, trace, and of several
    definitions together also definition and severity."""
    allow_unsound: bool = False
    """While submitted: it is to be published whatever the verdict says."""
    max_states: int = 0
    """While submitted: how far the proof may go; 0: as far as the verifier goes."""
    code: str = ""
    """Code of the error catalogue where it was refused."""
    deleted_at: int = 0
    """Milliseconds since 1970."""
    deleted_by: str = ""
    reason: str = ""
    """Why it was deleted."""
    was_published: bool = False
    """Deleted ones: instances may run it still."""
    sound_with: list[str] = []
    """While submitted: what it is to be sound together with: `id@version`, or `id`."""
