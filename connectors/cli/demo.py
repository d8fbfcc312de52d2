"""`tidemill demo`: a real sensor's file played through everything."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Annotated, Literal, Self

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from connectors.cli.failures import FAILED
from connectors.cli.output import JsonOption, as_json, fault, note, say, table
from connectors.demo.place import place
from connectors.demo.plan import Counts, Plan, Wishes, plan_of
from connectors.demo.play import play
from connectors.demo.verdict import Verdict
from topics.settings import KafkaSettings

_EXAMPLE = Path(__file__).parents[2] / "examples" / "temperature_monitoring.yaml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    telemetry: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of timestamp,value; default: Seattle's hourly temperatures of 2010.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Alert above it; default: the file's 95th percentile.")
    ] = None,
    speed: Annotated[
        float, typer.Option(help="Divides the workflow's 60 s between two looks.", min=0.01)
    ] = 600.0,
    mqtt: Annotated[
        Literal["auto", "mosquitto", "artemis"],
        typer.Option(help="Which MQTT broker to start; auto: Mosquitto where it is installed."),
    ] = "auto",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the topics on KAFKA_BOOTSTRAP_SERVERS.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Watch a sensor's readings with one workflow for each day, and prove every alert.

    Starts what it needs on this machine: Kafka, engine, worker, bridge, an MQTT broker, a
    mail server and an enterprise system. Plays the file as devices. Ends by itself; exit code
    1 where an alert is missing or not due, a reading is lost, or the log is not consistent.
    """
    wishes = Wishes(telemetry, threshold, speed, mqtt, keep)
    plan = plan_of(wishes, _EXAMPLE)
    settings = KafkaSettings()
    with place(settings, note, keep=keep) as own, Shown(plan) as shown:
        found = play(plan, own, shown)
    if json:
        as_json(found)
    else:
        _tell(found)
        _tell_more(plan, settings, own, keep=keep)
    for problem in found.problems:
        fault(problem)
    if found.problems:
        raise typer.Exit(FAILED)


class Shown:
    """Progress on the error stream: bars on a terminal, lines elsewhere."""

    def __init__(self, plan: Plan) -> None:
        """Take how much there is to do."""
        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn())
        self._bars = Bars(*columns, TimeElapsedColumn(), console=Console(stderr=True))
        self._plan = plan
        self._tasks: tuple[TaskID, ...] = ()

    def __enter__(self) -> Self:
        """Show nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        if self._bars.console.is_terminal:
            self._bars.console.print(text, style="dim", markup=False, highlight=False)
        else:
            note(text)

    def show(self, counts: Counts) -> None:
        """Move the bars."""
        if not self._bars.console.is_terminal or not (self._tasks or counts.readings):
            return
        if not self._tasks:
            plan = self._plan
            totals = Counts(len(plan.slices), plan.readings, len(plan.alerts))
            found = zip(Counts._fields, totals, strict=True)
            self._tasks = tuple(self._bars.add_task(name, total=n) for name, n in found)
            self._bars.start()
        for task, count in zip(self._tasks, counts, strict=True):
            self._bars.update(task, completed=count)


def _tell(found: Verdict) -> None:
    """Write what ran, and what came of it."""
    figures = msgspec.structs.asdict(found)
    shown = [(name, value) for name, value in figures.items() if name not in {"problems", "folder"}]
    table(("what", "figure"), [(name.replace("_", " "), value) for name, value in shown])
    if not found.problems:
        say(
            f"\nEvery one of {found.alerts_expected} alerts that a plain loop over the file finds "
            "was sent once, and no other; no reading is lost; the log is consistent."
        )
    say(
        f"\nWhere to look next, in {found.folder}:\n"
        "  mails/           each alert as it was received\n"
        "  requests.jsonl   each maintenance request\n"
        "  logs/            what engine, verifier, bridge and worker said"
    )


def _tell_more(plan: Plan, settings: KafkaSettings, own: KafkaSettings, *, keep: bool) -> None:
    """Write how to see the events, where they are still there."""
    device = plan.alerts[0].device_id if plan.alerts else plan.slices[0].device_id
    look = f"  tidemill events tail --from-beginning --instance {device}\n  tidemill verify"
    if not settings.kafka_bootstrap_servers:
        say(
            "Its Kafka is stopped, and kept until the next demo. To see its events:\n"
            f"  export TIDEMILL_DATA_DIR={own.data_dir}\n"
            f"  tidemill up   # and in another terminal:\n{look}"
        )
    elif keep:
        say(
            "Its topics are kept. To see its events:\n"
            f"  export TIDEMILL_TOPIC_PREFIX={own.topic_prefix}\n{look}"
        )
