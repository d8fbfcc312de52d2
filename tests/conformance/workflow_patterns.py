"""Control-flow patterns: the tasks that a run completes, played on the core.

Judged as the data's notes say for engines with an order of their own: the same tasks the same
number of times. Who works next is whoever the expected run lets work first.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from schemas.commands import CompleteCall, FireTimer, RunInstance, StartChild
from schemas.results import CompleteActivity
from streams.testing.spec import Spec, instance
from tests.conformance.patterns_flow import definition_of
from tests.conformance.patterns_xml import read_process
from tests.conformance.suite import Case, Suite, cases_in

_STEPS_MAX: Final = 500
_SHOWN: Final = {"start": "Start", "end": "End"}


def judge(folder: Path, case: Case) -> list[str]:
    """Return how the run differs from the expected one."""
    expected: list[str] = case["expected_completion_order"]
    files = [folder / file for file in case["files"] if file.endswith(".xml")]
    sources = {path.stem: definition_of(read_process(path), path.stem) for path in files}
    done, left = play(sources, case["case"], expected)
    names = {name.lower() for name in expected} | _tasks(files)
    shown = Counter(_SHOWN.get(name, name) for name in done if name in names)
    wanted = Counter(expected)
    return [
        *(f"{n} times too few: {name}" for name, n in (wanted - shown).items()),
        *(f"{n} times too often: {name}" for name, n in (shown - wanted).items()),
        *(f"still at work: {name}" for name in left),
    ]


def _tasks(files: list[Path]) -> set[str]:
    return {name for path in files for name in read_process(path).tasks}


def play(
    sources: dict[str, dict[str, Any]], name: str, expected: list[str]
) -> tuple[list[str], list[str]]:
    """Run a workflow; return the nodes that were done, in order, and those still at work."""
    texts = [json.dumps(source) for source in sources.values()]
    spec = instance(*texts).given(RunInstance(name))
    done: list[str] = []
    for _ in range(_STEPS_MAX):
        following = _step(texts, spec, expected, done)
        if following is None:
            break
        spec = following
    open_ones = [one.node for one in spec.state.activities.values()]
    if spec.state.incidents:
        open_ones += [f"{one.node}: {one.message}" for one in spec.state.incidents.values()]
    return [*done, *_passed(spec)], open_ones


def _passed(spec: Spec) -> list[str]:
    """Return the nodes that a spec's events have passed, in order."""
    moves = [event.moves for event in spec.past if hasattr(event, "moves")]
    return [name for one in moves for name in one.path]


def _step(texts: list[str], spec: Spec, expected: list[str], done: list[str]) -> Spec | None:
    """Let the next thing happen: a timer, a called workflow, or the work that is expected first."""
    state = spec.state
    if state.ended_at:
        return None
    due = spec.next_due()
    if due and due <= spec.now:
        return spec.given(FireTimer(due))
    for key, call in state.calls.items():
        definition = json.loads(texts[1])["id"]
        child = instance(*texts, aggregate_id=call.child_id)
        child = child.given(StartChild(definition, "", b"{}", "one", "first", key))
        while (following := _step(texts, child, expected, done)) is not None:
            child = following
        done += _passed(child)
        return spec.given(CompleteCall(key, b"{}"))
    left = Counter(expected) - Counter(_passed(spec))
    for name in expected:
        for key, one in state.activities.items():
            if one.node == name and left[name] > 0:
                return spec.given(CompleteActivity(key, one.attempt, b"{}"))
    return None


SUITE = Suite("workflow-patterns", cases_in("cases.json"), judge)
