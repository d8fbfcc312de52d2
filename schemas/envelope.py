"""The envelope: what every message says about itself, beside its body."""

from __future__ import annotations

import msgspec

from schemas.ids import DEFAULT_TENANT


class Context(msgspec.Struct, frozen=True, gc=False):
    """What is carried unchanged from a command to everything that it causes.

    One object is shared by all events of a command, so that it is encoded once.
    """

    causation_id: str = ""
    """Id of the message that caused this one; empty for a client's own command."""
    correlation_id: str = ""
    """Id shared by a whole conversation; the first command's id where none is given."""
    actor: str = ""
    """Who did it: a user, a service, `engine`."""
    tenant: str = DEFAULT_TENANT
    """Tenant that the aggregate belongs to."""
    trace: str = ""
    """W3C `traceparent`."""
    metadata: dict[str, str] = {}
    """Free strings, carried from command to events."""
    key_id: str = ""
    """Reserved: the key that the variables are encrypted with."""


EMPTY_CONTEXT = Context()


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Identity, place and cause of one message."""

    id: str
    """Commands: the client's id. Events: `aggregate@incarnation:sequence`."""
    type: str
    """Public name of the message, such as `workflow.started` or `RunInstance`."""
    time: int
    """Milliseconds since 1970: when the writer made it (not the record's time)."""
    aggregate_type: str
    """`instance`, `definition`, `activity_type`, `channel`, `lock`, `device`."""
    aggregate_id: str
    """Id of the aggregate that the message is for or from."""
    incarnation: str = ""
    """Which life of a re-used id; empty in a command means the present one."""
    sequence: int = -1
    """Events: gap-free number in the aggregate, from 1. Commands: expected one, -1 for any."""
    position: int = 0
    """Events: gap-free number in the partition, from 1. Otherwise 0."""
    reply_to: str = ""
    """Commands: `token:partition` of `workflow.replies`, or empty for no answer."""
    definitions_seen: str = ""
    """Commands: position token `partition:number` of the newest definition the sender knows."""
    context: Context = EMPTY_CONTEXT
    """Cause, actor, tenant, trace and metadata."""


def caused_by(envelope: Envelope) -> Context:
    """Return the context of the messages that this message causes."""
    cause = envelope.context
    return Context(
        envelope.id,
        cause.correlation_id or envelope.id,
        cause.actor,
        cause.tenant,
        cause.trace,
        cause.metadata,
        cause.key_id,
    )
