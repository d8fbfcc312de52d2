"""`tidemill approval`: the work list of people, and what they do with it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from msgspec.structs import asdict

from connectors.cli.connection import client
from connectors.cli.failures import NotFoundError
from connectors.cli.instance import said
from connectors.cli.output import JsonOption, as_json, note, rows, say, table
from connectors.cli.views import After, Limit, Timeout, moment, views
from connectors.client.options import Options
from projections.approvals import STATES, WAITING, Approval, Wanted
from schemas.approval_events import Document
from schemas.ids import DEFAULT_TENANT
from schemas.json_text import JsonError, parse

app = typer.Typer(
    name="approval",
    help="See what waits for people; claim it, decide it, hand it on. Begin with `approval list`.",
    no_args_is_help=True,
)
Instance = Annotated[str, typer.Argument(help="Id of the instance: `approval list` shows it.")]
Number = Annotated[int, typer.Argument(help="Number of the approval in it.")]
Actor = Annotated[str, typer.Option(help="Who you are; kept in every event.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A group you are in; repeat.")]
Tenant = Annotated[str, typer.Option(help="Whose instance it is.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the event.")]


@app.command("list")
def listed(
    person: Annotated[
        str, typer.Option("--for", help="Only what this person has, or may claim by name.")
    ] = "",
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Also what a member of this group may claim; repeat."),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(STATES)}; repeat. Default: {', '.join(WAITING)}."),
    ] = None,
    instance: Annotated[str, typer.Option(help="Only of this instance.")] = "",
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only what is due before now.")
    ] = False,
    tenant: Tenant = DEFAULT_TENANT,
    limit: Limit = 50,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """List approvals: the most urgent first, then those that are due first."""
    for one in state or []:
        if one not in STATES:
            text = f"{one!r} is none of {', '.join(STATES)}"
            raise typer.BadParameter(text, param_hint="--state")
    now = int(time.time() * 1000) if overdue else 0
    states = tuple(state) if state else WAITING
    wanted = Wanted(tenant, states, person, tuple(group or ()), instance, now)
    with views(after, timeout) as reader:
        found, position = reader.approvals(wanted, limit)
    if json:
        as_json({"approvals": [asdict(one) for one in found], "position": position})
        return
    columns = ("instance", "number", "title", "priority", "due", "state", "whose")
    nothing = f"no such approval at position {position}"
    rows(columns, [_row(one) for one in found], json=False, empty=nothing)
    if len(found) == limit:
        note("there may be more: raise --limit")


def _row(one: Approval) -> tuple[object, ...]:
    due = moment(one.due) if one.due else ""
    return one.instance, one.approval, one.title, one.priority, due, one.state, _whose(one)


def _whose(one: Approval) -> str:
    if one.whose:
        return one.whose
    return ", ".join([*one.candidate_users, *(f"group {name}" for name in one.candidate_groups)])


@app.command()
def show(
    instance: Instance,
    number: Number,
    tenant: Tenant = DEFAULT_TENANT,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """Show an approval: what it is about, its form, documents, comments, the decision."""
    with views(after, timeout) as reader:
        found, position = reader.approval(instance, number, tenant)
    if found is None:
        raise NotFoundError(f"the view has no approval {number} of {instance} at {position}")
    if json:
        as_json({"approval": asdict(found), "position": position})
        return
    table(("field", "value"), list(_fields(found)))
    say(f"at position {position}")


def _fields(one: Approval) -> Iterator[tuple[str, str]]:
    yield "title", one.title
    yield "description", one.description
    yield "state", one.state
    yield "whose", _whose(one)
    if one.owner:
        yield "delegated by", one.owner
    yield "priority", str(one.priority)
    if one.due:
        yield "due", moment(one.due)
    yield "input", bytes(one.input).decode()
    yield "form", bytes(one.form).decode()
    yield "outcomes", ", ".join(one.outcomes)
    for document in one.documents:
        yield f"document {document.name}", document.uri
    for comment in one.comments:
        yield f"{comment.author} {moment(comment.time)}", comment.text
    if one.ended_at is not None:
        yield "ended", moment(one.ended_at)
        yield "outcome", one.outcome
        yield "data", bytes(one.data).decode()
        yield "by", one.completed_by
        yield "reason", one.reason


@app.command()
def claim(
    instance: Instance,
    number: Number,
    actor: Actor,
    group: Groups = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Take an approval on, so that nobody else decides it; exit code 4 where another has it."""
    with client() as made:
        answer = made.claim_approval(instance, number, Options(tenant, actor), group or [])
        said(answer, f"has approval {number} claimed by {actor}", json=json)


