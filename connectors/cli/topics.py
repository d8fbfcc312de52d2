"""`tidemill topics`: create, check and list the topics."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.cli.connection import kafka
from connectors.cli.failures import FAILED
from connectors.cli.output import JsonOption, as_json, rows, say
from topics.apply import admin_of, apply, list_topics, verify
from topics.catalogue import Catalogue
from topics.differences import table

app = typer.Typer(name="topics", help="Create, check and list the topics.", no_args_is_help=True)
Queues = Annotated[
    list[str] | None, typer.Option("--queue", help="An activity queue beside `default`; repeat.")
]


@app.command("apply")
def apply_topics(queue: Queues = None, json: JsonOption = False) -> None:
    """Create what is missing; refuse, with the differences, what cannot be used."""
    with kafka() as settings:
        catalogue = Catalogue.of(settings, tuple(queue or ()))
        done = apply(admin_of(settings.kafka_bootstrap_servers), catalogue)
    if json:
        as_json({"created": done.created, "existing": done.existing})
        return
    say(f"{len(done.created)} topics created, {len(done.existing)} were there")
    if done.differences:
        say(f"these differ and do no harm:\n{table(done.differences)}")


@app.command("verify")
def verify_topics(queue: Queues = None, json: JsonOption = False) -> None:
    """Hold the cluster against the catalogue; exit code 1 where something differs."""
    with kafka() as settings:
        catalogue = Catalogue.of(settings, tuple(queue or ()))
        found = verify(admin_of(settings.kafka_bootstrap_servers), catalogue)
    if json:
        as_json([vars_of(one) for one in found])
    else:
        say(table(found) if found else "every topic is as it should be")
    if any(one.fatal for one in found):
        raise typer.Exit(FAILED)


def vars_of(one: object) -> dict[str, object]:
    """Return a dataclass as an object of JSON."""
    return {name: getattr(one, name) for name in one.__dataclass_fields__}  # type: ignore[attr-defined]


@app.command("list")
def listed(json: JsonOption = False) -> None:
    """List the topics with their partitions, who writes them and why they exist."""
    with kafka() as settings:
        found = list_topics(admin_of(settings.kafka_bootstrap_servers), Catalogue.of(settings))
    columns = ("topic", "partitions", "key", "value", "written_by")
    rows(
        columns,
        [
            (
                one.name,
                one.found.partitions if one.found else "missing",
                one.wanted.kind.key if one.wanted else "",
                one.wanted.kind.value if one.wanted else "",
                one.wanted.kind.written_by if one.wanted else "",
            )
            for one in found
        ],
        json=json,
        empty="no topics: run `tidemill topics apply`",
    )
