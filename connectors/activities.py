"""The activities of the connectors: `tidemill worker connectors.activities` runs them.

Devices over MQTT, mail over SMTP, an enterprise system over HTTP, and waiting. Each connects
when it is first used, with the settings of its own room (`TIDEMILL_MQTT_…`, `TIDEMILL_SMTP_…`,
`TIDEMILL_ENTERPRISE_…`), so that a worker needs settings only for what its workflows use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
from pydantic import BaseModel, Field, ValidationError

from connectors.enterprise.actions import operate
from connectors.enterprise.client import EnterpriseClient, EnterpriseError
from connectors.enterprise.settings import EnterpriseSettings
from connectors.mail.actions import notify
from connectors.mail.channel import MailChannel, MailError
from connectors.mail.settings import ConsoleSettings, MailSettings
from connectors.mqtt.actions import act
from connectors.mqtt.devices import DeviceError, Devices
from connectors.mqtt.outbox import CommandOutbox
from connectors.mqtt.settings import InvalidCredentialsError, MqttSettings
from connectors.workers import ActivityContext, ActivityError, NonRetryableError, activity
from connectors.workers.resources import Resource
from topics.bootstrap import connected
from topics.settings import KafkaSettings

log = structlog.get_logger(__name__)


class Mail:
    """The way to the SMTP server, in whose name, and what mails link to."""

    def __init__(self, settings: MailSettings, console: ConsoleSettings) -> None:
        """Take the settings."""
        self.sender = settings.sender
        self.console_url = console.console_url
        self.channel = MailChannel(settings)


@asynccontextmanager
async def _outbox() -> AsyncIterator[CommandOutbox]:
    with connected(KafkaSettings(), log.info, start=False) as settings:
        async with CommandOutbox(settings) as outbox:
            yield outbox


@asynccontextmanager
async def _mail() -> AsyncIterator[Mail]:
    yield Mail(MailSettings(), ConsoleSettings())


DEVICES = Resource(lambda: Devices(MqttSettings()))
COMMANDS = Resource(_outbox)
MAIL = Resource(_mail)
ENTERPRISE = Resource(lambda: EnterpriseClient(EnterpriseSettings()))


class Delay(BaseModel):
    """The input of `delay_activity`."""

    delay_seconds: float = Field(ge=0, allow_inf_nan=False)


@activity("iot_device_activity")
async def iot_device(fields: dict[str, Any], context: ActivityContext) -> dict[str, Any]:
    """Ask a device for its state, or send it a command."""
    with _reported():
        devices, commands = await DEVICES.get(), await COMMANDS.get()
        return await act(fields, context.idempotency_key, devices, commands)


@activity("notification_activity")
async def notification(fields: dict[str, Any], context: ActivityContext) -> dict[str, Any]:
    """Send a notification."""
    with _reported():
        mail = await MAIL.get()
        key = context.idempotency_key
        return await notify(fields, key, mail.channel, mail.sender, mail.console_url)


@activity("enterprise_system_activity")
async def enterprise_system(fields: dict[str, Any], context: ActivityContext) -> dict[str, Any]:
    """Do one operation of an enterprise system."""
    with _reported():
        return await operate(fields, context.idempotency_key, await ENTERPRISE.get())


@activity("delay_activity", waits=True)
async def delay(fields: Delay) -> dict[str, float]:
    """Wait. A node that gives `delay_seconds` itself becomes a timer, and comes to no worker."""
    await asyncio.sleep(fields.delay_seconds)
    return {"delayed_seconds": fields.delay_seconds}


@contextmanager
def _reported() -> Iterator[None]:
    """Let the connectors' errors reach the definition with their code."""
    try:
        yield
    except (DeviceError, MailError, EnterpriseError) as error:
        kind = ActivityError if error.retryable else NonRetryableError
        raise kind(str(error), error.code) from error
    except InvalidCredentialsError as error:
        raise NonRetryableError(str(error), error.code) from error
    except ValidationError as error:
        raise NonRetryableError(f"the worker's settings: {error}", "Configuration") from error
