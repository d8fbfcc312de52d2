"""Who is told when a command between aggregates is refused."""

from __future__ import annotations

import msgspec

from schemas.commands import FailCall, LockGranted, LockRefused, RequestLock, ReturnLock, StartChild
from schemas.envelope import Envelope
from streams.domain.protocol import Rejected, SendCommand


def told(body: msgspec.Struct, envelope: Envelope, refusal: Rejected) -> SendCommand | None:
    """Return what the sender of a refused command must hear; None where it need not.

    A parent hears that its child will not come, a section that it may not begin, and a lock that
    the aggregate that it was granted to is gone: nothing is held by what no longer exists.
    """
    code, message = refusal.code, refusal.message
    if isinstance(body, StartChild):
        failed = FailCall(body.parent_call, code, message)
        return SendCommand("instance", body.parent_id, body.parent_incarnation, failed)
    if isinstance(body, RequestLock):
        refused = LockRefused(envelope.aggregate_id, body.section, code, message)
        return SendCommand(body.aggregate_type, body.aggregate_id, body.incarnation, refused)
    if isinstance(body, LockGranted):
        kind, name, life = envelope.aggregate_type, envelope.aggregate_id, envelope.incarnation
        return SendCommand("lock", body.lock, "", ReturnLock(kind, name, life, body.section))
    return None
