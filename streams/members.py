"""The engines of a cluster, as their group's coordinator knows them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription, OffsetSpec

from streams.runtime.inbox import INPUTS
from topics.cluster import present

_TIMEOUT = 15.0
_NO_COORDINATOR = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
NOBODY = "nobody"


class Member(NamedTuple):
    """One engine, or with the name `nobody` the partitions that none owns.

    Who is listed was heard of within heartbeat_interval x failure_detection_threshold seconds:
    that is when the coordinator strikes a silent member off.
    """

    engine: str
    host: str
    partitions: str
    lag: int
    """Records of its partitions that were not applied two seconds ago."""
    last_heartbeat: str
    """When it last told its positions, by its own clock: every two seconds; empty: not yet."""
    group: str
    """State of the whole group: stable, or rebalancing."""


class _Place(NamedTuple):
    """What is known of one partition."""

    lag: int
    told_at: int
    """Milliseconds since 1970; 0: never."""


def members(admin: AdminClient, prefix: str, group: str) -> list[Member]:
    """Return the engines by name, and what nobody owns."""
    name = f"{prefix}{group}"
    answer = _described(admin, name)
    state = answer.state.name.lower().replace("_", " ")
    known = _places(admin, prefix, name)
    found, left = [], set(known)
    for one in answer.members:
        places = one.assignment.topic_partitions if one.assignment else []
        mine = sorted({place.partition for place in places})
        left -= set(mine)
        found.append(_member(one.group_instance_id or one.member_id, one.host, mine, known, state))
    if found and left:
        found.append(_member(NOBODY, "", sorted(left), known, state))
    return sorted(found, key=lambda member: (member.engine == NOBODY, member.engine))


def count(admin: AdminClient, group: str) -> int:
    """Return how many engines the group has, with those whose session has not run out."""
    return len(_described(admin, group).members)


def _described(admin: AdminClient, group: str) -> ConsumerGroupDescription:
    """Ask the group's coordinator, which on a new cluster is not there at once."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            futures = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)
            found: ConsumerGroupDescription = futures[group].result()
            return found
        except KafkaException as error:
            if error.args[0].code() not in _NO_COORDINATOR or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _member(
    engine: str, host: str, partitions: list[int], known: dict[int, _Place], state: str
) -> Member:
    mine = [known[partition] for partition in partitions if partition in known]
    lag = sum(place.lag for place in mine)
    heard = max((place.told_at for place in mine), default=0) if engine != NOBODY else 0
    return Member(engine, host, ", ".join(map(str, partitions)), lag, _moment(heard), state)


def _moment(time: int) -> str:
    if not time:
        return ""
    text = datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _places(admin: AdminClient, prefix: str, group: str) -> dict[int, _Place]:
    """Return by partition what lies between the told positions and the ends, and when told."""
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
    answer = future.result().topic_partitions
    told = {(place.topic, place.partition): place.offset for place in answer}
    times = dict.fromkeys(lags, 0)
    for place in answer:
        told_at, dot, _ = (place.metadata or "").partition(".")
        if dot and told_at.isdigit():
            times[place.partition] = max(times[place.partition], int(told_at))
    latest = {place: OffsetSpec.latest() for place in places}  # type: ignore[no-untyped-call]
    for place, end in admin.list_offsets(latest, request_timeout=_TIMEOUT).items():
        try:
            offset = int(end.result().offset)
        except KafkaException:
            continue  # It has no leader at this moment: what it lacks is not known.
        lags[place.partition] += max(0, offset - max(0, told[place.topic, place.partition]))
    return {partition: _Place(lag, times[partition]) for partition, lag in lags.items()}
