"""What a command may carry beside its body."""

from __future__ import annotations

import msgspec

from schemas.ids import DEFAULT_TENANT


class Options(msgspec.Struct, frozen=True):
    """What a command may carry beside its body."""

    tenant: str = DEFAULT_TENANT
    actor: str = ""
    correlation_id: str = ""
    trace: str = ""
    metadata: dict[str, str] = {}
    expected_sequence: int = -1
    command_id: str = ""
    idempotency_key: str = ""
    """Command and instance id are derived from it: repeating a call repeats nothing."""


PLAIN = Options()
