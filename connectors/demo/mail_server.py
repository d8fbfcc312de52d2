"""A real SMTP server on this machine that keeps every mail, as a file too where wanted."""

from __future__ import annotations

import asyncio
import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiosmtpd.smtp import SMTP, Envelope, Session


class KeptMail(NamedTuple):
    """One mail as it arrived."""

    message_id: str
    task_id: str
    recipients: tuple[str, ...]
    subject: str
    body: str


class MailServer:
    """Listens on 127.0.0.1 while entered; `mails` holds what came, repetitions included."""

    def __init__(self, port: int = 0, directory: Path | None = None) -> None:
        """Take the port (0: a free one) and where to write `.eml` files."""
        self.mails: list[KeptMail] = []
        self.port = port
        self._directory = directory
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        if self._directory is not None:
            self._directory.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def distinct(self) -> dict[str, KeptMail]:
        """Return the mails by Message-ID: what a reader's mailbox shows."""
        return {mail.message_id: mail for mail in self.mails}

    # Name and parameters are aiosmtpd's.
    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail; the sender hears 250 only then."""
        content: Any = envelope.content
        parsed: Any = email.message_from_bytes(content, policy=email.policy.default)
        mail = _kept(parsed, tuple(envelope.rcpt_tos))
        self.mails.append(mail)
        if self._directory is not None:
            name = f"{len(self.mails):05d}.eml"
            (self._directory / name).write_bytes(content)
        return "250 kept"

    def _session(self) -> SMTP:
        return SMTP(self, hostname="127.0.0.1", enable_SMTPUTF8=True)


def _kept(parsed: EmailMessage, recipients: tuple[str, ...]) -> KeptMail:
    return KeptMail(
        str(parsed["Message-ID"] or "").strip(),
        str(parsed["X-Tidemill-Task"] or "").strip(),
        recipients,
        str(parsed["Subject"] or ""),
        str(parsed.get_content()).strip(),
    )
