"""A real MQTT broker as a child process: for the tests, the demo and `up`.

Mosquitto where it is installed. Otherwise Apache Artemis, whose jars Maven brings (16 MB):
of the brokers that a package registry ships it was the one that held 25,000 QoS 1
messages/s on two cores, kept 50,000 queued ones over a kill -9, speaks MQTT 3.1.1 and 5
and starts in two seconds without anything to compile. Tried and left out: HiveMQ CE
(100 MB, 2,600 messages/s when cold, needs a compiled extension to let anyone in), Moquette
(MQTT 3.1.1 only in Maven Central), amqtt (Python, MQTT 3.1.1, sessions in memory),
rumqttd (sessions in memory).
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import dataclasses
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Final, Literal

from connectors.mqtt import artemis, mosquitto

Kind = Literal["auto", "mosquitto", "artemis"]
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_PR_SET_PDEATHSIG: Final = 1
_POLL_SECONDS: Final = 0.05
_CONNECT: Final = bytes.fromhex("100c00044d5154540402003c0000")
"""CONNECT of MQTT 3.1.1, clean session, no client id."""


class BrokerError(RuntimeError):
    """The broker could not be started."""


@dataclasses.dataclass(frozen=True)
class TlsFiles:
    """PEM files of a broker that speaks TLS and wants client certificates."""

    ca: Path
    certificate: Path
    key: Path


@dataclasses.dataclass(frozen=True)
class BrokerOptions:
    """How the broker shall run."""

    directory: Path
    """Its data, configuration and log live here and outlive it."""
    kind: Kind = "auto"
    port: int = 0
    """0: a free one, kept over restarts."""
    username: str = ""
    """With `password`: anonymous clients are refused."""
    password: str = ""
    tls: TlsFiles | None = None
    queue_max: int = 1_000_000
    """Messages kept for an absent client; 0: Mosquitto's default. Artemis has no such limit."""
    inflight_max: int = 0
    """Unacknowledged messages to one client; 0: no limit but the client's own. Mosquitto only."""
    die_with_parent: bool = False
    """End it with the thread that started it (tests)."""


class MqttBroker:
    """One broker process on 127.0.0.1; `restart` keeps port and data."""

    def __init__(self, options: BrokerOptions) -> None:
        """Choose the kind of broker and its port."""
        self.options = options
        self.kind = chosen_kind(options.kind)
        self.port = options.port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL that a client takes."""
        scheme = "mqtts" if self.options.tls else "mqtt"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process id; 0 while it does not run."""
        return self._process.pid if self._process else 0

    @property
    def log_path(self) -> Path:
        """Return where the broker's own log goes."""
        return self.options.directory / "broker.log"

    def start(self) -> None:
        """Start the broker and wait until it answers a CONNECT.

        Raises:
            BrokerError: it did not come up; the message holds the end of its log.
        """
        directory = self.options.directory
        directory.mkdir(parents=True, exist_ok=True)
        make = mosquitto.command if self.kind == "mosquitto" else artemis.command
        command = make(self.options, self.port)
        self._log = self.log_path.open("ab")
        # A session of its own: Ctrl-C goes to its parent, which stops it in order.
        self._process = subprocess.Popen(  # noqa: S603 - its arguments are ours
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if self.options.die_with_parent else None,  # noqa: PLW1509
        )
        atexit.register(self.kill)
        self._await_ready()

    def stop(self) -> None:
        """Stop the broker in order; what it holds for absent clients stays on disk."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        self._forget()

    def kill(self) -> None:
        """Kill the broker with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._forget()

    def restart(self) -> None:
        """Start it again on its port and data, stopping it first where it runs."""
        self.stop()
        self.start()

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None
        atexit.unregister(self.kill)

    def _await_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        pause = threading.Event()
        while not answers(self.port, tls=self.options.tls is not None):
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                self.kill()
                raise BrokerError(self._failure(code))
            pause.wait(_POLL_SECONDS)

    def _failure(self, code: int | None) -> str:
        what = f"ended with code {code}" if code is not None else "does not answer"
        tail = self.log_path.read_bytes()[-2000:].decode(errors="replace").strip()
        return f"the MQTT broker ({self.kind}) on port {self.port} {what}; its log ends:\n{tail}"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def chosen_kind(kind: Kind) -> Literal["mosquitto", "artemis"]:
    """Return the broker that this machine can run: Mosquitto where it is installed."""
    if kind == "auto":
        return "mosquitto" if mosquitto.executable() else "artemis"
    if kind == "mosquitto" and mosquitto.executable() is None:
        raise BrokerError("mosquitto is not on the PATH; install it or choose the kind 'artemis'")
    return kind


def free_port() -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int, *, tls: bool = False) -> bool:
    """Tell whether an MQTT broker answers on this port (with TLS: whether it listens)."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as probe:
        if tls:
            return True
        probe.settimeout(5)
        probe.sendall(_CONNECT)
        return probe.recv(1)[:1] == b"\x20"
    return False
