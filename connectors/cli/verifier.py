"""`tidemill verifier`: proves what was submitted."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.cli.output import note
from connectors.cli.processes import stop_on_signals
from streams.verifier.settings import VerifierSettings
from streams.verifier.verifier import run_verifier
from topics.bootstrap import connected


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verifier)


def verifier(
    max_states: Annotated[
        int, typer.Option(min=0, help="States of one definition, at most; 0: as set.")
    ] = 0,
) -> None:
    """Prove what was submitted, so that it is published or refused.

    One is enough; of more the first verdict counts. Without one nothing is published.
    """
    stop = stop_on_signals()
    more = {"verifier_max_states": max_states} if max_states else {}
    made = VerifierSettings().model_copy(update=more)
    with connected(made, note, start=False) as settings:
        run_verifier(settings, stop)
