"""Short and foreign spellings, unfolded into the one shape that is checked.

`next:` on a node becomes flows; a list of nodes becomes a map, the nodes of a scope the
definition's, each with the scope's name; `Gateway`, `Event` and
`Activity` with their sub-types, `transitions` with `source_id`, and activity parameters
beside the type (all as in hand-written definitions of other tools) become ours.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from streams.forms.problem import Path
from streams.forms.recovery import unfold_recovery
from streams.forms.shape_nodes import ActivityShape
from streams.forms.source import Source

_ACTIVITY_KEYS = frozenset(ActivityShape.model_fields) | {"id", "next", "error_handler"}
_FLOW_KEYS = {
    "from": "source",
    "source_id": "source",
    "to": "target",
    "target_id": "target",
    "when": "condition",
}


SCOPES_DEEP_MAX: Final = 20
_EVENTS: Final = frozenset({"boundary", "catch", "start"})
"""Kinds that may wait for a condition, or for a device."""


class Place(NamedTuple):
    """Where nodes stand in the source, and whose they are."""

    path: Path
    scope: str = ""


class Unfolded:
    """The unfolded data, and where its parts stand in the source."""

    def __init__(self, source: Source) -> None:
        """Unfold; findings go to the source's problems."""
        self._source = source
        self.origin: dict[Path, Path] = {}
        """Path in the source by the start of a path in the unfolded data."""
        self._flow_count = 0
        data = source.data
        self.data: dict[str, Any] = dict(data) if isinstance(data, dict) else {}
        if not isinstance(data, dict):
            source.problems.append(source.problem((), "a definition is a map with id, version…"))
            return
        flows = self._flows(self.data, ())
        nodes: dict[str, Any] = {}
        self._nodes(self.data.get("nodes"), nodes, flows, Place(("nodes",)))
        self.data["nodes"] = nodes
        self.data["flows"] = flows
        _type_variables(self.data)
        self._recover(self.data, ())
        for name, node in list(nodes.items()):
            if node["type"] in {"activity", "call"}:
                self._recover(node, ("nodes", name))
        for holder in [self.data, *self.data["nodes"].values()]:
            if isinstance(holder, dict) and "retry" in holder:
                holder["retry"] = _retry(holder["retry"])

    def _recover(self, holder: dict[str, Any], at: Path) -> None:
        """Take apart what follows a failure; a fallback becomes a boundary event and a flow."""
        within = self.origin.get(at, ())
        found = unfold_recovery(holder)
        source = (*within, found.key)
        self.origin |= {(*at, name): source for name in found.made if name != found.key}
        for message in found.problems:
            self._problem(source, message)
        if not found.fallback:
            return
        if not at:
            self._problem(source, "a fallback is one node's way out: write it at that node")
            return
        host = str(at[1])
        name = f"{host}.fallback"
        nodes, flows = self.data["nodes"], self.data["flows"]
        if name in nodes:
            self._problem(source, f"the fallback of {host} is called {name}: rename that node")
            return
        self.origin[("nodes", name)] = self.origin[("flows", self._flow_count)] = source
        self._flow_count += 1
        event = {"type": "boundary", "host": host, "error": "*", "fallback": True}
        nodes[name] = {**event, "scope": holder.get("scope", "")}
        flows.append({"source": name, "target": found.fallback})

    def locate(self, path: Path) -> Path:
        """Return the path in the source of a path in the unfolded data."""
        for length in range(len(path), 0, -1):
            start = self.origin.get(path[:length])
            if start is not None:
                return (*start, *path[length:])
        return path

    def _flows(self, data: dict[str, Any], within: Path) -> list[Any]:
        key = "transitions" if "transitions" in data else "flows"
        given = data.pop(key, None) or []
        if not isinstance(given, list):
            self._problem((*within, key), "a list of flows is expected")
            return []
        flows: list[Any] = []
        for number, item in enumerate(given):
            self.origin[("flows", self._flow_count)] = (*within, key, number)
            self._flow_count += 1
            flows.append(_flow(item))
        return flows

    def _nodes(self, given: Any, nodes: dict[str, Any], flows: list[Any], place: Place) -> None:
        entries: list[tuple[Path, Any, Any]] = []
        if isinstance(given, dict):
            entries = [((*place.path, name), name, body) for name, body in given.items()]
        elif isinstance(given, list):
            entries = [
                ((*place.path, n), body.get("id") if isinstance(body, dict) else None, body)
                for n, body in enumerate(given)
            ]
        for path, name, body in entries:
            self._node(nodes, flows, place._replace(path=path), name, body)

    def _node(
        self, nodes: dict[str, Any], flows: list[Any], place: Place, name: Any, body: Any
    ) -> None:
        path = place.path
        if not isinstance(name, str):
            self._problem(path, "a node needs an id")
            return
        if name in nodes:
            self._problem(path, f"the node id {name!r} stands twice")
            return
        self.origin[("nodes", name)] = path
        if body is None:
            body = {}
        if not isinstance(body, dict):
            self._problem(path, "a node is a map with a type")
            return
        unfolded = _node(body)
        if place.scope:
            unfolded.setdefault("scope", place.scope)
        for number, item in enumerate(_listed(unfolded.pop("next", []))):
            self.origin[("flows", self._flow_count)] = (*path, "next", number)
            self._flow_count += 1
            target = {"target": item} if isinstance(item, str) else item
            rest = _flow(target)
            flows.append({"source": name, **rest} if isinstance(rest, dict) else rest)
        nodes[name] = unfolded
        if unfolded["type"] == "end" and "compensate" in unfolded:
            self._compensating_end(nodes, flows, path, name)
        if "hold" in unfolded and "for" in body:
            self.origin[("nodes", name, "hold")] = (*path, "for")
        if unfolded["type"] == "scope":
            self._scope(nodes, flows, path, name, unfolded)

    def _compensating_end(
        self, nodes: dict[str, Any], flows: list[Any], path: Path, name: str
    ) -> None:
        """An end that undoes is an event that throws compensation, and a plain end after it."""
        body = nodes[name]
        other = f"{name}.end"
        if other in nodes:
            self._problem(path, f"the end after {name} is called {other}: rename that node")
            return
        common = {"name", "metadata", "scope"}
        nodes[name] = {key: body[key] for key in common & set(body)}
        nodes[name] |= {"type": "throw", "compensate": body["compensate"]}
        rest = {key: body[key] for key in body if key not in {"name", "metadata", "compensate"}}
        nodes[other] = rest
        self.origin[("nodes", other)] = self.origin[("flows", self._flow_count)] = path
        self._flow_count += 1
        flows.append({"source": name, "target": other})

    def _scope(
        self, nodes: dict[str, Any], flows: list[Any], path: Path, name: str, body: dict[str, Any]
    ) -> None:
        """Take a scope's nodes and flows out of it: they name it as theirs."""
        _type_variables(body)
        if path.count("nodes") > SCOPES_DEEP_MAX:
            self._problem(path, f"scopes lie at most {SCOPES_DEEP_MAX} deep in each other")
            return
        flows.extend(self._flows(body, path))
        self._nodes(body.pop("nodes", None), nodes, flows, Place((*path, "nodes"), name))

    def _problem(self, path: Path, message: str) -> None:
        self._source.problems.append(self._source.problem(path, message))