@app.command()
def release(
    instance: Instance,
    number: Number,
    actor: Actor,
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Give a claim back: to who delegated it, else to all that may claim it."""
    with client() as made:
        answer = made.release_approval(instance, number, Options(tenant, actor))
        said(answer, f"has approval {number} released", json=json)


@app.command()
def complete(
    instance: Instance,
    number: Number,
    outcome: Annotated[str, typer.Argument(help="What is decided: `approval show` lists them.")],
    actor: Actor,
    data: Annotated[str, typer.Option(help="What the form asks for, as JSON.")] = "{}",
    comment: Annotated[str, typer.Option(help="Why; kept in the event.")] = "",
    claimant: Annotated[str, typer.Option(help="Refuse where another has claimed it.")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Decide; data that do not fit the form are refused (exit code 4).

    The refusal says where and why, as `$.sum: integer is needed, this is string`: the path is a
    JSONPath into --data.
    """
    value = _json(data)
    with client() as made:
        answer = made.complete_approval(
            instance,
            number,
            outcome,
            Options(tenant, actor),
            data=value,
            comment=comment,
            claimant=claimant,
        )
        said(answer, f"has approval {number} decided: {outcome}", json=json)


def _json(text: str) -> Any:
    try:
        return parse(text)
    except JsonError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None


@app.command()
def delegate(
    instance: Instance,
    number: Number,
    to: Annotated[str, typer.Argument(help="Who is to decide.")],
    actor: Actor,
    reason: Reason = "",
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Let somebody else decide; it stays yours, and `release` takes it back."""
    with client() as made:
        answer = made.delegate_approval(instance, number, to, Options(tenant, actor), reason)
        said(answer, f"has approval {number} with {to}", json=json)


@app.command()
def assign(
    instance: Instance,
    number: Number,
    actor: Actor,
    assignee: Annotated[str, typer.Option(help="Whose it is.")] = "",
    user: Annotated[list[str] | None, typer.Option(help="Who may claim it; repeat.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Whose members may; repeat.")] = None,
    reason: Reason = "",
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Say whose an approval is from now on, as an operator; a claim is over with it."""
    with client() as made:
        answer = made.assign_approval(
            instance,
            number,
            Options(tenant, actor),
            assignee=assignee,
            users=user or [],
            groups=group or [],
            reason=reason,
        )
        said(answer, f"has approval {number} assigned", json=json)


@app.command()
def comment(
    instance: Instance,
    number: Number,
    text: Annotated[str, typer.Argument(help="What you say.")],
    actor: Actor,
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Say something about an approval."""
    with client() as made:
        answer = made.comment_approval(instance, number, text, Options(tenant, actor))
        said(answer, "has the comment", json=json)


@app.command()
def attach(
    instance: Instance,
    number: Number,
    name: Annotated[str, typer.Argument(help="Name of the document, unique in the approval.")],
    uri: Annotated[str, typer.Argument(help="Where it lies; with --detach not needed.")] = "",
    actor: Annotated[str, typer.Option(help="Who you are.")] = "",
    media_type: Annotated[str, typer.Option(help="Such as application/pdf.")] = "",
    content_hash: Annotated[str, typer.Option("--hash", help="Such as sha256:….")] = "",
    detach: Annotated[bool, typer.Option("--detach", help="Take it away again.")] = False,
    tenant: Tenant = DEFAULT_TENANT,
    json: JsonOption = False,
) -> None:
    """Let an approval refer to a document, or no longer."""
    options = Options(tenant, actor)
    with client() as made:
        if detach:
            answer = made.detach_document(instance, number, name, options)
        else:
            document = Document(name, uri, media_type, content_hash)
            answer = made.attach_document(instance, number, document, options)
        said(answer, f"has {name} {'detached' if detach else 'attached'}", json=json)
