"""`tidemill activity-type`: what workers can do, and who answers for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from connectors.cli.connection import client, kafka
from connectors.cli.failures import NotFoundError
from connectors.cli.output import JsonOption, as_json, rows, say, table
from connectors.cli.views import moment
from connectors.client.activity_types import activity_types
from connectors.client.options import Options
from schemas.activity_type_commands import RegisterActivityType
from schemas.activity_types import ActivityTypeRecord
from schemas.json_text import parse
from streams.domain.expressions.moments import duration_ms

app = typer.Typer(
    name="activity-type",
    help="See and describe the types of activities that workers do.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="The type's name, as `activity_type` in definitions.")]
Actor = Annotated[str, typer.Option(help="Who does this; kept in every event.")]
Schema = Annotated[
    Path | None, typer.Option(exists=True, help="A file with a JSON Schema, Draft 2020-12.")
]
Duration = Annotated[str, typer.Option(help="ISO 8601, as PT30S, or seconds.")]


@app.command("list")
def listed(json: JsonOption = False) -> None:
    """List the registered types. Workers register theirs when they start."""
    with kafka() as settings:
        found = activity_types(settings)
    columns = ("name", "queue", "owner", "input", "output", "description")
    nothing = "no worker has registered a type yet: start one with `tidemill worker`"
    rows(columns, [_row(one) for one in found], json=json, empty=nothing)


def _row(one: ActivityTypeRecord) -> tuple[str, ...]:
    schemas = ("schema" if text else "" for text in (one.input_schema, one.output_schema))
    return one.name, one.queue, one.owner, *schemas, one.description


@app.command()
def show(name: Name, json: JsonOption = False) -> None:
    """Show all that is known of a type."""
    with kafka() as settings:
        found = next((one for one in activity_types(settings) if one.name == name), None)
    if found is None:
        raise NotFoundError(f"no activity type {name}: see `tidemill activity-type list`")
    if json:
        as_json(_plain(found))
        return
    said = {k: v for k, v in _plain(found).items() if v not in ("", 0, None)}
    said["updated_at"] = moment(found.updated_at)
    table(("field", "value"), [(field, str(value)) for field, value in said.items()])


def _plain(one: ActivityTypeRecord) -> dict[str, Any]:
    schemas = {
        name: parse(text) if text else None
        for name, text in (
            ("input_schema", one.input_schema),
            ("output_schema", one.output_schema),
        )
    }
    return msgspec.structs.asdict(one) | schemas


@app.command("register")
def said(
    name: Name,
    queue: Annotated[str, typer.Option(help="Queue of its tasks.")] = "",
    description: Annotated[str, typer.Option(help="What it does.")] = "",
    owner: Annotated[str, typer.Option(help="Person or team that answers for it.")] = "",
    input_schema: Schema = None,
    output_schema: Schema = None,
    start_to_close: Duration = "",
    heartbeat: Duration = "",
    on_failure: Annotated[str, typer.Option(help="Recovery strategy that its owner advises.")] = "",
    actor: Actor = "",
) -> None:
    """Say what is known of a type. What is left out stays as it was."""
    body = RegisterActivityType(
        queue,
        description,
        b"" if input_schema is None else input_schema.read_bytes(),
        b"" if output_schema is None else output_schema.read_bytes(),
        0,
        _milliseconds(start_to_close),
        _milliseconds(heartbeat),
        on_failure,
        owner,
    )
    with client() as made:
        answer = made.register_activity_type(name, body, Options(actor=actor))
    say(f"{name} is registered at {answer.reply.position}")


def _milliseconds(text: str) -> int:
    if not text:
        return 0
    try:
        return duration_ms(float(text) if text.replace(".", "", 1).isdigit() else text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def remove(
    name: Name,
    reason: Annotated[str, typer.Option(help="Kept in the event.")] = "",
    actor: Actor = "",
) -> None:
    """Forget a type. A worker that still has it registers it again when it starts."""
    with client() as made:
        made.remove_activity_type(name, reason, Options(actor=actor))
    say(f"{name} is removed")
