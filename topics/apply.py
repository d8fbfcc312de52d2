"""Create the topics, and hold the cluster against the catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from topics.catalogue import Catalogue, Topic
from topics.cluster import Found, configs, present
from topics.differences import Difference, compare, table

_TIMEOUT: Final = 30.0


@dataclass(frozen=True)
class Applied:
    """What `apply` did."""

    created: list[str]
    existing: list[str]
    differences: list[Difference]
    """What is not as the catalogue says, and does no harm."""


@dataclass(frozen=True)
class Listed:
    """One topic under the prefix: as the catalogue wants it, as Kafka has it, or both."""

    name: str
    wanted: Topic | None
    found: Found | None


class TopicsRefusedError(Exception):
    """Topics exist in a form that Tidemill cannot use."""

    def __init__(self, differences: list[Difference]) -> None:
        """Take the differences."""
        self.differences = differences
        super().__init__(
            "these topics cannot be used as they are, and nothing was changed:\n"
            f"{table(differences)}\n"
            "Correct the settings (kafka-configs), or give the partitions that the topics have "
            "(TIDEMILL_PARTITIONS), or take another TIDEMILL_TOPIC_PREFIX. Keys would move to "
            "other partitions if their number changed."
        )


def admin_of(bootstrap: str) -> AdminClient:
    """Return a client of the cluster."""
    return AdminClient({"bootstrap.servers": bootstrap})


def apply(admin: AdminClient, catalogue: Catalogue) -> Applied:
    """Create what is missing; `TopicsRefusedError` where something exists in another form.

    Whatever is refused is refused before anything is created.
    """
    wanted = catalogue.topics()
    names = present(admin)
    missing = [topic for topic in wanted if topic.name not in names]
    differences = _accepted(admin, [topic for topic in wanted if topic.name in names])
    created = _create(admin, missing)
    # What could not be seen a moment ago and exists: a broker's view lags its controller's.
    late = [topic for topic in missing if topic.name not in created]
    differences += _accepted(admin, late)
    existing = [topic.name for topic in wanted if topic.name not in created]
    return Applied(created, existing, differences)


def ensure_queues(admin: AdminClient, catalogue: Catalogue, queues: Iterable[str]) -> list[str]:
    """Create the topics of activity queues that have none; return their names.

    A queue that exists is left as it is: its partitions may differ from the default.
    """
    names = present(admin)
    missing = [topic for queue in queues if (topic := catalogue.queue(queue)).name not in names]
    return _create(admin, missing)


def verify(admin: AdminClient, catalogue: Catalogue) -> list[Difference]:
    """Return every difference between the cluster and the catalogue.

    Queues that exist beside the catalogue's are held against it too.
    """
    names = present(admin)
    wanted = [*catalogue.topics(), *_more_queues(catalogue, names)]
    missing = [
        Difference(topic.name, "exists", "yes", "no", fatal=True)
        for topic in wanted
        if topic.name not in names
    ]
    return [*missing, *_differences(admin, [topic for topic in wanted if topic.name in names])]


def list_topics(admin: AdminClient, catalogue: Catalogue) -> list[Listed]:
    """Return the catalogue's topics, existing or not, and further queues."""
    names = present(admin)
    wanted = [*catalogue.topics(), *_more_queues(catalogue, names)]
    found = configs(admin, [topic.name for topic in wanted if topic.name in names])
    return [Listed(topic.name, topic, found.get(topic.name)) for topic in wanted]


def _more_queues(catalogue: Catalogue, names: Iterable[str]) -> list[Topic]:
    known = {topic.name for topic in catalogue.topics()}
    queues = [catalogue.queue_of(name) for name in sorted(names) if name not in known]
    return [catalogue.queue(queue) for queue in queues if queue]


def _accepted(admin: AdminClient, topics: list[Topic]) -> list[Difference]:
    """Return the differences that do no harm; refuse the others."""
    differences = _differences(admin, topics)
    if refused := [difference for difference in differences if difference.fatal]:
        raise TopicsRefusedError(refused)
    return differences


def _differences(admin: AdminClient, topics: list[Topic]) -> list[Difference]:
    found = configs(admin, [topic.name for topic in topics])
    return [d for topic in topics for d in compare(topic, found[topic.name])]


def _create(admin: AdminClient, topics: list[Topic]) -> list[str]:
    """Create these; return the names of those that did not exist."""
    if not topics:
        return []
    new = [
        NewTopic(topic.name, topic.partitions, topic.replication_factor, config=topic.config)
        for topic in topics
    ]
    created = []
    for name, future in admin.create_topics(new, operation_timeout=_TIMEOUT).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
        else:
            created.append(name)
    _await_metadata(admin, {topic.name for topic in topics})
    return created


def _await_metadata(admin: AdminClient, names: set[str]) -> None:
    """Wait until the broker shows what its controller has created."""
    deadline = time.monotonic() + _TIMEOUT
    while names - present(admin).keys():
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Kafka created topics but does not show them after {_TIMEOUT:.0f} s: "
                "are all brokers up?"
            )
        time.sleep(0.05)
