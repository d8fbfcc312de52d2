"""The `tidemill` command: every noun in a file of its own."""

from __future__ import annotations

import sys

import typer

from connectors.cli import (
    bench,
    cluster,
    definition,
    demo,
    events,
    instance,
    lock,
    processes,
    projection,
    replay,
    topics,
)
from connectors.cli.failures import guarded

app = typer.Typer(
    name="tidemill",
    help="A workflow engine on Apache Kafka. Begin with `tidemill up` or `tidemill demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Kafka is KAFKA_BOOTSTRAP_SERVERS, else the embedded one that `tidemill up` starts. "
        "Exit codes: 0 done, 1 failed, 2 usage, 3 Kafka not ready, 4 rejected, 5 not found, "
        "6 no answer."
    ),
)
for noun in (definition.app, instance.app, lock.app, events.app, topics.app):
    app.add_typer(noun)
for room in (processes, projection, cluster, replay, demo, bench):
    room.register(app)


def run() -> None:
    """Run the command line and exit with its code."""
    sys.exit(guarded(lambda: app(standalone_mode=False)))
