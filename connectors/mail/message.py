"""One mail, made from a notification. Pure."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import quote, urlencode

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9.!#$%&'*+/?^_`{|}~-]")
_BREAKS: Final = re.compile(r"[\r\n]+")


class MailInputError(ValueError):
    """The notification cannot be made into a mail."""


def addresses(recipients: object) -> list[str]:
    """Return the addresses of a list, or of a text that separates them by commas.

    Raises:
        MailInputError: there is none, or one is no address.
    """
    if isinstance(recipients, str):
        recipients = recipients.replace(";", ",").split(",")
    if not isinstance(recipients, list):
        raise MailInputError(f"recipients {recipients!r} is neither a text nor a list")
    found = [str(item).strip() for item in recipients if str(item).strip()]
    for item in found:
        address = parseaddr(item)[1]
        if "@" not in address.strip("@") or _BREAKS.search(item):
            raise MailInputError(f"recipient {item!r} is not a mail address")
    if not found:
        raise MailInputError("recipients is empty")
    return found


def message_id(key: str) -> str:
    """Return the Message-ID of a task: the same for every attempt."""
    safe = _UNSAFE.sub(lambda match: f"={ord(match[0]):02x}", key)
    return f"<{safe}@tidemill>"


def compose(sender: str, recipients: list[str], subject: str, body: str, key: str) -> EmailMessage:
    """Return the mail; `key` (the task id) makes its Message-ID."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = _BREAKS.sub(" ", subject)
    mail["Message-ID"] = message_id(key)
    mail["X-Tidemill-Task"] = key
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body)
    return mail


def way_to(incident: dict[str, Any], console_url: str = "") -> str:
    """Return how to reach an incident, from the ids that its notification carries.

    The command always; the link where the address of a console is known.
    """
    instance, tenant = str(incident.get("instance", "")), str(incident.get("tenant", ""))
    other = f" --tenant {tenant}" if tenant not in ("", "default") else ""
    number = incident.get("incident", 0)
    lines = [
        "Look at it, mend what is wrong, then try again:",
        f"  tidemill instance show {instance}{other}",
        f"  tidemill instance retry {instance} --incident {number}{other}",
    ]
    if console_url:
        query = urlencode({"incident": number, **({"tenant": tenant} if other else {})})
        address = f"{console_url.rstrip('/')}/instances/{quote(instance, safe='')}"
        lines.append(f"  {address}?{query}")
    return "\n".join(lines)
