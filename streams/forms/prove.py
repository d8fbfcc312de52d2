"""Soundness of a source: what does not hold becomes a problem with line and trace."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streams.domain.net.conversation import Discord
from streams.domain.net.model import Definition
from streams.domain.net.soundness import STATES_MAX, Verdict, Violation, soundness
from streams.domain.net.together import Accord, together
from streams.forms.problem import Path, Problem
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


def prove_together(
    files: Sequence[tuple[str, str, Definition]], max_states: int = STATES_MAX
) -> tuple[list[Problem], Accord]:
    """Return what is wrong with definitions together, each of which is sound by itself.

    `files` has the text, the file's name and the model of each.
    """
    accord = together([definition for _, _, definition in files], max_states)
    places = {definition.id: (text, name) for text, name, definition in files}
    found = [_discord(places, discord) for discord in accord.discords]
    if accord.why_unknown:
        message = f"whether {', '.join(accord.parties)} can all end together is not known"
        found.append(Problem("", 0, 0, "", f"{message}: {accord.why_unknown}", "warning"))
    return found, accord


def remark(text: str, file_name: str, path: Path, message: str) -> Problem:
    """Return a warning about a place of a definition as it was unfolded."""
    source = Source(text, file_name)
    return source.problem(Unfolded(source).locate(path), message, "warning")


def _discord(places: dict[str, tuple[str, str]], discord: Discord) -> Problem:
    message, trace = f"{discord.property}: {discord}", list(map(str, discord.trace))
    if not discord.definition:
        return Problem("", 0, 0, "", message, "warning", discord.property, trace)
    text, name = places[discord.definition]
    source = Source(text, name)
    path = Unfolded(source).locate(("nodes", discord.node))
    place = source.problem(path, message, "error" if discord.is_error else "warning")
    return msgspec.structs.replace(place, property=discord.property, trace=trace)


def _problem(source: Source, unfolded: Unfolded, violation: Violation) -> Problem:
    place = source.problem(unfolded.locate(violation.place or ("nodes", violation.node)), "")
    return msgspec.structs.replace(
        place,
        message=f"{violation.property}: {violation}",
        property=violation.property,
        trace=list(map(str, violation.trace)),
    )
