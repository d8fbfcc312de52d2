"""Golden states on disk: written once, read and folded for ever."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from schemas.registry import BODIES, VERSIONS, public_type
from streams.testing.spec import activity_type, channel, definition, instance, lock, watch

HERE = Path(__file__).parent
WRITE = "TIDEMILL_WRITE_GOLDEN"


def file_of(name):
    version = VERSIONS.get(BODIES[name].__name__, 1) if name in BODIES else 1
    return HERE / f"{name}.v{version}.json"


def write(path, spec):
    events = [
        {"type": public_type(event), "time": time, "body": msgspec.to_builtins(event)}
        for event, time in zip(spec.past, spec.times, strict=True)
    ]
    golden = {
        "aggregate": spec.aggregate.type,
        "form": spec.aggregate.form,
        "events": events,
        "state": spec.aggregate.encode(spec.state).hex(),
    }
    path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


def golden_of(name, make):
    path = file_of(name)
    if not path.exists():
        if not os.environ.get(WRITE):
            pytest.fail(
                f"There is no {path.name}: every event version has a golden state.\n"
                f"Run `{WRITE}=1 pytest tests/golden`, look at the file, and commit it.",
                pytrace=False,
            )
        write(path, make())
    return json.loads(path.read_text())


def must_hold(path, found, expected):
    """Fail with what to do where the two states differ."""
    if found == expected:
        return
    pytest.fail(
        f"{path.name} no longer holds.\n\n"
        f"  golden: {expected}\n"
        f"  now:    {found}\n\n"
        "Logs and stores in use hold these events and states. What to do:\n"
        "- The applier was changed: take the change back. Give the event a new version\n"
        "  (schemas/registry.py, VERSIONS), with an applier of its own and a golden of its own.\n"
        "- The state was changed: add fields at the end only, with defaults that mean what was\n"
        "  true before. For anything else raise the aggregate's `form`, so that snapshots are\n"
        "  folded again, and write this file anew.\n"
        "- Nothing with this version was ever released: delete the file and run\n"
        f"  `{WRITE}=1 pytest tests/golden`.",
        pytrace=False,
    )


def folded(golden):
    """Return a spec after the golden's events."""
    begin = {
        "definition": lambda: definition("flow"),
        "channel": lambda: channel("message:paid"),
        "lock": lock,
        "activity_type": lambda: activity_type("charge"),
        "watch": lambda: watch("d-1"),
    }
    spec = begin.get(golden["aggregate"], instance)()
    for event in golden["events"]:
        body = msgspec.convert(event["body"], BODIES[event["type"]])
        spec = spec.later(event["time"] - spec.now).given(body)
    return spec


def cut(now, before):
    """Return `now` without what was added at the end of its structs."""
    if isinstance(now, list) and isinstance(before, list):
        return [cut(*pair) for pair in zip(now, before, strict=False)]
    if isinstance(now, dict) and isinstance(before, dict):
        return {key: cut(value, before.get(key)) for key, value in now.items()}
    return now
