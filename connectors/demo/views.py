"""What the query views say of a run: the read side must tell the same as the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from connectors.demo.sensor_file import Slice
from projections.errors import ViewsNotReadyError
from projections.reader import Reader
from projections.settings import ProjectionSettings
from schemas.json_text import parse
from topics.settings import KafkaSettings

_COUNT: Final = "monitoringCount"
_LOOK_SECONDS: Final = 0.2


async def completed_in_views(
    settings: KafkaSettings, slices: Sequence[Slice], seconds: float
) -> int:
    """Return how many instances the views show as completed after one look for each reading.

    Waits until they show all, `seconds` at most.
    """
    own = ProjectionSettings.model_validate({"data_dir": settings.data_dir})
    deadline = time.monotonic() + seconds
    # A database tells nobody that it has changed.
    while (found := _completed(own, slices)) < len(slices) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
    return found


def _completed(settings: ProjectionSettings, slices: Sequence[Slice]) -> int:
    try:
        with Reader(settings) as reader:
            return sum(_is_completed(reader, part) for part in slices)
    except ViewsNotReadyError:
        return 0


def _is_completed(reader: Reader, part: Slice) -> bool:
    row = reader.instance(part.device_id).value
    if row is None or row.state != "Completed" or _COUNT not in row.variables:
        return False
    return bool(parse(bytes(row.variables[_COUNT])) == len(part.samples))
