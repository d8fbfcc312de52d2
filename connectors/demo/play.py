"""One run: everything started, the file played, everything stopped, the log audited."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Final, NamedTuple

from connectors.children import Children
from connectors.client.client import Client
from connectors.client.errors import ClientError
from connectors.demo.ears import Ears
from connectors.demo.errors import DemoError
from connectors.demo.fleet import Fleet
from connectors.demo.mail_server import MailServer
from connectors.demo.plan import DEFINITION, INTERVAL, Counts, Plan, Progress
from connectors.demo.request_server import RequestServer
from connectors.demo.sensor_file import Slice
from connectors.demo.verdict import Outcome, Verdict, verdict
from connectors.demo.views import completed_in_views
from connectors.mqtt.broker import BrokerOptions, MqttBroker
from connectors.mqtt.settings import MqttSettings
from schemas import commands as c
from schemas.json_text import canonical
from schemas.replies import Reply
from streams.testing.audit import audit
from topics.names import Names
from topics.settings import KafkaSettings

_SILENCE_SECONDS: Final = 90.0
_LOOK_SECONDS: Final = 0.1
_STARTS_AT_ONCE: Final = 200
_FILES_PER_DEVICE: Final = 4
_FILES_BESIDE: Final = 300
_VIEWS_SECONDS: Final = 20.0
_FOREIGN: Final = (
    "TIDEMILL_MQTT_",
    "TIDEMILL_SMTP_",
    "TIDEMILL_ENTERPRISE_",
    "TIDEMILL_DATABASE_",
)
"""Settings of the user's own systems, which a demonstration must not reach."""
_GATHERING: Final = {"TIDEMILL_PACING_MS": "40", "TIDEMILL_BRIDGE_LINGER_MS": "50"}
"""Two cores serve hundreds of devices sooner with fewer and larger transactions."""


def play(plan: Plan, settings: KafkaSettings, progress: Progress) -> Verdict:
    """Play a plan on this Kafka, in the settings' folder, and judge it.

    Raises:
        DemoError: it cannot go on.
        BrokerError, KafkaMissingError: there is no MQTT broker to start.
    """
    _make_room(len(plan.slices))
    outcome = asyncio.run(_Run(plan, settings, progress).run())
    # Kafka's clients are in cycles with their callbacks, and complain of a broker that stops.
    gc.collect()
    progress.say("auditing the log")
    found = audit(
        settings.kafka_bootstrap_servers, Names(settings.topic_prefix), settings.partitions
    )
    return verdict(plan, outcome, found.events, found.faults, str(settings.data_dir))


