"""`tidemill events`: follow what happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from connectors.cli.connection import kafka
from connectors.cli.output import JsonOption, as_json, say
from connectors.client.events import Event, EventStream
from schemas.json_text import JsonError, parse

app = typer.Typer(name="events", help="Follow domain events.", no_args_is_help=True)


@app.command()
def tail(
    beginning: Annotated[bool, typer.Option("--from-beginning", help="All events.")] = False,
    instance: Annotated[str, typer.Option(help="Only this instance.")] = "",
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only this type.")] = None,
    limit: Annotated[int, typer.Option(help="End after so many; 0: never.")] = 0,
    json: JsonOption = False,
) -> None:
    """Write events as they are committed, until Ctrl-C."""
    with kafka() as settings:
        stream = EventStream(settings, beginning=beginning, types=kind or (), instance_id=instance)
        count = 0
        try:
            while True:
                for event in stream.read(0.5):
                    write(event, json=json)
                    count += 1
                    if count == limit:
                        return
        except KeyboardInterrupt:
            return
        finally:
            stream.close()


def write(event: Event, *, json: bool) -> None:
    """Write one event."""
    envelope, body = event.message
    if json:
        as_json({"envelope": envelope, "body": plain(body)})
        return
    moment = datetime.fromtimestamp(envelope.time / 1000, UTC).isoformat(timespec="milliseconds")
    what = getattr(body, "activity_id", "") or getattr(body, "node", "")
    say(f"{moment}  {envelope.aggregate_id}  {envelope.sequence:>4}  {envelope.type}  {what}")


def plain(body: Any) -> Any:
    """Return a message as plain values; bytes hold JSON."""
    value = msgspec.to_builtins(body, builtin_types=(bytes,))
    return _opened(value)


def _opened(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return parse(value) if value else None
        except JsonError:
            return value.hex()
    if isinstance(value, dict):
        return {key: _opened(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_opened(item) for item in value]
    return value
