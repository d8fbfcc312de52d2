"""The process of the embedded Kafka: start it, know it again, end it with whoever started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

# The shell becomes the broker by `exec`, so that its process id is the broker's. A second shell
# of the same process group waits for the end of its input, which comes when the process that
# holds the other end is gone, even by kill -9; no library and no signal handler is needed for it.
# (Linux's parent-death signal would come as soon as the *thread* that started the broker ends.)
_GUARD_SECONDS: Final = 20
_WITH_GUARD: Final = (
    "exec 3<&0; "
    f"( cat <&3 >/dev/null; kill -TERM $$; sleep {_GUARD_SECONDS}; kill -KILL -$$ ) & "
    'exec "$@" 3<&- </dev/null'
)
_POLL_SECONDS: Final = 0.05


class BrokerProcess:
    """A process known by its id and by a word of its command line: ids are given again."""

    def __init__(self, pid_file: Path, mark: str) -> None:
        """Take where the process id is kept and the word."""
        self._pid_file = pid_file
        self._mark = mark
        self._child: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None

    def pid(self) -> int | None:
        """Return the id of the running process, whoever started it, or None."""
        if self._child is not None and self._child.poll() is None:
            # While the shell becomes the broker its command line is empty for a moment.
            return self._child.pid
        try:
            pid = int(self._pid_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return pid if self._mark in command_line(pid) else None

    def start(self, command: list[str], output: Path, *, guarded: bool) -> None:
        """Start; `guarded` ends it when this process ends, in whatever way."""
        reader = None
        if guarded:
            reader, self._lifeline = os.pipe()
            command = ["/bin/sh", "-c", _WITH_GUARD, "tidemill-kafka", *command]
        with output.open("wb") as out:
            self._child = subprocess.Popen(  # noqa: S603 - a command of ours
                command,
                stdin=subprocess.DEVNULL if reader is None else reader,
                stdout=out,
                stderr=out,
                # Ctrl-C in a terminal must reach us only: the broker stops last.
                start_new_session=True,
            )
        if reader is not None:
            os.close(reader)
        self._pid_file.write_text(f"{self._child.pid}\n", encoding="utf-8")

    def end(self, number: signal.Signals, patience: float) -> None:
        """Send a signal, wait until the process is gone, kill it when patience is at its end."""
        pid = self.pid()
        if pid is not None:
            self._end(pid, number, patience)
        if self._child is not None:
            self._child.wait(patience)
            self._child = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        self._pid_file.unlink(missing_ok=True)

    def _end(self, pid: int, number: signal.Signals, patience: float) -> None:
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while self.pid() == pid:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Its guard, which has the same group.
            os.killpg(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """Return a running process' command line; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    # No /proc: macOS and the BSDs.
    done = subprocess.run(  # noqa: S603 - a command of ours
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout
