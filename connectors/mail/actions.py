"""What `notification_activity` does: one notification over one channel."""

from __future__ import annotations

from typing import Any

from connectors.mail.channel import MailChannel, MailError
from connectors.mail.message import MailInputError, addresses, compose, way_to


async def notify(
    fields: dict[str, Any],
    task_id: str,
    channel: MailChannel,
    sender: str,
    console_url: str = "",
) -> dict[str, Any]:
    """Send what a node's evaluated metadata asks for.

    Args:
        fields: notification_type (email), recipients (list or text), subject, body_template;
            in the engine's own notifications also incident (a map of ids).
        task_id: Makes the mail's Message-ID: the same for every attempt.
        channel: The way to the SMTP server.
        sender: Address in the From field.
        console_url: Where an incident's link leads; empty for no link.

    Raises:
        MailError: with a code of the error catalogue.
    """
    kind = fields.get("notification_type", "email")
    if kind != "email":
        text = f"notification_type {kind!r} does not exist; there is email"
        raise MailError("UnsupportedOperation", text, retryable=False)
    try:
        recipients = addresses(fields.get("recipients"))
    except MailInputError as error:
        raise MailError("InvalidInput", str(error), retryable=False) from error
    subject, body = str(fields.get("subject", "")), str(fields.get("body_template", ""))
    incident = fields.get("incident")
    if isinstance(incident, dict):
        body = f"{body.rstrip()}\n\n{way_to(incident, console_url)}"
    sent = await channel.send(compose(sender, recipients, subject, body, task_id))
    return {
        "status": "sent",
        "message_id": sent.message_id,
        "recipients": recipients,
        "refused": sent.refused,
    }
