"""The embedded Kafka: a real Apache Kafka of one node, on this machine, kept between runs.

For development: `python -m topics.embedded --data-dir D start|stop|status`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import os
import shlex
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

from topics import container
from topics.broker_files import (
    HOST,
    choose_ports,
    is_free,
    kept_ports,
    log_tail,
    write_log_settings,
    write_properties,
)
from topics.broker_process import BrokerProcess
from topics.java import KafkaMissingError, java
from topics.kafka_jars import jars, print_line

_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_TRIES: Final = 3
_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""The optimising compiler would take a core for the first minutes, which is most of a small
broker's life: without it, twice the workflows on two cores."""


def _own_options() -> list[str]:
    """Return the user's options for Java, from the variable that Kafka's own scripts read."""
    return shlex.split(os.environ.get("KAFKA_OPTS", ""))


def _silent(_text: str) -> None:
    """Say nothing."""


class KafkaStartError(Exception):
    """Kafka did not start; the message ends with its log's last lines."""


class EmbeddedKafka:
    """One broker, with its data in a folder; whoever names the folder attaches to the same one."""

    def __init__(
        self,
        data_dir: Path,
        *,
        die_with_parent: bool = False,
        progress: Callable[[str], None] = _silent,
    ) -> None:
        """Take the folder; `die_with_parent` ends the broker when this process ends, however."""
        self.data_dir = data_dir.resolve()
        self.started = False
        """True where `start` launched the broker, False where one ran already."""
        self._die = die_with_parent
        self._progress = progress
        mark = str(self.data_dir / "server.properties")
        self._process = BrokerProcess(self.data_dir / "pid", mark)

    @property
    def bootstrap(self) -> str:
        """The broker's address; its ports are chosen once per folder."""
        return f"{HOST}:{kept_ports(self.data_dir)[0]}"

    def running(self) -> int | None:
        """Return the process id of the running broker, whoever started it, or None."""
        return self._process.pid()

    def start(self) -> str:
        """Start, or attach to the one that runs; return the bootstrap address once it answers.

        Raises `KafkaMissingError` where something is not installed, `KafkaStartError` where the
        broker ends or does not answer.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "lock").open("w") as lock:
            # Held until the broker answers: a second process then attaches to a working one.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.started = self.running() is None
            if self.started:
                self._launch()
            else:
                self._wait()
        return self.bootstrap

    def stop(self) -> None:
        """Stop cleanly; the data stays."""
        self._process.end(signal.SIGTERM, _STOP_SECONDS)

    def kill(self) -> None:
        """Stop as a power cut would (kill -9)."""
        contained = "docker" in self._command_name()
        self._process.end(signal.SIGKILL, _STOP_SECONDS)
        if contained:
            container.kill(self.data_dir)

    def restart(self) -> str:
        """Start again after `stop` or `kill`, at the same address; stop first where it runs."""
        if self.running() is not None:
            self.stop()
        return self.start()

    def _launch(self) -> None:
        for attempt in range(1, _TRIES + 1):
            ports = kept_ports(self.data_dir)
            if not all(is_free(port) for port in ports):
                ports = choose_ports(self.data_dir)
                self._progress(f"another program has Kafka's port; now it is {ports[0]}")
            command = self._command(ports)
            self._progress("starting Kafka")
            self._process.start(command, self.data_dir / "kafka.out", guarded=self._die)
            (self.data_dir / "command").write_text(command[0], encoding="utf-8")
            try:
                self._wait()
            except KafkaStartError as error:
                self.kill()
                # A port may be taken between the look and the broker's own bind.
                if attempt == _TRIES or "Address already in use" not in str(error):
                    raise
            else:
                return

    def _command(self, ports: tuple[int, int]) -> list[str]:
        """Prepare the folder; return the command that runs the broker."""
        log_settings = write_log_settings(self.data_dir)
        try:
            base = [java(), *_JVM, *_own_options(), "-cp", f"{jars(self._progress)}/*"]
        except KafkaMissingError:
            if not container.usable():
                raise
            write_properties(self.data_dir, ports, container.LISTEN)
            return container.command(self.data_dir, ports[0], _cluster_id())
        properties = write_properties(self.data_dir, ports)
        if not (self.data_dir / "logs" / "meta.properties").exists():
            self._progress("formatting Kafka's data folder")
            self._format(base, properties)
        log_option = f"-Dlog4j2.configurationFile={log_settings}"
        return [*base, log_option, "kafka.Kafka", str(properties)]

    def _format(self, base: list[str], properties: Path) -> None:
        words = ["kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(properties)]
        done = subprocess.run(  # noqa: S603 - a command of ours
            [*base, *words], capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise KafkaStartError(f"cannot format {self.data_dir}:\n{done.stdout}{done.stderr}")

    def _command_name(self) -> str:
        try:
            return (self.data_dir / "command").read_text(encoding="utf-8")
        except OSError:
            return ""

    def _wait(self) -> None:
        """Wait until the broker answers."""
        port = kept_ports(self.data_dir)[0]
        deadline = time.monotonic() + _START_SECONDS
        while not (_listens(port) and _answers(self.bootstrap)):
            if self.running() is None:
                raise KafkaStartError(f"Kafka ended while starting:\n{log_tail(self.data_dir)}")
            if time.monotonic() > deadline:
                raise KafkaStartError(
                    f"Kafka (process {self.running()}, data in {self.data_dir}) does not answer "
                    f"on {self.bootstrap}; end it and try again:\n{log_tail(self.data_dir)}"
                )
            time.sleep(_POLL_SECONDS)


def main(words: list[str]) -> int:
    """Start (detached), stop, or show the broker of a folder; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m topics.embedded")
    parser.add_argument("--data-dir", type=Path, required=True, help="where its data is")
    parser.add_argument("verb", choices=["start", "stop", "status"])
    options = parser.parse_args(words)
    kafka = EmbeddedKafka(options.data_dir, progress=lambda text: print_line(f"{text}…"))
    if options.verb == "stop":
        kafka.stop()
    elif options.verb == "status":
        running = kafka.running()
        print_line(f"{kafka.bootstrap} (process {running})" if running else "not running")
        return 0 if running else 1
    else:
        try:
            print_line(kafka.start())
        except (KafkaMissingError, KafkaStartError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


def _cluster_id() -> str:
    # A leading dash would be taken for an option.
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()).startswith("-"):
        pass
    return text.rstrip("=")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _answers(bootstrap: str) -> bool:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    with contextlib.suppress(KafkaException):
        return bool(admin.describe_cluster(request_timeout=5).result().nodes)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
