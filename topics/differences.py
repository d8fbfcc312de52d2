"""How a topic differs from what it has to be, and whether that does harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from topics.catalogue import Topic
from topics.cluster import Found
from topics.kinds import Partitions

_UNLIMITED: Final = -1


@dataclass(frozen=True)
class Difference:
    """One setting of one topic that is not as it has to be."""

    topic: str
    setting: str
    expected: str
    found: str
    fatal: bool
    """True where Tidemill must not run with it: records would be lost, or taken out of order."""

    def __str__(self) -> str:
        """Return a sentence."""
        return f"{self.topic}: {self.setting} is {self.found}, it has to be {self.expected}"


def compare(topic: Topic, found: Found) -> list[Difference]:
    """Return what differs between a topic of the catalogue and what Kafka has."""
    return [*_shape(topic, found), *_settings(topic, found)]


def table(differences: Iterable[Difference]) -> str:
    """Return the differences as lines under a head, in columns."""
    rows = [("topic", "setting", "expected", "found")]
    rows += [(d.topic, d.setting, d.expected, d.found) for d in differences]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _shape(topic: Topic, found: Found) -> list[Difference]:
    differences = []
    if found.partitions != topic.partitions:
        # Keyed topics are read together, partition by partition; a queue's stand alone.
        fatal = topic.kind.partitions is Partitions.KEYED
        differences.append(
            Difference(
                topic.name, "partitions", f"{topic.partitions}", f"{found.partitions}", fatal
            )
        )
    if found.replication_factor != topic.replication_factor:
        differences.append(
            Difference(
                topic.name,
                "replication factor",
                f"{topic.replication_factor}",
                f"{found.replication_factor}",
                fatal=False,
            )
        )
    return differences


def _settings(topic: Topic, found: Found) -> list[Difference]:
    return [
        Difference(
            topic.name,
            setting,
            expected,
            value,
            fatal=_HARM.get(setting, _harmless)(value, expected),
        )
        for setting, expected in topic.config.items()
        if not _same(value := found.config.get(setting, "unset"), expected)
    ]


def _same(found: str, expected: str) -> bool:
    """Tell whether two values mean the same; Kafka may write a number in another form."""
    try:
        return float(found) == float(expected)
    except ValueError:
        return found == expected


def _differs(_found: str, _expected: str) -> bool:
    return True


def _harmless(_found: str, _expected: str) -> bool:
    return False


def _below(found: str, expected: str) -> bool:
    """Tell whether a limit is tighter than expected; -1 is no limit."""
    if int(found) == _UNLIMITED:
        return False
    return int(expected) == _UNLIMITED or int(found) < int(expected)


_HARM: Final[dict[str, Callable[[str, str], bool]]] = {
    "message.timestamp.type": _differs,
    "cleanup.policy": _differs,
    "max.message.bytes": _below,
    # Keeping more than asked costs disk; keeping less loses records that nobody has read.
    "retention.ms": _below,
    "retention.bytes": _below,
    # A tombstone that is gone too early brings a finished instance back in an old store.
    "delete.retention.ms": _below,
}
