"""Python's collector of cycles, as a process wants it that handles many records."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """Let Python look for cycles seldom: per record none are made, and each look is a pause.

    Modules stay: walking through them alone is a pause of some 100 ms each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
