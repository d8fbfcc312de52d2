"""Which definitions are looked at together with a submitted one.

- `named`: those that its publisher named.
- `calls`: it, and all that it calls, they call, and so on.
- `called`: the same of each that calls it, at once or through others.
- `speaks`: those with which it exchanges messages and signals, they with others, and so on.

A call names its callee, so that what does not fit there is certain. A message may come from
outside as well, and a protocol is changed on one side after the other: that is a warning, unless
the publisher named the other side. Of each definition the newest published version takes part, or
the one that was named, and for a call the newest in its range.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import msgspec

from schemas.definitions import DefinitionRecord
from streams.domain.definition.state import PUBLISHED, order
from streams.domain.net.contacts import Contacts
from streams.domain.net.model import Version
from streams.domain.net.version_ranges import newest
from streams.verifier.library import Library

NAMED, CALLS, CALLED, SPEAKS = "named", "calls", "called", "speaks"
MEMBERS_MAX: Final = 8
"""Definitions that are looked at together, where the publisher did not name them."""
CALLERS_MAX: Final = 16


class Member(msgspec.Struct, frozen=True):
    """A definition that is looked at with others."""

    definition_id: str
    version: str
    source: str
    verdict: str
    """On it alone; empty: nobody has judged it yet."""

    def __str__(self) -> str:
        """Return `id@version`."""
        return f"{self.definition_id}@{self.version}"


class Company(msgspec.Struct, frozen=True):
    """Definitions that are looked at together, the submitted one among them."""

    bond: str
    members: list[Member]
    before: list[Member] = []
    """The same as they are without the submitted version."""
    why_not: str = ""
    """Why they cannot be looked at together."""


class _Shelf:
    """The versions of one tenant as they are once some more are published."""

    def __init__(self, library: Library, tenant: str, more: list[DefinitionRecord]) -> None:
        self._library = library
        self._tenant = tenant
        self._more = {one.definition_id: one for one in more}
        self.ids = sorted({*library.ids(tenant), *self._more})

    def newest(self, definition_id: str, wanted: str = "") -> DefinitionRecord | None:
        found = self._versions(definition_id)
        version = newest(found, wanted)
        return None if version is None else found[version]

    def speaking(self, definition_id: str) -> DefinitionRecord | None:
        """Return the version that takes part in conversations: the one that was named."""
        return self._more.get(definition_id) or self.newest(definition_id)

    def _versions(self, definition_id: str) -> dict[Version, DefinitionRecord]:
        found = self._library.published(self._tenant, definition_id)
        one = self._more.get(definition_id)
        return found if one is None else found | {order(one.version): one}

    def contacts(self, record: DefinitionRecord) -> Contacts:
        return self._library.contacts(record)

    def calls(self, record: DefinitionRecord) -> list[tuple[str, str]]:
        return sorted(self.contacts(record).calls)

    def called_by(self, record: DefinitionRecord) -> list[DefinitionRecord]:
        """Return what a definition calls, as far as it is there, in the order of their ids."""
        found = (self.newest(*call) for call in self.calls(record))
        return [one for one in found if one is not None]

    def tree(self, root: DefinitionRecord) -> list[DefinitionRecord]:
        """Return a definition and what it calls, at once or through others, one more at most."""
        found = {_key(root): root}
        queue = [root]
        while queue and len(found) <= MEMBERS_MAX:
            for one in self.called_by(queue.pop(0)):
                if _key(one) not in found:
                    found[_key(one)] = one
                    queue.append(one)
        return list(found.values())[: MEMBERS_MAX + 1]


def companies_of(
    record: DefinitionRecord, tenant: str, library: Library, named: list[DefinitionRecord]
) -> list[Company]:
    """Return all in whose company a submitted version is to be judged.

    Those that were named and wait for their verdicts are judged with what they call, and who calls
    them, too: if one of a group is refused, all are.
    """
    shelf = _Shelf(library, tenant, [*named, record])
    found: list[Company] = []
    if named:
        found.append(_company(NAMED, [record, *named, *_callees(shelf, [record, *named])]))
    for one in [record, *(one for one in named if one.status != PUBLISHED)]:
        others = [other for other in [*named, record] if other is not one]
        found += _bound(one, shelf, _Shelf(library, tenant, others))
    found.append(_company(SPEAKS, _speaking(record, shelf)))
    return _without_repeats(found)


def _bound(record: DefinitionRecord, shelf: _Shelf, before: _Shelf) -> list[Company]:
    """Return a version with all that it calls, and with each that calls it."""
    found: list[Company] = []
    own = shelf.tree(record)
    if len(own) > 1 or any(name == record.definition_id for name, _ in shelf.calls(record)):
        found.append(_company(CALLS, own))
    callers = _callers(record, shelf)
    return found + [_company(CALLED, shelf.tree(one), before.tree(one)) for one in callers]


def _callees(shelf: _Shelf, some: list[DefinitionRecord]) -> list[DefinitionRecord]:
    """Return what definitions call and they are not themselves."""
    found = {_key(one): one for root in some for one in shelf.tree(root)}
    return [one for key, one in found.items() if key not in {*map(_key, some)}]


def _callers(record: DefinitionRecord, shelf: _Shelf) -> list[DefinitionRecord]:
    """Return who calls it, at once or through others, the nearest first."""
    others = [one for name in shelf.ids if (one := shelf.newest(name)) is not None]
    calls = {_key(one): {*map(_key, shelf.called_by(one))} for one in others}
    found: list[DefinitionRecord] = []
    reached = {_key(record)}
    grown = True
    while grown and len(found) < CALLERS_MAX:
        more = [one for one in others if _key(one) not in reached and reached & calls[_key(one)]]
        found += more
        reached |= {*map(_key, more)}
        grown = bool(more)
    return found[:CALLERS_MAX]


def _speaking(record: DefinitionRecord, shelf: _Shelf) -> list[DefinitionRecord]:
    """Return those that exchange something, and what they call, one more at most."""
    found = {_key(one): one for one in shelf.tree(record)}
    others = [one for name in shelf.ids if (one := shelf.speaking(name)) is not None]
    grown = True
    while grown and len(found) <= MEMBERS_MAX:
        known = [shelf.contacts(one) for one in found.values()]
        more = [
            one
            for one in others
            if _key(one) not in found
            and any(shelf.contacts(one).speaks_with(contacts) for contacts in known)
        ]
        found |= {_key(one): one for root in more for one in shelf.tree(root)}
        grown = bool(more)
    return list(found.values())[: MEMBERS_MAX + 1]


def _key(record: DefinitionRecord) -> tuple[str, str]:
    return record.definition_id, record.version


def _company(
    bond: str, records: list[DefinitionRecord], before: list[DefinitionRecord] | None = None
) -> Company:
    why = ""
    twice = [name for name, count in Counter(r.definition_id for r in records).items() if count > 1]
    if twice:
        why = f"two versions of {twice[0]} are at work among them"
    elif bond != NAMED and len(records) > MEMBERS_MAX:
        why = f"there are more than {MEMBERS_MAX}"
    return Company(bond, [*map(_member, records)], [*map(_member, before or [])], why)


def _member(record: DefinitionRecord) -> Member:
    verdict = record.verdict if record.status == PUBLISHED else ""
    return Member(record.definition_id, record.version, record.source, verdict)


def _without_repeats(companies: list[Company]) -> list[Company]:
    """Leave out who is alone, and who was looked at under a stronger bond already."""
    found: list[Company] = []
    for one in companies:
        names = {str(member) for member in one.members}
        seen = [{str(member) for member in other.members} for other in found]
        is_alone = len(names) == 1 and one.bond != CALLS
        if not is_alone and not any(names <= other for other in seen):
            found.append(one)
    return found
