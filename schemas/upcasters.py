"""Former versions of messages: how a record that an older release wrote is read today.

A released schema never changes. A message that must change gets a new version (`VERSIONS`
of `schemas/registry.py`), and the file of its former one stays in `schemas/avro/`. Fields
that were added at the end, with defaults, need nothing more: the defaults are filled in.
For anything else a step of `STEPS` makes a record of the next version.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

Record = dict[str, Any]
Step = Callable[[Record], Record]
Steps = Mapping[tuple[str, int], Step]

FOLDER: Final = Path(__file__).parent / "avro"
STEPS: Final[Steps] = {}
"""By class name and version: makes of its record, `envelope` included, one of the next version."""


class Former(NamedTuple):
    """A version that is no longer written."""

    name: str
    version: int
    schema: Record
    upcast: Step


def former_versions(
    present: Mapping[str, int], folder: Path = FOLDER, steps: Steps = STEPS
) -> Iterator[Former]:
    """Yield every released version below the present one of its message (1 unless named)."""
    for path in sorted(folder.glob("*.v*.avsc")):
        name, _, number = path.stem.rpartition(".v")
        version, last = int(number), present.get(name, 1)
        if version < last:
            schema = json.loads(path.read_text(encoding="utf-8"))
            yield Former(name, version, schema, _chain(name, range(version, last), steps))


def _chain(name: str, versions: range, steps: Steps) -> Step:
    """Return one step over several versions, each of which may need none."""
    found = [steps[name, version] for version in versions if (name, version) in steps]

    def upcast(record: Record) -> Record:
        for step in found:
            record = step(record)
        return record

    return upcast
