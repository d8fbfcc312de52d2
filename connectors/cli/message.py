"""`tidemill message` and `tidemill signal`: tell running workflows what happened outside."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connectors.cli.connection import kafka
from connectors.cli.events import plain
from connectors.cli.output import JsonOption, as_json, say
from connectors.client.client import Answer, Client, Options
from schemas.ids import DEFAULT_TENANT, channel_id
from schemas.json_text import JsonError, parse
from streams.domain.expressions.moments import duration_ms

message = typer.Typer(
    name="message", help="Publish messages: each is for one that waits.", no_args_is_help=True
)
signal = typer.Typer(
    name="signal", help="Broadcast signals: each is for all that wait.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the nouns."""
    app.add_typer(message)
    app.add_typer(signal)


MessageName = Annotated[str, typer.Argument(help="Name of the message, as definitions have it.")]
SignalName = Annotated[str, typer.Argument(help="Name of the signal, as definitions have it.")]
Key = Annotated[
    str, typer.Option(help="Correlation key: which of those that wait for the name is meant.")
]
Data = Annotated[str, typer.Option(help="Payload, a JSON value: what the workflow receives.")]
Incident = Annotated[int, typer.Option(help="Sequence of its event; 0: all.")]
Tenant = Annotated[str, typer.Option(help="Whose workflows are meant.")]
Actor = Annotated[str, typer.Option(help="Who does this; kept in every event.")]
CommandId = Annotated[
    str, typer.Option(help="Your own id of this command: sending it again changes nothing.")
]


@message.command("publish")
def publish_message(
    name: MessageName,
    key: Key = "",
    data: Data = "null",
    ttl: Annotated[
        str, typer.Option(help="How long it waits to be taken: PT30S, PT5M, P1D, or PT0S.")
    ] = "PT1H",
    message_id: Annotated[
        str, typer.Option("--id", help="Id of the message: the same one again has no effect.")
    ] = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Publish a message for the one workflow that waits for its name and key.

    Where none waits yet, it is kept until one does or its time to live is over. Exactly one takes
    it. What became of it says `tidemill events tail --from-beginning --instance CHANNEL`.

    Example: tidemill message publish payment-received --key order-7 --data '{"amount": 5}'
    """
    payload, seconds = _data(data), _seconds(ttl)
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.publish_message(name, key, payload, seconds, message_id, options)
        _said(answer, "message_id", f"message {name} is published", json=json)


@signal.command("broadcast")
def broadcast_signal(
    name: SignalName,
    data: Data = "null",
    signal_id: Annotated[
        str, typer.Option("--id", help="Id of the signal: the same one again has no effect.")
    ] = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    command_id: CommandId = "",
    json: JsonOption = False,
) -> None:
    """Give a signal to every workflow that waits for its name now.

    Nothing is kept: what begins to wait later does not get it.

    Example: tidemill signal broadcast market-closed --data '{"at": "17:30"}'
    """
    payload = _data(data)
    options = Options(tenant=tenant, actor=actor, command_id=command_id)
    with kafka() as settings, Client(settings) as made:
        answer = made.broadcast_signal(name, payload, signal_id, options)
        _said(answer, "signal_id", f"signal {name} is broadcast", json=json)


@message.command("retry")
def retry_message(
    name: MessageName,
    key: Key = "",
    incident: Incident = 0,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    json: JsonOption = False,
) -> None:
    """Apply again what a defect stopped in a message's channel."""
    channel = channel_id("message", name, key)
    _retry(channel, incident, Options(tenant=tenant, actor=actor), json=json)


@signal.command("retry")
def retry_signal(
    name: SignalName,
    incident: Incident = 0,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    json: JsonOption = False,
) -> None:
    """Apply again what a defect stopped in a signal's channel."""
    channel = channel_id("signal", name)
    _retry(channel, incident, Options(tenant=tenant, actor=actor), json=json)


def _retry(channel: str, incident: int, options: Options, *, json: bool) -> None:
    with kafka() as settings, Client(settings) as made:
        answer = made.retry_channel(channel, incident, options)
        _said(answer, "", f"channel {channel} goes on", json=json)


def _data(text: str) -> Any:
    try:
        return parse(text)
    except JsonError as error:
        hint = "text is JSON in quotes: --data '\"text\"'"
        raise typer.BadParameter(f"{error}; {hint}", param_hint="--data") from None


def _seconds(text: str) -> float:
    try:
        return duration_ms(text) / 1000
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ttl") from None


def _said(answer: Answer, named: str, text: str, *, json: bool) -> None:
    reply = answer.reply
    result = plain(reply.result)
    if json:
        found = result if isinstance(result, dict) else {"channel": answer.id}
        as_json({**found, "position": reply.position, "sequence": reply.sequence})
    elif named and isinstance(result, dict):
        say(f"{text} as {result[named]}, in the channel {answer.id}")
    else:
        say(text)
