"""Commands between definitions, channels and the instances that start by messages; internal."""

from __future__ import annotations

import msgspec


class StartSingle(msgspec.Struct, frozen=True, gc=False):
    """A definition takes a message for an instance, if no earlier one lives (internal).

    An answer to `Correlate`, as accepting is; the channel decides, and starts the instance.
    """

    owner_id: str
    owner_incarnation: str
    subscription: int
    message_id: str
    instance_id: str
    version: str
    node: str
    owner_type: str = "definition"


class EndSingle(msgspec.Struct, frozen=True, gc=False):
    """An instance tells the channel that started it that it lives no longer (internal)."""

    definition_id: str
    instance_id: str
