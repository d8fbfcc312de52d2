"""`tidemill instance skip`, `complete`, `set`, `restart`: an operator helps a workflow on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from connectors.cli.connection import kafka
from connectors.cli.instance import Actor, CommandId, Id, Reason, Tenant, said, variables_of
from connectors.cli.instance import app as noun
from connectors.cli.output import JsonOption
from connectors.client.client import Client, Options
from schemas.ids import DEFAULT_TENANT
from schemas.json_text import JsonError, parse

Incident = Annotated[
    int, typer.Option(help="Number of the incident: `instance show` lists the open ones.")
]


def skip(
    instance: Id,
    incident: Incident,
    flow: Annotated[
        str, typer.Option(help="Id of the flow to leave by, where the node cannot tell: FROM->TO.")
    ] = "",
    reason: Reason = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Leave the node of an incident as if it were done: no result, no output mapping."""
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        said(made.skip(instance, incident, flow, reason, options), "goes on", json=json)


def restart(
    instance: Id,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin at the start, not where it failed.")
    ] = False,
    reason: Reason = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Let an instance that has failed begin again, with the variables that it had."""
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.restart(instance, reason, options, from_start=from_start)
        said(answer, "goes on", json=json)


def complete(
    instance: Id,
    result: Annotated[
        str, typer.Option(help="The result, a JSON value: what the worker would have returned.")
    ] = "null",
    incident: Incident = 0,
    activity: Annotated[
        int,
        typer.Option(help="Number of an open activity: sequence of its first activity.scheduled."),
    ] = 0,
    call: Annotated[
        int, typer.Option(help="Number of an open call: sequence of its call.started.")
    ] = 0,
    approval: Annotated[
        int, typer.Option(help="Number of an open approval; its result has outcome and data.")
    ] = 0,
    reason: Reason = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Give an activity, a call or an approval its result by hand; what is open is cancelled.

    Say one of --incident, --activity, --call, --approval (`instance history` has their numbers).

    The output mapping of the node applies, as it does to a worker's result.
    """
    if sum(map(bool, (incident, activity, call, approval))) != 1:
        message = "say exactly one of --incident, --activity, --call and --approval"
        raise typer.BadParameter(message)
    value, options = _value(result), Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.complete(
            instance,
            value,
            incident=incident,
            activity=activity,
            call=call,
            approval=approval,
            reason=reason,
            options=options,
        )
        said(answer, "goes on", json=json)


def _value(text: str) -> Any:
    try:
        return parse(text)
    except JsonError as error:
        said_so = f"{error}; a text has quotation marks of its own: '\"done\"'"
        raise typer.BadParameter(said_so, param_hint="--result") from None


def set_variables(
    instance: Id,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", "-v", help="name=value; a value that is no JSON is text. Repeat."),
    ] = None,
    variables: Annotated[str, typer.Option("--vars", help="A JSON object.")] = "{}",
    scope: Annotated[
        int,
        typer.Option(help="Number of a running scope, for its local ones: of its scope.started."),
    ] = 0,
    reason: Reason = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Set variables; then `instance retry` tries again what lacked them."""
    values = variables_of(variables, var or [])
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.set_variables(instance, values, scope, reason, options)
        said(answer, "has the variables", json=json)


def register(_root: typer.Typer) -> None:
    """Add the commands to `tidemill instance`."""
    commands: dict[str, Callable[..., None]] = {
        "skip": skip,
        "complete": complete,
        "set": set_variables,
        "restart": restart,
    }
    for name, command in commands.items():
        noun.command(name)(command)
