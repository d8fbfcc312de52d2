"""What the query views say: `instance show|list|history` and `definition versions`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from msgspec.structs import asdict

from connectors.cli.failures import NotFoundError
from connectors.cli.instance import Id, Tenant
from connectors.cli.output import JsonOption, as_json, note, rows, say, table
from projections.definitions import Version
from projections.errors import ViewsNotReadyError
from projections.history import Entry
from projections.instance import Instance
from projections.instances import Filter
from projections.reader import Reader
from projections.settings import ProjectionSettings
from schemas.ids import DEFAULT_TENANT
from streams.domain.instance.state import STATUSES as STATES

States = Annotated[list[str] | None, typer.Option("--state", help=f"{', '.join(STATES)}; repeat.")]
After = Annotated[
    str,
    typer.Option(
        "--after", metavar="POSITION", help="Wait until the view has passed this position."
    ),
]
Timeout = Annotated[float, typer.Option(help="Seconds for --after; then exit code 6.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]


@contextmanager
def views(after: str = "", timeout: float = 10.0) -> Iterator[Reader]:
    """Yield a reader of views that have passed a position."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            reader = Reader(ProjectionSettings())
            break
        except ViewsNotReadyError:
            if not after or time.monotonic() > deadline:
                raise
            time.sleep(0.1)  # A projector that was just started is making them.
    with reader:
        if after:
            reader.wait(after, max(0.0, deadline - time.monotonic()))
        yield reader


