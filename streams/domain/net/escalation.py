"""Escalations: what is told outwards and stops nobody by itself."""

from __future__ import annotations

import msgspec


class EscalationTrigger(msgspec.Struct, frozen=True, gc=False, tag="escalation"):
    """An escalation with this code; where it is caught, an empty code takes every one."""

    code: str = ""
