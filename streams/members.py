"""The engines of a cluster, as their group's coordinator knows them."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.runtime.inbox import INPUTS
from topics.cluster import present

_TIMEOUT = 15.0
NOBODY = "nobody"


class Member(NamedTuple):
    """One engine, or with the name `nobody` the partitions that none owns.

    Who is listed was heard of within heartbeat_interval x failure_detection_threshold seconds:
    that is when the coordinator strikes a silent member off. It tells no more of heartbeats.
    """

    engine: str
    host: str
    partitions: str
    lag: int
    """Records of its partitions that were not applied two seconds ago."""
    group: str
    """State of the whole group: stable, or rebalancing."""


def members(admin: AdminClient, prefix: str, group: str) -> list[Member]:
    """Return the engines by name, and what nobody owns."""
    name = f"{prefix}{group}"
    answer = admin.describe_consumer_groups([name], request_timeout=_TIMEOUT)[name].result()
    state = answer.state.name.lower().replace("_", " ")
    lags = _lags(admin, prefix, name)
    found, left = [], set(lags)
    for one in answer.members:
        places = one.assignment.topic_partitions if one.assignment else []
        mine = sorted({place.partition for place in places})
        left -= set(mine)
        found.append(_member(one.group_instance_id or one.member_id, one.host, mine, lags, state))
    if found and left:
        found.append(_member(NOBODY, "", sorted(left), lags, state))
    return sorted(found, key=lambda member: (member.engine == NOBODY, member.engine))


def count(admin: AdminClient, group: str) -> int:
    """Return how many engines the group has, with those whose session has not run out."""
    answer = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)[group].result()
    return len(answer.members)


def _member(
    engine: str, host: str, partitions: list[int], lags: dict[int, int], state: str
) -> Member:
    lag = sum(lags.get(partition, 0) for partition in partitions)
    return Member(engine, host, ", ".join(map(str, partitions)), lag, state)


def _lags(admin: AdminClient, prefix: str, group: str) -> dict[int, int]:
    """Return by partition how many records lie between the told positions and the ends."""
    counts = present(admin)
    places = [
        TopicPartition(f"{prefix}{source}", partition)
        for source in INPUTS
        for partition in range(counts.get(f"{prefix}{source}", 0))
    ]
    if not places:
        return {}
    lags = dict.fromkeys((place.partition for place in places), 0)
    asked = [ConsumerGroupTopicPartitions(group, places)]
    (future,) = admin.list_consumer_group_offsets(asked, request_timeout=_TIMEOUT).values()
    told = {(p.topic, p.partition): p.offset for p in future.result().topic_partitions}
    latest = {place: OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]
    for place, end in admin.list_offsets(latest, request_timeout=_TIMEOUT).items():
        try:
            offset = int(end.result().offset)
        except KafkaException:
            continue  # It has no leader at this moment: what it lacks is not known.
        lags[place.partition] += max(0, offset - max(0, told[place.topic, place.partition]))
    return lags
