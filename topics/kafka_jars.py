"""Apache Kafka's jars, through Maven, kept in a cache that all installations share.

`python -m topics.kafka_jars` fetches them beforehand.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from topics.java import KafkaMissingError

VERSION: Final = "4.3.0"
# Kafka names log4j's core but nothing that leads its own log there.
_LOG4J_VERSION: Final = "2.25.4"
_ARTIFACTS: Final = (
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J_VERSION),
)
_DOWNLOAD_SECONDS: Final = 600


def cache_dir() -> Path:
    """Return the folder of this version's jars: in `XDG_CACHE_HOME`, else in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tidemill" / f"kafka-{VERSION}"


def jars(progress: Callable[[str], None]) -> Path:
    """Return the folder with Kafka's jars, fetched on first use."""
    folder = cache_dir()
    if not (folder / ".complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / ".complete").exists():
                _fetch(folder, progress)
                (folder / ".complete").touch()
    return folder / "jars"


def main() -> int:
    """Fetch the jars; return the exit code."""
    try:
        folder = jars(lambda text: print_line(f"{text}…"))
    except KafkaMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print_line(str(folder))
    return 0


def print_line(text: str) -> None:
    """Write a line to the standard output."""
    sys.stdout.write(f"{text}\n")


def _fetch(folder: Path, progress: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError(
            "the embedded Kafka's jars come through Maven, which is not installed: install it "
            "(`apt-get install maven`, `brew install maven`), or start Docker, whose "
            f"apache/kafka:{VERSION} image serves too; or point KAFKA_BOOTSTRAP_SERVERS at a "
            "Kafka of your own"
        )
    progress(f"fetching Apache Kafka {VERSION} through Maven (44 MB, once)")
    (folder / "pom.xml").write_text(_pom(), encoding="utf-8")
    command = [maven, "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies"]
    options = [f"-DoutputDirectory={folder / 'jars'}", "-DincludeScope=runtime"]
    done = subprocess.run(  # noqa: S603 - a command of ours
        [*command, *options], capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise KafkaMissingError(
            "Maven could not fetch Kafka's jars; is there a way to its repository, or a mirror in "
            f"~/.m2/settings.xml?\n{tail}"
        )


def _pom() -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in _ARTIFACTS
    )
    # No address in it: Maven's own settings say from where.
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>tidemill</groupId><artifactId>kafka</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


if __name__ == "__main__":
    sys.exit(main())
