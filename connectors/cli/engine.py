"""`tidemill engine`: the one command that loads the engine, which takes a second."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.cli.output import note
from streams.app import run_engine
from streams.loop import run
from streams.settings import EngineSettings
from topics.bootstrap import connected


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(engine)


def engine(
    accept_loss: Annotated[
        list[int] | None,
        typer.Option(
            "--accept-loss",
            metavar="P",
            min=0,
            help="Let partition P go on without input that was lost; repeat.",
        ),
    ] = None,
) -> None:
    """Run an engine: it owns partitions, applies commands and writes events.

    Start as many as you like, each with a data directory of its own; partitions move by
    themselves. Every setting is an environment variable TIDEMILL_…
    """
    made = EngineSettings()
    more = {"accept_loss": [*made.accept_loss, *(accept_loss or [])]}
    with connected(made.model_copy(update=more), note) as settings:
        run(run_engine(settings))
