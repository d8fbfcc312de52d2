"""Warnings of activity types that no worker has registered, and of input that does not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.activity_types import ActivityTypeRecord
from schemas.json_text import parse
from streams.domain.expressions.json_schema import JsonSchema
from streams.domain.net.model import Activity, Definition
from streams.forms import Problem, remark


def remarks_on_types(
    text: str, file: str, definition: Definition, known: list[ActivityTypeRecord]
) -> list[Problem]:
    """Return a warning for every activity that workers seem not to be able to do."""
    types = {one.name: one for one in known}
    found = []
    for node in definition.nodes.values():
        if isinstance(node.kind, Activity):
            found += [
                remark(text, file, ("nodes", node.id, key), message)
                for key, message in _of(node.kind, types.get(node.kind.activity_type))
            ]
    return found


def _of(kind: Activity, known: ActivityTypeRecord | None) -> Iterator[tuple[str, str]]:
    if known is None:
        yield (
            "activity_type",
            (
                f"no worker has registered the activity type {kind.activity_type!r}: its tasks "
                f"wait in queue {kind.queue!r} until one does"
            ),
        )
        return
    if known.queue and known.queue != kind.queue:
        yield (
            "activity_type",
            (
                f"workers do {kind.activity_type!r} on queue {known.queue!r}, this node asks on "
                f"queue {kind.queue!r}"
            ),
        )
    source: Any = kind.input.source
    if known.input_schema and "${" not in json.dumps(source):
        for fault in JsonSchema(parse(known.input_schema)).faults(source):
            yield "input", f"the input does not fit {kind.activity_type!r}: {fault}"
