"""`tidemill definition delete`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from connectors.cli.connection import client
from connectors.cli.output import JsonOption, as_json, say
from schemas.definitions import DefinitionRecord
from schemas.json_text import parse


def delete(
    name: Annotated[str, typer.Argument(help="Id of the definition.")],
    version: Annotated[str, typer.Option(help="Default: every version.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept with it.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Let nothing new start from a version, or from any; what runs goes on with it.

    The newest version that is left takes over. A deleted version's number is never used again.
    """
    which = version or "every version"
    if not yes:
        typer.confirm(f"delete {which} of {name}? It cannot be taken back", abort=True)
    with client() as made:
        answer = made.delete_definition(name, version, reason)
    result = parse(answer.reply.result)
    if json:
        as_json(result)
        return
    assert isinstance(result, dict)
    deleted = result["deleted"]
    assert isinstance(deleted, list)
    if not deleted:
        say(f"{name}: {which} was deleted before")
    for one in deleted:
        say(f"{name} {one} is deleted")


def deletion_told(record: DefinitionRecord) -> str:
    """Return when, by whom and why a version was deleted."""
    when = dt.datetime.fromtimestamp(record.deleted_at / 1_000, dt.UTC)
    told = f"deleted at {when:%Y-%m-%dT%H:%M:%SZ} by {record.deleted_by}"
    return f"{told}: {record.reason}" if record.reason else told