def show(
    instance: Id,
    tenant: Tenant = DEFAULT_TENANT,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """Show an instance: state, where it is, variables, incidents, counters."""
    with views(after, timeout) as reader:
        found, position = reader.instance(instance, tenant)
    if found is None:
        raise NotFoundError(f"the view has no instance {instance} at position {position}")
    if json:
        as_json({"instance": full(found), "position": position})
        return
    table(("field", "value"), _fields(found))
    say(f"at position {position}")


def full(instance: Instance) -> dict[str, Any]:
    """Return an instance as a JSON object."""
    return {**asdict(instance), "current_nodes": instance.current_nodes}


def _fields(one: Instance) -> Iterator[tuple[str, str]]:
    yield "id", one.id
    yield "definition", f"{one.definition_id} {one.definition_version}"
    yield "state", f"{one.state}{f': {one.reason}' if one.reason else ''}"
    yield "sequence", f"{one.sequence} (incarnation {one.incarnation})"
    yield "created", f"{moment(one.created_at)}{f' by {one.created_by}' if one.created_by else ''}"
    yield "updated", moment(one.updated_at)
    if one.ended_at is not None:
        yield "ended", moment(one.ended_at)
    if one.parent_id:
        yield "called by", f"{one.parent_id}@{one.parent_incarnation}:{one.parent_call}"
    yield "at", ", ".join(one.current_nodes)
    for number, incident in one.incidents.items():
        where = f" at {incident.node}" if incident.node else ""
        yield f"incident {number}", f"{incident.code}{where}: {incident.message}"
    for name, value in sorted(one.variables.items()):
        yield f"variable {name}", bytes(value).decode()
    if one.ended_at is not None:
        yield "result", bytes(one.result).decode()
    yield "metadata", bytes(one.metadata).decode()
    for name, text in sorted(one.context_metadata.items()):
        yield f"metadata {name}", text
    counts = (one.activities_executed, one.activities_failed, one.retries)
    yield "activities", "{} done, {} attempts failed, {} retries".format(*counts)
    yield "path", " ".join(one.execution_path)
    for text in one.error_stack:
        yield "error", text


def moment(milliseconds: int) -> str:
    """Write a time for people."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _milliseconds(text: str, option: str) -> int:
    if not text:
        return 0
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time: write 2026-03-01 or 2026-03-01T12:00:00Z", param_hint=option
        ) from None
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return int(value.timestamp() * 1000)


def list_instances(
    state: States = None,
    definition: Annotated[str, typer.Option(help="Only of this definition.")] = "",
    version: Annotated[str, typer.Option(help="Only of this version.")] = "",
    tenant: Annotated[str, typer.Option(help="Only of this tenant.")] = "",
    parent: Annotated[str, typer.Option(help="Only those this instance called.")] = "",
    incidents: Annotated[bool, typer.Option("--incidents", help="Only with an open one.")] = False,
    created_from: Annotated[str, typer.Option("--from", help="Created then or later.")] = "",
    created_until: Annotated[str, typer.Option("--until", help="Created before.")] = "",
    limit: Limit = 50,
    cursor: Annotated[str, typer.Option(help="Of the page before: go on from there.")] = "",
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """List instances, newest first; deleted ones only with --state deleted."""
    begin, end = _milliseconds(created_from, "--from"), _milliseconds(created_until, "--until")
    wanted = Filter(
        tenant, _states(state or []), definition, version, begin, end, parent, incidents
    )
    with views(after, timeout) as reader:
        (found, following), position = reader.instances(wanted, limit, cursor)
    if json:
        content = [full(one) for one in found]
        as_json({"instances": content, "cursor": following, "position": position})
        return
    columns = ("id", "definition", "state", "created", "updated", "at", "incidents")
    nothing = f"no such instance at position {position}"
    rows(columns, [_row(one) for one in found], json=False, empty=nothing)
    if following:
        note(f"there are more: --cursor {following}")


def _states(given: list[str]) -> tuple[str, ...]:
    states = tuple(one.capitalize() for one in given)
    for one in states:
        if one not in STATES:
            text = f"{one!r} is none of {', '.join(STATES)}"
            raise typer.BadParameter(text, param_hint="--state")
    return states


def _row(one: Instance) -> tuple[object, ...]:
    return (
        one.id if one.tenant == DEFAULT_TENANT else f"{one.tenant}/{one.id}",
        f"{one.definition_id} {one.definition_version}",
        one.state,
        moment(one.created_at),
        moment(one.updated_at),
        ", ".join(one.current_nodes),
        one.open_incidents or "",
    )


def history(
    instance: Id,
    tenant: Tenant = DEFAULT_TENANT,
    limit: Limit = 1_000,
    cursor: Annotated[int, typer.Option(help="Position of the last event seen.")] = 0,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """List everything that happened to an instance, oldest first."""
    with views(after, timeout) as reader:
        found, position = reader.history(instance, tenant, after=cursor, limit=limit)
    if not found and not cursor:
        raise NotFoundError(f"the view has no instance {instance} at position {position}")
    if json:
        as_json({"events": [one._asdict() for one in found], "position": position})
        return
    columns = ("position", "time", "incarnation", "sequence", "type", "node", "actor")
    table(columns, [_happened(one) for one in found])
    if len(found) == limit:
        note(f"there may be more: --cursor {found[-1].position}")


def _happened(one: Entry) -> tuple[object, ...]:
    time = moment(one.time)
    return one.position, time, one.incarnation, one.sequence, one.type, one.node, one.actor


def versions(
    name: Annotated[str, typer.Argument(help="Id of a definition; default: all.")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """Show what became of each version: when it was submitted, by whom, and the verdict."""
    with views(after, timeout) as reader:
        found, position = reader.definitions(name, tenant)
    if name and not found:
        raise NotFoundError(f"the view has no definition {name} at position {position}")
    if json:
        as_json({"versions": found, "position": position})
        return
    columns = ("id", "version", "state", "verdict", "submitted", "by", "decided", "message")
    nothing = f"no definition at position {position}"
    rows(columns, [_verdict(one) for one in found], json=False, empty=nothing)


def _verdict(one: Version) -> tuple[object, ...]:
    decided = "" if one.decided_at is None else moment(one.decided_at)
    message = f"{one.code}: {one.message}" if one.code else ""
    submitted = moment(one.submitted_at)
    stands = one.id, one.version, one.state, one.verdict
    return *stands, submitted, one.submitted_by, decided, message


INSTANCE_COMMANDS = (show, list_instances, history)
"""Added to `tidemill instance` by `connectors/cli/projection.py`."""
