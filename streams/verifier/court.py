"""What is judged next, and how: first alone, then in the company of others.

Nothing here is kept for longer than the process lives: it all follows from what stands in
`workflow.definitions`, so that a verifier may be killed at any moment, and may run twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import structlog

from schemas.codec import DecodeError, decode
from schemas.definitions import DefinitionRecord
from schemas.results import RecordVerdict
from streams.domain.definition.state import PUBLISHED, REFUSED, SOUND
from streams.forms import read_definition
from streams.verifier.accord import UNSURE, Finding, decided
from streams.verifier.company import companies_of
from streams.verifier.group import Group, group_of, told
from streams.verifier.library import Entry, Library, ReadSource
from streams.verifier.pending import Key, Pending, Task
from streams.verifier.request import Request

log = structlog.get_logger(__name__)
Prove = Callable[[Request], RecordVerdict | None]
"""Returns the verdict; None where it was broken off."""
_LATER: Final = 1 << 62
"""After everything that was submitted."""


class _Begun(NamedTuple):
    """What is known of a version that waits for its group."""

    alone: RecordVerdict
    since: float


class Court:
    """Judges what waits, one version after the other."""

    def __init__(
        self,
        prove: Prove,
        max_states: int,
        patience: float,
        read_source: ReadSource = read_definition,
    ) -> None:
        """Know of nothing.

        Args:
            prove: Who proves.
            max_states: How many states are looked at.
            patience: Seconds for which a version waits for its group.
            read_source: The reader of sources.
        """
        self._prove = prove
        self._max_states = max_states
        self._patience = patience
        self._library = Library(read_source)
        self._pending = Pending()
        self._begun: dict[Key, _Begun] = {}

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
            task = Task(partition, envelope, body)
            self._library.add(envelope, body)
            self._pending.add(task)
            self._begun.pop(task.key, None)

    def next(self, now: float) -> Task | None:
        """Return what can be judged now, in seconds, and has waited longest."""
        return next((task for task in self._pending.open() if self._is_ripe(task, now)), None)

    def judge(self, task: Task, now: float) -> RecordVerdict | None:
        """Return the verdict on a version; None where there is none yet, or it was broken off."""
        begun = self._begun.get(task.key)
        if begun is None:
            alone = self._prove(Request(task.record, self._max_states))
            if alone is None or alone.verdict != SOUND:
                return alone
            begun = self._begun[task.key] = _Begun(alone, now)
        if not self._is_ripe(task, now):
            return None
        group = group_of(task, self._library)
        if not group.is_settled or group.lost:
            return self._unsure(begun.alone, task, group)
        companies = companies_of(task.record, task.key[0], self._library, group.members)
        verdict: RecordVerdict | None = begun.alone
        if companies:
            request = Request(task.record, self._max_states, begun.alone, companies)
            verdict = self._prove(request)
        if group.refused and verdict is not None and verdict.verdict == SOUND:
            return self._unsure(verdict, task, group)
        return verdict

    def _unsure(self, alone: RecordVerdict, task: Task, group: Group) -> RecordVerdict:
        """Return the verdict on a version whose group will not be published whole."""
        return decided(alone, [Finding(UNSURE, told(task.record, group, self._patience))])

    def _is_ripe(self, task: Task, now: float) -> bool:
        """Tell whether a version need not wait for others, or has done so long enough."""
        begun = self._begun.get(task.key)
        if begun is None or not task.record.sound_with:
            return True
        return now - begun.since >= self._patience or group_of(task, self._library).is_settled

    def answered(self, task: Task, verdict: RecordVerdict) -> None:
        """Note that a verdict is under way: what follows is judged as if it had come."""
        self._pending.answered(task)
        is_published = verdict.verdict == SOUND or task.record.allow_unsound
        record = msgspec.structs.replace(
            task.record,
            status=PUBLISHED if is_published else REFUSED,
            verdict=verdict.verdict,
            message=verdict.message,
        )
        self._library.put(task.key[0], Entry(record, _LATER))

    def unanswered(self, task: Task) -> None:
        """Note that its verdict did not arrive."""
        self._pending.unanswered(task)
