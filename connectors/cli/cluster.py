"""`tidemill cluster|verify|doctor`: what runs, whether the log is consistent, what MQTT allows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from connectors.cli.connection import kafka
from connectors.cli.failures import FAILED, NotFoundError
from connectors.cli.output import JsonOption, as_json, bar, fault, rows, say
from connectors.mqtt.doctor import Doctor
from connectors.mqtt.settings import MqttSettings
from streams.members import Member, members
from streams.settings import EngineSettings
from streams.testing.verify import Verified, verify_partition
from topics.apply import admin_of
from topics.cluster import present
from topics.names import Names


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (cluster, verify, doctor):
        app.command()(command)


def cluster(json: JsonOption = False) -> None:
    """Show the engines, the partitions that each of them owns, and how far it is behind.

    An engine is listed as long as it was heard of within its session (heartbeat_interval x
    failure_detection_threshold); partitions of nobody wait for an engine.
    """
    with kafka() as settings:
        admin = admin_of(settings.kafka_bootstrap_servers)
        found = members(admin, settings.topic_prefix, EngineSettings().group)
    rows(Member._fields, found, json=json, empty="no engine runs: `tidemill engine`")


def verify(
    partition: Annotated[
        list[int] | None,
        typer.Option("--partition", metavar="P", min=0, help="Prove this one only; repeat."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Prove the log: no gap, no command twice, every state the fold of its events.

    Engines may go on: each partition is judged at a moment of its own. What does not fit into
    memory is kept in a folder that is deleted afterwards.
    """
    with kafka() as settings:
        names = Names(settings.topic_prefix)
        servers = settings.kafka_bootstrap_servers
        count = present(admin_of(servers)).get(names.events)
        if not count:
            raise NotFoundError("there are no topics: run `tidemill topics apply`")
        wanted = sorted(set(partition or range(count)))
        if wanted[-1] >= count:
            raise NotFoundError(f"there is no partition {wanted[-1]}: {names.events} has {count}")
        found = [_verified(servers, names, number) for number in wanted]
    faults = [one for part in found for one in part.faults]
    events, under_way = (
        sum(n) for n in zip(*((p.events, p.under_way) for p in found), strict=True)
    )
    if json:
        as_json({"events": events, "faults": faults, "unfinished": under_way})
    else:
        for one in faults:
            fault(one)
        say(f"{events} events, {len(faults)} faults, {under_way} instances under way")
    if faults:
        raise typer.Exit(FAILED)


def _verified(servers: str, names: Names, partition: int) -> Verified:
    with (
        TemporaryDirectory(prefix="tidemill-verify-") as folder,
        bar(f"partition {partition}") as tell,
    ):
        return verify_partition(servers, names, partition, Path(folder), tell)


def doctor(
    queue: Annotated[
        int, typer.Option(help="Messages that the broker must keep while Kafka is away.")
    ] = 60_000,
    json: JsonOption = False,
) -> None:
    """Examine the MQTT broker: what it must allow so that no reading is lost."""
    diagnosis = asyncio.run(Doctor(MqttSettings(), queue).examine())
    if json:
        as_json({"url": diagnosis.url, "findings": [f._asdict() for f in diagnosis.findings]})
    else:
        columns = ("check", "verdict", "measured", "wanted", "advice")
        rows(columns, diagnosis.findings, json=False, empty="nothing was found")
    if not diagnosis.healthy:
        raise typer.Exit(FAILED)
