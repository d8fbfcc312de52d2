"""`tidemill replay`: what a dead-lettered command would lead to now."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.cli.connection import kafka
from connectors.cli.failures import NotFoundError
from connectors.cli.output import JsonOption, as_json, fault, say
from streams.replay import NoLetterError, Replayed
from streams.replay import replay as decide_again
from streams.settings import EngineSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    partition: Annotated[int, typer.Argument(help="Partition of workflow.dead-letters.")],
    offset: Annotated[
        int | None, typer.Option(help="This dead letter only; default: all of the partition.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Decide dead-lettered commands again, against a copy of the state; change nothing.

    Shows the events and the effects that each would have now, or the exception. Send the command
    itself again to have them.
    """
    with kafka() as found:
        settings = EngineSettings(**found.model_dump())
        try:
            replayed = decide_again(settings, partition, offset)
        except NoLetterError as error:
            raise NotFoundError(str(error)) from None
    if json:
        as_json([one._asdict() for one in replayed])
    elif not replayed:
        say(f"partition {partition} has no dead letters")
    else:
        for one in replayed:
            _tell(one)


def _tell(one: Replayed) -> None:
    say(f"offset {one.offset}: {one.command or 'a record'} {one.aggregate}".rstrip())
    say(f"  kept because {one.reason}")
    if one.message:
        fault(f"  would be {one.outcome}: {one.message}")
    else:
        say(f"  would be {one.outcome}")
    for event in one.events:
        say(f"  event  {event['value']}")
    for effect in one.effects:
        say(f"  {effect['topic']}  {effect['value']}")
