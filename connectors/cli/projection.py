"""`tidemill project|projection`: keep the views, see how far they are, build them anew."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import OperationalError

from connectors.cli import definition, instance, views
from connectors.cli.output import JsonOption, as_json, note, rows, say
from connectors.cli.processes import stop_on_signals
from projections.errors import ProjectionError, ViewsNotReadyError
from projections.lag import lag
from projections.positions import token
from projections.projection import NAME, VIEWS
from projections.projector import Projector
from projections.reader import Reader
from projections.settings import ProjectionSettings
from streams.collector import spare_the_collector
from topics.bootstrap import connected

app = typer.Typer(
    name="projection", help="See how far the views are; build them anew.", no_args_is_help=True
)


def register(root: typer.Typer) -> None:
    """Add the commands, and those that read the views to the nouns they are of."""
    root.command()(project)
    for command in views.INSTANCE_COMMANDS:
        instance.app.command(command.__name__.removesuffix("_instances"))(command)
    definition.app.command()(views.versions)
    root.add_typer(app)


@contextmanager
def _projector(stop: threading.Event) -> Iterator[Projector]:
    # Standard output is for the answer alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with connected(ProjectionSettings(), note, start=False) as settings:
        made = Projector(settings, stop)
        try:
            yield made
        finally:
            made.close()


def project() -> None:
    """Keep the query views: read events and write SQL, until Ctrl-C or SIGTERM.

    The database is TIDEMILL_DATABASE_URL, else a SQLite file in the data directory. One projector
    per database; where Kafka or the database is away, it waits.
    """
    with _projector(stop_on_signals()) as projector:
        spare_the_collector()
        projector.run()


@app.command("list")
def listed(json: JsonOption = False) -> None:
    """Show each projection: its views, what it was built from, the position it is at."""
    with Reader(ProjectionSettings()) as reader:
        source, places = reader.status()
    views = ", ".join(view.name for view in VIEWS)
    columns = ("projection", "views", "topic", "topic_id", "cluster_id", "form", "position")
    found = (NAME, views, source.topic, source.topic_id, source.cluster_id, source.form)
    rows(columns, [(*found, token(places))], json=json, empty="")


@app.command("lag")
def show_lag(json: JsonOption = False) -> None:
    """Show, for each partition, how many events the views are behind the log."""
    with connected(ProjectionSettings(), note, start=False) as settings:
        with Reader(settings) as reader:
            source, places = reader.status()
        found = lag(settings, source, places)
    columns = ("partition", "position", "offset", "log_end", "log_position", "behind")
    rows(columns, found, json=json, empty="the topic has no partitions")


@app.command()
def rebuild(json: JsonOption = False) -> None:
    """Empty the views and fill them from the first event; stop the projector before.

    A crash in between is safe: the views are then at the position they say, and `tidemill project`
    goes on from there.
    """
    stop = stop_on_signals()
    with _projector(stop) as projector, _bar() as bar:
        task = bar.add_task("events", total=None)
        try:
            projector.rebuild(lambda at, end: bar.update(task, completed=at, total=max(end, 1)))
        except OperationalError as error:
            raise ViewsNotReadyError(f"the database cannot be written: {error.orig}") from error
        position = token(projector.places)
    if stop.is_set():
        raise ProjectionError(f"stopped at {position}: `tidemill project` goes on from there")
    if json:
        as_json({"projection": NAME, "position": position})
    else:
        say(f"the views are built up to {position}")


def _bar() -> Progress:
    """Return a bar on the error stream."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
