"""What the command line writes: tables and sentences for people, JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]

_BAR_AFTER = 1.0
# What stands between colons is an id, not the name of an emoji.
_out = Console(highlight=False, soft_wrap=True, emoji=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def say(text: str) -> None:
    """Write a line for people."""
    _out.print(text, markup=False)


def note(text: str) -> None:
    """Write progress to the error stream, where it disturbs no program."""
    _err.print(text, markup=False, style="dim")


def fault(text: str) -> None:
    """Write an error."""
    _err.print(text, markup=False, style="red")


@contextmanager
def bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told how much is done of how much; a bar is seen after a second."""
    columns = (TextColumn(text), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=_err, transient=True)
    task = shown.add_task(text, total=None)
    begun = time.monotonic()

    def tell(done: int, of: int) -> None:
        shown.update(task, completed=done, total=of)
        if not shown.live.is_started and time.monotonic() - begun > _BAR_AFTER:
            shown.start()

    try:
        yield tell
    finally:
        shown.stop()


def as_json(value: Any) -> None:
    """Write one JSON value on one line."""
    _out.print(msgspec.json.encode(value, enc_hook=str).decode(), markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    _out.print(made, markup=False)


def rows(
    columns: Sequence[str], found: Iterable[Sequence[object]], *, json: bool, empty: str
) -> None:
    """Write rows as a table or as a JSON array of objects."""
    found = list(found)
    if json:
        as_json([dict(zip(columns, row, strict=True)) for row in found])
    elif found:
        table(columns, found)
    else:
        say(empty)
