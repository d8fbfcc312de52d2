"""Create the topics, and hold the cluster against the catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from topics.catalogue import Catalogue, TopicSpec, queue_spec

_TIMEOUT = 30.0
_FATAL = frozenset({"exists", "partitions", "message.timestamp.type", "cleanup.policy"})
_COMPARED = ("cleanup.policy", "message.timestamp.type", "max.message.bytes", "retention.ms")


@dataclass(frozen=True)
class Difference:
    """One setting of one topic that is not as it has to be."""

    topic: str
    setting: str
    expected: str
    found: str

    @property
    def fatal(self) -> bool:
        """True where Tidemill must not run with it."""
        return self.setting in _FATAL

    def __str__(self) -> str:
        """Return a sentence."""
        return f"{self.topic}: {self.setting} is {self.found}, it has to be {self.expected}"


@dataclass(frozen=True)
class Applied:
    """What `apply` did."""

    created: list[str]
    existing: list[str]


class TopicsRefusedError(Exception):
    """Topics exist in a form that Tidemill cannot use."""

    def __init__(self, differences: list[Difference]) -> None:
        """Take the differences."""
        self.differences = differences
        lines = "\n".join(f"  {difference}" for difference in differences)
        super().__init__(
            f"these topics cannot be used as they are:\n{lines}\n"
            "A partition count never changes while Tidemill uses a topic: use another "
            "TIDEMILL_TOPIC_PREFIX, or delete the topics and what they hold."
        )


def admin_of(bootstrap: str) -> AdminClient:
    """Return a client of the cluster."""
    return AdminClient({"bootstrap.servers": bootstrap})


def apply(admin: AdminClient, catalogue: Catalogue) -> Applied:
    """Create what is missing; `TopicsRefusedError` where something exists in another form."""
    present = _present(admin)
    specs = catalogue.topics()
    missing = [spec for spec in specs if catalogue.full_name(spec) not in present]
    _create(admin, catalogue, missing)
    differences = [d for d in verify(admin, catalogue) if d.fatal]
    if differences:
        raise TopicsRefusedError(differences)
    created = [catalogue.full_name(spec) for spec in missing]
    existing = [catalogue.full_name(spec) for spec in specs if spec not in missing]
    return Applied(created, existing)


def ensure_queues(admin: AdminClient, catalogue: Catalogue, queues: Iterable[str]) -> list[str]:
    """Create the topics of activity queues that have none; return their names."""
    present = _present(admin)
    specs = [queue_spec(queue) for queue in queues]
    missing = [spec for spec in specs if catalogue.full_name(spec) not in present]
    _create(admin, catalogue, missing)
    return [catalogue.full_name(spec) for spec in missing]


def verify(admin: AdminClient, catalogue: Catalogue) -> list[Difference]:
    """Return every difference between the cluster and the catalogue."""
    present = _present(admin)
    differences = []
    there = []
    for spec in catalogue.topics():
        name = catalogue.full_name(spec)
        if name not in present:
            differences.append(Difference(name, "exists", "yes", "no"))
            continue
        there.append(spec)
        wanted = catalogue.partitions_of(spec)
        if present[name] != wanted:
            differences.append(Difference(name, "partitions", str(wanted), str(present[name])))
    return [*differences, *_config_differences(admin, catalogue, there)]


def _config_differences(
    admin: AdminClient, catalogue: Catalogue, specs: list[TopicSpec]
) -> list[Difference]:
    resources = {
        spec.name: ConfigResource(ResourceType.TOPIC, catalogue.full_name(spec)) for spec in specs
    }
    if not resources:
        return []
    answers = admin.describe_configs(list(resources.values()), request_timeout=_TIMEOUT)
    found = {resource.name: future.result() for resource, future in answers.items()}
    differences = []
    for spec in specs:
        name = catalogue.full_name(spec)
        for setting, expected in spec.config().items():
            value = found[name][setting].value if setting in found[name] else "unset"
            if setting in _COMPARED and value != expected:
                differences.append(Difference(name, setting, expected, str(value)))
    return differences


def _present(admin: AdminClient) -> dict[str, int]:
    """Return the partition counts of the cluster's topics by name."""
    topics = admin.list_topics(timeout=_TIMEOUT).topics
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _create(admin: AdminClient, catalogue: Catalogue, specs: list[TopicSpec]) -> None:
    if not specs:
        return
    new = [
        NewTopic(
            catalogue.full_name(spec),
            catalogue.partitions_of(spec),
            catalogue.replication_factor,
            config=spec.config(),
        )
        for spec in specs
    ]
    for future in admin.create_topics(new, operation_timeout=_TIMEOUT).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    _await_metadata(admin, {topic.topic for topic in new})


def _await_metadata(admin: AdminClient, names: set[str]) -> None:
    """Wait until the broker shows what its controller has created."""
    deadline = time.monotonic() + _TIMEOUT
    while names - _present(admin).keys() and time.monotonic() < deadline:
        time.sleep(0.05)
