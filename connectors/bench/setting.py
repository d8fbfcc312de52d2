"""What is measured: an engine and a worker process of their own, under a topic prefix."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from connectors.children import end_with_parent
from connectors.client.client import Client
from schemas.commands import RunInstance
from schemas.partition import partition_of
from schemas.replies import Reply
from streams.testing.verifying import verifying
from topics.apply import admin_of, apply
from topics.catalogue import Catalogue
from topics.settings import KafkaSettings


class Setting:
    """Processes of one measurement."""

    def __init__(self, settings: KafkaSettings, folder: Path) -> None:
        """Make topics under a prefix of its own."""
        self.folder = folder
        prefix = f"bench-{uuid.uuid4().hex[:6]}."
        self.settings = settings.model_copy(update={"topic_prefix": prefix})
        servers = settings.kafka_bootstrap_servers
        self._admin = admin_of(servers)
        apply(self._admin, Catalogue.of(self.settings))
        self._environment = os.environ | {
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "TIDEMILL_TOPIC_PREFIX": prefix,
        }
        self._children: list[subprocess.Popen[bytes]] = []

    def engine(self, name: str = "engine") -> subprocess.Popen[bytes]:
        """Start an engine with a data directory of its own."""
        home = {"TIDEMILL_DATA_DIR": str(self.folder / name), "TIDEMILL_ENGINE_ID": name}
        return self._start(name, home, "engine")

    def worker(self) -> subprocess.Popen[bytes]:
        """Start the worker."""
        return self._start("worker", {}, "worker", "connectors.bench.activities")

    def _start(self, name: str, more: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "connectors.cli", *words],
                env=self._environment | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
            )
        self._children.append(child)
        return child

    def publish(self, definition: str, source: str) -> float:
        """Publish a workflow; return the seconds that it took.

        Its verifier is in this process and ends with it: it shall not run while we measure.
        """
        begun = time.perf_counter()
        with verifying(self.settings), Client(self.settings) as client:
            client.publish(definition, source)
        return time.perf_counter() - begun

    def until_serving(self, seconds: float) -> None:
        """Wait until every partition answers a command that was sent now.

        Raises:
            TimeoutError: one does not.
        """
        partitions, deadline = self.settings.partitions, time.perf_counter() + seconds
        with Client(self.settings) as client:
            futures: dict[int, Future[Reply]] = {}
            while len(futures) < partitions:
                name = uuid.uuid4().hex
                place = partition_of(name.encode(), partitions)
                if place not in futures:
                    futures[place] = client.send("instance", name, RunInstance("bench-none"))
            for future in futures.values():
                future.result(max(0.0, deadline - time.perf_counter()))

    def forget_stores(self, name: str = "engine") -> None:
        """Remove an engine's stores, as if it began on a new machine."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def close(self) -> None:
        """Stop the processes and delete the topics."""
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
        prefix = self.settings.topic_prefix
        topics = [name for name in self._admin.list_topics().topics if name.startswith(prefix)]
        for future in self._admin.delete_topics(topics).values():
            with contextlib.suppress(Exception):  # A topic that stays does no harm.
                future.result()


def peak_rss_mb(child: subprocess.Popen[bytes]) -> float:
    """Return the most memory that a process has had, in MB (Linux only; else 0)."""
    try:
        text = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return round(int(lines["VmHWM"].split()[0]) / 1024, 1)


@contextmanager
def setting(settings: KafkaSettings, folder: Path) -> Iterator[Setting]:
    """Yield a setting and take it down again."""
    made = Setting(settings, folder)
    try:
        yield made
    finally:
        made.close()