def _make_room(devices: int) -> None:
    """Let this process have as many open files as the devices' connections take."""
    wanted = devices * _FILES_PER_DEVICE + _FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY not in {soft, hard} and hard < wanted:
        raise DemoError(
            f"{devices} devices need {wanted} open files and the limit is {hard}: raise it "
            "(`ulimit -Hn`), or play a shorter file"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Parts(NamedTuple):
    """What runs."""

    mails: MailServer
    requests: RequestServer
    children: Children
    ears: Ears
    fleet: Fleet
    client: Client


class _Run:
    """Starts the parts in their order, and watches them while the file is played."""

    def __init__(self, plan: Plan, settings: KafkaSettings, progress: Progress) -> None:
        self._plan = plan
        self._settings = settings
        self._progress = progress
        self._heard = (0, 0.0)

    async def run(self) -> Outcome:
        """Play; leave nothing running, whatever happens."""
        mine = asyncio.current_task()
        assert mine is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, mine.cancel)
        async with AsyncExitStack() as stack:
            parts = await self._start(stack)
            begun = time.monotonic()
            await self._start_instances(parts)
            await self._until_ended(parts)
            seconds = time.monotonic() - begun
            self._progress.say("asking the views")
            seen = await completed_in_views(self._settings, self._plan.slices, _VIEWS_SECONDS)
            return _outcome(parts, seen, seconds)

    async def _start(self, stack: AsyncExitStack) -> _Parts:
        plan, settings, say = self._plan, self._settings, self._progress.say
        folder = settings.data_dir
        mails = await stack.enter_async_context(MailServer(directory=folder / "mails"))
        requests = await stack.enter_async_context(RequestServer(file=folder / "requests.jsonl"))
        options = BrokerOptions(folder / "mqtt", plan.mqtt, die_with_parent=True)
        broker = stack.enter_context(_running(MqttBroker(options)))
        say(f"MQTT broker ({broker.kind}), mail server and enterprise system are ready")
        environment = _environment(settings, broker, mails, requests)
        children = stack.enter_context(Children(environment, folder / "logs"))
        children.start("engine", "engine")
        children.start("verifier", "verifier")
        children.start("bridge", "bridge")
        children.start("projector", "project")
        children.start("worker", "worker", "connectors.activities", "--concurrency", "256")
        ears = stack.enter_context(Ears(settings))
        mqtt = MqttSettings.model_validate({"url": broker.url, "client_id": "device"})
        say(f"connecting {len(plan.slices)} devices")
        fleet = await stack.enter_async_context(Fleet(mqtt, plan.slices))
        client = stack.enter_context(Client(settings))
        return _Parts(mails, requests, children, ears, fleet, client)

    async def _start_instances(self, parts: _Parts) -> None:
        """Publish the workflow, and start an instance for each device."""
        client, slices = parts.client, self._plan.slices
        self._progress.say(f"publishing {DEFINITION}")
        await self._publish(parts)
        # A reading that comes before the bridge has subscribed would reach nobody.
        wanted = {part.device_id for part in slices}
        while not wanted <= parts.ears.online:
            await self._look(parts)
        self._progress.say(f"playing {self._plan.file.name}")
        for first in range(0, len(slices), _STARTS_AT_ONCE):
            some = slices[first : first + _STARTS_AT_ONCE]
            commands = ((part.device_id, self._command(part)) for part in some)
            sent = [client.send("instance", name, command) for name, command in commands]
            await self._answers(parts, sent)

    async def _publish(self, parts: _Parts) -> None:
        """Publish the workflow; `DemoError` where it is refused or nobody answers."""
        source, patience = self._plan.source, _SILENCE_SECONDS
        publish = partial(parts.client.publish, DEFINITION, source, timeout=patience)
        publishing = asyncio.create_task(asyncio.to_thread(publish))
        while not publishing.done():
            await self._look(parts)
        try:
            await publishing
        except ClientError as error:
            raise DemoError(f"{DEFINITION} is not published: {error}") from error

    def _command(self, part: Slice) -> c.RunInstance:
        variables = {
            "deviceId": part.device_id,
            "temperatureThreshold": self._plan.threshold,
            "maxMonitoringCycles": len(part.samples),
            INTERVAL: self._plan.interval,
        }
        return c.RunInstance(DEFINITION, "", canonical(variables))

    async def _answers(self, parts: _Parts, sent: list[Future[Reply]]) -> list[Reply]:
        """Wait for replies; `DemoError` where one is a rejection."""
        while not all(future.done() for future in sent):
            await self._look(parts)
        replies = [future.result() for future in sent]
        for reply in replies:
            if not reply.accepted:
                raise DemoError(f"the engine rejects a command: {reply.message}")
        return replies

    async def _until_ended(self, parts: _Parts) -> None:
        wanted = len(self._plan.slices)
        while len(parts.ears.ends) < wanted or not _settled(parts):
            await self._look(parts)
            if len(parts.ears.ends) >= wanted and self._silent(5.0):
                return  # What has not come by now is for the verdict to name.

    async def _look(self, parts: _Parts) -> None:
        await asyncio.sleep(_LOOK_SECONDS)
        self._check(parts)

    def _check(self, parts: _Parts) -> None:
        """Show how far it is.

        Raises:
            DemoError: a part has ended, an instance waits for an operator, or nothing happens.
        """
        ears = parts.ears
        counts = Counts(len(ears.ends), len(ears.readings), len(parts.mails.mails))
        self._progress.show(counts)
        logs = self._settings.data_dir / "logs"
        if ears.failure:
            raise DemoError(ears.failure)
        if ears.incidents:
            raise DemoError(f"an instance waits for an operator: {ears.incidents[0]}; see {logs}")
        child = parts.children.ended()
        if child is not None:
            code = child.process.returncode
            raise DemoError(f"the {child.name} ended with code {code}; its log:\n{child.said()}")
        if ears.heard != self._heard[0] or not self._heard[1]:
            self._heard = (ears.heard, time.monotonic())
        if self._silent(_SILENCE_SECONDS):
            raise DemoError(f"nothing happens any more ({counts}): see the logs in {logs}")

    def _silent(self, seconds: float) -> bool:
        return time.monotonic() - self._heard[1] > seconds


def _settled(parts: _Parts) -> bool:
    """Tell whether everything that was sent has arrived."""
    return len(parts.ears.readings) >= parts.fleet.readings_sent and all(
        device.mode == "monitoring" for device in parts.fleet.devices
    )


def _outcome(parts: _Parts, seen: int, seconds: float) -> Outcome:
    devices = parts.fleet.devices
    return Outcome(
        dict(parts.ears.ends),
        [name for device in devices for name in device.published],
        dict(parts.ears.readings),
        sum(device.mode == "monitoring" for device in devices),
        seen,
        list(parts.mails.mails),
        list(parts.requests.requests.values()),
        seconds,
    )


@contextmanager
def _running(broker: MqttBroker) -> Iterator[MqttBroker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _environment(
    settings: KafkaSettings, broker: MqttBroker, mails: MailServer, requests: RequestServer
) -> dict[str, str]:
    """Return what the child processes are told."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_FOREIGN)}
    return (
        _GATHERING
        | kept
        | {
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "TIDEMILL_TOPIC_PREFIX": settings.topic_prefix,
            "TIDEMILL_DATA_DIR": str(settings.data_dir),
            "TIDEMILL_MQTT_URL": broker.url,
            "TIDEMILL_SMTP_HOST": "127.0.0.1",
            "TIDEMILL_SMTP_PORT": str(mails.port),
            "TIDEMILL_ENTERPRISE_URL": requests.url,
        }
    )
