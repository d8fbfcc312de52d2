"""The brokers as a transactional producer sees them: the coordinator and the leaders.

Connections, their security and the metadata are aiokafka's; whom to ask, and when to look
again, is decided here.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.runtime.batches import Place
from streams.runtime.kafka_requests import Ready, features, transaction_version

Unreachable = (KafkaError, OSError, TimeoutError)
"""What a request raises where it is not known whether the broker has seen it."""


class Nodes:
    """The connections of one producer."""

    def __init__(self, bootstrap: str, name: str, timeout_seconds: float) -> None:
        """Take the addresses; `name` is the transactional id, whose coordinator is asked."""
        self._bootstrap = bootstrap
        self._name = name
        self._timeout_ms = int(timeout_seconds * 1000)
        self._client: Any = None
        self._coordinator: int | None = None
        self._topics: set[str] = set()

    async def open(self) -> None:
        """Connect, where that is not done yet; raises one of `Unreachable`."""
        if self._client is not None:
            return
        client = AIOKafkaClient(
            bootstrap_servers=self._bootstrap,
            client_id=self._name,
            request_timeout_ms=self._timeout_ms,
        )
        try:
            await client.bootstrap()
        except BaseException:
            await client.close()
            raise
        self._client = client

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(*Unreachable):
                await client.close()

    async def learn(self, topics: Collection[str]) -> None:
        """Ask for the partitions of topics that are new here."""
        if not self._topics.issuperset(topics):
            self._topics.update(topics)
            await self._client.set_topics(self._topics)

    async def refresh(self) -> None:
        """Ask again who leads what."""
        await self._client.force_metadata_update()

    def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 where it is not known."""
        return len(self._client.cluster.partitions_for_topic(topic) or ())

    def leader(self, place: Place) -> int | None:
        """Return the node that leads a partition, None while there is none."""
        node: int | None = self._client.cluster.leader_for_partition(TopicPartition(*place))
        return None if node is None or node < 0 else node

    async def send(self, node: int, request: Ready) -> Any:
        """Return a node's response; raises one of `Unreachable`."""
        return await self._client.send(node, request)

    async def coordinate(self, request: Ready) -> Any:
        """Return the coordinator's response; raises one of `Unreachable`."""
        if self._coordinator is None:
            lookup = self._client.coordinator_lookup(CoordinationType.TRANSACTION, self._name)
            self._coordinator = await lookup
        try:
            return await self.send(self._coordinator, request)
        except Unreachable:
            self.forget_coordinator()
            raise

    def forget_coordinator(self) -> None:
        """Look for the coordinator again before the next request."""
        self._coordinator = None

    async def transaction_version(self) -> int:
        """Return the cluster's `transaction.version`; raises one of `Unreachable`."""
        node = self._client.get_random_node()
        return transaction_version(await self.send(node, features()))
