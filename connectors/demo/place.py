"""Where a demonstration runs: a folder and topics of its own, that no user's data meets."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from topics.apply import admin_of, apply
from topics.bootstrap import connected
from topics.catalogue import Catalogue
from topics.cluster import present
from topics.embedded import EmbeddedKafka
from topics.settings import KafkaSettings

Say = Callable[[str], None]


@contextmanager
def place(settings: KafkaSettings, say: Say, *, keep: bool) -> Iterator[KafkaSettings]:
    """Yield settings of a Kafka with topics and of a folder, both for one run alone.

    Without KAFKA_BOOTSTRAP_SERVERS a Kafka is started in the folder and its data stays there
    until the next run. A Kafka that the environment names gets topics under a prefix of their
    own, which are deleted at the end unless they are to be kept.
    """
    with _folder(settings.data_dir / "demo") as folder:
        changes: dict[str, object] = {"data_dir": folder}
        given = bool(settings.kafka_bootstrap_servers)
        if given:
            changes["topic_prefix"] = f"{settings.topic_prefix}{folder.name}."
        with connected(settings.model_copy(update=changes), say) as own:
            try:
                apply(admin_of(own.kafka_bootstrap_servers), Catalogue.of(own))
                yield own
            finally:
                if given and not keep:
                    _forget(own)


def _forget(settings: KafkaSettings) -> None:
    admin, prefix = admin_of(settings.kafka_bootstrap_servers), settings.topic_prefix
    names = [name for name in present(admin) if name.startswith(prefix)]
    for future in admin.delete_topics(names).values() if names else ():
        with contextlib.suppress(Exception):  # A topic that stays does no harm.
            future.result()


@contextmanager
def _folder(home: Path) -> Iterator[Path]:
    """Yield a new folder; those of earlier runs are removed, unless something runs in them."""
    home.mkdir(parents=True, exist_ok=True)
    for old in sorted(home.glob("demo-*")):
        _remove(old)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = Path(tempfile.mkdtemp(prefix=f"demo-{stamp}-", dir=home))
    (folder / "logs").mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _remove(folder: Path) -> None:
    try:
        with (folder / "lock").open("a") as lock:
            if _locked(lock) and EmbeddedKafka(folder / "kafka").running() is None:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # Not ours to read, or just being made.


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
