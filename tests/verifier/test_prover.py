"""Proofs in a process of their own: within time and memory, and what dies is made again."""

import os
import signal
import threading
import time

import pytest

from schemas.definitions import DefinitionRecord
from streams.verifier.prover import Prover
from streams.verifier.request import Request
from streams.verifier.settings import VerifierSettings

pytestmark = pytest.mark.timeout(120)
SOUND = """id: flow
version: 1.0.0
nodes: {start: {type: start, next: end}, end: {type: end}}
"""


def tangled(width):
    """A definition whose net does not shrink: 2 ** width states, none of them wrong."""
    lines = ["id: wide", "version: 1.0.0", "nodes:", "  start: {type: start, next: fork}"]
    names = [f"n{number}" for number in range(width)]
    lines.append(f"  fork: {{type: parallel, next: [{', '.join(f'{n}a' for n in names)}]}}")
    for name in names:
        branch = f'[{{to: {name}b, when: "${{x}}"}}, {{to: {name}m, default: true}}]'
        back = f'[{{to: {name}a, when: "${{y}}"}}, {{to: join, default: true}}]'
        lines.append(f"  {name}a: {{type: exclusive, next: {name}w}}")
        lines.append(f"  {name}w: {{type: activity, activity_type: job, next: {name}c}}")
        lines.append(f"  {name}c: {{type: exclusive, next: {branch}}}")
        lines.append(f"  {name}b: {{type: activity, activity_type: job, next: {name}m}}")
        lines.append(f"  {name}m: {{type: exclusive, next: {name}t}}")
        lines.append(f"  {name}t: {{type: activity, activity_type: job, next: {name}d}}")
        lines.append(f"  {name}d: {{type: exclusive, next: {back}}}")
    lines += ["  join: {type: parallel, next: end}", "  end: {type: end}"]
    return "\n".join(lines)


def submitted(source=SOUND, max_states=1_000):
    return Request(DefinitionRecord("flow", "1.0.0", "submitted", source), max_states)


@pytest.fixture
def prover_of():
    """Make a prover that is ended at the end."""
    made = []

    def make(stop=None, **settings):
        named = {f"verifier_{name}": value for name, value in settings.items()}
        prover = Prover(VerifierSettings(**named), stop or threading.Event())
        made.append(prover)
        return prover.__enter__()

    yield make
    for one in made:
        one.__exit__(None, None, None)


def test_proofs_come_from_one_process_as_long_as_they_keep_within_bounds(prover_of):
    prover = prover_of()
    first = prover.pid
    assert [prover.prove(submitted()).verdict for _ in range(3)] == ["sound"] * 3
    assert prover.pid == first


def test_a_proof_that_takes_too_long_is_unknown_and_the_next_is_made(prover_of):
    prover = prover_of(seconds=1)
    first = prover.pid
    verdict = prover.prove(submitted(tangled(30), 1 << 40))
    assert (verdict.verdict, verdict.version) == ("unknown", "1.0.0")
    assert "the proof takes longer than 1 s" in verdict.message
    assert prover.pid != first
    assert prover.prove(submitted()).verdict == "sound"


def test_a_proof_that_needs_too_much_memory_is_unknown_and_the_next_is_made(prover_of):
    prover = prover_of(seconds=60, memory_mib=16)
    verdict = prover.prove(submitted(tangled(30), 1 << 40))
    assert (verdict.verdict, "more memory" in verdict.message) == ("unknown", True), verdict
    assert prover.prove(submitted()).verdict == "sound"


def test_a_process_that_dies_is_an_unknown_verdict_and_the_next_proof_is_made(prover_of):
    prover = prover_of()
    os.kill(prover.pid, signal.SIGKILL)
    verdict = prover.prove(submitted())
    assert (verdict.verdict, "ended with code -9" in verdict.message) == ("unknown", True), verdict
    assert prover.prove(submitted()).verdict == "sound"


def test_a_stop_breaks_a_proof_off(prover_of):
    stop = threading.Event()
    prover = prover_of(stop, seconds=60)
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    assert prover.prove(submitted(tangled(30), 1 << 40)) is None
    assert time.monotonic() - begun < 10
