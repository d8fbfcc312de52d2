"""Tidemill's processes as a user starts them, for tests that kill them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class Process:
    """A child process whose log is kept in a file; killed at the end of a `with` block."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        """Take what to run after the interpreter; nothing is started yet."""
        self._arguments = [sys.executable, *arguments]
        self._environment = os.environ | environment
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, or start again."""
        with self._log.open("ab") as out:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter
                self._arguments, env=self._environment, stdout=out, stderr=out
            )

    @property
    def pid(self) -> int:
        """Process id of the last start."""
        assert self._child is not None, "the process was not started"
        return self._child.pid

    def running(self) -> bool:
        """Tell whether it runs."""
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self, seconds: float = 60) -> int:
        """Ask it to end; return its exit code."""
        return self._end(signal.SIGTERM, seconds)

    def wait(self, seconds: float = 60) -> int:
        """Wait until it ends by itself; return its exit code."""
        assert self._child is not None, "the process was not started"
        return self._child.wait(seconds)

    def _end(self, number: signal.Signals, seconds: float = 60) -> int:
        child = self._child
        assert child is not None, "the process was not started"
        if child.poll() is None:
            child.send_signal(number)
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise AssertionError(
                f"{self._arguments} does not end; its log:\n{self.tail()}"
            ) from None

    def tail(self, length: int = 4_000) -> str:
        """Return the end of its log."""
        return self._log.read_text(errors="replace")[-length:] if self._log.exists() else ""

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what still runs."""
        if self.running():
            self.kill()


def until(what: Callable[[], bool], seconds: float = 60, hint: Callable[[], str] = str) -> None:
    """Wait until something holds; `AssertionError` with a hint where it does not in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s. {hint()}"
        time.sleep(0.02)
