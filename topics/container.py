"""Kafka from the `apache/kafka` image, where Docker runs and Java or Maven is missing."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from topics.kafka_jars import VERSION

IMAGE: Final = f"apache/kafka:{VERSION}"
LISTEN: Final = "0.0.0.0"  # noqa: S104 - inside the container; Docker maps it to this machine only
_SECONDS: Final = 15
_START: Final = (
    'set -e; [ -f "$1/logs/meta.properties" ] || '
    '/opt/kafka/bin/kafka-storage.sh format -t "$2" -c "$1/server.properties"; '
    'exec /opt/kafka/bin/kafka-server-start.sh "$1/server.properties"'
)


def usable() -> bool:
    """Tell whether a Docker daemon answers."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        done = subprocess.run(  # noqa: S603 - a command of ours
            [docker, "info"], capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def command(folder: Path, port: int, cluster: str) -> list[str]:
    """Return the command that runs the broker in the foreground, with its data in the folder."""
    return [
        "docker",
        "run",
        "--rm",
        f"--name={_name(folder)}",
        # The same path inside, so that the same settings hold; our user, so that we may delete.
        f"--volume={folder}:{folder}",
        f"--user={os.getuid()}:{os.getgid()}",
        f"--publish=127.0.0.1:{port}:{port}",
        "--env=KAFKA_HEAP_OPTS=-Xmx512m",
        f"--env=KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile={folder}/log4j2.xml",
        f"--env=LOG_DIR={folder}",
        "--entrypoint=/bin/bash",
        IMAGE,
        "-c",
        _START,
        "kafka",
        str(folder),
        cluster,
        f"{folder}/server.properties",
    ]


def kill(folder: Path) -> None:
    """Kill the container, which outlives a killed client."""
    docker = shutil.which("docker")
    if docker is not None:
        subprocess.run(  # noqa: S603 - a command of ours
            [docker, "kill", _name(folder)], capture_output=True, timeout=_SECONDS, check=False
        )


def _name(folder: Path) -> str:
    return f"tidemill-kafka-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
