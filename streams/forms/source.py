"""YAML and JSON to plain data, remembering where each value stands."""

from __future__ import annotations

from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor

from schemas.json_text import check_numbers
from streams.forms.problem import Path, Problem, path_text

SOURCE_BYTES_MAX: Final = 512 * 1024
_NODES_MAX: Final = 100_000
_DEPTH_MAX: Final = 100
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, ten times as fast, where PyYAML was built with it."""


class Source:
    """A parsed source: the data, and line and column by path."""

    def __init__(self, text: str, file: str) -> None:
        """Parse; what is wrong is in `problems`."""
        self.file = file or "definition"
        self.data: Any = None
        self.problems: list[Problem] = []
        self._places: dict[Path, tuple[int, int]] = {}
        self._count = 0
        self._scalars = SafeConstructor()
        if len(text.encode("utf-8", "replace")) > SOURCE_BYTES_MAX:
            self._add((), f"a definition has at most {SOURCE_BYTES_MAX} bytes")
            return
        try:
            root = yaml.compose(text, Loader=_LOADER)
            self.data = None if root is None else self._plain(root, (), 0)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            what = error.problem or str(error)
            self.problems.append(Problem(self.file, line, column, "", f"not valid YAML: {what}"))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._add((), f"not valid YAML: {first}")

    def place(self, path: Path) -> tuple[int, int]:
        """Return line and column of the nearest value on the path that has one."""
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path, (1, 1) if self._places else (0, 0))

    def problem(self, path: Path, message: str, severity: str = "error") -> Problem:
        """Return a problem at a path."""
        line, column = self.place(path)
        return Problem(self.file, line, column, path_text(path), message, severity)

    def _add(self, path: Path, message: str) -> None:
        self.problems.append(self.problem(path, message))

    def _plain(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self._count += 1
        if self._count > _NODES_MAX or depth > _DEPTH_MAX:
            raise ValueError("the document is too large or too deep; are aliases nested?")
        mark = node.start_mark
        self._places[path] = (mark.line + 1, mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return [self._plain(item, (*path, n), depth + 1) for n, item in items]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # A date stays text: JSON has no dates.
        value = self._scalars.construct_object(node)
        if not isinstance(value, str | int | float | bool | None):
            raise ValueError(f"{node.tag} is not a type of JSON")  # noqa: TRY004 - the author's error
        try:
            check_numbers(value)
        except ValueError as error:
            self._add(path, str(error))
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            inner = (*path, key)
            if key in result:
                mark = key_node.start_mark
                self._places[inner] = (mark.line + 1, mark.column + 1)
                self._add(inner, f"the key {key!r} stands twice")
                continue
            result[key] = self._plain(value_node, inner, depth + 1)
            mark = key_node.start_mark
            self._places[inner] = (mark.line + 1, mark.column + 1)
        return result

    @staticmethod
    def _key(node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise ValueError("a key must be a plain word")  # noqa: TRY004 - the author's error
        return str(node.value)
