"""Events of definitions: submitted, published or refused, deleted."""

from __future__ import annotations

import msgspec


class ListedStart(msgspec.Struct, frozen=True, gc=False):
    """A start event of a version, by which it starts instances while it is the newest."""

    node: str
    kind: str
    """`message`, `signal`, `device` or `timer`."""
    name: str = ""
    """Of the message or the signal; of a timer its values, as `cron 0 9 * * MON, zone …`, of a
    device its id or their pattern, then what of it, as `freezer-*, metric t, above 30`."""
    due: int = 0
    """Timers: when it is due first, ms since 1970; 0: not any more."""
    schedule: str = ""
    """Of a cycle or cron: see `streams.domain.expressions.schedules`."""
    missed: str = "once"
    """What becomes of due times that the engine slept through: `once`, `each` or `skip`."""
    single: bool = False
    """Messages: one instance at a time for each correlation key."""


class DefinitionSubmitted(msgspec.Struct, frozen=True, gc=False):
    """A definition's structure is sound enough to be judged."""

    definition_id: str
    version: str
    source: str
    allow_unsound: bool = False
    """It is to be published whatever the verdict says, and marked with it."""
    max_states: int = 0
    """How far the submitter lets the proof go; 0: as far as the verifier does."""
    is_pending: bool = False
    """It waits for a verdict. False in what former releases wrote: they published at once."""
    command_id: str = ""
    """Of the command that submitted it."""
    sound_with: list[str] = []
    """What it is to be sound together with: `id@version`, or `id`."""


class DefinitionPublished(msgspec.Struct, frozen=True, gc=False):
    """A version may be started from now on, and never changes."""

    definition_id: str
    version: str
    verdict: str = ""
    """`sound`; with `allow_unsound` also `unsound` or `unknown`; empty: never verified."""
    message: str = ""
    """What does not hold, or why soundness is not known; of a sound one what is worth a word."""
    violations: bytes = b"[]"
    """A JSON array of what does not hold: property, node, line, message, trace, and of several
    definitions together also definition and severity."""
    starts: list[ListedStart] = []
    """What starts instances of it from now on; the starts of former versions are over."""


class ScheduleFired(msgspec.Struct, frozen=True, gc=False):
    """A timer start of the newest version was due: it starts an instance, or was skipped."""

    definition_id: str
    version: str
    node: str
    due: int
    """Milliseconds since 1970."""
    missed: int = 0
    """How many later due times have passed as well, and are done with."""
    next_due: int = 0
    """When it is due next; 0: never."""
    instance_id: str = ""
    """Empty where it was skipped."""


class DefinitionRefused(msgspec.Struct, frozen=True, gc=False):
    """A version will not be published."""

    definition_id: str
    version: str
    code: str
    message: str
    verdict: str = ""
    """`unsound` or `unknown`; `sound` where it is refused for another reason."""
    violations: bytes = b"[]"
    """A JSON array of what does not hold: property, node, line, message, trace."""


class DefinitionDeleted(msgspec.Struct, frozen=True, gc=False):
    """Nothing new starts from a version any more; its number is never used again."""

    definition_id: str
    version: str
    reason: str = ""
    was_published: bool = False
    """False: it was withdrawn before it was published, or had been refused."""
    newest: str = ""
    """The version that starts instances from now on; empty: none does."""
    starts: list[ListedStart] = []
    """What starts instances of it from now on."""