def _type_variables(holder: dict[str, Any]) -> None:
    """Let `variables: {n: integer}` stand for `variables: {n: {type: integer}}`."""
    given = holder.get("variables")
    if isinstance(given, dict):
        holder["variables"] = {
            name: {"type": value} if isinstance(value, str) else value
            for name, value in given.items()
        }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _flow(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    flow = {_FLOW_KEYS.get(key, key): value for key, value in item.items()}
    condition = flow.get("condition")
    if condition is None:
        flow.pop("condition", None)
    elif isinstance(condition, bool):
        flow["condition"] = "true" if condition else "false"
    elif isinstance(condition, str):
        flow["condition"] = bare(condition)
    return flow


def bare(text: str) -> str:
    """Take the `${…}` off a condition."""
    inner = text.strip()
    whole = inner.startswith("${") and inner.endswith("}") and inner.count("${") == 1
    return inner[2:-1].strip() if whole else inner


def _node(body: dict[str, Any]) -> dict[str, Any]:
    node = {key: value for key, value in body.items() if key != "id"}
    kind = node.pop("type", node.pop("node_type", None))
    lowered = kind.lower() if isinstance(kind, str) else kind
    if lowered == "gateway":
        lowered = node.pop("gateway_type", None)
    elif lowered == "event":
        lowered = node.pop("event_type", None)
    if kind is None and "activity_type" in node:
        lowered = "activity"
    node["type"] = lowered
    if lowered in _EVENTS and isinstance(node.get("condition"), str):
        node["condition"] = bare(node["condition"])
    if lowered == "boundary" and "on" in node:
        node.setdefault("host", node.pop("on"))
    if lowered in _EVENTS and "for" in node:
        node.setdefault("hold", node.pop("for"))
    return _activity(node) if kind == "Activity" else node


def _activity(node: dict[str, Any]) -> dict[str, Any]:
    """Let what is no key of an activity become its input; `delay_activity` is a timer."""
    if node.get("activity_type") == "delay_activity" and "delay_seconds" in node:
        timer = {k: v for k, v in node.items() if k not in {"activity_type", "delay_seconds"}}
        return {**timer, "type": "timer", "duration": node["delay_seconds"]}
    if "input" in node:
        return node
    parameters = {k: v for k, v in node.items() if k not in _ACTIVITY_KEYS}
    rest = {k: v for k, v in node.items() if k in _ACTIVITY_KEYS}
    return {**rest, "input": parameters} if parameters else rest


def _retry(value: Any) -> Any:
    """Unfold `immediate: n` and `fixed: {attempts, delay}`."""
    if isinstance(value, dict) and set(value) == {"immediate"}:
        return {"max_attempts": value["immediate"]}
    if isinstance(value, dict) and set(value) == {"fixed"} and isinstance(value["fixed"], dict):
        fixed = value["fixed"]
        delay = fixed.get("delay", 0)
        return {
            "max_attempts": fixed.get("attempts", 0),
            "initial_delay": delay,
            "max_delay": delay,
        }
    return value
