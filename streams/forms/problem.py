"""What is wrong with a definition, and where."""

from __future__ import annotations

import msgspec

Path = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True):
    """One finding in a definition's source."""

    file: str
    line: int
    column: int
    path: str
    """Such as `nodes.charge.retry.max_delay`."""
    message: str
    severity: str = "error"
    property: str = ""
    """Of soundness, where that is what does not hold."""
    trace: list[str] = []
    """The run that shows it: node after node, in brackets the flows of a choice."""

    def __str__(self) -> str:
        """Return `file:line:column path: message`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f" {self.path}" if self.path else ""
        mark = "" if self.severity == "error" else f"{self.severity}: "
        return f"{place}{where}: {mark}{self.message}".lstrip(": ")


def path_text(path: Path) -> str:
    """Write a path: names joined by dots, list places in brackets."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
