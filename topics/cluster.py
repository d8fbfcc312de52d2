"""What topics a cluster has, and how they are set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

_TIMEOUT: Final = 30.0


@dataclass(frozen=True)
class Found:
    """One topic as Kafka has it."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]


def present(admin: AdminClient) -> dict[str, int]:
    """Return the partition counts of the cluster's topics by name."""
    topics = admin.list_topics(timeout=_TIMEOUT).topics
    return {name: len(topic.partitions) for name, topic in topics.items()}


def configs(admin: AdminClient, names: Iterable[str]) -> dict[str, Found]:
    """Return these topics, which must exist, by name."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    topics = admin.list_topics(timeout=_TIMEOUT).topics
    answers = admin.describe_configs(resources, request_timeout=_TIMEOUT)
    found = {}
    for resource, future in answers.items():
        partitions = topics[resource.name].partitions
        replicas = min((len(p.replicas) for p in partitions.values()), default=0)
        config = {key: str(entry.value) for key, entry in future.result().items()}
        found[resource.name] = Found(resource.name, len(partitions), replicas, config)
    return found
