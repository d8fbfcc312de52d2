"""The long-running commands beside the engine: worker, bridge, and all of them together."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import structlog
import typer

from connectors.cli.output import note
from connectors.cli.together import ACTIVITIES, everything
from connectors.mqtt.bridge import Bridge
from connectors.mqtt.settings import BridgeSettings, MqttSettings
from connectors.workers.declare import activities_in
from connectors.workers.errors import NoActivitiesError
from connectors.workers.settings import WorkerSettings
from connectors.workers.worker import Worker
from streams.collector import spare_the_collector
from topics.bootstrap import connected
from topics.settings import KafkaSettings

log = structlog.get_logger(__name__)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, worker, bridge):
        app.command()(command)


def stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def worker(
    module: Annotated[str, typer.Argument(help="Module with @activity functions.")],
    concurrency: Annotated[int, typer.Option(help="Activities at a time; 0: as set.")] = 0,
) -> None:
    """Run the activities that a Python module declares with @activity."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = activities_in(importlib.import_module(module))
    except ModuleNotFoundError as error:
        raise NoActivitiesError(f"cannot import {module!r}: {error}") from None
    stop = stop_on_signals()
    more = {"worker_concurrency": concurrency} if concurrency else {}
    with connected(WorkerSettings().model_copy(update=more), note, start=False) as settings:
        made = Worker(settings, found)
        for one in found:
            note(f"{one.name} on queue {one.queue}")
        spare_the_collector()
        made.run(stop)


def bridge() -> None:
    """Carry telemetry from MQTT to Kafka, and device commands back."""

    async def main(settings: BridgeSettings) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await Bridge(settings).run_async(stop)

    with connected(BridgeSettings(), note, start=False) as settings:
        asyncio.run(main(settings))


def up(
    module: Annotated[
        list[str] | None,
        typer.Option("--worker", help=f"A module with activities; repeat. Default: {ACTIVITIES}."),
    ] = None,
    mqtt: Annotated[
        bool, typer.Option("--mqtt", help="Start an MQTT broker here, and bridge to it.")
    ] = False,
) -> None:
    """Start everything on this machine: Kafka, topics, engine, verifier, views and workers.

    The bridge goes to TIDEMILL_MQTT_URL, or to a broker of its own with --mqtt; with neither there
    is none. All data is kept in TIDEMILL_DATA_DIR; Ctrl-C stops everything cleanly.
    """
    stop = stop_on_signals()
    url = MqttSettings().url if "TIDEMILL_MQTT_URL" in os.environ else ""
    with connected(KafkaSettings(), note) as settings:
        code = everything(settings, module or [ACTIVITIES], stop, url, own=mqtt)
    if code:
        raise typer.Exit(code)
