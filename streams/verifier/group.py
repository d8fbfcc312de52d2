"""The group of a version: what its publisher wants it to be sound together with.

Its members are submitted in any order and judged one after the other, each with all the others. So
all of them come to the same answer, whoever judges, and whichever is judged first.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.definitions import DefinitionRecord
from streams.domain.definition.group import NAMED_MAX, read_name
from streams.domain.definition.state import DELETED, REFUSED, SUBMITTED
from streams.verifier.library import Library
from streams.verifier.pending import Task


class Group(NamedTuple):
    """Who belongs to it, as far as they are there."""

    members: list[DefinitionRecord]
    missing: list[str]
    """What is not there yet: `id@version`, and how it stands."""
    lost: str = ""
    """Why it will never be whole; empty where it may."""
    refused: str = ""
    """The first member that was refused meanwhile, and why; its source is judged all the same."""

    @property
    def is_settled(self) -> bool:
        """Tell whether there is nothing to wait for."""
        return bool(self.lost) or not self.missing


def group_of(task: Task, library: Library) -> Group:
    """Return those that a version names, and those that the submitted ones among them name."""
    own = task.key[1]
    members: dict[str, DefinitionRecord] = {}
    missing: list[str] = []
    names = [*task.record.sound_with]
    refused = ""
    for text in names:
        found = _find(text, task, library)
        if isinstance(found, str):
            missing.append(found)
            continue
        if found.status == DELETED:
            why = f"{text} is deleted, and its number is never used again"
            return Group([*members.values()], missing, why)
        if found.definition_id in {own, *members}:
            continue
        members[found.definition_id] = found
        if found.status == REFUSED:
            refused = refused or f"{text} was refused: {found.message}"
        names += [name for name in found.sound_with if found.status == SUBMITTED]
        if len(members) > NAMED_MAX:
            return Group([*members.values()], [], f"more than {NAMED_MAX} name each other")
    return Group([*members.values()], missing, refused=refused)


def _find(text: str, task: Task, library: Library) -> DefinitionRecord | str:
    """Return what a name names, or how it stands where it is not there yet."""
    tenant = task.key[0]
    name, version = read_name(text)
    if not version:
        return library.newest(tenant, name) or f"{name}, of which no version is published"
    entry = library.entry(tenant, name, version)
    if entry is None:
        return f"{text}, which nobody has submitted"
    # What was refused before may be submitted again, as this one was.
    if entry.record.status == REFUSED and entry.time <= task.envelope.time:
        return f"{text}, which was refused before ({entry.record.message})"
    return entry.record


def told(record: DefinitionRecord, group: Group, seconds: float) -> str:
    """Say why a version cannot be judged with its group."""
    name = f"{record.definition_id}@{record.version}"
    if group.lost or group.refused:
        why = group.lost or group.refused
        return f"{name} is to be sound together with others, and {why}"
    return (
        f"{name} is to be sound together with {'; '.join(group.missing)}: waited {seconds:g} s "
        "for it; publish them with one command, or at the same moment"
    )
