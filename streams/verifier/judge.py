"""One definition's verdict, as the engine is told: bounded in size, and never an exception."""

from __future__ import annotations

from typing import Any

import structlog

from schemas.definitions import DefinitionRecord
from schemas.results import RecordVerdict
from streams.domain.definition.state import SOUND, UNKNOWN, UNSOUND, source_hash
from streams.domain.net.soundness import Verdict, Violation
from streams.forms import Problem, prove
from streams.verifier.bounds import TEXT_MAX, bounded, cut, within

log = structlog.get_logger(__name__)


def judge(record: DefinitionRecord, max_states: int) -> RecordVerdict:
    """Prove a submitted version; what makes the prover fail is unknown, with the reason."""
    budget = min(record.max_states or max_states, max_states)
    name = f"{record.definition_id}@{record.version}"
    full = False
    try:
        _, problems, verdict = prove(record.source, name, budget)
    except MemoryError:
        full = True  # The answer is made when what was gathered is let go: not in here.
    except Exception as error:
        log.exception("the prover failed", definition=name)
        return unknown(record, f"the prover failed: {type(error).__name__}: {error}")
    if full:
        return unknown(record, "the proof needs more memory than the verifier may have")
    if verdict is None:
        errors = [str(one) for one in problems if one.severity == "error"]
        return unknown(record, "\n".join(["this verifier's release cannot read it:", *errors]))
    if verdict.sound is None:
        here = "" if budget == record.max_states else "; this verifier goes no further"
        return unknown(record, f"{verdict.why_unknown}{here}", verdict.states)
    return _decided(record, problems, verdict)


def unknown(record: DefinitionRecord, why: str, states: int = 0) -> RecordVerdict:
    """Return the verdict that soundness could not be found out."""
    text = cut(f"whether it is sound is not known: {why}", TEXT_MAX)
    return RecordVerdict(record.version, source_hash(record.source), UNKNOWN, text, states=states)


def _decided(record: DefinitionRecord, problems: list[Problem], verdict: Verdict) -> RecordVerdict:
    if verdict.sound:
        return RecordVerdict(
            record.version, source_hash(record.source), SOUND, states=verdict.states
        )
    shown = [problem for problem in problems if problem.property]
    pairs = zip(shown, verdict.violations, strict=True)
    return RecordVerdict(
        record.version,
        source_hash(record.source),
        UNSOUND,
        cut("\n".join(map(str, shown)), TEXT_MAX),
        bounded([_plain(problem, violation) for problem, violation in pairs]),
        verdict.states,
    )


def _plain(problem: Problem, violation: Violation) -> dict[str, Any]:
    return {
        "property": violation.property,
        "node": violation.node,
        "line": problem.line,
        "message": violation.message,
        "trace": within(problem.trace),
    }
