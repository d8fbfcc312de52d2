"""How a node is repeated, made ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.json_text import canonical
from streams.domain.expressions.cel import CompileError, Program, compile_cel
from streams.domain.expressions.values import Value, compile_value
from streams.domain.net.approval import Approval
from streams.domain.net.model import Activity, Call, Definition, Node, Scope
from streams.domain.net.repeat import Each, Loop, Repeat
from streams.domain.net.scopes import declared_in

RUNS_MAX: Final = 100_000
UNBOUNDED: Final = -1
"""The total of a loop without a bound."""


class Repeated:
    """The compiled `each` or `loop` of a node; never changes."""

    __slots__ = (
        "_source",
        "before",
        "collect",
        "into",
        "path",
        "repeat",
        "result",
        "until",
        "window",
    )

    def __init__(self, node: Node, repeat: Repeat, outer: Mapping[str, str]) -> None:
        """Set what needs no compilation."""
        self.repeat = repeat
        self.window = 1
        """Runs at once."""
        self.path: tuple[str, ...] = ()
        """Path of the variable that takes the result of a run; empty for a scope."""
        if isinstance(node.kind, Activity | Approval | Call):
            self.path = tuple((node.kind.result_path or "result").split("."))
        self.result = ""
        """Local variable of each run that takes its result; empty where it has none."""
        self.into: tuple[str, ...] = ()
        """Path of the variable that takes the list; empty for none."""
        self.before: Program | None = None
        """Tested before each run."""
        self.until: Program | None = None
        """Tested after each run."""
        self.collect: Value | None = None
        """What is collected of each run."""
        self._source: Value | None = None
        if isinstance(repeat, Loop):
            if repeat.condition:
                self.before = compile_cel(repeat.condition, outer)
            return
        self.window = 1 if repeat.sequential else repeat.max_parallel
        given = repeat.items if repeat.items is not None else repeat.count
        assert given is not None
        self._source = compile_value(given, outer)
        self.result = self.path[0] if self.path else ""

    def judge_by(self, inner: Mapping[str, str]) -> None:
        """Compile what is asked when a run is done."""
        repeat = self.repeat
        self.until = compile_cel(repeat.until, inner) if repeat.until else None
        if isinstance(repeat, Each) and repeat.collect is not None:
            self.into = tuple(repeat.collect.into.split("."))
            self.collect = compile_value(repeat.collect.value, inner)

    def runs(self, node: str, seen: dict[str, bytes]) -> tuple[list[bytes], int]:
        """Return the items, as canonical JSON, and how many runs there are.

        Raises:
            ExpressionError: the items or the count cannot be computed.
            ValueError: they are no list or no count, or too many.
        """
        repeat = self.repeat
        if isinstance(repeat, Loop) or self._source is None:
            return [], (repeat.max if isinstance(repeat, Loop) else 0) or UNBOUNDED
        value = self._source.evaluate(seen)
        items: list[bytes] = []
        if repeat.items is not None:
            if not isinstance(value, list):
                message = f"the items of {node} are {_shown(value)}: a list is needed"
                raise ValueError(message)
            items = [canonical(one) for one in value]
            total = len(items)
        else:
            total = _count(node, value)
        if total > RUNS_MAX:
            raise ValueError(f"{node} would run {total} times, {RUNS_MAX} at most")
        return items, total

    def local(self, index: int, item: bytes | None) -> dict[str, bytes]:
        """Return the variables with which a run begins."""
        own = {self.repeat.index: b"%d" % index}
        if item is not None and isinstance(self.repeat, Each):
            own[self.repeat.item] = item
        if self.result:
            own[self.result] = b"null"
        return own


def _count(node: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or value < 0:
        raise ValueError(f"the count of {node} is {_shown(value)}: a number from 0 on is needed")
    return value


def _shown(value: Any) -> str:
    return canonical(value).decode()[:80]


def repeats_of(definition: Definition) -> dict[str, Repeated]:
    """Return what is repeated, by node; `CompileError` names the node."""
    found: dict[str, Repeated] = {}
    for node in definition.nodes.values():
        if node.repeat is None:
            continue
        try:
            made = found[node.id] = Repeated(node, node.repeat, declared_in(definition, node.scope))
            within = node.id if isinstance(node.kind, Scope) else node.scope
            made.judge_by(declared_in(definition, within))
        except CompileError as error:
            text = f"node {node.id}: {error.message}"
            raise CompileError(error.source, text) from None
    return found
