"""A process of the suite as a definition of ours, each pattern by the node kinds that we have.

Every task is an activity, so that the run's order is who works first, as it is for us; what only
routes is a gateway. Joins that stop or outlive their branches are at the end of a scope, and many
instances are a scope that is run for each.
"""

from typing import Any, Final

from tests.conformance.patterns_xml import Process, Task, Way, targets

END: Final = "end"
ROUTES: Final = {"exclusive-choice": "exclusive", "multi-choice": "inclusive"}
Nodes = dict[str, dict[str, Any]]


def definition_of(process: Process, name: str) -> dict[str, Any]:
    """Return the definition's source as plain data."""
    flow = _Flow(process)
    nodes = flow.nodes()
    return {
        "id": name,
        "version": "1.0.0",
        "variables": flow.variables,
        "nodes": nodes,
    }


class _Flow:
    """The nodes while they are made."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.variables: dict[str, dict[str, Any]] = {
            "two": {"type": "integer", "default": 2},
            "three": {"type": "integer", "default": 3},
            "test_attribute1": {"type": "string", "default": "false"},
            "test_attribute2": {"type": "string", "default": "true"},
        }
        self._joins = [one for one in process.tasks.values() if one.kind == "join"]
        self._many = {n for n, one in process.tasks.items() if one.kind == "multi-instance"}
        cancels = [one.names["cancel"] for one in process.tasks.values()]
        self._cancelled = {name for names in cancels for name in names}
        self._gates = {
            one.attributes["context"] for one in process.tasks.values() if one.kind == "gate"
        }
        self._counted = {
            way.condition.partition("_reached")[0].removeprefix("string(")
            for one in process.tasks.values()
            for way in one.ways
            if "_reached" in way.condition
        }

    def nodes(self) -> Nodes:
        """Return all nodes; those of a region are in its scope."""
        inside: dict[str, str] = {}
        regions: dict[str, set[str]] = {}
        for first, last in self._regions().items():
            found = self._process.between(first, last) if last else self._process.after(first)
            regions[first] = found - {first} if first in self._many else found
            inside |= dict.fromkeys(regions[first], first)
        nodes: Nodes = {}
        for name, task in self._process.tasks.items():
            if name not in inside and not self._is_inner_join(task):
                nodes |= self._node(task)
        for first, members in regions.items():
            nodes |= self._region(first, members, self._regions()[first])
        if any(END in map(_target, _flows(node)) for node in nodes.values()):
            nodes[END] = {"type": "end"}
        self._into_regions(nodes, regions)
        return nodes

    def _regions(self) -> dict[str, str]:
        """Return by first task the join that ends a region; empty where none does."""
        found = {}
        for join in self._joins:
            context = join.attributes.get("context", "")
            if context in self._many or self._outlives(join):
                found[context] = join.name
        return found | {name: "" for name in self._many if name not in found}

    def _outlives(self, join: Task) -> bool:
        """Tell whether a join goes on before its branches are done, and cannot wait for them."""
        if "threshold" not in join.attributes:
            return False
        split = self._process.tasks[join.attributes["context"]]
        return "cancel" in join.attributes or split.kind == "multi-choice"

    def _is_inner_join(self, task: Task) -> bool:
        return task.kind == "join" and self._outlives(task) and not self._of_many(task)

    def _counts(self, join: Task) -> bool:
        """Tell whether a join goes by how many have arrived, which a variable says."""
        return self._of_many(join) or (self._outlives(join) and "cancel" not in join.attributes)

    def _of_many(self, join: Task) -> bool:
        return join.attributes.get("context", "") in self._many

    def _into_regions(self, nodes: Nodes, regions: dict[str, set[str]]) -> None:
        """Let what leads to the first task of a region lead to its scope."""
        for first in regions:
            if first in self._many:
                continue
            enter = f"{first}.enter" if f"{first}.enter" in nodes else _scope(first)
            for node in nodes.values():
                node["next"] = [
                    flow | {"to": enter} if flow["to"] == first else flow for flow in _flows(node)
                ]

    # Nodes.

    def _node(self, task: Task) -> Nodes:
        """Return a task's node, and those that it needs beside it."""
        flows = [self._flow(task, way) for way in task.ways]
        if task.kind in ROUTES:
            return self._counting(task) | {task.name: {"type": ROUTES[task.kind], "next": flows}}
        if task.kind == "join":
            return {task.name: self._join(task) | {"next": flows}}
        if task.kind == "start-task":
            return {"start": {"type": "start", "next": flows}}
        nodes = {} if flows else {f"{task.name}.done": {"type": "end"}}
        if task.kind == "cancel":
            ends = "success" in task.attributes
            nodes[f"{task.name}.done"] = {
                "type": "end",
                **({"terminate": True} if ends else {"error": "Cancelled"}),
            }
        node = self._work(task) | {"next": flows or [{"to": f"{task.name}.done"}]}
        if task.name in self._cancelled and task.name not in self._many:
            self._declare(f"{task.name}_cancelled", default=False)
            nodes |= _interrupted(task.name, f"{task.name}_cancelled")
        return {task.name: node} | nodes

    def _work(self, task: Task) -> dict[str, Any]:
        """Return what a task does: an activity that sets what the pattern is about."""
        output = dict(task.assigned)
        for name in task.names["cancel"]:
            output[f"{name}_cancelled"] = "true"
        if task.kind == "trigger":
            context = task.attributes["context"]
            self._declare(f"{context}_added", default=0)
            output[f"{context}_added"] = f"{context}_added + {task.number('times') or 1}"
        if task.kind == "choose":
            output[f"{task.attributes['context']}_picked"] = repr(task.names["pick"])
        if task.name in self._gates:
            self._declare(f"{task.name}_done", default=False)
            output[f"{task.name}_done"] = "true"
        for target in targets(task):
            after = self._process.tasks.get(target)
            if after is not None and after.kind == "join" and self._counts(after):
                self._declare(f"{target}_arrived", default=0)
                output[f"{target}_arrived"] = f"{target}_arrived + 1"
        if task.kind == "gate":
            return {"type": "catch", "condition": f"${{{task.attributes['context']}_done}}"}
        if task.kind == "sub-workflow":
            file = task.attributes["file"].removesuffix(".xml")
            return {"type": "call", "definition": file}
        wrapped = {key: f"${{{value}}}" for key, value in output.items()}
        return {"type": "activity", "activity_type": task.kind, "output": wrapped}

    def _join(self, task: Task) -> dict[str, Any]:
        threshold = task.number("threshold")
        if self._of_many(task) or len(self._process.before(task.name)) < 2:
            return {"type": "exclusive"}
        if threshold is not None:
            return {"type": "join", "count": threshold}
        before = self._process.tasks.values()
        choices = any(
            one.kind == "multi-choice" and task.name in self._process_after(one) for one in before
        )
        return {"type": "inclusive" if choices or self._cancelled else "parallel"}

    def _process_after(self, task: Task) -> set[str]:
        return self._process.after(task.name)

    def _counting(self, task: Task) -> Nodes:
        """Count how often a choice is reached, where one asks for it: just before it."""
        if task.name not in self._counted:
            return {}
        name = f"{task.name}_reached"
        self._declare(name, default=0)
        count = {"type": "timer", "duration": 0, "output": {name: f"${{{name} + 1}}"}}
        return {f"{task.name}.count": count | {"next": task.name}}

    def _flow(self, task: Task, way: Way) -> dict[str, Any]:
        target = way.target
        condition = way.condition
        if task.kind == "multi-choice":
            condition = self._picked(task.name, target, condition)
        if target in self._counted:
            target = f"{target}.count"
        flow: dict[str, Any] = {"to": target}
        if condition:
            flow["when"] = condition
        if way.is_default:
            flow["default"] = True
        return flow

    def _picked(self, choice: str, target: str, condition: str) -> str:
        """Restrict a way of a choice to what another task has picked, where one does."""
        tasks = self._process.tasks.values()
        if not any(
            one.attributes.get("context") == choice and one.kind == "choose" for one in tasks
        ):
            return condition
        self._declare(f"{choice}_picked", default=None)
        picked = f'({choice}_picked == null || "{target}" in {choice}_picked)'
        return f"{picked} && {condition}" if condition else picked

    def _declare(self, name: str, default: object) -> None:
        self.variables[name] = {"type": "any", "default": default}

    # Regions.

    def _region(self, first: str, members: set[str], last: str) -> Nodes:
        if first in self._many:
            return self._each(first, members, last)
        join = self._process.tasks[last]
        inner: Nodes = {"in": {"type": "start", "next": [{"to": first}]}}
        for name in members:
            inner |= self._node(self._process.tasks[name])
        after = [self._flow(join, way) for way in join.ways]
        scope = _scope(first)
        if "cancel" not in join.attributes:
            return self._outliving(first, inner, join, after)
        fired = {"type": "join", "count": join.number("threshold"), "next": [{"to": "fired"}]}
        inner |= {last: fired, "fired": {"type": "end", "terminate": True}}
        return {scope: {"type": "scope", "nodes": _own(inner, scope), "next": after}}

    def _outliving(
        self, first: str, inner: Nodes, join: Task, after: list[dict[str, Any]]
    ) -> Nodes:
        """Go on when so many have arrived; the next round begins when all of this one have."""
        scope, last = _scope(first), join.name
        arrived, done = f"{last}_arrived", f"{first}_done"
        self._declare(done, default=True)
        for node in inner.values():
            node["next"] = [f | {"to": "out"} if f["to"] == last else f for f in _flows(node)]
        inner["out"] = {"type": "end"}
        begin = {arrived: 0, done: False}
        return {
            f"{first}.enter": {
                "type": "catch",
                "condition": f"${{{done}}}",
                "next": [{"to": f"{first}.begin"}],
            },
            f"{first}.begin": {
                "type": "timer",
                "duration": 0,
                "output": begin,
                "next": [{"to": scope}, {"to": f"{scope}.reached"}],
            },
            scope: {
                "type": "scope",
                "nodes": _own(inner, scope),
                "output": {done: True},
                "next": [{"to": f"{scope}.over"}],
            },
            f"{scope}.over": {"type": "end"},
            f"{scope}.reached": {
                "type": "catch",
                "condition": f"${{{arrived} >= {join.number('threshold')}}}",
                "next": [{"to": last}],
            },
            last: {"type": "exclusive", "next": after},
        }

    def _each(self, name: str, members: set[str], last: str) -> Nodes:
        """Return a task that is followed by many instances, and the scope that is run for each."""
        task, scope = self._process.tasks[name], _scope(name)
        times = task.attributes.get("times") or task.attributes["times-field"]
        self._declare(f"{name}_added", default=0)
        inner: Nodes = {"in": {"type": "start", "next": [{"to": t} for t in targets(task)]}}
        for member in members:
            inner |= self._node(self._process.tasks[member])
        leads = last or END
        for node in inner.values():
            node["next"] = [f | {"to": "out"} if f["to"] == leads else f for f in _flows(node)]
            if not node["next"]:
                del node["next"]
        # Without a join each ends by itself: its end is the process's.
        inner["out" if last else END] = {"type": "end"}
        if not last:
            for node in inner.values():
                node["next"] = [f | {"to": END} if f["to"] == "out" else f for f in _flows(node)]
        nodes: Nodes = {
            name: {"type": "activity", "activity_type": task.kind, "next": [{"to": scope}]},
            scope: {
                "type": "scope",
                "each": {"count": f"${{{times} + {name}_added}}"},
                "nodes": _own(inner, scope),
                "next": [{"to": last or f"{scope}.over"}],
            },
        }
        if not last:
            nodes[f"{scope}.over"] = {"type": "end"}
        elif "threshold" in self._process.tasks[last].attributes:
            self._until_arrived(nodes, name, self._process.tasks[last])
        return nodes

    def _until_arrived(self, nodes: Nodes, name: str, join: Task) -> None:
        """Let it go on when so many have arrived: instead of the others, or beside them."""
        scope = _scope(name)
        over, reached = f"{scope}.over", f"{scope}.reached"
        condition = f"${{{join.name}_arrived >= {join.number('threshold')}}}"
        nodes[scope]["next"] = [{"to": over}]
        nodes[over] = {"type": "end"}
        event = {"condition": condition, "next": [{"to": join.name}]}
        if "cancel" in join.attributes:
            nodes[reached] = {"type": "boundary", "on": scope, **event}
            return
        nodes[reached] = {"type": "catch", **event}
        nodes[name]["next"] = [{"to": scope}, {"to": reached}]
        if name in self._cancelled:
            self._or_cancelled(nodes, name, reached)

    def _or_cancelled(self, nodes: Nodes, name: str, reached: str) -> None:
        """Give up what is waited for when somebody cancels it, and the instances with it."""
        cancelled, given_up = f"{name}_cancelled", f"{reached}.not"
        self._declare(cancelled, default=False)
        nodes |= _interrupted(_scope(name), cancelled)
        nodes[name]["next"] = [{"to": _scope(name)}, {"to": f"{reached}.first"}]
        nodes[f"{reached}.first"] = {
            "type": "event_gateway",
            "next": [{"to": reached}, {"to": given_up}],
        }
        nodes[given_up] = {
            "type": "catch",
            "condition": f"${{{cancelled}}}",
            "next": [{"to": f"{given_up}.end"}],
        }
        nodes[f"{given_up}.end"] = {"type": "end"}


def _interrupted(host: str, variable: str) -> Nodes:
    return {
        f"{host}.cut": {
            "type": "boundary",
            "on": host,
            "condition": f"${{{variable}}}",
            "next": [{"to": f"{host}.gone"}],
        },
        f"{host}.gone": {"type": "end"},
    }


def _scope(first: str) -> str:
    return f"{first}.region"


def _flows(node: dict[str, Any]) -> list[dict[str, Any]]:
    flows = node.get("next", [])
    return [{"to": flow} if isinstance(flow, str) else flow for flow in _listed(flows)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _target(flow: dict[str, Any]) -> str:
    return str(flow["to"])


def _own(inner: Nodes, scope: str) -> Nodes:
    """Give nodes that only the scope has names of their own."""
    names = {"in": f"{scope}.in", "out": f"{scope}.out", "fired": f"{scope}.fired"}
    found: Nodes = {}
    for name, node in inner.items():
        flows = [f | {"to": names.get(f["to"], f["to"])} for f in _flows(node)]
        found[names.get(name, name)] = {**node, **({"next": flows} if flows else {})}
    return found
