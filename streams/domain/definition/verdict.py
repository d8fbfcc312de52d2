"""`RecordVerdict`: a submitted version is published or refused, by what the verifier found."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.definition_events import DefinitionPublished, DefinitionRefused
from schemas.results import RecordVerdict
from streams.domain.definition.starts import lookers, starts_of_source
from streams.domain.definition.state import (
    PUBLISHED,
    REFUSED,
    SOUND,
    UNSOUND,
    VERDICTS,
    DefinitionState,
    VersionState,
    accepted,
    order,
)
from streams.domain.protocol import Accepted, Decision, Outcome, RecordDefinition, Rejected


def decide_verdict(command: RecordVerdict, state: DefinitionState, ctx: Decision) -> Outcome:
    """Publish or refuse what waits for this verdict; the first counts, later ones are absorbed."""
    version = command.version
    known = state.versions.get(version)
    if known is None:
        return Rejected("NotFound", f"version {version!r} of {ctx.aggregate_id!r} is not known")
    if not known.is_pending:
        return Accepted([], [], state)
    if known.source_hash != command.source_hash:
        return Rejected(
            "version_conflict",
            f"the verdict is of another source of version {version} than the one that waits",
        )
    if command.verdict not in VERDICTS:
        names = ", ".join(sorted(VERDICTS))
        return Rejected("InvalidInput", f"{command.verdict!r} is no verdict: it is one of {names}")
    refusal = _refusal(command, state, known)
    if refusal is not None:
        return _refused(command, state, ctx, known, refusal)
    name, verdict, why = ctx.aggregate_id, command.verdict, command.message
    starts = starts_of_source(known.source, state, ctx)
    event = DefinitionPublished(name, version, verdict, why, command.violations, starts)
    record = RecordDefinition(
        name, version, PUBLISHED, known.source, why, verdict, command.violations
    )
    done = accepted(state, ctx, event, record)
    return replace(done, effects=[*done.effects, *lookers(state, event)])


def _refusal(
    command: RecordVerdict, state: DefinitionState, known: VersionState
) -> tuple[str, str] | None:
    """Return code and message where the version may not be published."""
    last = state.last_published()
    if last is not None and order(command.version) <= last:
        why = f"version {last} was published while {command.version} waited for its verdict"
        return "InvalidVersion", f"{why}: raise the version"
    if command.verdict == SOUND or known.allow_unsound:
        return None
    code = "not_sound" if command.verdict == UNSOUND else "soundness_unknown"
    return code, command.message


def _refused(
    command: RecordVerdict,
    state: DefinitionState,
    ctx: Decision,
    known: VersionState,
    refusal: tuple[str, str],
) -> Accepted:
    name, version, verdict = ctx.aggregate_id, command.version, command.verdict
    code, message = refusal
    event = DefinitionRefused(name, version, code, message, verdict, command.violations)
    record = RecordDefinition(
        name, version, REFUSED, known.source, message, verdict, command.violations, code
    )
    return accepted(state, ctx, event, record)
