"""What is judged next, and how: first alone, then in the company of others.

Nothing here is kept for longer than the process lives: it all follows from what stands in
`workflow.definitions`, so that a verifier may be killed at any moment, and may run twice.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from schemas.codec import DecodeError, decode
from schemas.definitions import DefinitionRecord
from schemas.results import RecordVerdict
from streams.domain.definition.state import PUBLISHED, SOUND
from streams.forms import read_definition
from streams.verifier.company import companies_of
from streams.verifier.library import Library, ReadSource
from streams.verifier.pending import Pending, Task
from streams.verifier.request import Request

log = structlog.get_logger(__name__)
Prove = Callable[[Request], RecordVerdict | None]
"""Returns the verdict; None where it was broken off."""


class Court:
    """Judges what waits, one version after the other."""

    def __init__(
        self, prove: Prove, max_states: int, read_source: ReadSource = read_definition
    ) -> None:
        """Take who proves, how many states are looked at, and the reader of sources."""
        self._prove = prove
        self._max_states = max_states
        self._library = Library(read_source)
        self._pending = Pending()

    def __len__(self) -> int:
        """Return how many wait, those with a verdict under way included."""
        return len(self._pending)

    def add(self, partition: int, value: bytes | None) -> None:
        """Take the next record of `workflow.definitions`."""
        try:
            envelope, body = decode(value or b"")
        except DecodeError as error:
            log.exception("unreadable definition record", partition=partition, error=str(error))
            return
        if isinstance(body, DefinitionRecord):
            self._library.add(envelope, body)
            self._pending.add(Task(partition, envelope, body))

    def next(self) -> Task | None:
        """Return what can be judged now and has waited longest."""
        return self._pending.next()

    def judge(self, task: Task) -> RecordVerdict | None:
        """Return the verdict on a version; None where it was broken off."""
        alone = self._prove(Request(task.record, self._max_states))
        if alone is None or alone.verdict != SOUND:
            return alone
        companies = companies_of(task.record, task.key[0], self._library, [])
        if not companies:
            return alone
        return self._prove(Request(task.record, self._max_states, alone, companies))

    def answered(self, task: Task, verdict: RecordVerdict) -> None:
        """Note that a verdict is under way: what follows is judged as if it had come."""
        self._pending.answered(task)
        if verdict.verdict == SOUND or task.record.allow_unsound:
            decided = msgspec.structs.replace(
                task.record, status=PUBLISHED, verdict=verdict.verdict
            )
            self._library.add(task.envelope, decided)

    def unanswered(self, task: Task) -> None:
        """Note that its verdict did not arrive."""
        self._pending.unanswered(task)
