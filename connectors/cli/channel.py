"""`tidemill channel`: see what waits at the channels of messages and signals, and who for."""

from __future__ import annotations

from typing import Annotated

import typer

from connectors.cli.failures import NotFoundError
from connectors.cli.output import JsonOption, as_json, note, rows, say, table
from connectors.cli.views import After, Limit, Timeout, moment, views
from projections.channel import Channel, Kept, Subscriber
from schemas.ids import DEFAULT_TENANT, channel_id

app = typer.Typer(
    name="channel", help="See what waits at messages and signals.", no_args_is_help=True
)
Tenant = Annotated[str, typer.Option(help="Whose channel it is.")]


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the message or signal.")],
    key: Annotated[str, typer.Option(help="A message's correlation key.")] = "",
    signal: Annotated[bool, typer.Option("--signal", help="It is a signal.")] = False,
    tenant: Tenant = DEFAULT_TENANT,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """Show a channel: the messages that are kept, who waits, and how many were taken.

    Example: tidemill channel show payment-received --key order-7
    """
    if signal and key:
        raise typer.BadParameter("a signal has no key: leave it out", param_hint="--key")
    channel = channel_id("signal" if signal else "message", name, key)
    with views(after, timeout) as reader:
        found, position = reader.channel(channel, tenant)
    if found is None:
        raise NotFoundError(
            f"the view has no channel {channel} at position {position}: is it a --signal, or "
            "has it another --key (`tidemill channel list --all`)?"
        )
    if json:
        as_json({"channel": found, "position": position})
        return
    table(("field", "value"), _fields(found))
    say(f"at position {position}")


def _fields(one: Channel) -> list[tuple[str, str]]:
    found = [("channel", one.id), ("kind", one.kind), ("name", one.name)]
    if one.kind == "message":
        found.append(("key", one.key))
        counts = f"{one.published}, {one.taken} taken, {one.expired} expired"
    else:
        counts = f"{one.published}, taken {one.taken} times"
    found.append(("published", counts))
    if one.last_at:
        found.append(("last", f"{one.last_id} at {moment(one.last_at)}"))
    found += [("kept", _kept(message)) for message in one.messages]
    return found + [("waits", _waits(subscriber)) for subscriber in one.subscribers]


def _kept(one: Kept) -> str:
    if one.is_signal:
        return f"{one.id} since {moment(one.since)}, unanswered by {one.offered}"
    if one.offered:
        return f"{one.id} since {moment(one.since)}, offered"
    return f"{one.id} since {moment(one.since)}, until {moment(one.expires_at)}"


def _waits(one: Subscriber) -> str:
    text = f"{one.owner_type} {one.owner_id} at {one.node} since {moment(one.since)}"
    if one.closing:
        return f"{text}, closing"
    if one.ask_at:
        return f"{text}, deferred, asked again {moment(one.ask_at)}"
    return f"{text}, asked" if one.offers else text


@app.command("list")
def listed(
    at_rest: Annotated[bool, typer.Option("--all", help="Those too where nothing waits.")] = False,
    tenant: Tenant = DEFAULT_TENANT,
    limit: Limit = 50,
    cursor: Annotated[str, typer.Option(help="Id of the last channel seen.")] = "",
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """List the channels where a message or somebody waits."""
    with views(after, timeout) as reader:
        found, position = reader.channels(tenant, at_rest=at_rest, after=cursor, limit=limit)
    if json:
        as_json({"channels": found, "position": position})
        return
    columns = ("channel", "messages", "waiting", "published", "taken", "expired", "last")
    nothing = f"nothing waits at any channel at position {position}"
    rows(columns, [_row(one) for one in found], json=False, empty=nothing)
    if len(found) == limit:
        note(f"there may be more: --cursor {found[-1].id}")


def _row(one: Channel) -> tuple[object, ...]:
    last = moment(one.last_at) if one.last_at else ""
    counts = (one.published, one.taken, one.expired)
    return one.id, len(one.messages), len(one.subscribers), *counts, last
