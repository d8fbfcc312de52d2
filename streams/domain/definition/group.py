"""What a version is to be sound together with, as its publisher names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schemas.ids import is_client_id
from streams.domain.net.version_ranges import is_exact

NAMED_MAX: Final = 32


def read_name(text: str) -> tuple[str, str]:
    """Return id and version of `id@version`; the version is empty where it is `id`."""
    name, _, version = text.partition("@")
    return name, version


def fault_of(names: Sequence[str], definition_id: str) -> str:
    """Say what is wrong with names; empty where nothing is."""
    if len(names) > NAMED_MAX:
        return f"it names {len(names)} definitions, {NAMED_MAX} at most: publish fewer at once"
    for text in names:
        name, version = read_name(text)
        if not is_client_id(name) or ("@" in text and not is_exact(version)):
            return f"{text!r} names no definition: write `id@1.2.3`, or `id` for the newest"
        if name == definition_id:
            return f"{text!r} is the definition itself: name those that it is to be sound with"
    ids = [read_name(text)[0] for text in names]
    twice = next((name for name in ids if ids.count(name) > 1), "")
    return f"it names {twice!r} twice: one version of it is enough" if twice else ""


def joined(before: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what was named before and what is named now, of each definition the last."""
    now = {read_name(text)[0] for text in names}
    return [*(text for text in before if read_name(text)[0] not in now), *names]
