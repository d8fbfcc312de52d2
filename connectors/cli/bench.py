"""`tidemill bench`: what this machine reaches."""

from __future__ import annotations

import sys
from typing import Annotated

import structlog
import typer

from connectors.bench.run import ALL, bench
from connectors.cli.failures import FAILED
from connectors.cli.output import JsonOption, as_json, fault, note, table
from topics.bootstrap import connected
from topics.settings import KafkaSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench")(run_bench)


def run_bench(
    only: Annotated[
        list[str] | None, typer.Option("--only", help=f"One of {', '.join(ALL)}; repeat.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of each load.")] = 10.0,
    live: Annotated[int, typer.Option(help="Live instances for the recovery.")] = 100_000,
    json: JsonOption = False,
) -> None:
    """Measure throughput, latency, recovery and memory beside raw librdkafka."""
    unknown = sorted(set(only or ()) - set(ALL))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(ALL)}", param_hint="--only")
    # Standard output is for the figures alone; the verifier in this process writes a log.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with connected(KafkaSettings(), note) as settings:
        result = bench(settings, only or (), seconds, live, note)
    faults = result.get("faults")
    if json:
        as_json(result)
    else:
        table(("figure", "value"), [(key, value) for key, value in result.items() if value != []])
    if isinstance(faults, list) and faults:
        for one in faults[:20]:
            fault(str(one))
        raise typer.Exit(FAILED)
