"""`tidemill lock`: hold a lock while a command runs; take, keep, give back and see locks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Annotated

import typer

from connectors.cli.connection import client
from connectors.cli.failures import FAILED, NotFoundError
from connectors.cli.output import JsonOption, as_json, fault, note, rows, say, table
from connectors.cli.views import After, Limit, Timeout, moment, views
from connectors.client.lock_keeper import LockKeeper
from connectors.client.locks import HeldLock
from connectors.client.options import Options
from projections.locks import Lock
from schemas.ids import DEFAULT_TENANT

app = typer.Typer(
    name="lock", help="Hold, take and see locks that exclude each other.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="Name of the lock.")]
Owner = Annotated[str, typer.Option(help="Who holds it; default: made up.")]
Ttl = Annotated[float, typer.Option(help="Seconds until it is free by itself.")]
Wait = Annotated[float, typer.Option(help="Seconds in the queue, in order of asking.")]
Retries = Annotated[int, typer.Option(min=0, help="Further attempts after the first.")]
Delay = Annotated[float, typer.Option(help="Seconds between attempts.")]
Tenant = Annotated[str, typer.Option(help="Whose lock it is.")]
Actor = Annotated[str, typer.Option(help="Who does this; kept in every event.")]
TOKEN_VARIABLE = "TIDEMILL_LOCK_TOKEN"  # noqa: S105 - a variable's name
_GRACE_SECONDS = 10.0


@app.command()
def acquire(
    name: Name,
    owner: Owner = "",
    ttl: Ttl = 30.0,
    wait: Wait = 0.0,
    retry_count: Retries = 0,
    retry_delay: Delay = 0.2,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
    json: JsonOption = False,
) -> None:
    """Take a lock, and write its owner and token, which the other commands ask for."""
    options = Options(tenant=tenant, actor=actor)
    with client() as made:
        held = made.acquire_lock(
            name,
            ttl,
            owner,
            wait=wait,
            retry_count=retry_count,
            retry_delay=retry_delay,
            options=options,
        )
    if json:
        as_json(held._asdict())
    else:
        say(f"{name} is held by {held.owner} with token {held.token}")


@app.command()
def extend(
    name: Name,
    owner: Annotated[str, typer.Option(help="Who holds it.")],
    token: Annotated[int, typer.Option(help="The token that came with it.")],
    ttl: Ttl = 30.0,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
) -> None:
    """Keep a lock for longer, from now on; exit code 4 where it is lost."""
    with client() as made:
        made.extend_lock(name, owner, token, ttl, Options(tenant=tenant, actor=actor))
    say(f"{name} is held for {ttl:g} s more")


@app.command()
def release(
    name: Name,
    owner: Annotated[str, typer.Option(help="Who holds it.")] = "",
    token: Annotated[int, typer.Option(help="Its token; 0: whatever the owner has.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Whoever holds it.")] = False,
    reason: Annotated[str, typer.Option(help="For --force; kept in the event.")] = "",
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
) -> None:
    """Give a lock back, or take it from its holder; exit code 1 where another has it."""
    if force == bool(owner):
        raise typer.BadParameter("give --owner, or --force", param_hint="--owner")
    options = Options(tenant=tenant, actor=actor)
    with client() as made:
        if force:
            made.force_release_lock(name, reason, options)
        elif not made.release_lock(name, owner, token, options):
            fault(f"{name} is not held by {owner}")
            raise typer.Exit(FAILED)
    say(f"{name} is released")


@app.command()
def run(
    name: Name,
    command: Annotated[list[str], typer.Argument(help="After `--`: what to run.")],
    owner: Owner = "",
    ttl: Ttl = 30.0,
    wait: Wait = 0.0,
    retry_count: Retries = 0,
    retry_delay: Delay = 0.2,
    tenant: Tenant = DEFAULT_TENANT,
    actor: Actor = "",
) -> None:
    """Run a command while holding a lock: `tidemill lock run NAME -- COMMAND …`.

    The lock is extended as long as the command runs. Exit code: the command's own; 4 where the
    lock is not acquired, 1 where it is lost, and then the command is ended. The command finds the
    lock's token in TIDEMILL_LOCK_TOKEN.
    """
    with client() as made:
        keeper = made.hold_lock(
            name,
            ttl,
            owner,
            wait=wait,
            retry_count=retry_count,
            retry_delay=retry_delay,
            options=Options(tenant=tenant, actor=actor),
        )
        try:
            code = asyncio.run(_run(keeper, command))
        except asyncio.CancelledError:  # SIGTERM while it waited.
            code = 128 + signal.SIGTERM
    raise typer.Exit(code)


async def _run(keeper: LockKeeper, command: list[str]) -> int:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with keeper as held:
        try:
            child = await _start(held, command)
        except OSError as error:
            raise typer.BadParameter(f"cannot run {command[0]}: {error.strerror}") from None
        try:
            code = await child.wait()
        except asyncio.CancelledError:
            await _end(child)
            raise
    return code if code >= 0 else 128 - code


async def _start(held: HeldLock, command: list[str]) -> asyncio.subprocess.Process:
    environment = os.environ | {TOKEN_VARIABLE: str(held.token)}
    child = await asyncio.create_subprocess_exec(*command, env=environment)

    def forward(number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, forward, number)
    # A terminal sends Ctrl-C to the command too: how it ends is how this ends.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    return child


async def _end(child: asyncio.subprocess.Process) -> None:
    """End the command: what it does is no longer protected."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


