"""Proofs in a process of their own, within time and memory."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Final, Self

import msgspec

from schemas.results import RecordVerdict
from streams.domain.definition.state import UNKNOWN
from streams.verifier.child import READY, body_of, frame, length_of
from streams.verifier.request import Request, failed
from streams.verifier.settings import VerifierSettings

_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_READ_BYTES: Final = 1 << 20


class ProverError(Exception):
    """Proofs cannot be made here at all."""


class _EndedError(Exception):
    """The process is gone."""


class Prover:
    """Keeps one process that proves; a new one follows each that went beyond its bounds."""

    def __init__(self, settings: VerifierSettings, stop: threading.Event) -> None:
        """Take the bounds, and the event that breaks a proof off."""
        self._settings = settings
        self._stop = stop
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process."""
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._end()

    @property
    def pid(self) -> int:
        """Process id of the process that proves."""
        return self._running().pid

    def prove(self, request: Request) -> RecordVerdict | None:
        """Return the verdict on a submitted version; None where it was broken off by a stop.

        Raises:
            ProverError: no process can be started.
        """
        seconds, why = self._settings.verifier_seconds, ""
        verdict: RecordVerdict | None = None
        try:
            verdict = self._ask(msgspec.msgpack.encode(request), seconds)
        except TimeoutError:
            why = f"the proof takes longer than {seconds:g} s"
        except _EndedError as error:
            why = str(error)
        if why:
            verdict = failed(request, why)
        if verdict is not None and _was_hard(request, verdict):
            self._end()  # It may hold on to what it had gathered.
            self._start()
        return verdict

    def _ask(self, request: bytes, seconds: float) -> RecordVerdict | None:
        child = self._running()
        assert child.stdin is not None
        try:
            child.stdin.write(frame(request))
            child.stdin.flush()
        except OSError:
            raise _EndedError(_ended(child)) from None
        answer = self._answer(child, seconds)
        if answer is None:
            return None
        return msgspec.msgpack.decode(answer, type=RecordVerdict)

    def _answer(self, child: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        """Read one frame; None where all is to stop."""
        assert child.stdout is not None
        pipe, data = child.stdout.fileno(), b""
        deadline = time.monotonic() + seconds
        while (wanted := length_of(data)) is None or len(data) < wanted:
            if self._stop.is_set():
                return None
            if time.monotonic() > deadline:
                raise TimeoutError
            if select.select([pipe], [], [], _LOOK_SECONDS)[0]:
                more = os.read(pipe, _READ_BYTES)
                if not more:
                    raise _EndedError(_ended(child))
                data += more
        return body_of(data)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._start()
        assert self._child is not None
        return self._child

    def _start(self) -> None:
        settings = self._settings
        bounds = str(settings.verifier_seconds), str(settings.verifier_memory_mib)
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "streams.verifier.child", *bounds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for this process, which ends that one.
        )
        self._child = child
        try:
            answer = self._answer(child, _START_SECONDS)
        except (TimeoutError, _EndedError) as error:
            self._end()
            raise ProverError(f"the process that proves does not start: {error}") from error
        assert answer in {READY, None}

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _ended(child: subprocess.Popen[bytes]) -> str:
    return f"the process that proves ended with code {child.wait(10)}"


def _was_hard(request: Request, verdict: RecordVerdict) -> bool:
    """Tell whether a proof may have come to its bounds."""
    return verdict.verdict == UNKNOWN or (request.alone is not None and bool(verdict.message))
