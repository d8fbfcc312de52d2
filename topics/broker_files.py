"""What the embedded Kafka reads: its properties, its log's settings, its ports."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
HOST: Final = "127.0.0.1"

# Below every system's range for outgoing connections: a client that keeps knocking at the port
# of a stopped broker could otherwise be given that very port for its own end, and connect to
# itself.
_PORTS: Final = range(21_000, 32_000)
_TRIES: Final = 200
_OFFSETS_KEPT_MINUTES: Final = 365 * 24 * 60
_LOG: Final = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR">
  <Appenders>
    <RollingFile name="file" fileName={log} filePattern={old}>
      <PatternLayout pattern="%d{{yyyy-MM-dd HH:mm:ss,SSS}} %p %c: %m%n%throwable"/>
      <Policies><SizeBasedTriggeringPolicy size="10 MB"/></Policies>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
  </Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="file"/></Root></Loggers>
</Configuration>
"""


def kept_ports(folder: Path) -> tuple[int, int]:
    """Return the broker's and the controller's port, chosen on first use and kept."""
    path = folder / "ports"
    if not path.exists():
        return choose_ports(folder)
    broker, controller = path.read_text(encoding="utf-8").split()
    return int(broker), int(controller)


def choose_ports(folder: Path) -> tuple[int, int]:
    """Choose two free ports and keep them."""
    broker = _free_port()
    controller = _free_port(broker)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ports").write_text(f"{broker} {controller}\n", encoding="utf-8")
    return broker, controller


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a port now."""
    with socket.socket() as probe:
        # Java listens with the same option: connections of an ended broker do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def write_properties(folder: Path, ports: tuple[int, int], listen: str = HOST) -> Path:
    """Write `server.properties`; `listen` is the address that the broker listens on."""
    path = folder / "server.properties"
    lines = [f"{key}={value}" for key, value in properties(folder, ports, listen).items()]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def properties(folder: Path, ports: tuple[int, int], listen: str) -> dict[str, str | int]:
    """Return the settings of a single broker that is its own controller."""
    broker, controller = ports
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{listen}:{broker},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(folder / "logs"),
        # A misspelt name must fail, and not become a topic of one partition.
        "auto.create.topics.enable": "false",
        "message.max.bytes": MESSAGE_BYTES_MAX,
        "replica.fetch.max.bytes": 2 * MESSAGE_BYTES_MAX,
        "group.initial.rebalance.delay.ms": 0,
        # Few internal partitions: the first transaction waits until all of them exist.
        "offsets.topic.num.partitions": 8,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Workers that come back after a month find their place.
        "offsets.retention.minutes": _OFFSETS_KEPT_MINUTES,
        # The default buffer is a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
    }


def write_log_settings(folder: Path) -> Path:
    """Write the settings of the broker's own log: warnings, in at most three files."""
    path = folder / "log4j2.xml"
    log = quoteattr(str(folder / "kafka.log"))
    old = quoteattr(str(folder / "kafka.log.%i"))
    path.write_text(_LOG.format(log=log, old=old), encoding="utf-8")
    return path


def log_tail(folder: Path, lines: int = 15) -> str:
    """Return the last lines that the broker wrote to its log and its output."""
    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for name in ("kafka.log", "kafka.out")
        if (path := folder / name).exists()
    ]
    return "\n".join(line for text in texts for line in text.splitlines()[-lines:])


def _free_port(other: int | None = None) -> int:
    for port in random.sample(_PORTS, _TRIES):
        if port != other and is_free(port):
            return port
    raise OSError(f"no free port between {_PORTS.start} and {_PORTS.stop} on {HOST}")
