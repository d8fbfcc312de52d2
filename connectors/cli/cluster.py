"""`tidemill cluster|verify|doctor`: what runs, whether the log is consistent, what MQTT allows."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from confluent_kafka.admin import AdminClient

from connectors.cli.connection import kafka
from connectors.cli.failures import FAILED, NotFoundError
from connectors.cli.output import JsonOption, as_json, fault, note, rows, say
from connectors.mqtt.doctor import Doctor
from connectors.mqtt.settings import MqttSettings
from streams.settings import EngineSettings
from streams.testing.audit import audit
from topics.apply import admin_of
from topics.cluster import present
from topics.names import Names

_TIMEOUT = 15.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (cluster, verify, doctor):
        app.command()(command)


def cluster(json: JsonOption = False) -> None:
    """Show the engines and the partitions that each of them owns."""
    with kafka() as settings:
        admin = admin_of(settings.kafka_bootstrap_servers)
        found = _members(admin, f"{settings.topic_prefix}{EngineSettings().group}")
    rows(
        ("engine", "host", "partitions"),
        found,
        json=json,
        empty="no engine runs: `tidemill engine`",
    )


def _members(admin: AdminClient, group: str) -> list[tuple[str, str, str]]:
    future = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)[group]
    members = []
    for member in future.result().members:
        places = member.assignment.topic_partitions if member.assignment else []
        numbers = sorted({place.partition for place in places})
        name = member.group_instance_id or member.member_id
        members.append((name, member.host, ", ".join(map(str, numbers))))
    return members


def verify(json: JsonOption = False) -> None:
    """Prove the log: no gap, no command twice, every state the fold of its events.

    Run it while no command is under way: it compares the log's end with the states' end.
    """
    with kafka() as settings:
        names = Names(settings.topic_prefix)
        servers = settings.kafka_bootstrap_servers
        partitions = present(admin_of(servers)).get(names.events)
        if not partitions:
            raise NotFoundError("there are no topics: run `tidemill topics apply`")
        note(f"reading {names.events} and {names.state} of {partitions} partitions")
        found = audit(servers, names, partitions)
    if json:
        as_json(
            {"events": found.events, "faults": found.faults, "unfinished": len(found.unfinished)}
        )
    else:
        for one in found.faults:
            fault(one)
        say(
            f"{found.events} events, {len(found.faults)} faults, "
            f"{len(found.unfinished)} instances under way"
        )
    if found.faults:
        raise typer.Exit(FAILED)


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
