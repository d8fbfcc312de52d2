"""`tidemill project|projection`: keep the views, see how far they are, build them anew."""

from __future__ import annotations

import typer

from connectors.cli.output import note
from connectors.cli.processes import stop_on_signals
from projections.settings import ProjectionSettings
from topics.bootstrap import connected


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(project)


def project() -> None:
    """Keep the query views: read events and write SQL, until Ctrl-C or SIGTERM."""
    stop = stop_on_signals()
    with connected(ProjectionSettings(), note, start=False):
        note("there are no views yet")
        stop.wait()
