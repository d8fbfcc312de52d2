"""Definitions that are published together: which they are, and how each names the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

import typer

from connectors.cli.failures import NotFoundError
from schemas.definitions import DefinitionRecord
from streams.domain.definition.group import read_name
from streams.domain.net.contacts import Contacts, contacts_of
from streams.domain.net.model import Definition
from streams.forms import read_definition

Sound = tuple[str, str, Definition]
"""A source, its file's name, its model."""
T = TypeVar("T")
WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="ID[@VERSION]",
        help="A published definition that these are to be sound together with (asks Kafka); "
        "may be given several times.",
    ),
]


def groups_of(sources: Iterable[Sound]) -> list[list[Sound]]:
    """Return those that call each other or speak with each other, each of them once.

    Raises:
        typer.BadParameter: two versions of one definition would be published together.
    """
    groups: list[list[Sound]] = []
    for one in sources:
        near = [group for group in groups if any(_are_near(one, other) for other in group)]
        far = [group for group in groups if group not in near]
        groups = [*far, [*(other for group in near for other in group), one]]
    for group in groups:
        ids = [definition.id for _, _, definition in group]
        twice = next((name for name in ids if ids.count(name) > 1), "")
        if twice:
            raise typer.BadParameter(f"two versions of {twice} together: publish them in turn")
    return groups


def _are_near(one: Sound, other: Sound) -> bool:
    first, second = contacts_of(one[2]), contacts_of(other[2])
    calls = _calls(first, other) or _calls(second, one)
    return calls or first.speaks_with(second)


def _calls(contacts: Contacts, other: Sound) -> bool:
    return any(name == other[2].id for name, _ in contacts.calls)


def names_for(one: Sound, group: list[Sound], more: list[str]) -> list[str]:
    """Return what a definition is to be sound together with: the others, and what was named."""
    others = [other[2] for other in group if other is not one]
    return [*(f"{other.id}@{other.version}" for other in others), *more]


def named(
    names: Iterable[str], files: list[Sound], records: Iterable[DefinitionRecord]
) -> list[Sound]:
    """Return the published definitions of these names; `records` are in the order of versions.

    Raises:
        NotFoundError: one is not published.
    """
    known = [one for one in records if one.status == "published"]
    ids = {definition.id for _, _, definition in files}
    return [_named(name, ids, known) for name in names]


def _named(text: str, ids: set[str], known: list[DefinitionRecord]) -> Sound:
    name, version = read_name(text)
    if name in ids:
        raise typer.BadParameter(f"--with {text}: it is among the files, which is enough")
    found = [r for r in known if r.definition_id == name and version in {"", r.version}]
    if not found:
        raise NotFoundError(f"--with {text}: it is not published; see `tidemill definition list`")
    record = found[-1]
    definition = read_definition(record.source)
    if isinstance(definition, list):
        raise NotFoundError(f"--with {text}: this release cannot read it")
    return record.source, f"{name}@{record.version}", definition


def at_once(work: Callable[[Sound], T], group: list[Sound]) -> list[T]:
    """Do something for each of a group at the same moment; the first failure is raised at the end.

    Each waits for the others: one after the other they would wait for ever.
    """
    with ThreadPoolExecutor(max_workers=len(group)) as pool:
        begun = [pool.submit(work, one) for one in group]
    return [one.result() for one in begun]
