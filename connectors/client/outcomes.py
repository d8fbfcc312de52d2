"""What becomes of a submitted definition: read off `workflow.definitions`.

Not a second reply: whoever submits the same source while it waits is told too, and so is a
client that was started anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec
import structlog
from confluent_kafka import Consumer, TopicPartition

from connectors.client.errors import DefinitionRefusedError, NoAnswerError
from connectors.client.places import end, partitions
from schemas.codec import DecodeError, decode
from schemas.definitions import DefinitionRecord
from schemas.ids import routing_key
from schemas.partition import partition_of
from schemas.replies import Reply
from topics.names import Names
from topics.reading import read

log = structlog.get_logger(__name__)
DECIDED: Final = frozenset({"published", "refused", "deleted"})
Waiting = Callable[[float], None]
"""Called now and then with the seconds waited so far."""


class Publication(NamedTuple):
    """A published version."""

    id: str
    reply: Reply
    """Its position is the publication's."""
    version: str
    verdict: str
    """`sound`; with `allow_unsound` also `unsound` or `unknown`; empty: nobody verified it."""
    message: str
    """What does not hold, or why soundness is not known; of a sound one what is worth a word."""


class Outcome(NamedTuple):
    """How a version was decided."""

    number: int
    """Position number of the decision in its partition."""
    record: DefinitionRecord


class Outcomes:
    """Reads how the versions of one definition are decided, from now on."""

    def __init__(self, bootstrap: str, names: Names, tenant: str, definition_id: str) -> None:
        """Stand at the end; to be made before the definition is submitted.

        Raises:
            NotReadyError: Kafka or the topic is not there.
        """
        self._tenant = tenant
        self._definition = definition_id
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "tidemill-outcomes-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            topic = names.definitions
            key = routing_key(tenant, definition_id).encode()
            self.partition = partition_of(key, partitions(self._consumer, topic))
            place = TopicPartition(topic, self.partition)
            first = end(self._consumer, place)
            self._consumer.assign([TopicPartition(topic, self.partition, first)])
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> Self:
        """Use it in a `with` block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading."""
        self._consumer.close()

    def wait(self, version: str, after: int, timeout: float, waiting: Waiting) -> Outcome | None:
        """Return how a version was decided after a position; None where it is not in time."""
        begun = time.monotonic()
        key = routing_key(self._tenant, f"{self._definition}@{version}").encode()
        while (waited := time.monotonic() - begun) < timeout:
            waiting(waited)
            records, reported = read(self._consumer, 500, 0.2)
            for one in reported:
                log.warning("reading definitions", error=one.error.str())
            for record in records:
                outcome = _outcome(record.value) if record.key == key else None
                if outcome is not None and outcome.number > after:
                    return outcome
        return None


def _outcome(value: bytes | None) -> Outcome | None:
    try:
        envelope, body = decode(value or b"")
    except DecodeError as error:
        log.warning("unreadable definition record", error=str(error))
        return None
    if isinstance(body, DefinitionRecord) and body.status in DECIDED:
        return Outcome(envelope.position, body)
    return None


def publication(
    name: str, reply: Reply, outcomes: Outcomes, timeout: float, waiting: Waiting
) -> Publication:
    """Wait until a submitted version is decided; take the reply to its submission.

    Raises:
        DefinitionRefusedError, NoAnswerError: as `Client.publish`.
    """
    result = msgspec.json.decode(reply.result, type=dict[str, str])
    # An engine of a former release publishes at once, and says nothing of it.
    version, status = result["version"], result.get("status", "published")
    if status == "published":
        return Publication(name, reply, version, result.get("verdict", ""), "")
    # Where this very command was refused already, its answer came late: it is in what is read.
    after = int(reply.position.partition(":")[2]) if status == "submitted" else -1
    outcome = outcomes.wait(version, after, timeout, waiting)
    if outcome is None:
        raise NoAnswerError(
            f"no verifier has answered for {timeout:.0f} s: is `tidemill verifier` running? "
            f"{name} {version} stays submitted and is decided as soon as one runs; to wait for "
            "it again, publish it again"
        )
    number, record = outcome
    position = f"{outcomes.partition}:{number}"
    if record.status == "refused":
        refusal = msgspec.structs.replace(
            reply, accepted=False, code=record.code, message=record.message, position=position
        )
        raise DefinitionRefusedError(refusal, record.violations)
    if record.status == "deleted":
        message = f"version {version} was deleted by {record.deleted_by} before it was published"
        withdrawn = msgspec.structs.replace(
            reply, accepted=False, code="InvalidState", message=message, position=position
        )
        raise DefinitionRefusedError(withdrawn, record.violations)
    reply = msgspec.structs.replace(reply, position=position)
    return Publication(name, reply, version, record.verdict, record.message)
