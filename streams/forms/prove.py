"""Soundness of a source: what does not hold becomes a problem with line and trace."""

from __future__ import annotations

import msgspec

from streams.domain.net.model import Definition
from streams.domain.net.soundness import STATES_MAX, Verdict, Violation, soundness
from streams.forms.problem import Problem
from streams.forms.read import examine
from streams.forms.source import Source
from streams.forms.unfold import Unfolded


def prove(
    text: str, file_name: str = "", max_states: int = STATES_MAX
) -> tuple[Definition | None, list[Problem], Verdict | None]:
    """Return the model, everything that is wrong with it, and how its soundness stands.

    The verdict is None where there are other errors: only what is well formed can be judged.
    """
    definition, problems = examine(text, file_name)
    if definition is None or any(problem.severity == "error" for problem in problems):
        return definition, problems, None
    verdict = soundness(definition, max_states)
    if verdict.sound:
        return definition, problems, verdict
    source = Source(text, file_name)
    unfolded = Unfolded(source)
    found = [_problem(source, unfolded, violation) for violation in verdict.violations]
    if verdict.why_unknown:
        message = f"whether it is sound is not known: {verdict.why_unknown}"
        found.append(source.problem((), message, "warning"))
    return definition, [*problems, *found], verdict


def _problem(source: Source, unfolded: Unfolded, violation: Violation) -> Problem:
    place = source.problem(unfolded.locate(violation.place or ("nodes", violation.node)), "")
    return msgspec.structs.replace(
        place,
        message=f"{violation.property}: {violation}",
        property=violation.property,
        trace=list(map(str, violation.trace)),
    )
