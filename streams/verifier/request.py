"""What a prover is asked, and what it answers: a verdict in every case."""

from __future__ import annotations

import msgspec
import structlog

from schemas.definitions import DefinitionRecord
from schemas.results import RecordVerdict
from streams.verifier.accord import accord_of, decided, unsettled
from streams.verifier.company import Company
from streams.verifier.judge import judge, unknown

log = structlog.get_logger(__name__)


class Request(msgspec.Struct, frozen=True):
    """A submitted version to judge: alone, or, with a verdict on that, in the company of others."""

    record: DefinitionRecord
    max_states: int
    alone: RecordVerdict | None = None
    companies: list[Company] = []


def answer(request: Request) -> RecordVerdict:
    """Judge; what makes the prover fail is not known, with the reason."""
    if request.alone is None:
        return judge(request.record, request.max_states)
    try:
        return accord_of(request.alone, request.companies, request.record, request.max_states)
    except MemoryError:
        why = "the proof needs more memory than the verifier may have"
    except Exception as error:
        name = f"{request.record.definition_id}@{request.record.version}"
        log.exception("the prover failed", definition=name)
        why = f"the prover failed: {type(error).__name__}: {error}"
    return failed(request, why)


def failed(request: Request, why: str) -> RecordVerdict:
    """Return the verdict where a proof did not come to its end."""
    if request.alone is None:
        return unknown(request.record, why)
    return decided(request.alone, [unsettled(request.companies, why)])
