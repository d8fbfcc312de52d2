"""Sending to a real SMTP server."""

import asyncio

import pytest
from aiosmtpd.smtp import SMTP

from connectors.demo.mail_server import MailServer
from connectors.mail.actions import notify
from connectors.mail.channel import MailChannel, MailError
from connectors.mail.message import compose
from connectors.mail.settings import MailSettings

FIELDS = {
    "notification_type": "email",
    "recipients": ["ops@example.org", "night@example.org"],
    "subject": "设备温度警报",
    "body_template": "温度异常: 31.5°C",
}


def test_a_notification_arrives_as_one_mail_with_all_recipients(tmp_path):
    async def main():
        async with MailServer(directory=tmp_path) as server:
            channel = MailChannel(MailSettings(port=server.port))
            result = await notify(FIELDS, "d1@a:3", channel, "tidemill@example.org")
            [mail] = server.mails
            assert mail.recipients == ("ops@example.org", "night@example.org")
            assert (mail.subject, mail.body) == ("设备温度警报", "温度异常: 31.5°C")
            assert mail.task_id == "d1@a:3"
            assert result["message_id"] == mail.message_id
            assert (result["status"], result["refused"]) == ("sent", {})
            assert len(list(tmp_path.glob("*.eml"))) == 1

    asyncio.run(main())


def test_a_repeated_attempt_sends_no_second_mail_even_while_the_first_is_under_way():
    async def main():
        async with MailServer() as server:
            channel = MailChannel(MailSettings(port=server.port))
            attempts = (notify(FIELDS, "d1@a:3", channel, "t@x.org") for _ in range(5))
            await asyncio.gather(*attempts)
            await notify(FIELDS, "d1@a:3", channel, "t@x.org")
            assert len(server.mails) == 1

    asyncio.run(main())


def test_another_process_s_repetition_has_the_same_message_id():
    async def main():
        async with MailServer() as server:
            for _ in range(2):
                channel = MailChannel(MailSettings(port=server.port))
                await notify(FIELDS, "d1@a:3", channel, "t@x.org")
            assert len(server.mails) == 2
            assert len(server.distinct()) == 1

    asyncio.run(main())


class Refusing:
    """Refuses recipients or the whole mail with a given answer."""

    def __init__(self, recipient="250 ok", data="250 ok"):
        self.recipient, self.data = recipient, data

    async def handle_RCPT(  # noqa: N802
        self, server, session, envelope, address, options
    ):
        if self.recipient.startswith("250") or address.startswith("good"):
            envelope.rcpt_tos.append(address)
            return "250 ok"
        return self.recipient

    async def handle_DATA(  # noqa: N802
        self, server, session, envelope
    ):
        return self.data


def send_to(handler, recipients):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(handler, hostname="localhost"), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        mail = compose("t@x.org", recipients, "s", "b", "k")
        try:
            return await MailChannel(MailSettings(port=port)).send(mail)
        finally:
            server.close()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("handler", "retryable", "words"),
    [
        (Refusing(recipient="550 no such user"), False, "no such user"),
        (Refusing(recipient="450 mailbox busy"), True, "mailbox busy"),
        (Refusing(data="554 spam"), False, "spam"),
        (Refusing(data="451 try later"), True, "try later"),
    ],
)
def test_the_server_s_answer_decides_whether_another_attempt_makes_sense(handler, retryable, words):
    with pytest.raises(MailError, match=words) as caught:
        send_to(handler, ["bad@x.org"])
    assert (caught.value.code, caught.value.retryable) == ("CommunicationError", retryable)


def test_one_refused_recipient_does_not_keep_the_mail_from_the_others():
    sent = send_to(Refusing(recipient="550 no such user"), ["good@x.org", "bad@x.org"])
    assert sent.refused == {"bad@x.org": "no such user"}


def test_an_absent_server_is_tried_again_and_the_failure_is_not_remembered():
    async def main():
        server = MailServer()
        async with server:
            pass
        channel = MailChannel(MailSettings(port=server.port))
        with pytest.raises(MailError) as caught:
            await notify(FIELDS, "k", channel, "t@x.org")
        assert (caught.value.code, caught.value.retryable) == ("ConnectionError", True)
        async with MailServer(port=server.port) as again:
            await notify(FIELDS, "k", channel, "t@x.org")
            assert len(again.mails) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (FIELDS | {"notification_type": "pigeon"}, "UnsupportedOperation"),
        (FIELDS | {"recipients": []}, "InvalidInput"),
    ],
)
def test_a_notification_that_makes_no_mail_is_an_error_that_no_retry_mends(fields, code):
    with pytest.raises(MailError) as caught:
        asyncio.run(notify(fields, "k", MailChannel(MailSettings()), "t@x.org"))
    assert (caught.value.code, caught.value.retryable) == (code, False)


def test_a_notification_of_an_incident_says_how_to_reach_it():
    async def main():
        async with MailServer() as server:
            channel = MailChannel(MailSettings(port=server.port))
            fields = {**FIELDS, "incident": {"instance": "d1", "tenant": "default", "incident": 4}}
            await notify(fields, "d1@a:5", channel, "t@x.org", "https://x.org")
            [mail] = server.mails
            assert mail.body.startswith(FIELDS["body_template"])
            assert mail.body.endswith("https://x.org/instances/d1?incident=4")

    asyncio.run(main())
