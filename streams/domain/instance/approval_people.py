"""Who an approval is for: names and groups, from the author's values or a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from schemas.approval_events import Document
from schemas.json_text import canonical

NAME_MAX: Final = 256
"""Characters of a person's or a group's name."""
NAMES_MAX: Final = 100
DOCUMENTS_MAX: Final = 50
URI_MAX: Final = 2_000
_FIELDS: Final = frozenset(Document.__struct_fields__)


class Whose(NamedTuple):
    """Who may decide."""

    assignee: str
    candidate_users: list[str]
    candidate_groups: list[str]

    def check(self) -> None:
        """Raise `ValueError` where it is nobody, or a name is none."""
        if not any(self):
            raise ValueError("nobody may decide: assignee, candidate users and groups are empty")
        for name, value in zip(self._fields, self, strict=True):
            names_of(value, name)


def whose_of(value: Callable[[str], Any]) -> Whose:
    """Return who may decide; `value` gives the author's values by key.

    Raises:
        ValueError: a value is no name, or nobody is left.
        ExpressionError: from `value`.
    """
    assignee = names_of(value("assignee"), "assignee")
    if len(assignee) > 1:
        raise ValueError("the assignee is one person: name several as candidate_users")
    users = names_of(value("candidate_users"), "candidate_users")
    groups = names_of(value("candidate_groups"), "candidate_groups")
    whose = Whose(assignee[0] if assignee else "", users, groups)
    whose.check()
    return whose


def names_of(value: Any, what: str) -> list[str]:
    """Return names, each once: a list of texts, one text, or nothing; `ValueError`."""
    if value is None or value == "":
        return []
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not 0 < len(name) <= NAME_MAX:
            text = canonical(name).decode()[:80]
            raise ValueError(f"{what}: {text} is no name: 1 to {NAME_MAX} characters are needed")
    if len(names) > NAMES_MAX:
        raise ValueError(f"{what}: there are {len(names)} names, the limit is {NAMES_MAX}")
    return list(dict.fromkeys(names))


def documents_of(value: Any) -> list[Document]:
    """Return the documents of a list of maps; `ValueError`."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("documents: a list of maps with name and uri is needed")  # noqa: TRY004 - data
    documents = [_document(one) for one in value]
    check_documents(documents)
    return documents


def _document(value: Any) -> Document:
    if not isinstance(value, dict) or not {"name", "uri"} <= value.keys() <= _FIELDS:
        text = canonical(value).decode()[:80]
        raise ValueError(f"documents: {text} is no map of name, uri, media_type and hash")
    if not all(isinstance(one, str) for one in value.values()):
        raise ValueError(f"documents: all of {canonical(value).decode()[:80]} must be texts")
    return Document(**value)


def check_documents(documents: Sequence[Document]) -> None:
    """Raise `ValueError` where a document is none, a name stands twice, or there are too many."""
    for one in documents:
        names_of(one.name or [None], "a document's name")
        if not one.uri or max(len(one.uri), len(one.media_type), len(one.hash)) > URI_MAX:
            raise ValueError(
                f"document {one.name!r}: a uri is needed; uri, media_type and hash have at most "
                f"{URI_MAX} characters"
            )
    if len({one.name for one in documents}) < len(documents):
        raise ValueError("documents: a name stands twice")
    if len(documents) > DOCUMENTS_MAX:
        raise ValueError(f"documents: there are {len(documents)}, the limit is {DOCUMENTS_MAX}")
