"""The definition aggregate: submitted, verified, published, and never changed again.

Soundness is decided outside: what is well formed waits for the verifier's `RecordVerdict`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from schemas.commands import (
    Correlate,
    FireTimer,
    PublishDefinition,
    RetryIncident,
    SubscriptionClosed,
)
from schemas.definition_commands import DeleteDefinition
from schemas.results import RecordVerdict
from streams.domain.definition.delete import decide_delete
from streams.domain.definition.publish import decide_publish
from streams.domain.definition.starts import decide_closed, decide_correlate
from streams.domain.definition.state import EMPTY, DefinitionState, evolve
from streams.domain.definition.timed import decide_fire, next_due
from streams.domain.definition.verdict import decide_verdict
from streams.domain.protocol import Accepted, Decision, EventPlace, Outcome, Rejected, conflict
from streams.domain.stalls import retried


def decide_retry(command: RetryIncident, state: DefinitionState, ctx: Decision) -> Outcome:
    """Apply again what a defect stopped."""
    found = retried(command, state.incidents, f"definition {ctx.aggregate_id!r}")
    if isinstance(found, Rejected):
        return found
    after = state
    for number, (event, _) in enumerate(found, state.sequence + 1):
        place = EventPlace(ctx.aggregate_id, ctx.tenant, "", number, ctx.now, ctx.actor)
        after = evolve(after, event, place)
    return Accepted([event for event, _ in found], [again for _, again in found], after)


Verb = Callable[[Any, DefinitionState, Decision], Outcome]
VERBS: Final[dict[type[msgspec.Struct], Verb]] = {
    PublishDefinition: decide_publish,
    RecordVerdict: decide_verdict,
}
"""What is asked of any definition, known or not."""
ASKED: Final[dict[type[msgspec.Struct], Verb]] = {
    Correlate: decide_correlate,
    SubscriptionClosed: decide_closed,
    FireTimer: decide_fire,
    DeleteDefinition: decide_delete,
    RetryIncident: decide_retry,
}
"""What is asked of one that is there."""


def decide(command: msgspec.Struct, state: DefinitionState | None, ctx: Decision) -> Outcome:
    """Decide a command for a definition; one that nobody knows yet has no versions."""
    before = state or EMPTY
    if 0 <= ctx.expected_sequence != before.sequence:
        return conflict(ctx, before.sequence)
    verb = VERBS.get(type(command))
    if verb is not None:
        return verb(command, before, ctx)
    asked = ASKED.get(type(command))
    if asked is not None:
        if state is None:
            return Rejected("NotFound", f"nobody has published a definition {ctx.aggregate_id!r}")
        return asked(command, state, ctx)
    return Rejected(
        "UnsupportedOperation",
        "definitions take PublishDefinition, DeleteDefinition and RecordVerdict only",
    )


class DefinitionAggregate:
    """Implements `protocol.Aggregate`."""

    type = "definition"
    form = 2  # From 2 on it has starts.
    has_incidents = True

    decide = staticmethod(decide)
    evolve = staticmethod(evolve)
    encode = staticmethod(msgspec.msgpack.Encoder().encode)
    next_due = staticmethod(next_due)
    decode = staticmethod(msgspec.msgpack.Decoder(DefinitionState).decode)

    @staticmethod
    def sequence(state: DefinitionState) -> int:
        """Return the sequence of the last event."""
        return state.sequence

    @staticmethod
    def incarnation(_state: DefinitionState) -> str:
        """Return nothing: a definition has one life."""
        return ""

    @staticmethod
    def is_finished(_state: DefinitionState) -> bool:
        """Return False: a definition is never over."""
        return False

    @staticmethod
    def remnant(state: DefinitionState) -> Any:
        """Return the state: a definition is never over."""
        return state


DEFINITION: Final = DefinitionAggregate()
