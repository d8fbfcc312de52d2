"""`tidemill stalled`: see what a defect of the engine has stopped, and let it go on."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.cli.connection import client
from connectors.cli.output import JsonOption, as_json, note, rows, say
from connectors.cli.views import After, Limit, Timeout, moment, views
from connectors.client.options import Options
from connectors.client.stalls import STALLING
from projections.stalls import Stall
from schemas.ids import DEFAULT_TENANT

app = typer.Typer(
    name="stalled", help="See and retry what a defect of the engine stopped.", no_args_is_help=True
)
Tenant = Annotated[str, typer.Option(help="Whose it is.")]
Kind = Annotated[str, typer.Option("--type", help=f"Only {', '.join(STALLING)}.")]


def _known(kind: str) -> str:
    if kind and kind not in STALLING:
        raise typer.BadParameter(
            f"{kind!r} is none of {', '.join(STALLING)}", param_hint="the type"
        )
    return kind


@app.command("list")
def listed(
    kind: Kind = "",
    tenant: Tenant = DEFAULT_TENANT,
    limit: Limit = 50,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """List the commands that are kept because deciding them failed, the oldest first.

    All of an aggregate's other commands go on; its timers wait for the retry.
    """
    with views(after, timeout) as reader:
        found, position = reader.stalls(tenant, aggregate_type=_known(kind), limit=limit)
    if json:
        as_json({"stalled": found, "position": position})
        return
    columns = ("type", "id", "incident", "command", "since", "message")
    nothing = f"nothing is stopped at position {position}"
    rows(columns, [_row(one) for one in found], json=False, empty=nothing)
    if len(found) == limit:
        note("there may be more: --limit")


def _row(one: Stall) -> tuple[object, ...]:
    since = moment(one.since)
    return one.aggregate_type, one.aggregate_id, one.incident, one.command, since, one.message


@app.command()
def retry(
    kind: Annotated[str, typer.Argument(metavar="[TYPE]", help=f"{', '.join(STALLING)}.")] = "",
    name: Annotated[str, typer.Argument(metavar="[ID]", help="Id of what is stopped.")] = "",
    incident: Annotated[int, typer.Option(help="Sequence of its event; 0: all.")] = 0,
    every: Annotated[bool, typer.Option("--all", help="All that the view knows.")] = False,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Annotated[str, typer.Option(help="Who does this; kept in every event.")] = "",
    json: JsonOption = False,
) -> None:
    """Apply again what a defect stopped, once the engine is mended.

    A device is woken by it: it has no events, so that it is in no list.

    Example: tidemill stalled retry channel message:payment-received:order-7
    """
    if every == bool(name):
        raise typer.BadParameter("give a type and an id, or --all", param_hint="ID")
    options = Options(tenant=tenant, actor=actor)
    wanted = [(_known(kind), name, incident)]
    if every:
        with views() as reader:
            found = reader.stalls(tenant, aggregate_type=_known(kind), limit=10_000).value
        wanted = [(one.aggregate_type, one.aggregate_id, one.incident) for one in found]
    with client() as made:
        for one in wanted:
            made.retry_stalled(*one, options)
    if json:
        as_json({"retried": [{"type": t, "id": i, "incident": n} for t, i, n in wanted]})
        return
    for one_type, one_id, _ in wanted:
        say(f"{one_type} {one_id} goes on")
