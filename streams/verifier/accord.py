"""The verdict on a version that is sound by itself, in the company of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from schemas.definitions import DefinitionRecord
from schemas.results import RecordVerdict
from streams.domain.definition.state import SOUND, UNKNOWN, UNSOUND
from streams.domain.net.conversation import Discord
from streams.domain.net.model import Definition
from streams.domain.net.soundness import soundness
from streams.domain.net.together import Accord, together
from streams.forms import Problem, prove_together, read_definition
from streams.verifier.bounds import TEXT_MAX, bounded, cut, within
from streams.verifier.company import CALLED, NAMED, SPEAKS, Company, Member

_SPEAKING_STATES_MAX: Final = 200_000
"""For what is a warning only."""
ERROR, UNSURE, WARNING = "error", "unsure", "warning"


class Finding(NamedTuple):
    """What was found in a company."""

    severity: str
    """`error`: it is unsound; `unsure`: that is not known, and has to be; `warning`."""
    text: str
    violation: dict[str, Any] | None = None


class _UnfitError(Exception):
    """Of these nothing can be said together."""


def accord_of(
    alone: RecordVerdict, companies: list[Company], record: DefinitionRecord, max_states: int
) -> RecordVerdict:
    """Return the verdict in the company of others, where the one alone is `sound`."""
    budget = min(record.max_states or max_states, max_states)
    states, found = alone.states, list[Finding]()
    for company in companies:
        seen, more = _judged(company, budget)
        states += seen
        found += [one for one in more if one.text not in {other.text for other in found}]
    return decided(alone, found, states)


def decided(alone: RecordVerdict, found: list[Finding], states: int = 0) -> RecordVerdict:
    """Return the verdict that follows from what was found."""
    by = {severity: [one for one in found if one.severity == severity] for severity in _VERDICTS}
    severity = next((one for one in _VERDICTS if by[one]), WARNING)
    # What it is refused for stands first.
    shown = [*by[ERROR], *by[UNSURE], *by[WARNING]] if found else []
    return msgspec.structs.replace(
        alone,
        verdict=_VERDICTS[severity],
        message=cut("\n".join(one.text for one in shown), TEXT_MAX),
        violations=bounded([one.violation for one in shown if one.violation is not None]),
        states=max(states, alone.states),
    )


_VERDICTS: Final = {ERROR: UNSOUND, UNSURE: UNKNOWN, WARNING: SOUND}


def unsettled(companies: list[Company], why: str) -> Finding:
    """Return what follows where a company could not be looked at."""
    company = companies[0]
    names = ", ".join(map(str, company.members[:_NAMES_MAX]))
    text = f"whether {names} can all end together is not known: {why}"
    if any(one.bond == NAMED for one in companies):
        return Finding(UNSURE, text)
    return Finding(WARNING, f"warning: {text}")


_NAMES_MAX: Final = 10


def _judged(company: Company, budget: int) -> tuple[int, list[Finding]]:
    if company.bond == SPEAKS:
        budget = min(budget, _SPEAKING_STATES_MAX)
    try:
        if company.why_not:
            raise _UnfitError(company.why_not)
        files = [_file(member, budget) for member in company.members]
    except _UnfitError as error:
        return 0, [unsettled([company], str(error))]
    problems, accord = prove_together(files, budget)
    if accord.sound is None:
        return accord.states, [unsettled([company], accord.why_unknown)]
    is_error = company.bond != SPEAKS and not accord.sound and not _was_so(company, budget)
    pairs = zip(problems, accord.discords, strict=True)
    return accord.states, [*_findings(pairs, is_error=is_error)]


def _findings(pairs: Iterator[tuple[Problem, Discord]], *, is_error: bool) -> Iterator[Finding]:
    for problem, discord in pairs:
        severity = ERROR if is_error and discord.is_error else WARNING
        shown = msgspec.structs.replace(problem, severity=severity)
        violation = {
            "property": discord.property,
            "definition": discord.definition,
            "node": discord.node,
            "line": problem.line,
            "message": discord.message,
            "trace": within(problem.trace),
            "severity": severity,
        }
        yield Finding(severity, str(shown), violation)


def _file(member: Member, budget: int) -> tuple[str, str, Definition]:
    """Return source, name and model of one that is sound by itself.

    Raises:
        _UnfitError: it is not, or it cannot be read here.
    """
    definition = read_definition(member.source)
    if isinstance(definition, list):
        raise _UnfitError(f"this verifier's release cannot read {member}")
    if member.verdict != SOUND:
        # It may be marked for its company only, which is another one now.
        verdict = soundness(definition, budget)
        if not verdict.sound:
            why = verdict.why_unknown or "; ".join(map(str, verdict.violations))
            raise _UnfitError(f"{member} is not known to be sound by itself: {why}")
    return member.source, str(member), definition


def _was_so(company: Company, budget: int) -> bool:
    """Tell whether a caller did not fit before either: then it is not this version's fault."""
    if company.bond != CALLED:
        return False
    models = [read_definition(member.source) for member in company.before]
    known = [one for one in models if not isinstance(one, list)]
    former: Accord = together(known, budget)
    return former.sound is False
