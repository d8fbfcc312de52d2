"""An engine whose clock is moved ahead, for tests of what waits for hours or days.

`python -m streams.testing.ahead FILE` is `python -m streams`, but its clock stands ahead of the
machine's by the milliseconds that the file says; whoever tests writes another number into it.
Kafka stamps records by the machine's own clock, so that a shard stands still from a jump until a
timer of its own fires: a test needs one on each partition (a cycle does) before it goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from streams.app import run_engine, wall
from streams.loop import run
from streams.settings import EngineSettings


def ahead(file: Path) -> Callable[[], int]:
    """Return a clock that is ahead by the milliseconds in a file, whenever it is read."""
    return lambda: wall() + int(file.read_bytes() or b"0")


if __name__ == "__main__":
    run(run_engine(EngineSettings(), clock=ahead(Path(sys.argv[1]))))
