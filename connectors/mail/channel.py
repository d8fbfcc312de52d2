"""Sending mail: SMTP's answers as errors that say whether to try again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from email.message import EmailMessage
from typing import Final, NamedTuple

import aiosmtplib

from connectors.mail.settings import MailSettings

_REMEMBERED: Final = 10_000


class MailError(RuntimeError):
    """The SMTP server did not take the mail."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        """Take a code of the error catalogue, a sentence, and whether to try again."""
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class Sent(NamedTuple):
    """What became of a mail."""

    message_id: str
    refused: dict[str, str]
    """The server's reason by recipient that it did not take (it took at least one)."""
    repeated: bool = False
    """True where this process had sent it before and did not again."""


class MailChannel:
    """Sends mails through one SMTP server, a few at a time, each Message-ID once."""

    def __init__(self, settings: MailSettings) -> None:
        """Take the settings; each mail makes its own connection."""
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.connections_max)
        self._sends: OrderedDict[str, asyncio.Task[Sent]] = OrderedDict()

    async def send(self, mail: EmailMessage) -> Sent:
        """Send a mail; one that this process has sent, or is sending, is not sent again.

        Raises:
            MailError: the server is away or busy (retryable), or refuses (not).
        """
        name = str(mail["Message-ID"])
        task = self._sends.get(name)
        repeated = task is not None
        if task is None:
            task = self._sends[name] = asyncio.create_task(self._in_turn(mail, name))
            if len(self._sends) > _REMEMBERED:
                self._sends.popitem(last=False)
        # Shielded: an attempt that is given up must not leave half a mail behind.
        sent = await asyncio.shield(task)
        return sent._replace(repeated=repeated)

    async def _in_turn(self, mail: EmailMessage, name: str) -> Sent:
        try:
            async with self._slots:
                return Sent(name, await self._deliver(mail))
        except BaseException:
            self._sends.pop(name, None)
            raise

    async def _deliver(self, mail: EmailMessage) -> dict[str, str]:
        settings = self._settings
        where = f"SMTP server {settings.host}:{settings.port}"
        try:
            refused, _ = await aiosmtplib.send(
                mail,
                hostname=settings.host,
                port=settings.port,
                username=settings.username or None,
                password=settings.password.get_secret_value() or None,
                use_tls=settings.encryption == "tls",
                start_tls=settings.encryption == "starttls",
                timeout=settings.timeout,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            reasons = "; ".join(f"{item.recipient}: {item.message}" for item in error.recipients)
            lasting = all(item.code >= 500 for item in error.recipients)
            text = f"{where} refuses all recipients: {reasons}"
            raise MailError("CommunicationError", text, retryable=not lasting) from error
        except aiosmtplib.SMTPAuthenticationError as error:
            text = f"{where} refuses user {settings.username!r}: {error.message}"
            raise MailError("InvalidCredentials", text, retryable=False) from error
        except aiosmtplib.SMTPResponseException as error:
            text = f"{where} answers {error.code}: {error.message}"
            raise MailError("CommunicationError", text, retryable=error.code < 500) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailError("ConnectionError", f"{where}: {error}", retryable=True) from error
        return {name: response.message for name, response in refused.items()}
