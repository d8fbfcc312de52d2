"""The process that proves: what goes beyond its bounds takes nothing else with it.

`python -m streams.verifier.child SECONDS MIB` reads definitions from the standard input and
writes verdicts to the standard output, each with its length before it.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import IO, Final

import msgspec

from streams.verifier.request import Request, answer

_LENGTH: Final = 4
_SPARE_SECONDS: Final = 5
READY: Final = b"ready"


def frame(data: bytes) -> bytes:
    """Put a message's length before it."""
    return len(data).to_bytes(_LENGTH) + data


def length_of(head: bytes) -> int | None:
    """Return how long a frame is in all; None while that cannot be told."""
    return None if len(head) < _LENGTH else _LENGTH + int.from_bytes(head[:_LENGTH])


def body_of(data: bytes) -> bytes:
    """Return the message of a whole frame."""
    return data[_LENGTH:]


def serve(source: IO[bytes], target: IO[bytes], seconds: float) -> None:
    """Answer until the other side is gone."""
    target.write(frame(READY))
    target.flush()
    while True:
        head = source.read(_LENGTH)
        if len(head) < _LENGTH:
            return
        data = source.read(int.from_bytes(head))
        request = msgspec.msgpack.decode(data, type=Request)
        _limit_time(seconds)
        target.write(frame(msgspec.msgpack.encode(answer(request))))
        target.flush()


def _limit_time(seconds: float) -> None:
    """End by the kernel's hand where the parent, which watches the time, is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + _SPARE_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _limit_memory(mib: int) -> None:
    """Allow so much address space beyond what the modules take; Linux keeps to it."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    pages = int(statm.read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + (mib << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def main(arguments: list[str]) -> None:
    """Serve on the standard streams; whatever else is written goes to the error stream."""
    seconds, mib = float(arguments[0]), int(arguments[1])
    target = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _limit_memory(mib)
    serve(sys.stdin.buffer, target, seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