@app.command()
def show(
    name: Name,
    tenant: Tenant = DEFAULT_TENANT,
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """Show a lock: who has it and since when, its token, who waits."""
    with views(after, timeout) as reader:
        found, position = reader.lock(name, tenant)
    if found is None:
        raise NotFoundError(f"the view has no lock {name} at position {position}")
    if json:
        as_json({"lock": found, "position": position})
        return
    table(("field", "value"), _fields(found))
    say(f"at position {position}")


def _fields(one: Lock) -> list[tuple[str, str]]:
    free = f"{one.state}, {one.how} {one.reason}".rstrip()
    found = [
        ("name", one.id),
        ("state", one.state if one.freed_at is None else free),
        ("owner" if one.freed_at is None else "last owner", one.owner),
        ("token", str(one.token)),
        ("acquired", moment(one.acquired_at)),
    ]
    if one.freed_at is not None:
        found.append(("freed", moment(one.freed_at)))
    else:
        found.append(("until", _until(one.expires_at)))
    return found + [("waits", f"{w.owner} until {_until(w.until)}") for w in one.waiting]


def _until(milliseconds: int) -> str:
    return moment(milliseconds) if milliseconds else "released"


@app.command("list")
def listed(
    free: Annotated[bool, typer.Option("--all", help="Free ones too.")] = False,
    tenant: Tenant = DEFAULT_TENANT,
    limit: Limit = 50,
    cursor: Annotated[str, typer.Option(help="Name of the last lock seen.")] = "",
    after: After = "",
    timeout: Timeout = 10.0,
    json: JsonOption = False,
) -> None:
    """List the locks that are held, in order of name."""
    with views(after, timeout) as reader:
        found, position = reader.locks(tenant, free=free, after=cursor, limit=limit)
    if json:
        as_json({"locks": found, "position": position})
        return
    columns = ("name", "state", "owner", "token", "acquired", "until", "waiting")
    nothing = f"no such lock at position {position}"
    rows(columns, [_row(one) for one in found], json=False, empty=nothing)
    if len(found) == limit:
        note(f"there may be more: --cursor {found[-1].id}")


def _row(one: Lock) -> tuple[object, ...]:
    until = _until(one.expires_at) if one.freed_at is None else ""
    acquired = moment(one.acquired_at)
    return one.id, one.state, one.owner, one.token, acquired, until, len(one.waiting) or ""
