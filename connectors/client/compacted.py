"""Topics of which a client reads all: the newest record of each key is the truth."""

from __future__ import annotations

import msgspec

from schemas.codec import decode
from streams.testing.audit import read_partition
from topics.apply import admin_of
from topics.cluster import present


def newest(servers: str, topic: str) -> list[msgspec.Struct]:
    """Return the newest committed record of every key; nothing where there is no such topic."""
    found: dict[bytes, msgspec.Struct] = {}
    for partition in range(present(admin_of(servers)).get(topic, 0)):
        for record in read_partition(servers, topic, partition):
            found[record.key or b""] = decode(record.value or b"").body
    return list(found.values())
