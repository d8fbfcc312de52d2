"""What every suite of conformance data has in common."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
VARIABLE: Final = "TIDEMILL_CONFORMANCE"

Case = dict[str, Any]
"""One case as the data has it; `case` is its name."""


class Suite(NamedTuple):
    """One folder of the data, and how it is judged."""

    name: str
    """Of the folder."""
    cases: Callable[[Path], list[Case]]
    """The cases that the folder has."""
    judge: Callable[[Path, Case], list[str]]
    """Why a case does not pass; nothing where it does."""


def conformance_folder() -> Path:
    """Return where the data should be, which is no part of the project."""
    shared = Path(os.environ.get("TIDEMILL_SHARED", ROOT.parent / "shared"))
    return Path(os.environ.get(VARIABLE, shared / "conformance"))


def cases_in(file: str) -> Callable[[Path], list[Case]]:
    """Return what reads the `cases` of a JSON file of the folder."""

    def read(folder: Path) -> list[Case]:
        found: list[Case] = json.loads((folder / file).read_text(encoding="utf-8"))["cases"]
        return found

    return read


def differences(expected: Case, found: dict[str, object]) -> list[str]:
    """Compare what was found with what the data gives; null stands for what is not given."""
    return [
        f"{key}: {expected[key]!r} expected, {value!r} found"
        for key, value in found.items()
        if expected.get(key) is not None and expected[key] != value
    ]
