"""Tidemill's commands as child processes of one that watches them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

_PR_SET_PDEATHSIG: Final = 1
_STOP_SECONDS: Final = 45.0
_TAIL_BYTES: Final = 2_000


class Child(NamedTuple):
    """One process that was started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path | None

    def said(self) -> str:
        """Return the end of its log, where it has one."""
        if self.log is None:
            return ""
        return self.log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()


class Children:
    """The processes; none of them outlives the `with` block, nor this process."""

    def __init__(self, environment: Mapping[str, str], logs: Path | None = None) -> None:
        """Take what is set for all; without a folder of logs they write to this terminal."""
        self._environment = dict(environment)
        self._logs = logs
        self._children: list[Child] = []
        self.killed: list[str] = []
        """Those that did not end when they were asked to."""

    def start(self, name: str, *words: str) -> None:
        """Start `tidemill` with these words, in a session of its own: Ctrl-C comes through us."""
        path = None if self._logs is None else self._logs / f"{name}.log"
        out = None if path is None else path.open("ab")
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "connectors.cli", *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
            )
        finally:
            if out is not None:
                out.close()
        self._children.append(Child(name, process, path))

    def ended(self) -> Child | None:
        """Return one that has ended by itself."""
        found = (child for child in self._children if child.process.poll() is not None)
        return next(found, None)

    def stop(self) -> None:
        """Ask all to end, and kill what does not."""
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self._children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.killed.append(child.name)
                child.process.kill()
                child.process.wait()

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


def environment_of(**settings: str) -> dict[str, str]:
    """Return this process' environment with some settings changed."""
    return dict(os.environ) | settings


def end_with_parent() -> None:
    """Let Linux end the process when the thread that started it is gone, even by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
