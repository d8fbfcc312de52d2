"""Reading a definition: all that is wrong at once, each with file, line and path."""

from __future__ import annotations

import difflib

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.commands import PublishDefinition
from streams.domain.expressions.cel import CompileError
from streams.domain.net.graph import Graph
from streams.domain.net.hints import hints
from streams.domain.net.model import Definition
from streams.domain.net.problem import PROBLEMS_MAX, StructureProblem
from streams.domain.net.properties import property_problems
from streams.domain.net.validate import structure_problems
from streams.forms.build import build
from streams.forms.problem import Path, Problem
from streams.forms.shape import KINDS, DefinitionShape, FlowShape, PropertyShape
from streams.forms.shape_base import RecoveryShape, RetryShape, VariableShape
from streams.forms.source import Source
from streams.forms.unfold import Unfolded

_FIELDS = {
    "nodes": {name for kind in KINDS.values() for name in kind.written_keys()},
    "flows": set(FlowShape.model_fields),
    "variables": VariableShape.written_keys(),
    "retry": set(RetryShape.model_fields),
    "properties": set(PropertyShape.model_fields),
    "on_failure": {*RecoveryShape.model_fields, "fallback"},
    "": set(DefinitionShape.model_fields),
}


def read_definition(text: str, file_name: str = "") -> Definition | list[Problem]:
    """Return the model of a source, or everything that is wrong with it."""
    definition, problems = _examined(text, file_name, with_hints=False)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors or definition is None:
        return errors
    return definition


def examine(text: str, file_name: str = "") -> tuple[Definition | None, list[Problem]]:
    """Return the model, where the source can be read at all, and all errors and warnings."""
    return _examined(text, file_name, with_hints=True)


def _examined(
    text: str, file_name: str, *, with_hints: bool
) -> tuple[Definition | None, list[Problem]]:
    source = Source(text, file_name)
    if source.problems and not isinstance(source.data, dict):
        return None, source.problems
    unfolded = Unfolded(source)
    if not isinstance(source.data, dict):
        return None, source.problems
    try:
        shape = DefinitionShape.model_validate(unfolded.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        found = [_shape_problem(source, unfolded, detail) for detail in details[:PROBLEMS_MAX]]
        return None, [*source.problems, *found, *_more(source, len(details), "error")]
    definition = build(shape)
    stated = [*structure_problems(definition), *property_problems(definition)]
    structure = sorted(stated, key=lambda found: found.severity)
    found = [_structure(source, unfolded, problem) for problem in structure[:PROBLEMS_MAX]]
    if structure:
        found.extend(_more(source, len(structure), structure[0].severity))
    if not any(problem.severity == "error" for problem in found):
        found.extend(_compile(source, definition))
        if with_hints and not any(problem.severity == "error" for problem in found):
            found.extend(_structure(source, unfolded, hint) for hint in hints(definition))
    return definition, [*source.problems, *found]


def read_for_decision(command: PublishDefinition) -> Definition | list[str]:
    """Read a submitted source: the model, or the sentences that say what is wrong."""
    result = read_definition(command.source)
    return [str(problem) for problem in result] if isinstance(result, list) else result


def _more(source: Source, count: int, severity: str) -> list[Problem]:
    """Say that there is more than is told."""
    left = count - PROBLEMS_MAX
    return [] if left <= 0 else [source.problem((), f"and {left} more: mend these first", severity)]


def _compile(source: Source, definition: Definition) -> list[Problem]:
    try:
        Graph(definition)
    except CompileError as error:
        return [source.problem((), f"{error.message} in `{error.source[:200]}`")]
    return []


def _structure(source: Source, unfolded: Unfolded, found: StructureProblem) -> Problem:
    return source.problem(unfolded.locate(found.where), found.message, found.severity)


def _shape_problem(source: Source, unfolded: Unfolded, detail: ErrorDetails) -> Problem:
    # A discriminated union puts the kind's tag into the path: nodes.charge.activity.retry.
    path: Path = tuple(detail["loc"])
    if len(path) > 2 and path[0] == "nodes" and path[2] in KINDS:
        path = (*path[:2], *path[3:])
    return source.problem(unfolded.locate(path), _message(path, detail))


def _message(path: Path, detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"the key {path[-1]!r} is not known here{_meant(path)}"
    if kind == "missing":
        return f"{path[-1]!r} is missing"
    if kind.startswith("union_tag"):
        names = ", ".join(KINDS)
        given = detail["input"].get("type") if isinstance(detail["input"], dict) else None
        close = difflib.get_close_matches(str(given), KINDS, 1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        return f"the type of a node is one of {names}, not {given!r}{meant}"
    return detail["msg"].removeprefix("Value error, ")


def _meant(path: Path) -> str:
    part = next((name for name in ("retry", "on_failure") if name in path[:-1]), "")
    room = part or (str(path[0]) if len(path) > 1 else "")
    close = difflib.get_close_matches(str(path[-1]), _FIELDS.get(room, _FIELDS[""]), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
