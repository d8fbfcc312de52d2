"""The form of the control-flow patterns: tasks with successors, in XML."""

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET


class Way(NamedTuple):
    """A successor, and when it is taken."""

    target: str
    condition: str = ""
    """A CEL expression over the run's fields; empty: always."""
    is_default: bool = False


class Task(NamedTuple):
    """One element of a process, and all that it says."""

    name: str
    kind: str
    """The element's name."""
    ways: list[Way]
    attributes: dict[str, str]
    names: dict[str, list[str]]
    """Texts of its `pick` and `cancel` children."""
    assigned: dict[str, str]
    """What it sets, as CEL by field: `pre-assign`, and `in` of a sub-workflow."""

    def number(self, name: str) -> int | None:
        """Return an attribute that is a number."""
        return int(self.attributes[name]) if name in self.attributes else None


class Process(NamedTuple):
    """A workflow of the suite."""

    tasks: dict[str, Task]

    def before(self, name: str) -> list[str]:
        """Return the tasks that have this one as a successor."""
        return [one.name for one in self.tasks.values() if name in targets(one)]

    def after(self, name: str, stop: str = "") -> set[str]:
        """Return a task and all that can come after it, but for `stop` and what is behind it."""
        found, left = set(), [name]
        while left:
            one = left.pop()
            if one in found or one == stop or one not in self.tasks:
                continue
            found.add(one)
            left += targets(self.tasks[one])
        return found

    def between(self, first: str, last: str) -> set[str]:
        """Return the tasks on ways from one to another, the first included, the last not."""
        return {one for one in self.after(first, last) if last in self._targets_of(one, last)}

    def _targets_of(self, name: str, stop: str) -> set[str]:
        return {t for one in self.after(name, stop) for t in targets(self.tasks[one])}


def targets(task: Task) -> list[str]:
    return [way.target for way in task.ways]


def read_process(path: Path) -> Process:
    """Read a file; a `join` is linked by its predecessors' successors as any task is."""
    root = ET.parse(path).getroot()
    tasks = [_task(element) for element in root if element.tag != "description"]
    return Process({task.name: task for task in tasks})


def _task(element: ET.Element) -> Task:
    name = element.get("name", "start" if element.tag == "start-task" else "").lower()
    ways = []
    names: dict[str, list[str]] = {"pick": [], "cancel": []}
    assigned = {}
    for child in element:
        if child.tag in {"successor", "default-successor"}:
            ways.append(Way(_text(child), "", child.tag == "default-successor"))
        elif child.tag == "conditional-successor":
            (test, target) = child
            ways.append(Way(_text(target), condition_of(test)))
        elif child.tag in names:
            names[child.tag].append(_text(child))
        elif child.tag == "pre-assign":
            assigned[child.get("name", "")] = repr(child.get("value", ""))
    attributes = {key: value.lower() for key, value in element.attrib.items()}
    return Task(name, element.tag, ways, attributes, names, assigned)


def _text(element: ET.Element) -> str:
    return (element.text or "").strip().lower()


def condition_of(test: ET.Element) -> str:
    """Return a test as CEL: fields of the run are compared as the numbers or texts they are."""
    left, right = _side(test, "left"), _side(test, "right")
    sign = {"equals": "==", "not-equals": "!="}[test.tag]
    return f"string({left}) {sign} string({right})"


def _side(test: ET.Element, side: str) -> str:
    value = test.get(f"{side}-value")
    return test.get(f"{side}-field", "") if value is None else f'"{value}"'
