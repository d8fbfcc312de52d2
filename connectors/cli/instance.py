"""`tidemill instance`: start and steer workflow instances."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Annotated, Any

import typer

from connectors.cli.connection import kafka
from connectors.cli.events import plain, write
from connectors.cli.failures import FAILED
from connectors.cli.output import JsonOption, as_json, say
from connectors.client.client import Answer, Client, Options
from connectors.client.errors import NoAnswerError
from connectors.client.events import ENDS, EventStream
from schemas.ids import DEFAULT_TENANT
from schemas.json_text import JsonError, parse, parse_object

app = typer.Typer(name="instance", help="Start, steer and see instances.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Id of the instance.")]
Reason = Annotated[str, typer.Option(help="Kept in the event.")]
Tenant = Annotated[str, typer.Option(help="Whose instance it is.")]
Actor = Annotated[str, typer.Option(help="Who does this; kept in every event.")]
CommandId = Annotated[
    str, typer.Option(help="Your own id of this command: sending it again changes nothing.")
]


@app.command()
def start(
    definition: Annotated[str, typer.Argument(help="Id of the published definition.")],
    var: Annotated[
        list[str] | None,
        typer.Option("--var", "-v", help="name=value; a value that is no JSON is text. Repeat."),
    ] = None,
    variables: Annotated[str, typer.Option("--vars", help="A JSON object.")] = "{}",
    metadata: Annotated[str, typer.Option(help="A JSON object of your own.")] = "{}",
    name: Annotated[str, typer.Option("--id", help="Id of the instance; default: made up.")] = "",
    version: Annotated[str, typer.Option(help="Default: the newest.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, show events.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for --wait.")] = 300,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Start an instance of a definition."""
    values, own = variables_of(variables, var or []), variables_of(metadata, [], "--metadata")
    instance = name or uuid.uuid4().hex
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        # From the end, before the command: nothing of this instance can be missed.
        stream = EventStream(settings, instance_id=instance) if wait else None
        answer = made.run(definition, values, instance, version, options, own)
        if stream is None:
            said(answer, "started", json=json)
        else:
            _follow(stream, timeout, json=json)


@app.command()
def create(
    definition: Annotated[str, typer.Argument(help="Id of the published definition.")],
    variables: Annotated[str, typer.Option("--vars", help="A JSON object.")] = "{}",
    metadata: Annotated[str, typer.Option(help="A JSON object of your own.")] = "{}",
    name: Annotated[str, typer.Option("--id", help="Id of the instance; default: made up.")] = "",
    version: Annotated[str, typer.Option(help="Default: the newest.")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Create an instance that waits until `begin` starts it."""
    values, own = variables_of(variables, []), variables_of(metadata, [], "--metadata")
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.create(definition, values, name, version, options, own)
        said(answer, "created", json=json)


@app.command()
def begin(
    instance: Id,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Start an instance that was created."""
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        said(made.start(instance, options), "started", json=json)


def variables_of(text: str, pairs: list[str], option: str = "--vars") -> dict[str, Any]:
    """Read a JSON object and `name=value` pairs that come on top of it."""
    try:
        values = parse_object(text)
    except JsonError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} is not name=value", param_hint="--var")
        try:
            values[name] = parse(value)
        except JsonError:
            values[name] = value
    return values


def said(answer: Answer, what: str, *, json: bool) -> None:
    """Write what a command led to."""
    reply = answer.reply
    if json:
        as_json(
            {
                "id": answer.id,
                "position": reply.position,
                "sequence": reply.sequence,
                "incarnation": reply.incarnation,
                "result": plain(reply.result),
            }
        )
    else:
        say(f"{answer.id} {what}")


def _follow(stream: EventStream, timeout: float, *, json: bool) -> None:
    """Write events until the instance ends; exit code 1 where it did not complete."""
    last = ""
    try:
        for event in stream.watch(timeout):
            last = event.message.envelope.type
            write(event, json=json)
    finally:
        stream.close()
    if last not in ENDS:
        raise NoAnswerError(f"the instance has not ended within {timeout:g} s; it goes on")
    if last != "workflow.completed":
        raise typer.Exit(FAILED)


@app.command()
def watch(
    instance: Id,
    timeout: Annotated[float, typer.Option(help="Seconds.")] = 3_600,
    json: JsonOption = False,
) -> None:
    """Write an instance's events, from its first, until it ends."""
    with kafka() as settings:
        _follow(EventStream(settings, beginning=True, instance_id=instance), timeout, json=json)


def _steer(
    name: str, verb: Callable[[Client], Callable[..., Answer]], done: str, text: str
) -> None:
    def command(
        instance: Id,
        reason: Reason = "",
        tenant: Tenant = DEFAULT_TENANT,
        actor: Actor = "",
        command_id: CommandId = "",
        json: JsonOption = False,
    ) -> None:
        options = Options(tenant=tenant, actor=actor, command_id=command_id)
        with kafka() as settings, Client(settings) as made:
            said(verb(made)(instance, reason, options), done, json=json)

    app.command(name, help=text)(command)


_steer("suspend", lambda c: c.suspend, "suspended", "Begin nothing new until resumed.")
_steer("resume", lambda c: c.resume, "resumed", "Go on after a suspension.")
_steer("terminate", lambda c: c.terminate, "terminated", "End at once, without clean-up.")
_steer("delete", lambda c: c.delete, "deleted", "Hide one that is over or was never started.")


@app.command()
def cancel(
    instance: Id,
    reason: Reason = "",
    compensate: Annotated[
        bool, typer.Option(help="Undo what is done first, where handlers for it exist.")
    ] = True,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """End with clean-up: what is done is undone by its compensation handlers."""
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.cancel(instance, reason, options, compensate=compensate)
        said(answer, "is being cancelled", json=json)


@app.command()
def retry(
    instance: Id,
    incident: Annotated[int, typer.Option(help="Sequence of its event; 0: all.")] = 0,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    json: JsonOption = False,
) -> None:
    """Retry what waits for an operator."""
    with kafka() as settings, Client(settings) as made:
        answer = made.retry(instance, incident, Options(tenant=tenant, actor=actor))
        said(answer, "goes on", json=json)
