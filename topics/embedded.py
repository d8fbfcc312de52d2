"""The embedded Kafka: a real Apache Kafka of one node, on this machine, kept between runs."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from topics.kafka_jars import jars, java

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0
_PR_SET_PDEATHSIG: Final = 1
_LOG4J: Final = """Configuration:
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "%d %p %c: %m%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}
"""


def _silent(_text: str) -> None:
    """Say nothing."""


class KafkaStartError(Exception):
    """Kafka did not start; the message ends with its log's last lines."""


class EmbeddedKafka:
    """One broker, with its data in a folder."""

    def __init__(
        self,
        data_dir: Path,
        *,
        die_with_parent: bool = False,
        progress: Callable[[str], None] = _silent,
    ) -> None:
        """Take the folder; `die_with_parent` ends the broker with this process (tests)."""
        self.data_dir = data_dir
        self._die = die_with_parent
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The broker's address; ports are chosen once per data folder."""
        port = self._ports()[0]
        return f"127.0.0.1:{port}"

    def running(self) -> int | None:
        """Return the process id of the running broker, or None."""
        try:
            pid = int((self.data_dir / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if b"kafka.Kafka" in command and str(self.data_dir).encode() in command else None

    def start(self) -> str:
        """Start, or attach to the one that runs; return the bootstrap address."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.running() is None:
                self._launch()
        self._wait()
        return self.bootstrap

    def stop(self) -> None:
        """Stop cleanly; the data stays."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop as a power cut would (kill -9)."""
        self._end(signal.SIGKILL)

    def restart(self) -> str:
        """Start again after `stop` or `kill`, at the same address."""
        return self.start()

    def _end(self, number: signal.Signals) -> None:
        pid = self.running()
        if pid is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.running() is not None:
            if self._process is not None:
                self._process.poll()
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        if self._process is not None:
            self._process.wait(5)
            self._process = None
        (self.data_dir / "pid").unlink(missing_ok=True)

    def _launch(self) -> None:
        class_path = f"{jars(self._progress)}/*"
        properties = self._properties()
        base = [
            java(),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            f"-Dlog4j2.configurationFile={self._log_settings()}",
            "-cp",
            class_path,
        ]
        if not (self.data_dir / "logs" / "meta.properties").exists():
            self._progress("formatting Kafka's data folder")
            self._format(base, properties)
        self._progress("starting Kafka")
        log = (self.data_dir / "kafka.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [*base, "kafka.Kafka", str(properties)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_parent if self._die else None,  # noqa: PLW1509 - one prctl
        )
        log.close()
        (self.data_dir / "pid").write_text(str(self._process.pid))

    def _format(self, base: list[str], properties: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        words = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
        done = subprocess.run(  # noqa: S603 - our own words
            [*base, *words], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise KafkaStartError(f"cannot format {self.data_dir}:\n{done.stdout}{done.stderr}")

    def _wait(self) -> None:
        """Wait until the broker answers."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(KafkaException):
                if admin.list_topics(timeout=1).brokers:
                    return
            if self._process is not None and self._process.poll() is not None:
                raise KafkaStartError(f"Kafka ended while starting:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise KafkaStartError(f"Kafka does not answer:\n{self._log_tail()}")
            time.sleep(0.05)

    def _log_tail(self) -> str:
        path = self.data_dir / "kafka.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-20:])

    def _log_settings(self) -> Path:
        path = self.data_dir / "log4j2.yaml"
        path.write_text(_LOG4J, encoding="utf-8")
        return path

    def _ports(self) -> tuple[int, int]:
        """Return broker and controller port, chosen once and kept."""
        path = self.data_dir / "ports"
        if path.exists():
            first, second = path.read_text().split()
            return int(first), int(second)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            ports = one.getsockname()[1], two.getsockname()[1]
        path.write_text(f"{ports[0]} {ports[1]}")
        return ports

    def _properties(self) -> Path:
        broker, controller = self._ports()
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.data_dir / "logs"),
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(4 * 1024 * 1024),
            "replica.fetch.max.bytes": str(8 * 1024 * 1024),
            "group.initial.rebalance.delay.ms": "0",
            "offsets.topic.num.partitions": "8",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        }
        path = self.data_dir / "server.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in settings.items()), encoding="utf-8")
        return path


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(words: list[str]) -> int:
    """`python -m topics.embedded start|stop|status DATA_DIR`."""
    if len(words) != 2 or words[0] not in {"start", "stop", "status"}:
        sys.stderr.write("usage: python -m topics.embedded start|stop|status DATA_DIR\n")
        return 2
    kafka = EmbeddedKafka(Path(words[1]), progress=lambda text: _say(f"{text}…"))
    if words[0] == "start":
        _say(kafka.start())
    elif words[0] == "stop":
        kafka.stop()
    else:
        _say(kafka.bootstrap if kafka.running() else "not running")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
