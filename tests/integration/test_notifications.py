"""A failed activity that needs a person: real engine, real worker, real mail, then a retry."""

import asyncio
import threading

import pytest

from connectors.activities import notification
from connectors.client.events import EventStream
from connectors.demo.mail_server import MailServer

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(180)]
SOURCE = """
id: job
version: 1.0.0
on_failure:
  strategy: manual_intervention
  notification_recipients: [ann@example.org, ben@example.org]
nodes:
  start: {type: start, next: work}
  work: {type: activity, activity_type: work, next: end}
  end: {type: end}
"""


@pytest.fixture
def mails(monkeypatch):
    """A mail server that the worker of this process sends to."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = MailServer()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)

    run(server.__aenter__())
    monkeypatch.setenv("TIDEMILL_SMTP_PORT", str(server.port))
    monkeypatch.setenv("TIDEMILL_CONSOLE_URL", "https://console.example.org/")
    yield server
    run(server.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


def test_each_recipient_has_one_mail_that_leads_to_the_incident(
    client, settings_of, start_worker, mails
):
    broken = [True]

    def work():
        if broken:
            raise ValueError(broken.pop())
        return {}

    start_worker({"work": work, "notification_activity": notification})
    assert client.publish("job", SOURCE).reply.accepted
    client.run("job", {}, instance_id="j-1")
    stream = EventStream(settings_of(), beginning=True, instance_id="j-1")
    seen = []
    for event in stream.watch(90):
        message = event.message
        seen.append(message.envelope.type)
        if (
            seen.count("notification.completed") == 2
            and message.envelope.type == "notification.completed"
        ):
            number = message.body.incident
            assert client.retry("j-1", number).reply.accepted
    stream.close()
    assert seen[-1] == "workflow.completed"
    assert seen.count("notification.requested") == 2
    found = mails.distinct()
    assert len(found) == len(mails.mails) == 2
    assert {mail.recipients for mail in found.values()} == {
        ("ann@example.org",),
        ("ben@example.org",),
    }
    for mail in found.values():
        assert "work failed" in mail.subject
        assert "tidemill instance show j-1" in mail.body
        assert f"https://console.example.org/instances/j-1?incident={number}" in mail.body
