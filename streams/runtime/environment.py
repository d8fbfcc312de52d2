"""What every batch of a shard works with and none changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from schemas.commands import PublishDefinition
from streams.domain.net.model import Definition
from streams.domain.protocol import Aggregate, Definitions, Limits
from topics.names import Names


class Environment(msgspec.Struct, frozen=True):
    """The fixed surroundings of one partition's shard."""

    partition: int
    partitions: int
    names: Names
    aggregates: Mapping[str, Aggregate]
    """By type."""
    definitions: Definitions
    limits: Limits
    read_definition: Callable[[PublishDefinition], Definition | list[str]]
